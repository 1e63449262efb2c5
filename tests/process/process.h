// What the programs of this folder share. Each is one situation that programs bring an allocator
// into; it ends in 0 when that went as it does without any preloaded library, or with one line
// about what did not.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kPage = 4096, kNotApplicable = 77 };
#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

// Nothing here allocates: the heap may be what broke.
__attribute__((format(printf, 1, 2))) static inline void line(const char* format, ...) {
  char text[400];
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(text, sizeof text - 1, format, arguments);
  va_end(arguments);
  if (n > (int)sizeof text - 2) n = (int)sizeof text - 2;
  text[n++] = '\n';
  if (write(STDOUT_FILENO, text, (size_t)n) < 0) _exit(3);
}

#define EXPECT(condition, format, ...)                                   \
  do {                                                                   \
    if (!(condition)) {                                                  \
      line("wrong: %s: " format, #condition __VA_OPT__(, ) __VA_ARGS__); \
      _exit(1);                                                          \
    }                                                                    \
  } while (0)

// A figure that run.py compares with the same program's under glibc (`// MEASURE:` in its source).
static inline void measure(const char* name, double value) { line("measure %s %.3f", name, value); }

// A field of a /proc file, such as "VmRSS:"; in KiB there.
static inline long proc_field(const char* path, const char* key) {
  static char text[16384];  // no stack of a thread is asked for this much
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = 0, got;
  while ((got = read(fd, text + n, sizeof text - 1 - (size_t)n)) > 0) n += got;
  close(fd);
  text[n] = 0;
  const char* const at = strstr(text, key);
  return at == NULL ? -1 : atol(at + strlen(key));
}
static inline long rss_mib(void) { return proc_field("/proc/self/status", "VmRSS:") / 1024; }

// Memory that the allocator must not have a part in.
static inline void* own_memory(size_t bytes) {
  void* const p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT(p != MAP_FAILED, "%s", strerror(errno));
  return p;
}

static inline void touch(void* block, size_t bytes) {
  volatile char* const c = (volatile char*)block;
  for (size_t i = 0; i < bytes; i += kPage) c[i] = 1;
  if (bytes != 0) c[bytes - 1] = 1;
}

// CPU time, not the clock on the wall: other jobs of the machine hardly count.
static inline double cpu_seconds(clockid_t of) {
  struct timespec t;
  clock_gettime(of, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static inline long page_faults(int of) {
  struct rusage used;
  getrusage(of, &used);
  return used.ru_minflt;
}

// Waits for a child; what it ended with.
static inline int ended(pid_t child) {
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A reproducible sequence (Knuth's MMIX generator).
static inline size_t below(uint64_t* state, size_t bound) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)(*state >> 33) % bound;
}

static inline pthread_t start(void* (*body)(void*), void* argument) {
  pthread_t thread;
  const int error = pthread_create(&thread, NULL, body, argument);
  EXPECT(error == 0, "pthread_create: %s", strerror(error));
  return thread;
}
