// What the allocator has mapped in proportion to use: limits on data that come late, and memory
// that is locked. Usage: tables MODE
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

constexpr std::size_t kMiB = 1 << 20;

std::size_t status_bytes(const char* name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(name, 0) == 0) return std::stoul(line.substr(std::strlen(name) + 1)) << 10;
  }
  check(false, "no such line");
  return 0;
}

// A limit that is set in the middle leaves the program nearly all that is beyond what it has.
void late_limit(std::size_t block) {
  constexpr std::size_t kMore = 512 * kMiB;
  std::free(std::malloc(100));
  const std::size_t held = status_bytes("VmData");
  check(held < 256 * kMiB, "much is charged before anything is used");
  const rlimit limit{held + kMore, held + kMore};
  check(setrlimit(RLIMIT_DATA, &limit) == 0, "setrlimit");
  std::size_t got = 0;
  while (std::malloc(block) != nullptr) got += block;
  check(got >= kMore / 100 * 70, "a third of the limit is lost");
}

// Locked blocks can be freed, reused as zeroes, and go back. Small: any user may lock so much.
void locked_blocks() {
  std::vector<char*> blocks;
  for (int i = 0; i < 64; ++i) {
    auto* const p = static_cast<char*>(std::malloc(60000));
    std::memset(p, 1, 60000);
    check(mlock(p, 60000) == 0, "mlock");
    blocks.push_back(p);
  }
  const std::size_t peak = process::resident_bytes();
  for (char* p : blocks) std::free(p);
  malloc_trim(0);
  check(process::resident_bytes() + 2 * kMiB < peak, "locked memory did not go back");
  for (int i = 0; i < 64; ++i) {
    auto* const p = static_cast<char*>(std::calloc(1, 60000));
    for (std::size_t k = 0; k < 60000; ++k) check(p[k] == 0, "calloc is not zero");
  }
}

// All of it, now and in future: nothing that is only reserved becomes resident. Where that is not
// allowed the limit says so, and locked_blocks has shown what it can.
void locked_whole() {
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
    return check(errno == ENOMEM || errno == EPERM, "mlockall");
  check(process::resident_bytes() < 512 * kMiB, "reserved memory was populated");
  std::size_t peak = 0;
  for (const std::size_t size : {100u, 10000u, 200000u, 900000u}) {
    std::vector<void*> blocks;
    for (std::size_t bytes = 0; bytes < 64 * kMiB; bytes += size)
      blocks.push_back(std::malloc(size));
    peak = std::max(peak, process::resident_bytes());
    for (void* p : blocks) std::free(p);
  }
  malloc_trim(0);
  check(process::resident_bytes() + 64 * kMiB < peak, "locked memory did not go back");
}

}  // namespace

int main(int count, char** arguments) {
  process::start();
  const std::string mode = count > 1 ? arguments[1] : "";
  if (mode == "small") return late_limit(64 * 1024), 0;
  if (mode == "large") return late_limit(kMiB), 0;
  check(mode == "locked", "no such mode");
  locked_blocks();
  locked_whole();
}
