# g++: a source of ours and a generated program full of templates, compiled, linked (also with LTO), run.
# shellcheck shell=bash disable=SC2034
needs=(g++ awk nm)
witness=(g++ cc1plus as ld lto1)

# A copy: someone may edit the tree between the two runs.
prepare() {
  cp -R "$PROGRAMS/../../src" "$PROGRAMS/../../include" "$INPUT"
}

workload() {
  g++ --version | head -n 1
  awk -v count=1 -f "$PROGRAMS/generate_templates.awk" </dev/null >templates.cc
  g++ -std=c++20 -O1 -g -c templates.cc -o templates.o 2>&1
  nm -C --defined-only templates.o | sha256sum
  sha256sum templates.o
  # The source of ours that instantiates the whole allocator.
  g++ -std=c++20 -O0 -g -fno-exceptions -fno-rtti -DHAKMEM_FLAVOUR_HARDENED=1 -I"$INPUT/src" \
    -I"$INPUT/include" -c "$INPUT/src/entry/heap.cc" -o own.o 2>&1
  nm -C own.o | sha256sum
  sha256sum own.o
  g++ templates.o -o templates && ./templates | sha256sum
  cp "$PROGRAMS/handover_threads.cc" .
  g++ -std=c++20 -O2 -g -Wall -Wextra -flto=2 -frandom-seed=1 -pthread handover_threads.cc -o threads 2>&1
  ./threads 1
  g++ -std=c++20 -E -dM "$PROGRAMS/handover_threads.cc" | sort | sha256sum
}
