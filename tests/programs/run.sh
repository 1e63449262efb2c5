#!/usr/bin/env bash
# Runs one workload under glibc, then under each allocator of $HAKMEM_SO, and fails unless all said the same.
# Usage: HAKMEM_SO=<library>[:<library>...] run.sh NN_name.sh     KEEP_TEMP=1 keeps the directory with all captures.
# A workload script defines: needs=(commands) witness=(commands or executables that must have run on the
# allocator), workload(), and optionally prepare() (once, under glibc, fills $INPUT), normalise() (a filter over the
# output; only for timings, pids and addresses) and limit (seconds per run).
# Compared: standard output and exit status, byte for byte. Also a failure: glibc's run not ending in 0,
# nothing printed, a line of stderr or stdout starting with "hakmem:", a witness that did not resolve the
# malloc family to the library, a missing program, a run over its time limit.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=$(basename "${1:?usage: HAKMEM_SO=<library>[:<library>...] run.sh NN_name.sh}" .sh)
case $1 in */*) script=$(realpath -m "$1") ;; *) script=$here/$name.sh ;; esac
temp=$(mktemp -d "${TMPDIR:-/tmp}/hakmem-programs.XXXXXX")
trap '[ -n "${KEEP_TEMP:-}" ] || rm -rf "$temp"' EXIT
trap 'exit 129' HUP INT TERM
unset LD_PRELOAD
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin  # the system's programs, no wrappers

fail() {
  printf 'FAILED %s%s: %s\n' "$name" "${library:+ on ${library##*/}}" "$1"
  shift
  for file in "$@"; do
    printf -- '--- last lines of %s\n' "$(basename "$file")"
    tail -n 30 "$file"
  done
  [ -z "${KEEP_TEMP:-}" ] || printf 'kept: %s\n' "$temp"
  exit 1
}

# in_workload MODE PRELOAD FUNCTION...: calls the functions of the script in an environment of its own.
# Both modes use one path for the working directory, because programs print and embed it.
in_workload() {
  local mode=$1 preload=$2 settings=() variable
  shift 2
  # Settings of the allocator reach it, so that the same workloads can test any of its configurations.
  if [ "$mode" != plain ]; then
    while read -r variable; do settings+=("$variable=${!variable}"); done < <(compgen -e HAKMEM_)
  fi
  rm -rf "${temp:?}/work" "${temp:?}/home"
  mkdir -p "$temp/work" "$temp/home" "$temp/input"
  # shellcheck disable=SC2016
  (cd "$temp/work" && exec timeout -k 5 "${limit:-240}" env -i "${settings[@]}" \
    PATH="$PATH" HOME="$temp/home" LC_ALL=C.UTF-8 TZ=UTC TMPDIR="$temp/work" \
    INPUT="$temp/input" PROGRAMS="$here" PROGRAMS_WITNESS="$temp/$mode.witness" LD_PRELOAD="$preload" \
    bash -euo pipefail -c 'script=$1; shift; source "$script"; for step; do "$step"; done' \
    "$name" "$script" "$@")
}

run_once() {
  local mode=$1 preload=$2 status=0
  in_workload "$mode" "$preload" workload >"$temp/$mode.raw" 2>"$temp/$mode.stderr" || status=$?
  normalise <"$temp/$mode.raw" >"$temp/$mode.stdout"
  printf 'exit status %s\n' "$status" >>"$temp/$mode.stdout"
  case $status in
    124 | 137) fail "the $mode run took longer than ${limit:-240} s" "$temp/$mode.stdout" "$temp/$mode.stderr" ;;
  esac
}

check_baseline() {
  [ "$(tail -n 1 "$temp/plain.stdout")" = 'exit status 0' ] ||
    fail 'the workload does not succeed under glibc' "$temp/plain.stdout" "$temp/plain.stderr"
  [ -s "$temp/plain.raw" ] || fail 'the workload printed nothing: there is nothing to compare'
}

check_same_output() {
  diff -a -u --label glibc --label preloaded "$temp/plain.stdout" "$temp/preloaded.stdout" \
    >"$temp/diff" || fail "output differs: $(head -c 6000 "$temp/diff" | cat -v)" "$temp/preloaded.stderr"
  local reports
  reports=$(grep -a '^hakmem:' "$temp/preloaded.stderr" "$temp/preloaded.raw" | head -n 20) || true
  [ -z "$reports" ] || fail "the allocator reported: $reports"
}

# The name that /proc/self/exe has for a command: many are links (python3, ld, redis-server).
executable_of() {
  local path
  if path=$(command -v "$1"); then basename "$(readlink -f "$path")"; else echo "$1"; fi
}

# Requires: both runs done. Every process of the preloaded run was on the allocator, none of the other.
check_witnesses() {
  local command executable stray
  touch "$temp/plain.witness" "$temp/preloaded.witness"
  for command in bash "${witness[@]}"; do
    executable=$(executable_of "$command")
    grep -qxF "$executable $library" "$temp/preloaded.witness" ||
      fail "$executable did not run on $library: $(sort -u "$temp/preloaded.witness")"
    grep -q "^$executable " "$temp/plain.witness" || fail "$executable left no trace under glibc"
  done
  stray=$(grep -vF " $library" "$temp/preloaded.witness" | sort -u) || true
  [ -z "$stray" ] || fail "processes of the preloaded run used another malloc: $stray"
  if grep -qF " $library" "$temp/plain.witness"; then fail 'the glibc run used the allocator'; fi
}

needs=()
witness=()
library=
normalise() { cat; }
[ -r "$script" ] || fail "no such script: $script"
# shellcheck source=/dev/null
source "$script"
IFS=: read -ra libraries <<<"${HAKMEM_SO:?HAKMEM_SO names the libraries to test}"
for at in "${!libraries[@]}"; do
  libraries[at]=$(realpath -e "${libraries[at]}") || fail 'HAKMEM_SO is not a file'
done
for program in cc "${needs[@]}"; do
  command -v "$program" >/dev/null || fail "program not installed: $program (see ci/packages.txt)"
done
cc -shared -fPIC -O1 -Wall -Wextra -o "$temp/witness.so" "$here/witness.c"
if declare -F prepare >/dev/null; then
  in_workload plain '' prepare >"$temp/prepare.log" 2>&1 || fail 'prepare failed' "$temp/prepare.log"
fi
run_once plain "$temp/witness.so"
check_baseline
for library in "${libraries[@]}"; do
  rm -f "$temp/preloaded.witness"
  run_once preloaded "$temp/witness.so $library"
  check_same_output
  check_witnesses
  printf 'passed %s: %s lines of output the same, %s processes on %s\n' "$name" \
    "$(wc -l <"$temp/plain.stdout")" "$(wc -l <"$temp/preloaded.witness")" "$(basename "$library")"
done
