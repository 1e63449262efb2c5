#!/usr/bin/env bash
# Installs into a fresh prefix and builds a program against it three ways: find_package, pkg-config, and -static.
# Each program states hakmem's version and shows that its malloc is hakmem's, so that glibc's cannot pass.
set -euo pipefail
build=${HAKMEM_BUILD:?} cxx=${CXX:-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

cmake --install "$build" --prefix "$work/prefix" >/dev/null

cat >"$work/app.cc" <<'CC'
#include <hakmem/hakmem.h>
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

int main() {
  std::vector<std::string> words(1000, std::string(100, 'x'));
  void* block = std::malloc(600);
  if (hak_usable_size(block) < 600 || hak_usable_size(block) != malloc_usable_size(block)) return 1;
  std::free(block);
  std::printf("%s %zu\n", hak_version(), words.size());
}
CC
cat >"$work/CMakeLists.txt" <<'CM'
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES CXX)
find_package(hakmem 0.1 REQUIRED)
foreach(library IN ITEMS hakmem perf static perf_static)
  add_executable(app_${library} app.cc)
  target_link_libraries(app_${library} PRIVATE hakmem::${library})
endforeach()
CM

# check PROGRAM FLAVOUR [LIBRARY]: prints the flavour, and a dynamic one loads LIBRARY of the prefix.
check() {
  local said; said=$("$1") || fail "$1 ended with $?"
  [[ $said == hakmem-*"/$2 1000" ]] || fail "$1 said '$said', want flavour $2"
  [[ -z ${3-} || $(ldd "$1") == *"=> $work/prefix/"*"$3"* ]] || fail "$1 does not load $3 of the prefix"
}

cmake -S "$work" -B "$work/app" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$cxx" >/dev/null
cmake --build "$work/app" >/dev/null
check "$work/app/app_hakmem" hardened libhakmem.so.
check "$work/app/app_perf" perf libhakmem-perf.so.
check "$work/app/app_static" hardened
check "$work/app/app_perf_static" perf

PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name hakmem.pc)")
libdir=$(dirname "$(find "$work/prefix" -name libhakmem.a)")
export PKG_CONFIG_PATH
for name in hakmem hakmem-perf; do
  flavour=hardened
  [[ $name == hakmem ]] || flavour=perf
  flags=$(pkg-config --cflags --libs "$name") || fail "pkg-config does not find $name"
  read -ra flags <<<"$flags"
  "$cxx" -o "$work/pc_$name" "$work/app.cc" "${flags[@]}" -Wl,-rpath,"$libdir"
  check "$work/pc_$name" "$flavour" "lib$name.so."
  "$cxx" -static -o "$work/static_$name" "$work/app.cc" "-I$work/prefix/include" "$libdir/lib$name.a"
  check "$work/static_$name" "$flavour"
done
