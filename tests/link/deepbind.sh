#!/usr/bin/env bash
# Libraries loaded with RTLD_DEEPBIND: their blocks are hakmem's, so that blocks may cross; the caller's RUNPATH is still
# searched; a null name, dlopen in a constructor, and HAKMEM_DEEPBIND=keep, where the report names the cause.
set -euo pipefail
build=$(realpath "${HAKMEM_BUILD:?}") cc=${CC:-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { printf 'deepbind: %s\n' "$*" >&2; exit 1; }

mkdir hidden
cat >plugin.c <<'C'
#include <stdlib.h>
#include <string.h>
char* make(void) { return strcpy(malloc(40), "made by the plugin"); }
void drop(char* p) { free(p); }
int own(void) {
  free(strdup("libc allocates, the plugin frees"));
  char* grown = realloc(malloc(10), 100000);
  free(grown);
  return 0;
}
C
# Knows the plugin by its name alone: it is found through this library's RUNPATH, not the program's.
cat >caller.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
void* handle;
__attribute__((constructor)) static void load(void) { handle = dlopen("libplugin.so", RTLD_NOW | RTLD_DEEPBIND); }
void* load_again(void) { return dlopen("libplugin.so", RTLD_LAZY | RTLD_DEEPBIND | RTLD_NOLOAD); }
void* load_other(void) { return dlopen("libother.so", RTLD_NOW | RTLD_DEEPBIND); }
C
cat >program.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
extern void* handle;
void* load_again(void);
void* load_other(void);
int main(int argc, char** argv) {
  if (dlopen("libother.so", RTLD_NOW | RTLD_DEEPBIND)) return 10;  // the program has no RUNPATH to it
  if (dlerror() == NULL || load_other() == NULL) return 11;
  if (handle == NULL || load_again() != handle) return 12;
  if (dlopen(NULL, RTLD_NOW | RTLD_DEEPBIND) == NULL) return 13;
  if (dlopen("/nowhere/at_all.so", RTLD_NOW) || dlerror() == NULL) return 14;
  char* (*make)(void) = (char* (*)(void))dlsym(handle, "make");
  void (*drop)(char*) = (void (*)(char*))dlsym(handle, "drop");
  int (*own)(void) = (int (*)(void))dlsym(handle, "own");
  if (argc > 1) {
    free(make());
    return 15;
  }
  for (int i = 0; i < 1000; ++i) drop(malloc(i));
  char* p = make();
  p = realloc(p, 1000);
  if (strcmp(p, "made by the plugin") != 0 || own() != 0) return 16;
  free(p);
  puts("right");
  return 0;
}
C
"$cc" -O1 -fno-builtin -fPIC -shared plugin.c -o hidden/libplugin.so
cp hidden/libplugin.so hidden/libother.so
# shellcheck disable=SC2016
"$cc" -O1 -fPIC -shared caller.c -o libcaller.so -Wl,--enable-new-dtags,-rpath,'$ORIGIN/hidden' -ldl
"$cc" -O1 -fno-builtin program.c -o program -L. -lcaller -Wl,--enable-new-dtags,-rpath,"$work" -ldl
said=$(./program) || fail "the program ends with $? without hakmem"
for name in hakmem hakmem-perf; do
  "$cc" -O1 -fno-builtin program.c -o linked -L"$build" "-l$name" -L. -lcaller \
    -Wl,--enable-new-dtags,-rpath,"$work:$build" -ldl
  said=$(LD_PRELOAD=$build/lib$name.so ./program 2>&1) || fail "$name preloaded: ended with $?: $said"
  [[ $said == right ]] || fail "$name preloaded: $said"
  said=$(./linked 2>&1) || fail "$name linked: ended with $?: $said"
  [[ $said == right ]] || fail "$name linked: $said"
done
ulimit -c 0
said=$(HAKMEM_DEEPBIND=keep LD_PRELOAD=$build/libhakmem.so ./program keep 2>&1) && fail "keep: no report: $said"
[[ $said == *'fatal: invalid-free: free('*'HAKMEM_DEEPBIND=drop'* ]] || fail "keep: $said"
