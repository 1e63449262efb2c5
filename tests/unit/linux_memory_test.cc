// LinuxPlatform where the system says yes: what each call makes of the process's mappings, as the
// kernel itself lists them. And the clock, the numbers of process and thread, and the end by
// abort(). Each that changes something runs in a child of its own. Not for ThreadSanitizer, which
// maps memory of its own meanwhile: its preset takes what names threads, so the one that is wanted
// here comes by std::async.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <future>
#include <sstream>
#include <string>
#include <vector>

#include "config/memory_options.h"
#include "pal/linux.h"
#include "pal/sandbox.h"
#include "pal/vdso.h"

namespace hakmem {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kMiB = std::size_t{1} << 20;

// The child's answer: 0 good, else the number of what was wrong; 100 and the signal that ended it.
template <class Work>
int in_child(Work&& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work(LinuxPlatform{}));
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

std::uintptr_t number(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

// The first number in a file, read without memory of the heap, which could be mapped meanwhile.
std::size_t number_in(const char* path) {
  std::array<char, 64> text{};
  const int fd = open(path, O_RDONLY);
  const auto n = read(fd, text.data(), text.size() - 1);
  close(fd);
  return n > 0 ? std::strtoul(text.data(), nullptr, 10) : 0;
}
std::size_t mapped_now() { return number_in("/proc/self/statm") * kPage; }

std::size_t lines_in(const char* path) {
  std::array<char, 4096> text;
  const int fd = open(path, O_RDONLY);
  std::size_t lines = 0;
  for (ssize_t n = 0; (n = read(fd, text.data(), text.size())) > 0;) {
    lines += static_cast<std::size_t>(std::count(text.data(), text.data() + n, '\n'));
  }
  close(fd);
  return lines;
}

// Whether the kernel knows that advice for memory.
bool takes_advice(int advice) {
  void* const p = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool taken = madvise(p, kPage, advice) == 0;
  munmap(p, kPage);
  return taken;
}

// A mapping as /proc/self/smaps has it.
struct Mapping {
  std::string access;  // "rw-p"
  std::string flags;   // of the kernel, each in blanks: " rd wr dd "
};

Mapping mapping_at(const void* p) {
  std::ifstream smaps("/proc/self/smaps");
  Mapping found;
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long begin = 0, end = 0;
    std::array<char, 8> access{};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, access.data()) == 3) {
      inside = begin <= number(p) && number(p) < end;
      if (inside) found.access = access.data();
    }
    if (inside && line.starts_with("VmFlags:")) found.flags = line.substr(8) + " ";
  }
  return found;
}
bool has(const Mapping& m, const std::string& flag) {
  return m.flags.find(" " + flag + " ") != std::string::npos;
}

bool all_are(const char* at, std::size_t bytes, char value) {
  return std::all_of(at, at + bytes, [&](char c) { return c == value; });
}

TEST(LinuxMemory, MapsWhatWasAskedForAndNothingBeside) {
  for (const std::size_t alignment : {kPage, 2 * kPage, 2 * kMiB, 1024 * kMiB}) {
    for (const std::size_t bytes : {kPage, 5 * kPage, 3 * kMiB}) {
      EXPECT_EQ(in_child([=](LinuxPlatform os) {
                  const std::size_t before = mapped_now();
                  for (std::size_t round = 1; round <= 3; ++round) {
                    auto* const p = static_cast<char*>(os.map(bytes, alignment));
                    if (p == nullptr || number(p) % alignment != 0) return 1;
                    if (mapped_now() != before + round * bytes) return 2;
                    p[0] = p[bytes - 1] = 1;
                  }
                  return 0;
                }),
                0)
          << bytes << " at " << alignment;
    }
  }
}

TEST(LinuxMemory, UnmapsAllOfIt) {
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              const std::size_t before = mapped_now();
              void* const p = os.map(3 * kPage, kPage);
              if (!os.unmap(p, 3 * kPage)) return 1;
              return mapped_now() == before ? 0 : 2;
            }),
            0);
}

TEST(LinuxMemory, ReservesAddressesThatNobodyCanUseOrDumps) {
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              for (const std::size_t alignment : {kPage, 2 * kMiB, 1024 * kMiB}) {
                const std::size_t before = mapped_now();
                auto* const p = static_cast<char*>(os.reserve(4 * kPage, alignment));
                if (p == nullptr || number(p) % alignment != 0) return 1;
                if (mapped_now() != before + 4 * kPage) return 2;
                if (mapping_at(p).access != "---p" || !has(mapping_at(p), "dd")) return 3;
                if (!os.commit(p, 2 * kPage)) return 4;
                p[2 * kPage - 1] = 1;
                if (mapping_at(p).access != "rw-p") return 5;
                if (mapping_at(p + 2 * kPage).access != "---p") return 6;
                os.reveal(p, kPage);
                if (has(mapping_at(p), "dd") || !has(mapping_at(p + kPage), "dd")) return 7;
                if (!os.protect(p, kPage) || mapping_at(p).access != "---p") return 8;
              }
              return 0;
            }),
            0);
}

