// What hardening comes to, seen from outside: two processes, or a process and its maps, are
// compared. No name of the allocator's own is used.
//
//   hardening order     two runs hand out blocks in different orders, neither of them a progression
//   hardening base      the arena lies elsewhere in each run
//   hardening metadata  what the allocator can write beside blocks lies between inaccessible pages
//   hardening guards    each page of blocks ends in an inaccessible page (HAKMEM_THP=always: none)
//   hardening large     freed large blocks cannot be read once they have left use
//   hardening refused   nor when the system refuses to unmap them
//   hardening fork      a child, its sibling and their parent choose differently
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "filter.h"
#include "hakmem_process.h"

namespace {

using process::check;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMiB = 1 << 20;
using Places = std::vector<std::uintptr_t>;

std::uintptr_t place(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

// The system is asked: no fault to survive.
class Reader {
 public:
  Reader() { check(pipe(ends_.data()) == 0, "pipe"); }
  bool can_read(std::uintptr_t at) {
    const ssize_t n = write(ends_[1], reinterpret_cast<const void*>(at), 1);
    if (n != 1) return false;
    char byte = 0;
    check(read(ends_[0], &byte, 1) == 1, "read");
    return true;
  }

 private:
  std::array<int, 2> ends_{};
};

// Blocks in the order in which they are handed out; not kept on the heap.
constexpr std::size_t kPlaces = 1500;
std::array<std::uintptr_t, kPlaces> g_places;
void take_places(std::size_t size) {
  for (std::uintptr_t& one : g_places) one = place(std::malloc(size));
}

// What a new process of this program finds there.
Places places_of(const char* argument) {
  std::array<int, 2> ends{};
  check(pipe(ends.data()) == 0, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execl("/proc/self/exe", "hardening", argument, nullptr);
    _exit(4);
  }
  close(ends[1]);
  Places theirs(kPlaces);
  std::size_t got = 0;
  auto* const to = reinterpret_cast<char*>(theirs.data());
  for (ssize_t n = 1; n > 0; got += static_cast<std::size_t>(n > 0 ? n : 0))
    n = read(ends[0], to + got, kPlaces * sizeof(std::uintptr_t) - got);
  close(ends[0]);
  process::expect_exit_0(child);
  check(got == kPlaces * sizeof(std::uintptr_t), "all places");
  return theirs;
}
int tell_places() {
  take_places(64);
  const auto bytes = static_cast<ssize_t>(sizeof g_places);
  return write(STDOUT_FILENO, g_places.data(), sizeof g_places) == bytes ? 0 : 1;
}

// ---- order

// Of all pairs of blocks that follow each other, how many in a hundred lie equally far apart.
std::size_t most_frequent_step(const Places& places) {
  std::vector<std::uintptr_t> steps;
  for (std::size_t i = 1; i < places.size(); ++i) steps.push_back(places[i] - places[i - 1]);
  std::sort(steps.begin(), steps.end());
  std::size_t most = 0;
  for (std::size_t i = 0, n = 0; i < steps.size(); ++i) {
    n = i > 0 && steps[i] == steps[i - 1] ? n + 1 : 1;
    most = std::max(most, n);
  }
  return 100 * most / steps.size();
}
std::size_t equal_offsets(const Places& a, const Places& b) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < a.size(); ++i) n += a[i] % (2 * kMiB) == b[i] % (2 * kMiB);
  return 100 * n / a.size();
}
void order() {
  const Places a = places_of("tell"), b = places_of("tell");
  std::printf("equal offsets %zu %%, most frequent step %zu and %zu %%\n", equal_offsets(a, b),
              most_frequent_step(a), most_frequent_step(b));
  check(equal_offsets(a, b) < 20, "two runs hand out blocks in one order");
  check(most_frequent_step(a) < 20 && most_frequent_step(b) < 20, "blocks follow a progression");
}

void base() {
  std::set<std::uintptr_t> bases;
  for (int run = 0; run < 5; ++run) {
    const Places places = places_of("tell");
    bases.insert(*std::min_element(places.begin(), places.end()) / (2 * kMiB));
  }
  std::printf("%zu places in 5 runs\n", bases.size());
  check(bases.size() == 5, "two runs have the arena in one place");
}

