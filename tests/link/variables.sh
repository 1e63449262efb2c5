#!/usr/bin/env bash
# Variables that begin with HAKMEM_: those that are read, anywhere in the tree, are known (src/config/variables.h); any other is
# named once by the first process of a tree, and by none that is set-user-id. And HAKMEM_STATS puts out once for a tree on what
# all its processes share, and for each in a file of its own.
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd) build=${HAKMEM_BUILD:?} cc=${CC:-gcc}
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
fail() { printf 'variables: %s\n' "$*" >&2; cat "$work/out" >&2; exit 1; }
unset LD_PRELOAD "${!HAKMEM_@}"

table=$({ grep -oE '"HAKMEM_[A-Z0-9_]+"' "$tree/src/config/variables.h" | tr -d '"' | grep -vx HAKMEM_
  sed -n 's/^HAKMEM_[A-Z]*(\([A-Z0-9_]*\),.*/HAKMEM_\1/p' "$tree/src/config/variables.def"; })
known() { grep -qxF "$1" <<<"$table" || { : >"$work/out"; fail "$1 is read by $2 and not in src/config/variables.{def,h}"; }; }
while IFS=: read -r file name; do known "${name//\"/}" "$file"; done \
  < <(cd "$tree" && grep -roE '"HAKMEM_[A-Z0-9_]+"' src --include='*.cc' --include='*.h' | grep -v '"HAKMEM_"' | grep -v '^src/config/')
while IFS=: read -r file name; do known "HAKMEM_${name#*HAKMEM_}" "$file"; done \
  < <(cd "$tree" && grep -roE '\$\{?HAKMEM_[A-Z0-9_]+' hakmem fuzz/check-fuzzers ci tests --include='*.sh' --include=hakmem 2>/dev/null)
while read -r name; do known "$name" README.md; done < <(grep -oE '^\| `HAKMEM_[A-Z0-9_]+' "$tree/README.md" | tr -d '|` ')

# says COUNT TEXT: TEXT stands COUNT times in what the last program wrote to stderr.
says() { local n; n=$(grep -cF -- "$2" "$work/out" || true); ((n == $1)) || fail "'$2' is there $n times, not $1"; }

for library in libhakmem.so libhakmem-perf.so; do
  preload=LD_PRELOAD=$build/$library
  env HAKMEM_NOPE=1 HAKMEM_=2 HAKMEM_STAT=text HAKMEMORY=3 "$preload" true 2>"$work/out"
  says 1 'hakmem: warning: HAKMEM_NOPE is not a variable that hakmem knows'
  says 1 'HAKMEM_STAT is'
  says 1 'HAKMEM_ is'
  (($(wc -l <"$work/out") == 3)) || fail "$library: more than three lines"
  env HAKMEM_NOPE=1 "$preload" sh -c 'for i in 1 2 3; do sh -c "true; env true"; done; true' 2>"$work/out"
  says 1 HAKMEM_NOPE
  settings=()
  for name in $table; do case $name in *STATS* | *TRACE* | *FILE | *LIMIT*) ;; *) settings+=("$name=0") ;; esac; done
  env "${settings[@]}" "$preload" true 2>"$work/out"
  says 0 'is not a variable'

  # A tree of processes: forked ones, and ones that run other programs.
  family='for i in 1 2 3 4; do (:); bash -c "(:); :"; done; :'
  env HAKMEM_STATS=text "$preload" bash -c "$family" 2>"$work/out"
  says 1 'memory in bytes'
  env HAKMEM_STATS=json HAKMEM_STATS_FILE=fd:3 "$preload" bash -c "$family" 3>"$work/out"
  says 1 '"process":'
  env HAKMEM_STATS=json HAKMEM_STATS_FILE="$work/stats.%p" "$preload" bash -c "$family" 2>"$work/out"
  (($(find "$work" -name 'stats.*' | wc -l) >= 9)) || fail "$library: a process has no file of statistics of its own"
  rm "$work"/stats.*
  # The tree begins where the variable is set: below a program that runs on hakmem without it, each is the first.
  env "$preload" bash -c 'HAKMEM_STATS=text bash -c :; HAKMEM_STATS=text bash -c "bash -c :; :"; :' 2>"$work/out"
  says 2 'memory in bytes'
done

cat >"$work/app.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
int main(void) {
  printf("%d %lu\n", malloc(1) != 0, getauxval(AT_SECURE));
  return 0;
}
C
"$cc" -static -o "$work/app" "$work/app.c" "$build/libhakmem.a"
HAKMEM_NOPE=1 "$work/app" >"$work/said" 2>"$work/out"
says 1 HAKMEM_NOPE
if ((EUID == 0)); then  # only root can make another user's program
  chmod u+s "$work/app"
  HAKMEM_NOPE=1 HAKMEM_STATS=text setpriv --reuid=65534 --regid=65534 --clear-groups "$work/app" >"$work/said" 2>"$work/out"
  if [[ $(<"$work/said") == '1 1' ]]; then says 0 hakmem; else says 1 HAKMEM_NOPE; fi  # 1 0: mounted nosuid
fi