#if defined(__has_feature)
#define HAKMEM_HAS_FEATURE(x) __has_feature(x)
#else
#define HAKMEM_HAS_FEATURE(x) 0
#endif
#if !HAKMEM_HAS_FEATURE(address_sanitizer)
// Between 16 and 48 TiB, in both halves of that, and never twice in the same place.
// AddressSanitizer has its own layout of the address space.
TEST(LinuxMemory, ReservesAtRandomPlaces) {
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              std::vector<std::uintptr_t> places;
              bool above = false, below = false;
              for (int i = 0; i < 64; ++i) {
                const std::uintptr_t at = number(os.reserve(kPage, kPage));
                if (at < std::uintptr_t{1} << 44 || at >= std::uintptr_t{3} << 44) return 1;
                places.push_back(at);
                (at >> 45 == 0 ? below : above) = true;
              }
              if (!above || !below) return 2;
              std::sort(places.begin(), places.end());
              return std::unique(places.begin(), places.end()) == places.end() ? 0 : 3;
            }),
            0);
}
#endif

TEST(LinuxMemory, PurgedMemoryIsZeroAndTheRestStays) {
  const auto purged = [](LinuxPlatform os, bool locked) {
    auto* const p = static_cast<char*>(os.map(4 * kPage, kPage));
    std::fill(p, p + 4 * kPage, 'x');
    if (locked && mlock(p, 4 * kPage) != 0) return 77;
    if (!os.purge(p + kPage, 2 * kPage)) return 1;
    if (!all_are(p + kPage, 2 * kPage, 0)) return 2;
    return all_are(p, kPage, 'x') && all_are(p + 3 * kPage, kPage, 'x') ? 0 : 3;
  };
  EXPECT_EQ(in_child([&](LinuxPlatform os) { return purged(os, false); }), 0);
  const int locked = in_child([&](LinuxPlatform os) { return purged(os, true); });
  EXPECT_TRUE(locked == 0 || locked == 77) << locked;
}

TEST(LinuxMemory, GuardedMemoryCannotBeReadUntilItIsUnguarded) {
  const auto unguarded = [](LinuxPlatform os, bool reads) {
    auto* const p = static_cast<volatile char*>(os.map(2 * kPage, kPage));
    p[0] = 'x';
    p[kPage] = 'x';
    const bool guards = takes_advice(102);  // MADV_GUARD_INSTALL, Linux 6.13
    if (os.guard(const_cast<char*>(p), kPage) != guards) return 1;
    if (!guards) return 77;
    if (p[kPage] != 'x') return 1;
    if (reads) return p[0] == 0 ? 2 : 3;  // does not come so far
    if (!os.unguard(const_cast<char*>(p), kPage)) return 4;
    p[1] = 1;
    return p[0] == 0 && p[kPage] == 'x' ? 0 : 5;
  };
  const int good = in_child([&](LinuxPlatform os) { return unguarded(os, false); });
  EXPECT_TRUE(good == 0 || good == 77) << good;
  const int reads = in_child([&](LinuxPlatform os) { return unguarded(os, true); });
  EXPECT_TRUE(reads != 0 && reads != 2 && reads != 3) << reads;
}

TEST(LinuxMemory, RemapsWithItsContents) {
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              const std::size_t before = mapped_now();
              auto* p = static_cast<char*>(os.map(2 * kPage, kPage));
              std::fill(p, p + 2 * kPage, 'x');
              p = static_cast<char*>(os.remap(p, 2 * kPage, 64 * kPage));
              if (p == nullptr || mapped_now() != before + 64 * kPage) return 1;
              p[64 * kPage - 1] = 1;
              p = static_cast<char*>(os.remap(p, 64 * kPage, kPage));
              if (p == nullptr || mapped_now() != before + kPage) return 2;
              return all_are(p, kPage, 'x') ? 0 : 3;
            }),
            0);
}