// ---- metadata

struct Area {
  std::uintptr_t from, to;
  char access[8];
  bool has_file;
};

// Into an array of the program's own: the heap is what is looked at.
std::array<Area, 4096> g_areas;
std::size_t read_areas() {
  std::FILE* const maps = std::fopen("/proc/self/maps", "r");
  check(maps != nullptr, "maps");
  std::size_t n = 0;
  for (char line[1024]; std::fgets(line, sizeof line, maps) != nullptr && n < g_areas.size();) {
    Area& area = g_areas[n];
    unsigned long from = 0, to = 0;
    if (std::sscanf(line, "%lx-%lx %4s", &from, &to, area.access) != 3) continue;
    area.from = from;
    area.to = to;
    area.has_file = std::strpbrk(line, "/[") != nullptr;
    ++n;
  }
  std::fclose(maps);
  return n;
}
bool inaccessible(const Area& area) { return std::strcmp(area.access, "---p") == 0; }

// A table: writable memory of nobody's file that an inaccessible rest follows; not the arena, which
// holds blocks.
void metadata() {
  Reader reader;
  void* const block = std::malloc(100);
  std::free(std::malloc(20000));
  const std::size_t n = read_areas();
  std::size_t tables = 0;
  for (std::size_t i = 0; i + 1 < n; ++i) {
    const Area &area = g_areas[i], &rest = g_areas[i + 1];
    if (area.has_file || std::strcmp(area.access, "rw-p") != 0) continue;
    if (rest.from != area.to || !inaccessible(rest) || rest.has_file) continue;
    if (place(block) - area.from < area.to - area.from) continue;
    ++tables;
    const bool guarded = i > 0 && g_areas[i - 1].to == area.from && inaccessible(g_areas[i - 1]);
    std::printf("%zx-%zx: %s\n", area.from, area.to, guarded ? "guarded" : "no guard below");
    check(guarded, "a table has no inaccessible page of its own below");
    check(!reader.can_read(area.from - 1), "a byte below a table can be read");
    check(!reader.can_read(area.to), "a byte above a table can be read");
    check(reader.can_read(area.from) && reader.can_read(area.to - 1), "a table cannot be read");
  }
  check(tables >= 4, "records, entries, superslabs and contexts have tables");
  std::free(block);
}

// ---- guards of pages

// Page length of a block size that is a power of two: sixteen blocks, 64 KiB to 2 MiB.
void guards() {
  const char* const thp = std::getenv("HAKMEM_THP");
  const bool expected =
      process::is_hardened() && (thp == nullptr || std::string_view(thp) != "always");
  Reader reader;
  for (const std::size_t size : {64ul, 1024ul, 8192ul, 65536ul, 262144ul}) {
    const std::size_t page = std::clamp(16 * size, 65536ul, 2 * kMiB);
    const std::size_t blocks = 3 * page / size;
    std::set<std::uintptr_t> pages;
    for (std::size_t i = 0; i < blocks; ++i) pages.insert(place(std::malloc(size)) / page);
    for (const std::uintptr_t number : pages) {
      const std::uintptr_t last = number * page + page - 1;
      check(reader.can_read(number * page), "a page cannot be read");
      check(reader.can_read(last) != expected, "the end of a page is not as it should be");
      check(!expected || reader.can_read(last - kPage) || size > kPage,
            "more than the last 4 KiB of a page is guarded");
    }
    std::printf("%zu bytes: %zu pages, their ends %s\n", size, pages.size(),
                expected ? "guarded" : "readable");
    check(pages.size() >= 3, "three pages");
  }
}

// ---- large blocks

constexpr std::array<std::size_t, 7> kLarge{300000,       700000,        kMiB,      3 * kMiB / 2,
                                            5 * kMiB + 1, 40 * kMiB + 1, 100 * kMiB};

void refuse_to_unmap() {
  process::Filter filter(SECCOMP_RET_ALLOW);
  filter.answer(SYS_munmap, SECCOMP_RET_ERRNO | ENOMEM);
  filter.install(process::Filter::Door::kSilent);
}

