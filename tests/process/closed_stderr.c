// A daemon has closed stderr, and its database has got descriptor 2. The allocator has reasons for
// warnings: requests without end, no mapping left. No byte may land in the database.
// RUN: database
// RUN: socket
#include <sys/socket.h>

#include "process.h"

static void give_reasons(void) {
  free(malloc((size_t)3 << 30));
  free(malloc((size_t)1 << 45));
  free(aligned_alloc(MIB(32), MIB(32)));
  free(memalign((size_t)1 << 32, 100));
  for (long i = 0;; ++i) {  // neighbours of unlike protection: a mapping each
    const int access = i % 2 == 0 ? PROT_READ : PROT_READ | PROT_WRITE;
    if (mmap(NULL, kPage, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) break;
  }
  for (size_t i = 0; i < 300; ++i) {
    char* const p = malloc(i * 5000 + 1);
    if (p != NULL) p[0] = 1;
  }
  malloc_trim(0);
}

int main(int argc, char** argv) {
  EXPECT(argc == 2, "usage: closed_stderr database|socket");
  free(malloc(10));
  int mine = 2, pair[2];
  close(2);
  if (strcmp(argv[1], "database") == 0) {
    char name[] = "/tmp/process.XXXXXX";
    EXPECT(mkstemp(name) == 2, "descriptor 2: %s", strerror(errno));
    unlink(name);
  } else {
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0, "%s", strerror(errno));
    EXPECT(pair[0] == 2, "descriptor %d", pair[0]);
    mine = pair[1];
  }
  give_reasons();
  char text[200];
  const ssize_t n = mine == 2 ? pread(2, text, sizeof text, 0) : read(mine, text, sizeof text);
  EXPECT(n <= 0, "descriptor 2 has: %.*s", (int)n, text);
  return 0;
}
