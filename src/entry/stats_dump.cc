#include "entry/stats_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include <cstddef>

#include "entry/heap.h"
#include "entry/memory_held.h"
#include "entry/path.h"
#include "entry/stats_format.h"
#include "pal/errno_keeper.h"
#include "pal/linux.h"
#include "pal/lock.h"
#include "pal/parent.h"
#include "pal/stderr.h"
#include "pal/system_call.h"
#include "report/report.h"

namespace hakmem::heap {

HAKMEM_START_DATA constinit StdWorld::atomic<bool> g_stats_wanted{false};

namespace {

constexpr const char* kFileName = "HAKMEM_STATS_FILE";
constexpr std::size_t kPipeRoom = 4096;  // a pipe that poll calls writable has room for so much
constexpr int kReaderPatienceMs = 200;
constexpr int kTriesAtExit = 2000;  // about two seconds

constexpr int kStderr = 2;

constinit StatsOutput g_output;  // set once, before the handler is
// At exit only the first process of a tree puts statistics out on what all of them share, or a
// build would end in thousands of them. Each has its own place in a file, and answers a signal.
HAKMEM_START_DATA constinit bool g_silent_at_exit = false;
// All that a report needs, apart from the stack, which in a signal handler may be small.
HAKMEM_START_DATA constinit Lock<ProductionConfig> g_lock;
constinit StatsReport g_report;
constinit StatsText g_text;
constinit Path g_pattern;  // the file's name from the root, %p not yet replaced
constinit Path g_path;

// poll without libc's, which is a cancellation point. Below 0 no limit.
long poll_for(pollfd* ready, unsigned count, int timeout_ms) noexcept {
  timespec limit{timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
  timespec* const until = timeout_ms < 0 ? nullptr : &limit;
  return system_call(SYS_ppoll, word(ready), count, word(until), 0, sizeof(std::uint64_t));
}

// 0; or why not: the reader takes nothing for too long, or has gone (a write would then end in
// SIGPIPE).
int wait_for_reader(int fd, Patience patience) noexcept {
  if (fd < 0) return EBADF;  // poll would wait for ever: it passes over such entries
  pollfd ready{fd, POLLOUT, 0};
  const int timeout = patience == Patience::kWaits ? -1 : kReaderPatienceMs;
  for (;;) {
    const long n = poll_for(&ready, 1, timeout);
    if (n == 0) return EAGAIN;
    if (n > 0)
      return (ready.revents & POLLNVAL) != 0 ? EBADF : (ready.revents & POLLERR) != 0 ? EPIPE : 0;
    if (n != -EINTR) return static_cast<int>(-n);
  }
}

// 0 or an error number.
int write_all(int fd, const char* text, std::size_t bytes, Patience patience) noexcept {
  while (bytes != 0) {
    const int refused = wait_for_reader(fd, patience);
    if (refused != 0) return refused;
    const long n = sys::write(fd, text, bytes < kPipeRoom ? bytes : kPipeRoom);
    if (n < 0 && n != -EINTR && n != -EAGAIN) return static_cast<int>(-n);
    if (n <= 0) continue;
    text += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return 0;
}

// False: it had to wait and may not.
bool count_memory_locked(Patience patience) noexcept HAKMEM_REQUIRES(g_lock) {
  if (patience == Patience::kWaits) {
    g_report.memory = memory_held();
  } else if (!try_memory_held(g_report.memory)) {
    return false;
  }
  g_report.counters = {};
  g_allocator.add_stats(g_report.counters);
  g_report.counting = g_allocator.policy().count;
  g_report.process = LinuxPlatform::process();
  return true;
}

// Instead of the file that cannot be written.
void complain(Patience patience) noexcept {
  Text line;
  line.put("hakmem: warning: ").put(kFileName).put("=\"").put(g_output.file);
  line.put("\" cannot be written\n");
  if (stderr_takes(Line::kWarning)) write_all(kStderr, line.data(), line.size(), patience);
}

// A file is written anew. Never waits for a pipe that nobody reads.
int open_file() noexcept HAKMEM_REQUIRES(g_lock) {
  g_path.clear();
  g_path.put_pattern(g_pattern.c_str());
  if (!g_path.usable()) return -1;
  return static_cast<int>(sys::open(
      g_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644));
}

void put_out_locked(Patience patience) noexcept HAKMEM_REQUIRES(g_lock) {
  format_stats(g_output.format, g_report, g_text);
  if (g_output.file == nullptr) {
    if (g_output.fd == kStderr && !stderr_takes(Line::kWanted)) return;  // it is something else now
    write_all(g_output.fd, g_text.data(), g_text.size(), patience);
    return;
  }
  const int fd = open_file();
  if (fd < 0 || write_all(fd, g_text.data(), g_text.size(), patience) != 0) complain(patience);
  if (fd >= 0) sys::close(fd);
}

// What it cannot do now it leaves to the next slow path.
void serve(Patience for_locks) noexcept {
  if (!g_lock.try_lock()) return;
  g_stats_wanted.store_relaxed(false);
  if (count_memory_locked(for_locks)) {
    put_out_locked(Patience::kNone);
  } else {
    g_stats_wanted.store_relaxed(true);
  }
  g_lock.unlock();
}

void on_signal(int) noexcept {
  const ErrnoKeeper keep;
  g_stats_wanted.store_relaxed(true);
  serve(Patience::kNone);
}

// A signal that the program already handles stays its own.
void install_handler(int number) noexcept {
  struct sigaction action = {};
  const bool known = sigaction(number, nullptr, &action) == 0;
  if (!known || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN)) {
    report_warning("HAKMEM_STATS_SIGNAL: the program handles this signal itself");
    return;
  }
  action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigaction(number, &action, nullptr);
}

}  // namespace

void start_stats_dump(const StatsOutput& output) noexcept {
  if (output.format == StatsFormat::kNone) return;
  const ErrnoKeeper keep;
  g_output = output;
  g_silent_at_exit = output.file == nullptr && parent_was_started_with("HAKMEM_STATS");
  if (output.file != nullptr) {
    g_pattern.put_directory_of(output.file);
    g_pattern.put(output.file);
  }
  if (output.signal != 0) install_handler(output.signal);
}

int print_stats(int fd, StatsFormat format) noexcept {
  const ErrnoKeeper keep;
  allocator();  // started
  const LockGuard<ProductionConfig> guard(g_lock);
  count_memory_locked(Patience::kWaits);
  format_stats(format, g_report, g_text);
  return write_all(fd, g_text.data(), g_text.size(), Patience::kWaits);
}

// exit() may have been called by a signal handler that interrupted whoever holds a lock: so this
// gives up in the end.
void dump_stats_at_exit() noexcept {
  if (g_output.format == StatsFormat::kNone || g_silent_at_exit) return;
  const ErrnoKeeper keep;
  for (int tries = 0; tries < kTriesAtExit; ++tries) {
    if (g_lock.try_lock()) {
      const bool counted = count_memory_locked(Patience::kNone);
      if (counted) put_out_locked(Patience::kWaits);
      g_lock.unlock();
      if (counted) return;
    }
    poll_for(nullptr, 0, 1);
  }
  report_warning("HAKMEM_STATS: the heap is in use by a thread that does not go on; no statistics");
}

void stats_dump_fork_child() noexcept {
  g_lock.reset_in_child();
  g_silent_at_exit = g_output.file == nullptr;
  g_stats_wanted.store_relaxed(false);
}

void serve_stats_slow() noexcept {
  const ErrnoKeeper keep;
  serve(Patience::kWaits);
}

}  // namespace hakmem::heap
