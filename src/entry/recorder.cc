#include "entry/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <new>

#include "entry/path.h"
#include "front/production.h"
#include "pal/errno_keeper.h"
#include "pal/lock.h"
#include "report/report.h"
#include "report/text.h"

namespace hakmem::heap {

constinit StdWorld::atomic<bool> g_recording{false};

namespace {

using trace::Header;
using trace::Record;

constexpr const char* kName = "HAKMEM_TRACE";
constexpr std::size_t kWindowBytes = std::size_t{1} << 20;

// The file behind the records. All under the recorder's lock.
class TraceFile {
 public:
  // False: no such file can be made.
  bool create(const char* pattern, bool forked) noexcept {
    for (std::uint32_t copy = 0; copy < 1000; ++copy) {
      name(pattern, copy);
      if (!path_.usable()) return false;
      const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      if (fd < 0 && errno == EEXIST) continue;
      if (fd < 0) return false;
      const bool mapped = map_window(fd, 0) && map_header(fd);
      close(fd);
      if (mapped) write_header(forked);
      return mapped;
    }
    return false;
  }

  // False: the file cannot grow.
  bool append(const Record& record) noexcept {
    const std::size_t at = trace::kHeaderBytes + header_->records * trace::kRecordBytes;
    // A record may lie across two windows: it is written byte by byte there.
    const auto* const bytes = reinterpret_cast<const char*>(&record);
    for (std::size_t i = 0; i < trace::kRecordBytes;) {
      if (at + i >= window_offset_ + kWindowBytes && !next_window()) return false;
      const std::size_t within = at + i - window_offset_;
      const std::size_t room = kWindowBytes - within;
      const std::size_t n = trace::kRecordBytes - i < room ? trace::kRecordBytes - i : room;
      memcpy(window_ + within, bytes + i, n);
      i += n;
    }
    ++header_->records;
    return true;
  }

  void leave() noexcept {
    if (window_ != nullptr) munmap(window_, kWindowBytes);
    if (header_ != nullptr) munmap(header_, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
    window_ = nullptr;
    header_ = nullptr;
  }

 private:
  void name(const char* pattern, std::uint32_t copy) noexcept {
    path_.clear();
    if (!path_.put_pattern(pattern)) {
      path_.put(".");
      path_.number(static_cast<std::uint64_t>(getpid()));
    }
    if (copy == 0) return;
    path_.put(".");
    path_.number(copy);
  }

  bool map_window(int fd, std::size_t offset) noexcept {
    // posix_fallocate and not ftruncate: on a full disk a mapped hole would end in SIGBUS.
    if (posix_fallocate(fd, static_cast<off_t>(offset), kWindowBytes) != 0) return false;
    void* const at = mmap(nullptr, kWindowBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                          static_cast<off_t>(offset));
    if (at == MAP_FAILED) return false;
    window_ = static_cast<char*>(at);
    window_offset_ = offset;
    return true;
  }
  bool map_header(int fd) noexcept {
    void* const at = mmap(nullptr, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)),
                          PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    header_ = at == MAP_FAILED ? nullptr : static_cast<Header*>(at);
    return header_ != nullptr;
  }
  bool next_window() noexcept {
    const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    munmap(window_, kWindowBytes);
    window_ = nullptr;
    const bool mapped = map_window(fd, window_offset_ + kWindowBytes);
    close(fd);
    return mapped;
  }
  void write_header(bool forked) noexcept {
    memcpy(header_->magic, trace::kMagic, sizeof trace::kMagic);
    header_->version = trace::kVersion;
    header_->record_bytes = trace::kRecordBytes;
    header_->records = 0;
    header_->process = static_cast<std::uint32_t>(getpid());
    header_->forked = forked ? 1 : 0;
  }

  Path path_;
  char* window_ = nullptr;
  std::size_t window_offset_ = 0;
  Header* header_ = nullptr;
};

constinit Lock<ProductionConfig> g_lock;
constinit TraceFile g_file;
constinit Path g_pattern;  // absolute
// One byte of a page that reads as zero in a child that was forked behind our back (clone): it
// must not write on in its parent's file.
constinit volatile char* g_still_parent = nullptr;

bool watch_for_clone() noexcept {
  const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return false;
  if (madvise(at, bytes, MADV_WIPEONFORK) != 0) {
    munmap(at, bytes);
    return false;
  }
  g_still_parent = static_cast<char*>(at);
  *g_still_parent = 1;
  return true;
}

void stop(const char* why) noexcept {
  g_recording.store_relaxed(false);
  Text line;
  line.put(kName).put(": ").put(why).put("; recording ends here");
  char text[256];
  const std::size_t n = line.size() < sizeof text - 1 ? line.size() : sizeof text - 1;
  memcpy(text, line.data(), n);
  text[n] = '\0';
  report_warning(text);
}

void begin_child_file() noexcept HAKMEM_REQUIRES(g_lock) {
  g_file.leave();
  *g_still_parent = 1;
  if (!g_file.create(g_pattern.c_str(), true)) stop("the file of a forked child cannot be created");
}

}  // namespace

bool start_recording() noexcept {
  const ErrnoKeeper keep;
  const LockGuard<ProductionConfig> guard(g_lock);
  const char* const pattern = LinuxPlatform::environment(kName);
  if (pattern == nullptr || *pattern == '\0') return false;
  g_pattern.put_directory_of(pattern);
  g_pattern.put(pattern);
  if (!g_pattern.usable() || !watch_for_clone() || !g_file.create(g_pattern.c_str(), false)) {
    report_bad_environment(kName, pattern, "where a file can be created", "no recording");
    return false;
  }
  g_recording.store_relaxed(true);
  return true;
}

void record(trace::Kind kind, std::size_t size, std::size_t alignment, const void* p) noexcept {
  const ErrnoKeeper keep;
  const auto thread = static_cast<std::uint32_t>(syscall(SYS_gettid));
  const auto log2 = static_cast<std::uint8_t>(alignment == 0 ? 0 : std::countr_zero(alignment));
  const Record entry{kind, log2, 0, thread, size, reinterpret_cast<std::uintptr_t>(p)};
  const LockGuard<ProductionConfig> guard(g_lock);
  if (!recording()) return;
  if (*g_still_parent == 0) begin_child_file();
  if (recording() && !g_file.append(entry)) stop("the file cannot grow");
}

void recorder_fork_prepare() noexcept HAKMEM_UNCHECKED { g_lock.lock(); }
void recorder_fork_parent() noexcept HAKMEM_UNCHECKED { g_lock.unlock(); }
void recorder_fork_child() noexcept HAKMEM_UNCHECKED {
  if (recording()) {
    const ErrnoKeeper keep;
    begin_child_file();
  }
  g_lock.unlock();
}

}  // namespace hakmem::heap
