// A program that has only started: memory it could write counts where a system promises no more
// than it has, and a stray pointer finds it.
// MEASURE: writable_mib <= 1 * glibc + 64
#include "process.h"

int main(void) {
  free(malloc(100));
  static char text[1 << 20];
  const int fd = open("/proc/self/maps", O_RDONLY);
  size_t n = 0;
  for (ssize_t got; (got = read(fd, text + n, sizeof text - 1 - n)) > 0;) n += (size_t)got;
  unsigned long writable = 0;
  for (char* at = text; at != NULL && *at != 0; at = strchr(at, '\n'), at += at != NULL) {
    unsigned long from, to;
    char access[8];
    if (sscanf(at, "%lx-%lx %4s", &from, &to, access) == 3 && access[1] == 'w')
      writable += to - from;
  }
  measure("writable_mib", (double)writable / (1 << 20));
  return 0;
}
