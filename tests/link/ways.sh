#!/usr/bin/env bash
# The ways in which programs are linked: each links, runs, and its malloc is hakmem's alone.
#   archive: static, static-pie, dynamic, whole-archive, --gc-sections, one object (ld -r), gold, lld, icf, LTO, each flavour
#   shared library: gold, lld, LTO, --gc-sections, --as-needed, static libstdc++ and libgcc
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd) build=${HAKMEM_BUILD:?} cc=${CC:-gcc} cxx=${CXX:-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'ways: %s\n' "$*" >&2; cat "$work/log" >&2; exit 1; }
lld=$(command -v ld.lld-19) || fail "no ld.lld-19"
command -v ld.gold >/dev/null || fail "no ld.gold"
mkdir "$work/bin"
ln -s "$lld" "$work/bin/ld.lld"  # GCC looks for it by this name

cat >"$work/app.cc" <<'CC'
#include <hakmem/hakmem.h>
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <thread>

namespace {
bool ours(void* block) { return hak_usable_size(block) == malloc_usable_size(block) && hak_page_of(block, nullptr) != nullptr; }
}  // namespace

int main() {
  void* const block = std::malloc(600);
  void* const zeroed = std::calloc(10, 60);
  char* const copied = strdup("text");
  std::string* const object = new std::string(100, 'x');
  bool all = ours(block) && ours(zeroed) && ours(copied) && ours(object);
  std::thread([&] { std::free(block); all = all && ours(strdup("of a thread")); }).join();
  bool caught = false;
  try {
    void* volatile unused = ::operator new(std::size_t{1} << 62);
    (void)unused;
  } catch (const std::bad_alloc&) {
    caught = true;
  }
  delete object;
  std::free(zeroed);
  std::printf("%d %d %s\n", all, caught, hak_flavour());
}
CC

# way NAME FLAVOUR OPTION...
way() {
  local name=$1 flavour=$2 said
  shift 2
  "$cxx" -B"$work/bin" -std=c++20 -pthread -I"$tree/include" -o "$work/app" "$@" >"$work/log" 2>&1 || fail "$name: does not link"
  said=$(LD_LIBRARY_PATH=$build HAKMEM_STATS=text "$work/app" 2>"$work/log") || fail "$name: ended with $?"
  [[ $said == "1 1 $flavour" ]] || fail "$name: said '$said', want '1 1 $flavour'"
  grep -q 'memory in bytes' "$work/log" || fail "$name: no statistics at exit"
  if nm "$work/app" 2>/dev/null | grep -qE ' (main_arena|_int_malloc)$'; then fail "$name: holds libc's malloc, too"; fi
}

"$cxx" -std=c++20 -I"$tree/include" -ffunction-sections -fdata-sections -c -o "$work/app.o" "$work/app.cc"
app=$work/app.o
for pair in libhakmem.a=hardened libhakmem-perf.a=perf; do
  archive=$build/${pair%=*} flavour=${pair#*=}
  way "$flavour: static" "$flavour" -static "$app" "$archive"
  way "$flavour: dynamic" "$flavour" "$app" "$archive"
  way "$flavour: gold" "$flavour" -fuse-ld=gold "$app" "$archive" -Wl,--gc-sections -Wl,--icf=all
  way "$flavour: static with lld" "$flavour" -fuse-ld=lld -static "$app" "$archive" -Wl,--gc-sections -Wl,--icf=all
  way "$flavour: lto" "$flavour" -O2 -flto "$work/app.cc" "$archive"
  [[ $flavour == hardened ]] || continue  # the archives differ in the code, not in what a linker sees
  way "$flavour: static-pie" "$flavour" -static-pie -fPIE "$work/app.cc" "$archive"
  way "$flavour: not pie" "$flavour" -no-pie "$app" "$archive"
  way "$flavour: whole archive" "$flavour" "$app" -Wl,--whole-archive "$archive" -Wl,--no-whole-archive
  way "$flavour: gc-sections" "$flavour" -static "$app" "$archive" -Wl,--gc-sections
  way "$flavour: lld" "$flavour" -fuse-ld=lld "$app" "$archive" -Wl,--gc-sections -Wl,--icf=all
  ld -r -o "$work/one.o" --whole-archive "$archive"
  way "$flavour: one object" "$flavour" "$app" "$work/one.o"
  way "$flavour: static, one object" "$flavour" -static "$app" "$work/one.o" -Wl,--gc-sections
done
for pair in hakmem=hardened hakmem-perf=perf; do
  shared=(-L"$build" "-l${pair%=*}") flavour=${pair#*=}
  way "$flavour: shared" "$flavour" "$app" "${shared[@]}" -Wl,--as-needed -Wl,--gc-sections
  way "$flavour: shared, gold" "$flavour" -fuse-ld=gold "$app" "${shared[@]}" -Wl,--icf=all
  way "$flavour: shared, lld" "$flavour" -fuse-ld=lld "$app" "${shared[@]}" -Wl,--icf=all
  way "$flavour: shared, lto" "$flavour" -O2 -flto "$work/app.cc" "${shared[@]}"
  way "$flavour: shared, static libstdc++" "$flavour" -static-libstdc++ -static-libgcc "$app" "${shared[@]}"
done

# hakmem's own sources, all in one link-time optimisation, static.
for source in "$tree"/src/*/*.cc; do
  case $source in *_shared.cc) continue ;; *override_new*) exceptions=-fexceptions ;; *) exceptions=-fno-exceptions ;; esac
  printf '%s\0' "$exceptions" "$source" "$work/lto_$(basename "$source" .cc).o"
done | xargs -0 -n 3 -P 2 sh -c '"$0" -std=c++20 -O1 -flto -fno-rtti -fvisibility=hidden -ftls-model=initial-exec \
  -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free -DHAKMEM_FLAVOUR_HARDENED=1 \
  -I"$1/src" -I"$1/include" "$2" -c "$3" -o "$4"' "$cxx" "$tree" 2>"$work/log" || fail "lto of hakmem itself: does not compile"
way 'lto of hakmem itself' hardened -O1 -flto -static "$app" "$work"/lto_*.o
