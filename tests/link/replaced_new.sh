#!/usr/bin/env bash
# Programs that replace some of operator new and delete: our other forms call the replacements exactly as libstdc++'s own
# do, so each program says the same with and without hakmem: preloaded, linked before libstdc++, static, and with the
# replacements in a shared library.
set -euo pipefail
build=$(realpath "${HAKMEM_BUILD:?}") cxx=${CXX:-g++}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { printf 'replaced_new: %s\n' "$*" >&2; exit 1; }

# same WHAT COMMAND...: says what the run without hakmem said.
same() {
  local what=$1
  shift
  "$@" >said 2>&1 || fail "$what: ended with $?: $(tail -n 3 said)"
  diff wanted said >difference || fail "$what: $(head -n 20 difference)"
}

sets=("" "-DREPLACE_PLAIN" "-DREPLACE_ARRAY" "-DREPLACE_ALIGNED" "-DREPLACE_PLAIN -DREPLACE_ARRAY"
  "-DREPLACE_PLAIN -DREPLACE_ALIGNED" "-DREPLACE_ARRAY_ALIGNED"
  "-DREPLACE_PLAIN -DREPLACE_ARRAY -DREPLACE_ALIGNED -DREPLACE_ARRAY_ALIGNED")
"$cxx" -std=c++17 -O1 -w -DCALLS -c "$here/replaced_new.cc" -o calls.o
for set in "${sets[@]}"; do
  read -ra defines <<<"$set"
  "$cxx" -std=c++17 -O1 -w "${defines[@]}" -c "$here/replaced_new.cc" -o program.o
  "$cxx" -std=c++17 -O1 -w -fPIC -shared -DLIBRARY "${defines[@]}" "$here/replaced_new.cc" -o libreplaces.so
  "$cxx" program.o -o plain
  "$cxx" calls.o -o by_library -L. -lreplaces -Wl,-rpath,"$work"
  ./plain >wanted
  [[ $(grep -c . wanted) == 37 ]] || fail "the program itself said: $(cat wanted)"
  for name in hakmem hakmem-perf; do
    same "$name preloaded, $set" env LD_PRELOAD="$build/lib$name.so" ./plain
    "$cxx" program.o -o linked -L"$build" "-l$name" -Wl,-rpath,"$build"
    same "$name linked, $set" ./linked
    "$cxx" calls.o -o linked -L. -lreplaces -L"$build" "-l$name" -Wl,-rpath,"$work:$build"
    same "$name linked behind a library, $set" ./linked
    "$cxx" -static program.o "$build/lib$name.a" -o static
    same "$name static, $set" ./static
  done
done
