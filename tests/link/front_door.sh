#!/usr/bin/env bash
# The front door in a tree and a PATH of this test's own: stand-ins for apt-get, dpkg-query, CMake and the scripts behind the
# commands write down that they were called. Nothing is installed, built or asked of a network.
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd) built=${HAKMEM_BUILD:?}
work=$(mktemp -d)
chmod 755 "$work"
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
fail() { printf 'front_door: %s\n' "$*" >&2; sed 's/^/  | /' "$work/out" >&2; exit 1; }
as_root=()
((EUID == 0)) || as_root=(unshare -r)

# ---- the tree and the stand-ins ------------------------------------------------------------------------------------------

root=$work/tree door=$work/tree/hakmem calls=$work/calls
mkdir -p "$root/build/hardened" "$root/tools/faults/mutation" "$work/bin" "$work/system/usr/sbin"
cp -r "$tree"/{hakmem,ci,bench,fuzz,src,include,cmake,tools,CMakeLists.txt,CMakePresets.json} "$root"
cp "$built/libhakmem.so" "$root/build/hardened/libhakmem.so"
export PATH="$work/bin:/usr/sbin:/usr/bin:/sbin:/bin" DPKG_ROOT=$work/system CALLS=$calls
unset HAKMEM_JOBS LD_PRELOAD

stand_in() {  # stand_in FILE: the body comes from stdin
  { printf '#!/bin/sh\nprintf "%%s %%s\\n" "%s" "$*" >>"$CALLS"\n' "${1##*/}"; cat; } >"$1"
  chmod 755 "$1"
}
stand_in "$work/bin/ninja" </dev/null
stand_in "$work/bin/ctest" </dev/null
stand_in "$work/bin/cmake" <<'CM'
case $1 in --build) i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); echo "[$i/1000] step"; done ;; esac
CM
all_installed() {
  stand_in "$work/bin/dpkg-query" <<'DP'
shift 3; for package; do echo "installed $package"; done
DP
}
# The front door reads the names of the benchmarks in bench/run; the rest of these scripts is not wanted here.
sed -i '1s/.*/#!\/bin\/false/' "$root/bench/run" "$root/fuzz/run"

called() { [[ -s $calls ]]; }
door() { rm -f "$calls"; status=0; "$door" "$@" >"$work/out" 2>&1 </dev/null || status=$?; }

# ---- asking installs nothing ---------------------------------------------------------------------------------------------

for name in apt-get dpkg-query; do stand_in "$work/bin/$name" </dev/null; done
answers() {  # answers STATUS TEXT ARG...
  local want=$1 text=$2
  shift 2
  door "$@"
  ((status == want)) || fail "$*: ended with $status, want $want"
  called && fail "$*: started $(<"$calls")"
  grep -q -- "$text" "$work/out" || fail "$*: does not say '$text'"
}
while read -r name; do grep -q "^$name()" "$door" || { : >"$work/out"; fail "calls $name, which is no function"; }; done \
  < <(grep -oE '^ *locked [a-z_]+' "$door" | sed 's/^ *//' | cut -d' ' -f2 | sort -u)
answers 0 'usage: ./hakmem COMMAND' --help
answers 0 '^hakmem [0-9]*\.[0-9]*\.[0-9]*$' --version
answers 0 '^HAKMEM_LEARN=' --help-env
for command in run check build test bench fuzz mutate coverage path clean; do
  answers 0 "^./hakmem $command" "$command" --help
  answers 0 "^./hakmem $command" "$command" -h
done
answers 0 workloads bench
answers 0 instructions bench workloads --help
answers 0 page_of fuzz
answers 0 page_of fuzz page_of --help
answers 2 "benchmark 'nope'; there are: workloads" bench nope
answers 2 "target 'nope'; there are: alloc_sequence" fuzz nope
answers 2 "preset 'nope'" build nope
answers 2 "label 'nope'" test --label nope
answers 2 "flavour 'nope'" path nope
answers 2 "command 'nope'" nope
for command in run check test bench mutate coverage fuzz; do answers 2 "'--nope'" "$command" --nope; done
answers 2 "'--nope'" bench workloads --nope
answers 2 "'--nope'" fuzz page_of --nope

# What the front door says of options is what the scripts take.
for pair in bench=bench/run fuzz=fuzz/run mutate=tools/faults/mutation/run.py coverage=ci/coverage.py; do
  door "${pair%=*}" --help
  while read -r option; do
    grep -q -- "$option\b" "$work/out" || fail "${pair%=*} --help does not tell of $option"
  done < <(grep -oE "add_argument\(['\"]--[a-z-]+" "$tree/${pair#*=}" | grep -oE -- '--[a-z-]+' | grep -vxE -- '--check|--build')
done

# ---- what is built is used as it is --------------------------------------------------------------------------------------

