#!/usr/bin/env bash
# The allocator beside other tools: valgrind, core dumps, a second allocator.
# Usage: HAKMEM_SO=<library> HAKMEM_OTHER=<the other flavour's> HAKMEM_STATIC=<libhakmem.a> CXX=... tools.sh
set -euo pipefail
unset LD_PRELOAD
temp=$(mktemp -d "${TMPDIR:-/tmp}/hakmem-process.XXXXXX")
trap 'rm -rf "$temp"' EXIT

fail() {
  echo "FAILED: $1"
  exit 1
}

# Both flavours at once: the first serves, the second is there and idle.
for both in "$HAKMEM_SO $HAKMEM_OTHER" "$HAKMEM_OTHER $HAKMEM_SO"; do
  got=$(LD_PRELOAD=$both python3 -c 'print(len([str(i) for i in range(100000)]))') || fail "preload of $both"
  [ "$got" = 100000 ] || fail "preload of $both: printed $got"
done

# A program with the allocator linked in, and preloaded as well.
cat >"$temp/program.cc" <<'CODE'
#include <string>
#include <thread>
#include <vector>
int main() {
  std::vector<std::string> words;
  for (int i = 0; i < 10000; ++i) words.emplace_back(100, 'x');
  std::thread([&] { words.clear(); }).join();
  return words.empty() ? 0 : 1;
}
CODE
"$CXX" -std=c++20 -O1 "$temp/program.cc" "$HAKMEM_STATIC" -o "$temp/program" -pthread
"$temp/program" || fail 'linked with the static library'
LD_PRELOAD=$HAKMEM_SO "$temp/program" || fail 'linked with the static library, and preloaded'

# In a set-user-id program no setting from the environment counts.
if [ "$(id -u)" = 0 ]; then
  obeyed=$(HAKMEM_SO_V3_STATS=1 HAKMEM_STATS=text "$temp/program" 2>&1)
  [[ $obeyed = *memory\ in\ bytes* ]] || fail 'statistics on memory on request'
  [[ $obeyed = *SMALL_HEAP_V3_STATS* ]] || fail 'statistics on request'
  chmod 755 "$temp"
  secure=$(HAKMEM_SO_V3_STATS=1 HAKMEM_STATS=text HAKMEM_STATS_FILE=fd:1 HAKMEM_TINY_HEAP_PROFILE=nonsense perl -e '$< = 65534; exec @ARGV' "$temp/program" 2>&1)
  [ -z "$secure" ] || fail "a set-user-id program obeyed its environment: $secure"
fi

# A core holds what the program has, not what the allocator has reserved.
cat >"$temp/crash.cc" <<'CODE'
#include <cstdlib>
#include <cstring>
int main() {
  for (int i = 0; i < 1000; ++i) std::memset(std::malloc(10000), 1, 10000);
  std::abort();
}
CODE
if [ "$(cat /proc/sys/kernel/core_pattern)" = core ]; then
  "$CXX" -std=c++20 -O0 "$temp/crash.cc" -o "$temp/crash"
  (cd "$temp" && ulimit -c $((200 * 1024)) && LD_PRELOAD=$HAKMEM_SO ./crash) 2>/dev/null || true
  core=$(find "$temp" -name 'core*' -size +1M | head -n 1)
  [ -n "$core" ] || fail 'no core'
  bytes=$(stat -c %s "$core")
  blocks=$(($(stat -c %b "$core") * 512))
  echo "core: $((bytes >> 20)) MiB, $((blocks >> 20)) MiB on disk, of a heap of 10 MiB"
  [ "$bytes" -lt $((100 << 20)) ] || fail "the core has $bytes bytes"
fi

if command -v valgrind >/dev/null; then
  for tool in none memcheck; do
    # memcheck's own needs are bounded, or a record of a whole arena would take the machine's memory.
    (ulimit -v $((16 << 20)); LD_PRELOAD=$HAKMEM_SO valgrind -q --tool=$tool --error-exitcode=3 "$temp/program") ||
      fail "valgrind --tool=$tool"
  done
fi
