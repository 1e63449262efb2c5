// The number of the mutant that is on, and the file that takes the marks of reached points: both from the environment, before any
// constructor of the program. The marks are shared memory, so that those of children count and a crash does not lose any.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

unsigned hakmem_mutant = 0;
alignas(4096) unsigned char hakmem_reached[1 << 16];

static void keep_marks_in(const char* file) {
  const int fd = open(file, O_RDWR | O_CREAT, 0600);
  if (fd < 0 || ftruncate(fd, sizeof hakmem_reached) != 0) std::abort();
  if (mmap(hakmem_reached, sizeof hakmem_reached, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) std::abort();
  close(fd);
}

[[gnu::constructor(101)]] static void read_mutant() {
  const char* const number = std::getenv("HAKMEM_MUTANT");
  if (number != nullptr) hakmem_mutant = static_cast<unsigned>(std::strtoul(number, nullptr, 10));
  const char* const file = std::getenv("HAKMEM_MUTANT_REACHED");
  if (file != nullptr) keep_marks_in(file);
}
