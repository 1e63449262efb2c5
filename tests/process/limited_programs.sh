#!/usr/bin/env bash
# Programs that know nothing of the allocator start and work under limits of the address space, and
# end as they do without it when even glibc cannot help: never by a signal.
# Usage: HAKMEM_SO=<library> limited_programs.sh
set -euo pipefail
unset LD_PRELOAD

commands=(
  'python3 -c print(sum(range(1000)))'
  'perl -e print(join(",",map{$_*2}1..9))'
  'git --version'
  'ls /'
)
for mib in 64 128 256 1024 8192 65536; do
  for command in "${commands[@]}"; do
    read -ra words <<<"$command"
    expected=$(ulimit -v $((mib * 1024)); "${words[@]}")
    got=$(ulimit -v $((mib * 1024)); LD_PRELOAD=$HAKMEM_SO "${words[@]}") || {
      echo "FAILED under $mib MiB: $command: status $?"
      exit 1
    }
    [ "$got" = "$expected" ] || { echo "FAILED under $mib MiB: $command: printed $got"; exit 1; }
  done
done
# Not even Python's start fits: an orderly MemoryError, as with glibc.
status=0
(ulimit -v $((64 * 1024)); LD_PRELOAD=$HAKMEM_SO python3 -c 'b = "x" * 100000000') 2>/dev/null || status=$?
[ "$status" = 1 ] || { echo "FAILED: a MemoryError of Python ended in status $status"; exit 1; }
