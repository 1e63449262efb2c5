// What goes back to the system though the program makes no further call.
// Usage: idle freed SIZE      much is freed at once: most of it has gone when the last free returns
//        idle thinned SIZE    but for one block in sixteen
//        idle background      with HAKMEM_BACKGROUND=1 the rest goes too, in a fork's child as well
#include <fcntl.h>
#include <sys/mman.h>

#include <string_view>

#include "hakmem_process.h"

namespace {

using process::check;

constexpr std::size_t kMiB = 1024 * 1024;

// process::resident_bytes allocates.
std::size_t resident() {
  char text[128] = {};
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  check(read(fd, text, sizeof text - 1) > 0, "statm");
  close(fd);
  return std::strtoul(std::strchr(text, ' '), nullptr, 10) *
         static_cast<std::size_t>(getpagesize());
}

struct Blocks {
  char** at;
  std::size_t count;
};

Blocks allocate(std::size_t bytes, std::size_t size) {
  const std::size_t n = bytes / size;
  void* const table = mmap(nullptr, n * sizeof(char*), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  auto** const blocks = static_cast<char**>(table);
  for (std::size_t i = 0; i < n; ++i) {
    blocks[i] = static_cast<char*>(std::malloc(size));
    check(blocks[i] != nullptr, "malloc");
    std::memset(blocks[i], 1, size);
  }
  return {blocks, n};
}

void free_much(std::size_t size, std::size_t keep_one_in) {
  const std::size_t before = resident();
  const Blocks blocks = allocate(256 * kMiB, size);
  const std::size_t peak = resident();
  for (std::size_t i = 0; i < blocks.count; ++i) {
    if (keep_one_in == 0 || i % keep_one_in != 0) std::free(blocks.at[i]);
  }
  const std::size_t left = resident() - before;
  std::printf("blocks of %zu: peak %zu MiB, then %zu MiB\n", size, (peak - before) / kMiB,
              left / kMiB);
  check(left <= 80 * kMiB, "freed memory stays");
}

// Less than what is given back at once.
void free_little_and_wait() {
  const std::size_t before = resident();
  const Blocks blocks = allocate(12 * kMiB, 256);
  for (std::size_t i = 0; i < blocks.count; ++i) std::free(blocks.at[i]);
  while (resident() > before + 4 * kMiB) usleep(10000);  // or the watchdog ends it
}

void run_background() {
  free_little_and_wait();
  usleep(2000000);  // it may be asleep by now, or not: it is to be seen by nothing
  free_little_and_wait();
  const pid_t child = fork();
  check(child >= 0, "fork");
  if (child == 0) {
    process::watchdog();
    free_little_and_wait();
    _exit(0);
  }
  int status = 0;
  check(waitpid(child, &status, 0) == child && status == 0, "the child");
}

}  // namespace

int main(int argc, char** argv) {
  process::start();
  check(argc >= 2, "usage");
  const std::string_view mode = argv[1];
  if (mode == "background") {
    run_background();
  } else {
    free_much(std::strtoul(argv[2], nullptr, 10), mode == "thinned" ? 16 : 0);
  }
  return 0;
}
