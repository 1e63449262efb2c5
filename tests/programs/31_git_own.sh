# git: clone, gc and fsck of the newest commits of the repository that this file is in.
# shellcheck shell=bash disable=SC2034
needs=(git)
witness=(git)

# The commit is pinned before the two runs: someone may commit between them. A tree that came as an
# archive has no repository of its own; then one is made of its files.
prepare() {
  git config --global safe.directory '*'
  git config --global user.name Tester
  git config --global user.email tester@example.org
  if git -C "$PROGRAMS" rev-parse -q --verify 'HEAD^{commit}' >/dev/null 2>&1; then
    git clone -q --bare --no-local --depth 40 "file://$(git -C "$PROGRAMS" rev-parse --path-format=absolute --git-common-dir)" "$INPUT/own.git"
  else
    git init -q made
    cp -R "$PROGRAMS/." made
    git -C made add -A
    git -C made commit -q -m 'The files of this tree'
    git clone -q --bare --no-local made "$INPUT/own.git"
  fi
}

workload() {
  git config --global safe.directory '*'
  git config --global pack.threads 2
  git clone -q --no-local "$INPUT/own.git" own 2>&1
  git -C own rev-parse HEAD
  git -C own fsck --full 2>&1
  git -C own gc --quiet --aggressive --prune=now 2>&1
  git -C own fsck --full 2>&1
  git -C own rev-list --all --objects | sort | sha256sum
  git -C own log -p --stat | sha256sum
  git -C own status --short
  git -C own ls-files | sha256sum
}
