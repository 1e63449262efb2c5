# clang++: the same sources as for g++, with the integrated assembler and lld's threads.
# shellcheck shell=bash disable=SC2034
needs=(clang++-19 ld.lld-19 awk nm)
witness=(clang++-19 ld.lld-19)

# A copy: someone may edit the tree between the two runs.
prepare() {
  cp -R "$PROGRAMS/../../src" "$PROGRAMS/../../include" "$INPUT"
}

workload() {
  clang++-19 --version | head -n 1
  awk -v count=1 -f "$PROGRAMS/generate_templates.awk" </dev/null >templates.cc
  clang++-19 -std=c++20 -O1 -g -c templates.cc -o templates.o 2>&1
  nm -C --defined-only templates.o | sha256sum
  sha256sum templates.o
  # The source of ours that instantiates the whole allocator.
  clang++-19 -std=c++20 -O0 -g -fno-exceptions -fno-rtti -DHAKMEM_FLAVOUR_HARDENED=1 -I"$INPUT/src" \
    -I"$INPUT/include" -c "$INPUT/src/entry/heap.cc" -o own.o 2>&1
  nm -C own.o | sha256sum
  sha256sum own.o
  clang++-19 --ld-path=ld.lld-19 -Wl,--threads=2 templates.o -o templates 2>&1
  ./templates | sha256sum
  clang++-19 -std=c++20 -O2 -g -Wall -Wextra -flto=thin -pthread --ld-path=ld.lld-19 \
    "$PROGRAMS/handover_threads.cc" -o threads 2>&1
  ./threads 1
  # The analyzer and the AST printer hold far more live objects than code generation does.
  clang++-19 -std=c++20 --analyze -Xclang -analyzer-output=text templates.cc 2>&1 | sha256sum
}
