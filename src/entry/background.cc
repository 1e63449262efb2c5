#include "entry/background.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include <cstddef>

#include "entry/heap.h"
#include "pal/errno_keeper.h"
#include "pal/linux.h"
#include "pal/system_call.h"
#include "report/report.h"

namespace hakmem::heap {
namespace {

constexpr std::size_t kStackBytes = 64 * 1024;
constexpr long kPeriodMs = 250;
constexpr unsigned kQuietPeriods = 4;  // what was freed last has aged by then

constinit StdWorld::atomic<bool> g_asked{false};
constinit StdWorld::atomic<bool> g_loaded{false};

constexpr std::uint32_t word(Background state) noexcept {
  return static_cast<std::uint32_t>(state);
}
std::uint32_t* futex_word() noexcept { return reinterpret_cast<std::uint32_t*>(&g_background); }
bool change(Background from, Background to) noexcept {
  std::uint32_t expected = word(from);
  return g_background.cas_relaxed(expected, word(to));  // relaxed: nothing is published by it
}

void sleep_for_a_period() noexcept {
  const timespec period{kPeriodMs / 1000, kPeriodMs % 1000 * 1000000};
  system_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, hakmem::word(&period), 0);
}

// Until a slow path wakes it.
void sleep_until_used() noexcept {
  if (!change(Background::kDozing, Background::kAsleep)) return;
  while (g_background.load_relaxed() == word(Background::kAsleep)) {
    LinuxPlatform::futex_wait(futex_word(), word(Background::kAsleep));
  }
}

[[noreturn]] void* run(void*) noexcept {
  system_call(SYS_prctl, PR_SET_NAME, hakmem::word("hakmem"));
  for (unsigned quiet = 0;;) {
    change(Background::kActive, Background::kDozing);
    sleep_for_a_period();
    const bool more = allocator().release_idle();
    const bool used = g_background.load_relaxed() == word(Background::kActive);
    quiet = more || used ? 0 : quiet + 1;
    if (quiet < kQuietPeriods) continue;
    sleep_until_used();
    quiet = 0;
  }
}

// False when the system refuses.
bool start_thread() noexcept {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, run, nullptr) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return started;
}

void want_if_ready() noexcept {
  if (g_asked.load_relaxed() && g_loaded.load_relaxed()) {  // relaxed: one thread as yet
    change(Background::kOff, Background::kWanted);
  }
}

// Before that no thread can be made.
[[gnu::constructor]] void on_loaded() noexcept {
  g_loaded.store_relaxed(true);
  want_if_ready();
}

}  // namespace

constinit StdWorld::atomic<std::uint32_t> g_background{word(Background::kOff)};

void want_background() noexcept {
  g_asked.store_relaxed(true);
  want_if_ready();
}

void background_fork_child() noexcept {
  if (g_background.load_relaxed() != word(Background::kOff)) {
    g_background.store_relaxed(word(Background::kWanted));
  }
}

// What it takes to make a thread may be allocated here: it finds kStarting.
void serve_background_slow() noexcept {
  const ErrnoKeeper keep;
  if (change(Background::kDozing, Background::kActive)) return;
  if (change(Background::kAsleep, Background::kActive)) {
    LinuxPlatform::futex_wake(futex_word());
    return;
  }
  if (!change(Background::kWanted, Background::kStarting)) return;
  if (start_thread()) {
    change(Background::kStarting, Background::kActive);
  } else {
    change(Background::kStarting, Background::kOff);
    report_warning(
        "HAKMEM_BACKGROUND=1, but no thread is to be had: memory goes back on calls only");
  }
}

}  // namespace hakmem::heap
