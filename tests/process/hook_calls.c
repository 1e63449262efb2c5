// A tracer: it stands before the system's functions, looks each real one up when it is first
// called, and allocates then and at every call. Loaded by other programs, as a module.
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>

static __thread int depth;  // its own allocations are not traced

static void* real(const char* name) {
  dlerror();
  void* const found = dlsym(RTLD_NEXT, name);
  dlsym(RTLD_NEXT, "a_function_that_nobody_has");
  dlerror();  // allocates the message
  return found;
}

static void note(void) {
  if (depth != 0) return;
  ++depth;
  free(malloc(90));
  free(malloc(9000));
  free(malloc(300000));
  --depth;
}

#define TRACED(type, name, parameters, arguments)             \
  type name parameters {                                      \
    static type(*next) parameters;                            \
    if (next == NULL) next = (type(*) parameters)real(#name); \
    note();                                                   \
    return next arguments;                                    \
  }

TRACED(void*, mmap, (void* a, size_t n, int p, int f, int d, off_t o), (a, n, p, f, d, o))
TRACED(int, munmap, (void* a, size_t n), (a, n))
TRACED(int, madvise, (void* a, size_t n, int advice), (a, n, advice))
TRACED(int, mprotect, (void* a, size_t n, int p), (a, n, p))
TRACED(int, clock_gettime, (clockid_t c, struct timespec* t), (c, t))
TRACED(ssize_t, getrandom, (void* b, size_t n, unsigned f), (b, n, f))
TRACED(ssize_t, read, (int d, void* b, size_t n), (d, b, n))
TRACED(ssize_t, write, (int d, const void* b, size_t n), (d, b, n))
TRACED(int, close, (int d), (d))
TRACED(int, sched_yield, (void), ())
TRACED(int, prctl, (int o, unsigned long a, unsigned long b, unsigned long c, unsigned long d),
       (o, a, b, c, d))
TRACED(long, sysconf, (int n), (n))
TRACED(int, getrlimit, (int what, void* to), (what, to))
