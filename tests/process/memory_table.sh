#!/usr/bin/env bash
# What is still held of a 1 GiB peak, under this allocator and its peers, as a table in MiB.
# Not a test. Usage: memory_table.sh BUILD_DIRECTORY [PEAK_MIB]
#   freed: at once   one call: 0.6 s and one malloc later   decayed: 1.8 s more with some work
set -euo pipefail
build=${1:?usage: memory_table.sh BUILD_DIRECTORY [PEAK_MIB]}
peak=${2:-1024}
libraries=/usr/lib/$(uname -m)-linux-gnu

printf '%-10s %-7s %6s %6s %9s %8s %8s\n' allocator threads peak freed 'one call' decayed trimmed
row() {
  local mode words
  for mode in exited alive; do
    read -ra words < <(LD_PRELOAD=$2 "$build/tests/process/process_memory" "$peak" "$mode" 2>/dev/null)
    printf '%-10s %-7s %6s %6s %9s %8s %8s\n' "$1" "$mode" "${words[1]}" "${words[3]}" "${words[5]}" \
      "${words[7]}" "${words[9]}"
  done
}
row hardened "$build/libhakmem.so"
row perf "$build/libhakmem-perf.so"
for peer in mimalloc=libmimalloc.so.2 jemalloc=libjemalloc.so.2 tcmalloc=libtcmalloc_minimal.so.4; do
  if [ -e "$libraries/${peer#*=}" ]; then row "${peer%=*}" "$libraries/${peer#*=}"; fi
done
scudo=$(compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-x86_64.so' | sort -V | tail -1) || true
if [ -n "$scudo" ]; then row scudo "$scudo"; fi
row glibc ''