// They leave use when they have aged and some large block is asked for, or by malloc_trim.
void large(bool refused) {
  Reader reader;
  std::array<char*, kLarge.size()> blocks{};
  std::array<char*, kLarge.size()> trimmed{};
  for (std::size_t i = 0; i < kLarge.size(); ++i) {
    blocks[i] = static_cast<char*>(std::malloc(kLarge[i]));
    trimmed[i] = static_cast<char*>(std::malloc(kLarge[i]));
    check(blocks[i] != nullptr && trimmed[i] != nullptr, "malloc");
    blocks[i][0] = blocks[i][kLarge[i] - 1] = trimmed[i][0] = trimmed[i][kLarge[i] - 1] = 1;
  }
  const auto expect_gone = [&](char* block, std::size_t size) {
    const std::uintptr_t p = place(block);
    for (const std::uintptr_t at : {p, p + size / 2, p + size - 1}) {
      if (!reader.can_read(at)) continue;
      std::printf("%zu bytes, at %zu\n", size, at - p);
      check(false, "a freed large block can be read");
    }
  };
  if (refused) refuse_to_unmap();
  for (char* block : trimmed) std::free(block);
  malloc_trim(0);
  for (std::size_t i = 0; i < kLarge.size(); ++i) expect_gone(trimmed[i], kLarge[i]);
  for (std::size_t i = 0; i < kLarge.size(); ++i) check(reader.can_read(place(blocks[i])), "live");
  if (refused) return;
  for (char* block : blocks) std::free(block);
  usleep(700000);
  std::free(std::malloc(1500));
  void* const other = std::malloc(64 * kMiB);
  for (std::size_t i = 0; i < kLarge.size(); ++i) {
    const bool reused =
        place(other) - place(blocks[i]) < kLarge[i] || place(blocks[i]) - place(other) < 64 * kMiB;
    if (!reused) expect_gone(blocks[i], kLarge[i]);
  }
  std::printf("%zu sizes\n", kLarge.size());
}

// ---- fork

// Two children and their parent take blocks, with no use of the heap between the two forks: the
// children begin with the same memory. They write where the parent can read.
void after_fork() {
  constexpr std::size_t kSize = 64, kBlocks = 6000;
  static std::array<void*, kBlocks> blocks;
  for (void*& block : blocks) block = std::malloc(kSize);
  // Most go back to their pages, so that these have long freelists.
  for (std::size_t i = 0; i < kBlocks; ++i) {
    if (i % 8 != 0) std::free(blocks[i]);
  }
  using Taken = std::array<std::uintptr_t, kPlaces>;
  auto* const theirs = static_cast<Taken*>(
      mmap(nullptr, 2 * sizeof(Taken), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  check(theirs != MAP_FAILED, "mmap");
  for (int i = 0; i < 2; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      take_places(kSize);
      theirs[i] = g_places;
      _exit(0);
    }
    process::expect_exit_0(child);
  }
  take_places(kSize);
  const auto equal = [](const Taken& a, const Taken& b) {
    std::size_t n = 0;
    for (std::size_t i = 0; i < kPlaces; ++i) n += a[i] == b[i];
    return 100 * n / kPlaces;
  };
  const std::size_t as_parent = std::max(equal(theirs[0], g_places), equal(theirs[1], g_places));
  const std::size_t as_sibling = equal(theirs[0], theirs[1]);
  std::printf("equal places: %zu %% as the parent's, %zu %% as a sibling's\n", as_parent,
              as_sibling);
  check(as_parent < 10, "a child hands out its parent's places");
  check(as_sibling < 10, "two children hand out the same places");
}

}  // namespace

int main(int argc, char** argv) {
  process::start();
  const std::string_view mode(argc > 1 ? argv[1] : "");
  if (mode == "tell") return tell_places();
  if (mode == "base") return base(), 0;
  if (mode == "metadata") return metadata(), 0;
  if (mode == "guards") return guards(), 0;
  if (mode == "large") return large(false), 0;
  if (mode == "refused") return large(true), 0;
  if (mode == "order") return order(), 0;
  check(mode == "fork", "usage: hardening order|base|metadata|guards|large|refused|fork");
  after_fork();
  return 0;
}