TEST(LinuxMemory, ATableLiesBetweenPagesThatNobodyCanUse) {
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              const std::size_t before = mapped_now();
              auto* const p = static_cast<char*>(os.sparse(kPage + 1));
              if (p == nullptr || mapped_now() != before + 4 * kPage) return 1;
              if (!all_are(p, kPage + 1, 0)) return 2;
              p[kPage] = 1;
              if (mapping_at(p).access != "rw-p" || !has(mapping_at(p), "dd")) return 3;
              if (mapping_at(p - 1).access != "---p") return 4;
              if (mapping_at(p + 2 * kPage).access != "---p") return 5;
              const std::size_t with = mapped_now();
              if (!os.unsparse(p, kPage + 1)) return 6;
              return mapped_now() == with - 4 * kPage ? 0 : 7;
            }),
            0);
}

TEST(LinuxMemory, PrefaultedMemoryIsThereAndHugePagesAreAdvised) {
  const int answer = in_child([](LinuxPlatform os) {
    auto* const p = static_cast<char*>(os.map(4 * kPage, kPage));
    std::array<unsigned char, 4> there{};
    if (os.prefault(p, 3 * kPage) != takes_advice(23)) return 1;  // MADV_POPULATE_WRITE, Linux 5.14
    if (!takes_advice(23)) return 0;
    if (mincore(p, 4 * kPage, there.data()) != 0) return 2;
    const bool all = (there[0] & there[1] & there[2] & 1) != 0;
    return all && (there[3] & 1) == 0 ? 0 : 3;
  });
  EXPECT_EQ(answer, 0);
  if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) return;
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              void* const p = os.map(4 * kMiB, 2 * kMiB);
              os.advise_huge(p, 4 * kMiB, HugeAdvice::kUse);
              if (!has(mapping_at(p), "hg")) return 1;
              os.advise_huge(p, 4 * kMiB, HugeAdvice::kAvoid);
              return has(mapping_at(p), "nh") && !has(mapping_at(p), "hg") ? 0 : 2;
            }),
            0);
}

TEST(LinuxMemory, CountsMappingsAndKnowsHowManyThereMayBe) {
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              const std::size_t before = lines_in("/proc/self/maps");
              if (before < 5 || os.mappings() != before) return 1;
              auto* const p = static_cast<char*>(os.map(9 * kPage, kPage));
              for (std::size_t i = 1; i < 9; i += 2) os.protect(p + i * kPage, kPage);
              if (os.mappings() != lines_in("/proc/self/maps")) return 2;
              if (os.mappings() < before + 8) return 3;
              return os.mappings_max() == number_in("/proc/sys/vm/max_map_count") ? 0 : 4;
            }),
            0);
}

// A process that has announced a filter asks the kernel for nothing that the filter could take
// amiss.
TEST(LinuxMemory, BeforeAFilterItDoesWithoutTheRarerCalls) {
  EXPECT_EQ(in_child([](LinuxPlatform os) {
              expect_sandbox();
              if (os.mappings() != 0 || os.mappings_max() != 65530) return 1;
              auto* const p = static_cast<char*>(os.map(4 * kPage, kPage));
              std::fill(p, p + 4 * kPage, 'x');
              if (os.remap(p, 4 * kPage, 8 * kPage) != nullptr) return 2;
              if (os.remap(p, 4 * kPage, 4 * kPage) != nullptr) return 3;
              const std::size_t before = mapped_now();
              if (os.remap(p, 4 * kPage, kPage) != p) return 4;
              if (mapped_now() != before - 3 * kPage || p[kPage - 1] != 'x') return 5;
              if (os.prefault(p, kPage) || os.guard(p, kPage)) return 6;
              if (!os.unguard(p, kPage) || p[0] != 0) return 7;
              os.advise_huge(p, kPage, HugeAdvice::kUse);
              if (has(mapping_at(p), "hg")) return 8;
              auto* const q = static_cast<char*>(os.reserve(kPage, kPage));
              if (q == nullptr || has(mapping_at(q), "dd")) return 9;
              if (os.random() == os.random()) return 10;
              return os.unmap(p, kPage) ? 0 : 11;
            }),
            0);
}

std::uint64_t coarse_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000000;
}

TEST(LinuxMemory, TheClockIsTheKernelsInMilliseconds) {
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t before = coarse_ms();
    const std::uint64_t told = LinuxPlatform().clock_ms();
    ASSERT_LE(before, told);
    ASSERT_LE(told, coarse_ms());
  }
}

TEST(LinuxMemory, ItsRandomNumbersDifferInEveryBit) {
  std::uint64_t ever = 0, always = ~std::uint64_t{0};
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t n = LinuxPlatform().random();
    ever |= n;
    always &= n;
  }
  EXPECT_EQ(ever, ~std::uint64_t{0});
  EXPECT_EQ(always, 0u);
}

