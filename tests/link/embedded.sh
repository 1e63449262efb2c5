#!/usr/bin/env bash
# hakmem as a part of another project (add_subdirectory, which is what FetchContent does): its own tests are not built, and the
# project's compile flags, under which hakmem's sources may warn, do not stop the build. As the top-level project they do.
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd) cc=${CC:-gcc} cxx=${CXX:-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'embedded: %s\n' "$*" >&2; cat "$work/log" >&2; exit 1; }

cat >"$work/CMakeLists.txt" <<CM
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES C CXX)
add_subdirectory("$tree" hakmem)
add_executable(app app.cc)
target_link_libraries(app PRIVATE hakmem::static)
CM
echo 'int main() {}' >"$work/app.cc"

# One source is enough: every one gets the same flags.
build() {  # build SOURCE_DIRECTORY BINARY_DIRECTORY OPTION...
  local source=$1 binary=$2 object
  shift 2
  cmake -S "$source" -B "$binary" -G Ninja -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" \
    -DCMAKE_CXX_FLAGS='-Wpadded' "$@" >"$work/log" 2>&1 || return
  object=$(ninja -C "$binary" -t targets all | sed -n 's/^\(.*hardened_core_objects.*report\.cc\.o\):.*/\1/p')
  [[ -n $object ]] || { echo "no object of report.cc in $binary" >>"$work/log"; return 1; }
  ninja -C "$binary" "$object" >>"$work/log" 2>&1
}
build "$work" "$work/embedded" || fail "a project that hakmem is a part of does not build"
grep -q 'warning: ' "$work/log" || fail "the project's flags are not used: this test shows nothing"
if ninja -C "$work/embedded" -t targets all | grep -q '_test:'; then fail "hakmem's tests are a part of the project"; fi
if build "$tree" "$work/alone" -DHAKMEM_TESTS=OFF; then fail "warnings do not stop hakmem's own build"; fi
grep -q 'Werror' "$work/log" || fail "hakmem's own build fails for another reason"
