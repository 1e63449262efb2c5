#!/usr/bin/env bash
# Tests run.sh: it passes an honest allocator, and fails with the right message for each defect.
# Why: every other test of this folder compares two runs, so a runner that compares nothing would pass all.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
temp=$(mktemp -d "${TMPDIR:-/tmp}/hakmem-selftest.XXXXXX")
trap 'rm -rf "$temp"' EXIT
failures=0

# expect NAME MESSAGE LIBRARY SCRIPT: MESSAGE is a part of what run.sh says; "passed" also means exit status 0.
expect() {
  local name=$1 message=$2 library=$3 script=$4 status=0 wanted=1
  HAKMEM_SO=$library "$here/run.sh" "$script" >"$temp/said" 2>&1 || status=$?
  case $message in passed*) wanted=0 ;; esac
  if [ "$status" = "$wanted" ] && grep -aqF -- "$message" "$temp/said"; then
    printf 'ok %s\n' "$name"
  else
    failures=$((failures + 1))
    printf 'NOT OK %s: exit status %s (expected %s), no "%s" in:\n' "$name" "$status" "$wanted" "$message"
    cat "$temp/said"
  fi
}

# library_with DEFECT: prints the path of the stand-in with that defect.
library_with() {
  cc -shared -fPIC -O1 -fno-builtin -Wall -Wextra "-DDEFECT_$1" "$here/selftest/wrapper.c" -o "$temp/$1.so" -ldl
  printf '%s' "$temp/$1.so"
}

# script NAME NEEDS WITNESS BODY: writes a workload script and prints its path.
script() {
  printf 'needs=(%s)\nwitness=(%s)\nlimit=5\nworkload() {\n%s\n}\n' "$2" "$3" "$4" >"$temp/$1.sh"
  printf '%s' "$temp/$1.sh"
}

cc -O1 -fno-builtin "$here/selftest/client.c" -o "$temp/client"
cc -O1 -fno-builtin -static "$here/selftest/client.c" -o "$temp/static_client"
honest=$(library_with NONE)
client=$(script client '' client "$temp/client")

expect honest 'passed client' "$honest" "$client"
expect no_library 'HAKMEM_SO is not a file' "$temp/nowhere.so" "$client"
expect library_of_another_kind 'did not run on' "$(library_with NOT_AN_ALLOCATOR)" "$client"
expect incomplete_family 'mixed:malloc_usable_size' "$(library_with INCOMPLETE_FAMILY)" "$client"
expect corrupt_realloc 'output differs' "$(library_with CORRUPT_REALLOC)" "$client"
expect abort '+exit status 134' "$(library_with ABORT)" "$client"
expect hang 'the preloaded run took longer than 5 s' "$(library_with HANG)" "$client"
expect report 'the allocator reported' "$(library_with REPORTS)" "$client"
expect no_program 'program not installed: no_such_program' "$honest" "$(script a no_such_program '' 'echo 1')"
expect program_not_run 'client did not run on' "$honest" "$(script b '' client 'echo 1')"
expect static_program 'static_client did not run on' "$honest" "$(script c '' static_client "$temp/static_client")"
expect dropped_preload 'client did not run on' "$honest" "$(script d '' client "env -u LD_PRELOAD $temp/client")"
expect failing_workload 'does not succeed under glibc' "$honest" "$(script e '' '' 'echo 1; false; echo 2')"
expect silent_workload 'printed nothing' "$honest" "$(script f '' '' ':')"
# shellcheck disable=SC2016
expect unstable_output 'output differs' "$honest" "$(script g '' '' 'echo $BASHPID; date +%N')"
expect stray_process 'used another malloc' "$honest" \
  "$(script h '' client "$temp/client; LD_PRELOAD=\${LD_PRELOAD%% *} $temp/client")"
expect no_script 'no such script' "$honest" "$temp/none.sh"

[ "$failures" = 0 ] || { printf '%s of the cases failed\n' "$failures"; exit 1; }
