#!/usr/bin/env bash
# Programs linked -static against libhakmem.a and libhakmem-perf.a, in C and in C++: they link, run, and their malloc is
# hakmem's alone: nothing of libc.a's malloc.o is in them. And the shared libraries need libc alone.
set -euo pipefail
build=${HAKMEM_BUILD:?} cc=${CC:-gcc} cxx=${CXX:-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { printf 'static: %s\n' "$*" >&2; exit 1; }

cat >"$work/c.c" <<'C'
#define _GNU_SOURCE
#include <hakmem/hakmem.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static void* work(void* p) {
  free(p);
  return strdup("from a thread");
}
int main(void) {
  pthread_t thread;
  void* text = NULL;
  pthread_create(&thread, NULL, work, malloc(600));
  pthread_join(thread, &text);
  if (fork() == 0) _exit(strcmp(strdup(text), "from a thread") == 0 ? 0 : 1);
  int status = 1;
  wait(&status);
  void* block = malloc(600);
  struct mallinfo2 info = mallinfo2();
  printf("%d %zu %d %d %s\n", status, malloc_usable_size(block), info.arena != 0, mallopt(M_MXFAST, 0), hak_flavour());
  malloc_info(0, stderr);
  return 0;
}
C
# Refers to operator new alone: malloc must be hakmem's all the same.
cat >"$work/cc.cc" <<'CC'
#include <hakmem/hakmem.h>
#include <cstdio>
#include <cstring>
#include <new>
int main() {
  int caught = 0;
  try {
    void* volatile unused = ::operator new(std::size_t{1} << 62);
    (void)unused;
  } catch (const std::bad_alloc&) {
    caught = 1;
  }
  ::operator delete(::operator new(100));
  std::printf("%d %d %s\n", caught, hak_page_of(strdup("text"), nullptr) != nullptr, hak_flavour());
}
CC

# check ARCHIVE FLAVOUR COMPILER SOURCE EXPECTED_OUTPUT
check() {
  local program=$work/$2_${4%%.*} said
  "$3" -static -I"$(dirname "$0")/../../include" -o "$program" "$work/$4" "$build/$1" || fail "$1: $4 does not link"
  said=$("$program" 2>/dev/null) || fail "$1: $4 ended with $?"
  [[ $said == "$5 $2" ]] || fail "$1: $4 said '$said', want '$5 $2'"
  if nm "$program" | grep -qE ' (main_arena|_int_malloc|ptmalloc_init.*)$'; then fail "$1: $4 holds libc's malloc, too"; fi
}
for pair in libhakmem.a=hardened libhakmem-perf.a=perf; do
  check "${pair%=*}" "${pair#*=}" "$cc" c.c '0 640 1 1'
  check "${pair%=*}" "${pair#*=}" "$cxx" cc.cc '1 1'
done

for library in libhakmem.so libhakmem-perf.so; do
  needed=$(readelf -d "$build/$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-linux' | tr '\n' ' ')
  [[ $needed == 'libc.so.6 ' ]] || fail "$library needs $needed"
  said=$(LD_PRELOAD=$build/$library sh -c 'echo loaded' 2>&1)
  [[ $said == loaded ]] || fail "$library does not load into a C program: $said"
done
