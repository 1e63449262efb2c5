// A program that uses up its mappings (vm.max_map_count) itself. The allocator goes on: blocks of
// every size are had or refused with ENOMEM, every free works, small ones come from the one
// reservation as before, and one line on stderr names the limit. Afterwards all is as it was.
#include <fcntl.h>
#include <sys/mman.h>

#include <vector>

#include "hakmem_process.h"

namespace {

using process::Block;
using process::check;

constexpr std::size_t kPage = 4096;

// Alternate pages of one mapping, until the kernel refuses to cut it any further.
class Hog {
 public:
  Hog() {
    std::ifstream file("/proc/sys/vm/max_map_count");
    file >> pages_;
    pages_ = (pages_ + 10) * 2;
    memory_ = static_cast<char*>(mmap(nullptr, pages_ * kPage, PROT_NONE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    check(memory_ != MAP_FAILED, "mmap");
  }
  void fill() {
    for (std::size_t i = 1; i < pages_; i += 2) {
      if (mprotect(memory_ + i * kPage, kPage, PROT_READ) != 0) break;
    }
    mprotect(memory_ + (pages_ - 1) * kPage, kPage, PROT_READ);  // the last one costs one, not two
    check(process::mappings() + 4 > pages_ / 2 - 10, "the mappings are not used up");
  }
  ~Hog() { munmap(memory_, pages_ * kPage); }
  Hog(const Hog&) = delete;
  Hog& operator=(const Hog&) = delete;

 private:
  std::size_t pages_ = 0;
  char* memory_ = nullptr;
};

struct Got {
  std::vector<Block*> blocks;
  unsigned refused = 0;
};

void allocate_mixed(Got& got, unsigned count) {
  process::Sequence sequence(7);
  for (unsigned i = 0; i < count; ++i) {
    errno = 0;
    const std::size_t bytes = process::pick_size(sequence);
    auto* const block = static_cast<Block*>(std::malloc(bytes));
    check(block != nullptr || errno == ENOMEM, "NULL without ENOMEM");
    got.refused += block == nullptr ? 1 : 0;
    if (block == nullptr) continue;
    *block = {bytes, static_cast<unsigned char>(i)};
    reinterpret_cast<unsigned char*>(block)[bytes - 1] = block->tag;
    got.blocks.push_back(block);
  }
}

// Every other one first: as many holes as there can be.
void free_all(Got& got) {
  for (const std::size_t first : {0u, 1u}) {
    for (std::size_t i = first; i < got.blocks.size(); i += 2) {
      errno = 4711;
      process::check_and_free(got.blocks[i]);
      check(errno == 4711, "free keeps errno");
    }
  }
  got.blocks.clear();
}

int redirect_stderr() {
  const int kept = dup(STDERR_FILENO);
  const int file = memfd_create("stderr", 0);
  check(fcntl(file, F_SETFL, O_APPEND) == 0, "a log is appended to");  // else it might be data
  check(kept >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0, "stderr into a file");
  return kept;
}

// What was written since, which also goes on to where it was meant to go.
std::string restore_stderr(int kept) {
  std::string text(1 << 16, '\0');
  const ssize_t n = pread(STDERR_FILENO, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  dup2(kept, STDERR_FILENO);
  std::fputs(text.c_str(), stderr);
  return text;
}

std::size_t times(const std::string& text, const char* word) {
  std::size_t n = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++n;
  return n;
}

}  // namespace

int main() {
  process::start();
  const auto count = static_cast<unsigned>(process::from_environment("PROCESS_BLOCKS", 10000));
  Got before, during, after;
  before.blocks.reserve(count);
  during.blocks.reserve(count);
  const std::size_t live = process::live_bytes();
  const int kept = redirect_stderr();
  allocate_mixed(before, count);
  check(before.refused == 0, "memory is refused without need");
  std::size_t mappings = 0;
  {
    Hog hog;
    hog.fill();
    allocate_mixed(during, count);
    // Four in five are small or mid, and there is no limit on the memory itself.
    check(during.blocks.size() >= count / 2, "small blocks are refused, too");
    free_all(before);
    allocate_mixed(during, count);
    free_all(during);
    malloc_trim(0);
    mappings = process::mappings();
  }
  allocate_mixed(after, count);
  check(after.refused == 0, "memory is refused when mappings are there again");
  free_all(after);
  malloc_trim(0);
  const std::string told = restore_stderr(kept);
  std::printf("%zu mappings in use; %u of %u calls refused; live %zu bytes before, %zu after\n",
              mappings, during.refused, 2 * count, live, process::live_bytes());
  check(during.refused == 0 || times(told, "vm.max_map_count") == 1, "one line names the limit");
  check(times(told, "\n") <= 1, "one line and no more");
  check(process::live_bytes() < live + (1u << 20), "blocks were lost");
  return 0;
}
