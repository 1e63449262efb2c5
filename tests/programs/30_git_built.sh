# git: a repository of several hundred commits made by fast-import and by hand, then clone, gc, fsck.
# shellcheck shell=bash disable=SC2034
needs=(git awk)
witness=(git)

# A stream of 200 commits over 60 files, with a side branch merged every 20 commits.
import_stream() {
  awk 'BEGIN {
    for (c = 1; c <= 200; ++c) {
      printf "commit refs/heads/main\nmark :%d\ncommitter A <a@example.org> %d +0000\n", c, 1600000000 + c * 60
      message = "Change " c "\n\nBody of commit " c
      printf "data %d\n%s\n", length(message), message
      if (c % 20 == 0) printf "merge :%d\n", c - 10
      for (f = 0; f < 4; ++f) {
        text = ""
        for (line = 1; line <= 40 + (c * 7 + f) % 90; ++line) text = text "line " line * (c % (f + 3)) " of file\n"
        printf "M 100644 inline dir%d/file%d.txt\ndata %d\n%s\n", (c + f) % 6, (c * 3 + f) % 10, length(text), text
      }
    }
  }'
}

make_repository() {
  git init -q -b main built
  import_stream | git -C built fast-import --quiet
  git -C built reset -q --hard main
  git -C built checkout -q -b topic main~30
  local i
  for i in 1 2 3 4 5 6 7 8 9 10; do
    echo "topic $i" >>built/topic.txt
    git -C built add topic.txt
    git -C built commit -q -m "Topic $i"
  done
  git -C built rebase -q main
  git -C built checkout -q main
  git -C built merge -q --no-ff -m 'Merge topic' topic
}

workload() {
  export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
  git config --global user.name Tester
  git config --global user.email tester@example.org
  git config --global pack.threads 2
  make_repository
  git -C built rev-parse main topic
  git -C built repack -q -adf --depth=50 --window=20
  git -C built gc --quiet --aggressive --prune=now
  git -C built fsck --full --strict 2>&1
  git clone -q --no-local built copy 2>&1
  git clone -q --depth 20 --no-single-branch "file://$PWD/built" shallow 2>&1
  git -C shallow fetch -q --unshallow 2>&1
  git -C copy fsck --full 2>&1
  git -C shallow rev-list --all --objects | sort | sha256sum
  git -C copy log --stat --format='%H %s' | sha256sum
  git -C copy log -p -S'line 12' --format=%H -- dir3 | sha256sum
  git -C copy blame dir1/file1.txt | sha256sum
  git -C copy grep -c 'line 7' | sha256sum
  git -C copy archive --format=tar main | sha256sum
}
