// A stand-in for the allocator in selftest.sh: passes every call on to glibc, except for the one
// defect that a macro chooses. DEFECT_NONE is the control, which run.sh has to pass.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);
extern void __libc_free(void*);

#ifndef DEFECT_NOT_AN_ALLOCATOR
void* malloc(size_t n) {
#ifdef DEFECT_ABORT
  if (n == 77777) abort();
#endif
#ifdef DEFECT_HANG
  if (n == 77777) {
    for (;;) pause();
  }
#endif
  return __libc_malloc(n);
}
void* calloc(size_t count, size_t n) { return __libc_calloc(count, n); }
void* realloc(void* p, size_t n) {
  unsigned char* moved = __libc_realloc(p, n);
#ifdef DEFECT_CORRUPT_REALLOC
  if (moved != NULL && n > 4000 && p != NULL) moved[1500] = 2;
#endif
  return moved;
}
void free(void* p) { __libc_free(p); }
void* memalign(size_t alignment, size_t n) { return __libc_memalign(alignment, n); }
void* aligned_alloc(size_t alignment, size_t n) { return __libc_memalign(alignment, n); }
int posix_memalign(void** out, size_t alignment, size_t n) {
  *out = __libc_memalign(alignment, n);
  return *out != NULL ? 0 : ENOMEM;
}
void* reallocarray(void* p, size_t count, size_t n) { return __libc_realloc(p, count * n); }
#ifndef DEFECT_INCOMPLETE_FAMILY
size_t malloc_usable_size(void* p) {
  return ((size_t (*)(void*))dlsym(RTLD_NEXT, "malloc_usable_size"))(p);
}
#endif
#endif

#ifdef DEFECT_REPORTS
__attribute__((constructor)) static void report(void) {
  static const char kLine[] = "hakmem: warning: something\n";
  ssize_t written = write(STDERR_FILENO, kLine, sizeof kLine - 1);
  (void)written;
}
#endif
