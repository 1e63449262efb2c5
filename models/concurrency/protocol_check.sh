#!/usr/bin/env bash
# The Promela model of remote frees, thread exit, adoption and scavenging, checked by Spin: safety with all interleavings, then
# liveness under weak fairness; and each mutant of the model must be caught. Prints states and verdicts.
# usage: protocol_check.sh WORK_DIRECTORY
set -euo pipefail
model=$(cd "$(dirname "$0")" && pwd)/protocol.pml
mkdir -p "$1" && cd "$1"

# verify NAME DEFINES PAN_OPTIONS CC_OPTIONS...: builds a checker and runs it; its report is in NAME.out. -O0: it runs for two seconds
# at most, and is as long in the compiler at -O2.
verify() {
  local name=$1 defines=$2 options=$3; shift 3
  mkdir -p "$name"
  (cd "$name" && spin $defines -a "$model" >/dev/null && gcc -O0 -w "$@" -o pan pan.c && ./pan $options) >"$name.out" 2>&1
  if ! grep -q '^State-vector' "$name.out"; then cat "$name.out"; echo "FAILED: $name did not run"; exit 1; fi
  # A search that was cut short says nothing.
  if grep -q 'Search not completed\|max search depth too small\|out of memory' "$name.out" &&
    ! grep -q 'errors: [1-9]' "$name.out"; then echo "FAILED: $name was not completed"; exit 1; fi
}
states() { awk '/states, stored/ { print $1 }' "$1.out"; }
errors() { sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$1.out"; }

status=0
clean() {
  if [[ $(errors "$1") == 0 ]]; then echo "ok: $1: $(states "$1") states, no error"
  else echo "FAILED: $1"; cat "$1.out"; status=1; fi
}
caught() {
  if [[ $(errors "$1") != 0 ]]; then echo "ok: $1: caught, $(grep -o 'pan:[0-9]*: .*' "$1.out" | head -1)"
  else echo "FAILED: $1 was not noticed"; status=1; fi
}

freers=${HAKMEM_SPIN_FREERS:-3}
verify safety "-DFREERS=$freers" "-m100000" -DSAFETY -DNOCLAIM -DVECTORSZ=2048
clean safety
verify liveness "-DFREERS=$freers" "-a -f -m1000000" -DVECTORSZ=2048 -DNFAIR=4
clean liveness
for mutant in 1 2 3 4 5 6 7; do
  verify "mutant_$mutant-safety" "-DFREERS=2 -DMUTANT=$mutant" "-m100000" -DSAFETY -DNOCLAIM -DVECTORSZ=2048
  if [[ $(errors "mutant_$mutant-safety") != 0 ]]; then caught "mutant_$mutant-safety"; continue; fi
  verify "mutant_$mutant-liveness" "-DFREERS=2 -DMUTANT=$mutant" "-a -f -m1000000" -DVECTORSZ=2048 -DNFAIR=4
  caught "mutant_$mutant-liveness"
done
exit $status
