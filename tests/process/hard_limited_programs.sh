#!/usr/bin/env bash
# Programs that know nothing of the allocator under HAKMEM_LIMIT_HARD: they work when it suffices,
# and when it does not they get NULL, MemoryError or bad_alloc, and end as they choose: never by a
# signal.
# Usage: HAKMEM_SO=<library> CXX=<compiler> hard_limited_programs.sh
set -euo pipefail
unset LD_PRELOAD
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
limited() { HAKMEM_LIMIT_HARD=$1 LD_PRELOAD=$HAKMEM_SO "${@:2}"; }
fail() { echo "FAILED: $*"; exit 1; }
# expect STATUS LIMIT COMMAND...: standard error goes to $work/error
expect() {
  local status=0
  limited "${@:2}" >"$work/out" 2>"$work/error" || status=$?
  [ "$status" = "$1" ] || fail "status $status, not $1: ${*:2}: $(tail -n 3 "$work/error")"
}

expect 0 64M python3 -c 'print(sum(range(1000)))'
expect 1 64M python3 -c 'b = bytearray(100 << 20)'
grep -q '^MemoryError' "$work/error" || fail "python3 without MemoryError"
# A MemoryError in the middle, and the program goes on: memory that is given up can be had again.
expect 0 64M python3 -c '
def fill():
    kept = []
    try:
        while True: kept.append("x" * 1000 + str(len(kept)))
    except MemoryError:
        n = len(kept); del kept
        return n
first = fill(); second = fill()
assert first > 10000 and second > first // 2, (first, second)'

cat >"$work/new.cc" <<'CC'
#include <cstdio>
#include <new>
#include <vector>
int main() {
  std::vector<char*> blocks;
  blocks.reserve(100000);
  try {
    for (;;) blocks.push_back(new char[5000]);
  } catch (const std::bad_alloc&) {
  }
  if (new (std::nothrow) char[64 << 20] != nullptr) return 2;
  const std::size_t n = blocks.size();
  for (char* p : blocks) delete[] p;
  char* const again = new char[16 << 20];
  std::printf("%zu\n", n);
  delete[] again;
  return n > 3000 && n < 6500 ? 0 : 3;
}
CC
"$CXX" -O0 -o "$work/new" "$work/new.cc"
expect 0 32M "$work/new"
printf '#include <vector>\nint main() { std::vector<char> v(64 << 20); return v[5]; }\n' >"$work/big.cc"
# An uncaught bad_alloc is the program's own end.
"$CXX" -O0 -o "$work/big" "$work/big.cc"
expect 134 32M bash -c '"$1"; exit $?' - "$work/big"
grep -q 'std::bad_alloc' "$work/error" || fail "no std::bad_alloc"

# A compiler that runs out says so itself; one that has enough compiles.
printf '#include <iostream>\nint main() { std::cout << 42; }\n' >"$work/hello.cc"
expect 0 1G g++ -c -o "$work/hello.o" "$work/hello.cc"
status=0
limited 6M g++ -c -o "$work/hello.o" "$work/hello.cc" >"$work/out" 2>"$work/error" || status=$?
[ "$status" != 0 ] && [ "$status" -lt 128 ] || fail "g++ under 6 MiB: status $status"
grep -q 'out of memory\|bad_alloc\|cannot allocate\|Cannot allocate\|virtual memory exhausted' "$work/error" ||
  fail "g++ under 6 MiB says: $(head -n 3 "$work/error")"

expect 0 cgroup ls /
expect 0 256M perl -e 'print join(",", map { $_ * 2 } 1 .. 9)'
expect 0 256M git --version
echo "programs under HAKMEM_LIMIT_HARD end in order"