TEST(LinuxMemory, KnowsProcessThreadAndPage) {
  EXPECT_EQ(LinuxPlatform::process(), static_cast<std::uint32_t>(getpid()));
  EXPECT_EQ(LinuxPlatform::thread(), static_cast<std::uint32_t>(syscall(SYS_gettid)));
  std::async(std::launch::async, [] {
    EXPECT_EQ(LinuxPlatform::process(), static_cast<std::uint32_t>(getpid()));
    EXPECT_EQ(LinuxPlatform::thread(), static_cast<std::uint32_t>(syscall(SYS_gettid)));
  }).get();
  EXPECT_EQ(LinuxPlatform().page_bytes(), static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
}

TEST(LinuxMemory, TheEnvironmentIsFoundByTheWholeName) {
  EXPECT_EQ(in_child([](LinuxPlatform) {
              std::array<char, 16> one{"TESTED_AS=one"}, empty{"TESTED="}, two{"TESTED=two"},
                  bare{"TESTED_BARE"};
              std::array<char*, 5> all{one.data(), bare.data(), empty.data(), two.data(), nullptr};
              environ = all.data();
              const char* const found = LinuxPlatform::environment("TESTED");
              if (found == nullptr || *found != '\0') return 1;  // the first of two
              if (LinuxPlatform::environment("TESTED_AS") != one.data() + 10) return 2;
              if (LinuxPlatform::environment("TESTED_A") != nullptr) return 3;
              if (LinuxPlatform::environment("TESTED_BARE") != nullptr) return 4;
              return LinuxPlatform::environment("TEST") == nullptr ? 0 : 5;
            }),
            0);
}

volatile sig_atomic_t g_handled = 0;

// As libc's abort: whatever the program has done about the signal, that is how it ends; a handler
// has its say before.
TEST(LinuxMemory, AbortsBySignalWhateverTheProgramDoesAboutIt) {
  const auto aborted = [](LinuxPlatform, void (*handler)(int), bool blocked) {
    signal(SIGABRT, handler);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    if (blocked) sigprocmask(SIG_BLOCK, &set, nullptr);
    LinuxPlatform::abort();
    return 1;
  };
  const int ended = 100 + SIGABRT;
  for (const bool blocked : {false, true}) {
    EXPECT_EQ(in_child([&](LinuxPlatform os) { return aborted(os, SIG_DFL, blocked); }), ended);
    EXPECT_EQ(in_child([&](LinuxPlatform os) { return aborted(os, SIG_IGN, blocked); }), ended);
    EXPECT_EQ(in_child([&](LinuxPlatform os) {
                return aborted(os, [](int) { g_handled = g_handled + 1; }, blocked);
              }),
              ended);
    EXPECT_EQ(
        in_child([&](LinuxPlatform os) { return aborted(os, [](int) { _exit(7); }, blocked); }), 7);
  }
}

TEST(LinuxMemory, WritesErrorsAsTheyAreGiven) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  EXPECT_EQ(in_child([&](LinuxPlatform) {
              dup2(ends[1], STDERR_FILENO);
              LinuxPlatform::write_error("warned\n", 7);
              LinuxPlatform::write_fatal("ended\nnot this", 6);
              return 0;
            }),
            0);
  close(ends[1]);
  std::string text(64, '\0');
  const auto n = read(ends[0], text.data(), text.size());
  close(ends[0]);
  EXPECT_EQ(text.substr(0, n > 0 ? static_cast<std::size_t>(n) : 0), "warned\nended\n");
}

#if defined(__x86_64__)
TEST(LinuxMemory, FindsWhatTheKernelMapsIntoTheProcess) {
  using ClockGettime = int (*)(clockid_t, timespec*);
  const auto clock = reinterpret_cast<ClockGettime>(find_in_vdso("__vdso_clock_gettime"));
  ASSERT_NE(clock, nullptr);
  timespec now{};
  EXPECT_EQ(clock(CLOCK_MONOTONIC, &now), 0);
  EXPECT_GT(now.tv_sec, 0);
  EXPECT_EQ(find_in_vdso("clock_gettime"), find_in_vdso("__vdso_clock_gettime"))
      << "its other name";
  std::vector<void*> found;
  for (const char* name : {"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time",
                           "__vdso_getcpu", "__vdso_clock_getres"}) {
    EXPECT_NE(find_in_vdso(name), nullptr) << name;
    found.push_back(find_in_vdso(name));
  }
  std::sort(found.begin(), found.end());
  EXPECT_EQ(std::unique(found.begin(), found.end()), found.end());
  for (const char* name : {"__vdso_clock_gettim", "__vdso_clock_gettime_", "malloc"}) {
    EXPECT_EQ(find_in_vdso(name), nullptr) << name;
  }
}
#endif

}  // namespace
}  // namespace hakmem
