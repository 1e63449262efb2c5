// Beyond every size that 32 bits count: bytes, pages of 64 KiB and slots. Hardly any of the memory
// is touched. What a number cut short would name is there as well: the blocks of a whole arena are
// marked and looked at.
//
//   scale small   5 GiB of small blocks, one in four marked
//   scale arena   66 GiB of them, one in sixteen marked
//   scale large   blocks of 5 GiB: malloc, calloc, realloc, alignment, sized free
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "hakmem_process.h"

namespace {

using process::check;

constexpr std::size_t kGiB = std::size_t{1} << 30;
constexpr std::size_t kSlack = 16384;  // what libc buffers

struct Mark {
  std::uint64_t number;
  std::uint64_t inverse;
};
void put(char* at, std::uint64_t number) {
  const Mark mark{number, ~number};
  std::memcpy(at, &mark, sizeof mark);
}
bool has(const char* at, std::uint64_t number) {
  Mark mark{};
  std::memcpy(&mark, at, sizeof mark);
  return mark.number == number && mark.inverse == ~number;
}

// ---- small blocks

struct Blocks {
  char** at;  // not on the heap
  std::size_t number, step;
};
// Every other one, as a thread that owns none of them does.
void* free_odd(void* argument) {
  const Blocks& blocks = *static_cast<const Blocks*>(argument);
  for (std::size_t i = 1; i < blocks.number; i += 2) std::free(blocks.at[i]);
  return nullptr;
}

void many(std::size_t total, std::size_t size, std::size_t step) {
  Blocks blocks{nullptr, total / size, step};
  blocks.at = static_cast<char**>(mmap(nullptr, blocks.number * sizeof(char*),
                                       PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  check(blocks.at != MAP_FAILED, "mmap");
  const std::size_t before = process::live_bytes();
  std::uintptr_t low = ~std::uintptr_t{0}, high = 0;
  for (std::size_t i = 0; i < blocks.number; ++i) {
    char* const p = blocks.at[i] = static_cast<char*>(std::malloc(size));
    check(p != nullptr, "malloc");
    if (i % step == 0) put(p, i);
    low = std::min(low, reinterpret_cast<std::uintptr_t>(p));
    high = std::max(high, reinterpret_cast<std::uintptr_t>(p));
  }
  std::printf("%zu blocks over %zu GiB\n", blocks.number, (high - low) / kGiB);
  check((high - low) / kGiB >= total / kGiB - 1, "the blocks do not lie in one arena");
  for (std::size_t i = 0; i < blocks.number; ++i) {
    check(i % step != 0 || has(blocks.at[i], i), "a block is another's too");
    check(malloc_usable_size(blocks.at[i]) == size, "the size of a block");
  }
  pthread_t other{};
  check(pthread_create(&other, nullptr, free_odd, &blocks) == 0, "a thread");
  pthread_join(other, nullptr);
  for (std::size_t i = 0; i < blocks.number; i += 2) {
    check(i % step != 0 || has(blocks.at[i], i), "a free changed another block");
    std::free(blocks.at[i]);
  }
  check(process::live_bytes() < before + kSlack, "all is free");
}

// ---- large blocks

void marks(char* p, std::size_t bytes, std::uint64_t number) {
  put(p, number);
  put(p + bytes / 2, number + 1);
  put(p + bytes - sizeof(Mark), number + 2);
}
bool marked(const char* p, std::size_t bytes, std::uint64_t number) {
  return has(p, number) && has(p + bytes / 2, number + 1) &&
         has(p + bytes - sizeof(Mark), number + 2);
}

void large() {
  const std::size_t before = process::live_bytes();
  const std::size_t five = 5 * kGiB + 12345, seven = 7 * kGiB + 1;
  auto* p = static_cast<char*>(std::malloc(five));
  check(p != nullptr, "malloc of 5 GiB");
  check(malloc_usable_size(p) >= five && malloc_usable_size(p) < five + 65536, "its usable size");
  marks(p, five, 1);
  // A number cut short would be 1 GiB: such a block beside it must be another.
  auto* const one = static_cast<char*>(std::malloc(kGiB + 12345));
  check(one != nullptr && (one + kGiB + 12345 <= p || one >= p + five), "blocks overlap");
  marks(one, kGiB + 12345, 11);
  check(marked(p, five, 1), "5 GiB keep their contents");

  p = static_cast<char*>(std::realloc(p, seven));
  check(p != nullptr, "realloc to 7 GiB");
  check(malloc_usable_size(p) >= seven, "usable size after growing");
  check(marked(p, five, 1), "growing keeps the contents");
  marks(p, seven, 21);
  p = static_cast<char*>(std::realloc(p, five));
  check(p != nullptr && has(p, 21) && has(p + seven / 2, 22), "shrinking keeps the contents");
  check(malloc_usable_size(p) >= five, "usable size after shrinking");
  check(process::live_bytes() >= five + kGiB, "the bytes in use");
  marks(p, five, 31);
  p = static_cast<char*>(std::realloc(p, 100));
  check(p != nullptr && has(p, 31), "shrinking to a small block keeps the contents");
  std::free(p);

  auto* const zero = static_cast<char*>(std::calloc(kGiB + 3, 5));
  check(zero != nullptr && zero[0] == 0 && zero[5 * kGiB / 2] == 0 && zero[5 * kGiB + 14] == 0,
        "calloc of 5 GiB");
  marks(zero, 5 * kGiB + 15, 41);
  const auto free_sized =
      reinterpret_cast<void (*)(void*, std::size_t)>(dlsym(RTLD_DEFAULT, "free_sized"));
  check(free_sized != nullptr, "free_sized");
  free_sized(zero, 5 * kGiB + 15);
  auto* const again = static_cast<char*>(std::calloc(5, kGiB + 3));
  check(again != nullptr && again[0] == 0 && again[5 * kGiB / 2 + 7] == 0 &&
            again[5 * kGiB + 14] == 0,
        "calloc of 5 GiB that were in use");
  std::free(again);
  auto* const aligned = static_cast<char*>(std::aligned_alloc(kGiB, 5 * kGiB));
  check(aligned != nullptr && reinterpret_cast<std::uintptr_t>(aligned) % kGiB == 0,
        "aligned_alloc");
  marks(aligned, 5 * kGiB, 51);
  check(marked(aligned, 5 * kGiB, 51) && marked(one, kGiB + 12345, 11), "both keep their contents");
  std::free(aligned);
  std::free(one);
  check(process::live_bytes() < before + kSlack, "all is free");
}

}  // namespace

int main(int argc, char** argv) {
  process::start();
  int overcommit = 0;
  std::ifstream("/proc/sys/vm/overcommit_memory") >> overcommit;
  const auto memory = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * 4096;
  if (overcommit == 2 || (overcommit == 0 && memory < 8 * kGiB)) {
    std::puts("this machine does not promise as much memory");
    return 0;
  }
  const std::string_view mode(argc > 1 ? argv[1] : "");
  if (mode == "small") return many(5 * kGiB, 16384, 4), 0;
  if (mode == "arena") return many(66 * kGiB, 262144, 16), 0;
  check(mode == "large", "usage: scale small|arena|large");
  large();
  return 0;
}
