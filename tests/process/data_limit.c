// RLIMIT_DATA, set before the program starts or after: how much of it can be had, with four
// threads about?
// RUN: before 512 65536
// RUN: before 512 1048576
// RUN: before 8192 65536
// RUN: before 8192 1048576
// RUN: after 1024 65536
// RUN: after 1024 1048576
#include "process.h"

static void* small_work(void* argument) {
  void* const p = malloc(100000);
  EXPECT(p != NULL, "100000 bytes at the start");
  touch(p, 100000);
  free(p);
  return argument;
}

int main(int argc, char** argv) {
  EXPECT(argc == 4, "usage: data_limit before|after|limited MIB BLOCK");
  const size_t limit = MIB(atol(argv[2])), block = (size_t)atol(argv[3]);
  if (strcmp(argv[1], "limited") != 0) {
    free(malloc(100));
    const struct rlimit to = {limit, limit};
    EXPECT(setrlimit(RLIMIT_DATA, &to) == 0, "%s", strerror(errno));
  }
  if (strcmp(argv[1], "before") == 0) {
    execl("/proc/self/exe", argv[0], "limited", argv[2], argv[3], NULL);
    EXPECT(0, "exec: %s", strerror(errno));
  }
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) threads[i] = start(small_work, NULL);
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  size_t got = 0;
  while (malloc(block) != NULL) got += block;
  EXPECT(errno == ENOMEM, "errno %d", errno);
  EXPECT(got * 100 / limit >= 70, "%zu of %zu MiB in blocks of %zu KiB", got >> 20, limit >> 20,
         block >> 10);
  return 0;
}