so=$root/build/hardened/libhakmem.so note=$root/build/hardened/.hakmem_shared.built
all_installed
answers_built() {  # answers_built WHY ARG...
  local why=$1
  shift
  door "$@"
  ((status == 0)) || fail "$why: $* ended with $status"
  called && fail "$why: $* started $(<"$calls")"
  [[ $(<"$work/out") == "${said-}" ]] || fail "$why: $* said something else than '${said-}'"
}
door run -- true
grep -q -- '--build.*hakmem_shared' "$calls" || fail "run: a library without a note was not built"
[[ $(grep -c 'of 1000 steps' "$work/out") == 10 ]] || fail "run: a build of 1000 steps is not told of in ten lines"
state() { find "$root" -printf '%p %T@ %C@\n' | sort; }
before=$(state)
answers_built 'up to date' run -- true
said=$so answers_built 'up to date' path hardened
[[ $(state) == "$before" ]] || fail "run: something was written"

rebuilds() { door run -- true; called || fail "run: nothing was built although $1"; door run -- true; called && fail "run: built again after $1"; :; }
touch "$root/src/base/bits.h" && rebuilds 'a header is newer'
touch "$root/src/base/new.cc" && rebuilds 'a source was added'
rm "$root/src/base/new.cc" && rebuilds 'a source was removed'
touch "$root/CMakeLists.txt" && rebuilds 'CMakeLists.txt is newer'
echo /elsewhere >"$note" && rebuilds 'the build directory comes from elsewhere'

# A tree that another user built: nothing in it can be written.
as_other=()
if ((EUID == 0)); then as_other=(setpriv --reuid=65534 --regid=65534 --clear-groups); fi
chmod -R a-w,a+rX "$root"
mkdir -m 700 "$work/closed"  # where it is called from need not be readable
cd "$work/closed"
other() { rm -f "$calls"; status=0; CALLS=/dev/null "${as_other[@]}" "$door" "$@" >"$work/out" 2>&1 </dev/null || status=$?; }
other run -- true
[[ $status == 0 && ! -s $work/out ]] || fail "run as another user ended with $status"
other path hardened
[[ $status == 0 && $(<"$work/out") == "$so" ]] || fail "path as another user ended with $status"
other run --perf -- true
[[ $status == 1 && $(<"$work/out") == *'cannot be written'* ]] || fail "run --perf as another user: no clear word of what is not built"
chmod -R u+w "$root"

# ---- each command builds what it needs -----------------------------------------------------------------------------------

builds() {  # builds TARGETS ARG...
  local targets=$1
  shift
  door "$@"
  grep -qE -- "^cmake --build [^ ]* -j [0-9]+ --target $targets\$" "$calls" || fail "$*: does not build $targets alone: $(<"$calls")"
}
printf '#!/bin/sh\n' >"$root/fuzz/run"
builds page_of_fuzz fuzz page_of --seconds 1
builds hakmem-replay check -- true
builds 'tests_of_unit tests_of_misuse' test --quick
builds tests_of_replay test --preset hardened --label replay
[[ $(tail -n 1 "$calls") == ctest* ]] || fail "test: ctest is not the last"

# ---- packages ------------------------------------------------------------------------------------------------------------

policy=$DPKG_ROOT/usr/sbin/policy-rc.d
stand_in "$work/bin/dpkg-query" </dev/null
stand_in "$work/bin/apt-get" <<'APT'
case "$*" in *download-only*) exit 0 ;; *install*) ;; *) exit 0 ;; esac
sh "$DPKG_ROOT/usr/sbin/policy-rc.d"
printf 'policy %s\n' $? >>"$CALLS"
if [ -n "${APT_FAILS-}" ]; then echo 'E: no such package'; exit 100; fi
[ -z "${APT_WAITS-}" ] || sleep 60
APT
installs() { door build; grep -q '^policy' "$calls" || fail "build: nothing was installed"; }
door=$work/as_root
printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${as_root[*]}" "$root/hakmem" >"$door"
chmod 755 "$door"

installs
grep -q '^policy 101' "$calls" || fail "services may start while packages are installed"
[[ ! -e $policy ]] || fail "policy-rc.d is left behind"
grep -q 'packages: 3 of 3' "$work/out" || fail "installing does not say what it does"
APT_FAILS=1 installs
((status == 1)) || fail "build: ended with $status although apt-get failed"
grep -q 'E: no such package' "$work/out" || fail "what apt-get said when it failed is not shown"
[[ ! -e $policy ]] || fail "policy-rc.d is left behind after a failure"

# As on a terminal: the whole group gets the signal, which whoever started this test may have ignored (nohup).
set -m
for signal in INT TERM HUP KILL; do
  rm -f "$calls"
  APT_WAITS=1 env --default-signal "$door" build >"$work/out" 2>&1 </dev/null &
  group=$!
  for ((i = 0; i < 600; ++i)); do grep -qs '^policy' "$calls" && break; sleep 0.1; done
  [[ -e $policy ]] || fail "SIG$signal: nothing to be cleaned up yet"
  kill -"$signal" -- "-$group"
  wait "$group" 2>/dev/null && fail "SIG$signal: ended with success"
  if [[ $signal == KILL ]]; then
    sh "$policy" || fail "after SIGKILL policy-rc.d still refuses services"
  else
    [[ ! -e $policy ]] || fail "SIG$signal: policy-rc.d is left behind"
  fi
done
set +m
installs
[[ ! -e $policy ]] || fail "a killed run's policy-rc.d is still there"
printf '#!/bin/sh\nexit 104\n' >"$policy"
installs
grep -q '^policy 104' "$calls" && [[ $(<"$policy") == *104* ]] || fail "an administrator's policy-rc.d was changed"
