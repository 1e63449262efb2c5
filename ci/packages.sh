# Installs Debian packages for ./hakmem, which reads this file when something has to be built. $root is the tree; say and
# die are the front door's.

# Packages of the given sections of ci/packages.txt.
packages_of() {
  awk -v wanted=" $* " '/^\[/ { on = index(wanted, " " substr($1, 2, length($1) - 2) " ") } !/^(\[|#|$)/ && on' \
    "$root/ci/packages.txt"
}

missing_packages() {
  local wanted; mapfile -t wanted < <(packages_of "$@")
  dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null \
    | awk '$1 == "installed" { print $2 }' | sort -u \
    | comm -13 - <(printf '%s\n' "${wanted[@]}" | sort -u)
}

# A service must not start because its package came in (redis-server): invoke-rc.d asks policy-rc.d. Ours refuses only as
# long as this process lives, so that one that was killed leaves nothing behind that matters; the next one removes it.
policy=${DPKG_ROOT-}/usr/sbin/policy-rc.d
policy_mark='# hakmem: no service starts while it installs packages'

policy_of_killed() {
  local process
  [[ -f $policy && ! -L $policy ]] && grep -qsxF "$policy_mark" "$policy" || return 1
  process=$(sed -n 's/^kill -0 \([0-9]*\) .*/\1/p' "$policy")
  [[ -z $process ]] || ! kill -0 "$process" 2>/dev/null
}

refuse_services() {
  if policy_of_killed; then rm -f "$policy"; fi
  [[ ! -e $policy && ! -L $policy ]] || return 0
  trap 'rm -f "$policy"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '#!/bin/sh\n%s\nkill -0 %s 2>/dev/null && exit 101\nexit 0\n' "$policy_mark" $$ >"$policy"
  chmod +x "$policy"
}

allow_services() { if [[ -n $(trap -p EXIT) ]]; then rm -f "$policy"; trap - EXIT HUP INT TERM; fi; }

# apt_step WHAT ARG...: one line, and apt-get's own words only when it fails.
apt_step() {
  local log status=0
  say "packages: $1"
  shift
  log=$(mktemp)
  DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$log" 2>&1 </dev/null || status=$?
  ((status == 0)) || tail -n 30 "$log" >&2
  rm -f "$log"
  return "$status"
}

apt_install() {
  local status=0
  refuse_services
  apt_step '1 of 3: what there is (apt-get update)' update \
    && apt_step "2 of 3: fetching $# and what they need" install -y --no-install-recommends --download-only "$@" \
    && apt_step "3 of 3: unpacking and setting up: ${*:1:12}${13+ ...}" install -y --no-install-recommends "$@" || status=$?
  allow_services
  return "$status"
}

# need_packages SECTION...: installs what is missing. Where there is no dpkg, CMake says what it does not find.
need_packages() {
  command -v dpkg-query >/dev/null || return 0
  local missing; mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || die "missing packages; install them as root: apt-get install ${missing[*]}"
  apt_install "${missing[@]}" || die "apt-get could not install: ${missing[*]}"
}
