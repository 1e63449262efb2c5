#include "entry/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include <bit>
#include <new>

#include "base/text.h"
#include "entry/path.h"
#include "heap/production.h"
#include "pal/linux.h"
#include "pal/lock.h"
#include "pal/system_call.h"
#include "report/report.h"

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
      const long fd = sys::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      if (fd == -EEXIST) continue;
      if (fd < 0) return false;
      const bool mapped = map_window(fd, 0) && map_header(fd);
      sys::close(fd);
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
    if (window_ != nullptr) sys::munmap(window_, kWindowBytes);
    if (header_ != nullptr) sys::munmap(header_, LinuxPlatform().page_bytes());
    window_ = nullptr;
    header_ = nullptr;
  }

 private:
  void name(const char* pattern, std::uint32_t copy) noexcept {
    path_.clear();
    if (!path_.put_pattern(pattern)) {
      path_.put(".");
      path_.number(LinuxPlatform::process());
    }
    if (copy == 0) return;
    path_.put(".");
    path_.number(copy);
  }

  // Behind the file's end. Not ftruncate: on a full disk a mapped hole would end in SIGBUS.
  static bool lengthen(long fd, std::size_t offset) noexcept {
    const long result = system_call(SYS_fallocate, word(fd), 0, offset, kWindowBytes);
    if (result != -EOPNOTSUPP && result != -EINTR) return result == 0;
    constexpr std::size_t kBlock = 4096;
    static constexpr char kZeroes[kBlock] = {};
    for (std::size_t i = 0; i < kWindowBytes; i += kBlock) {
      const long n = system_call(SYS_pwrite64, word(fd), word(&kZeroes[0]), kBlock, offset + i);
      if (n != static_cast<long>(kBlock)) return false;
    }
    return true;
  }
  bool map_window(long fd, std::size_t offset) noexcept {
    if (!lengthen(fd, offset)) return false;
    void* const at =
        sys::mmap(nullptr, kWindowBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
    if (at == nullptr) return false;
    window_ = static_cast<char*>(at);
    window_offset_ = offset;
    return true;
  }
  bool map_header(long fd) noexcept {
    header_ = static_cast<Header*>(
        sys::mmap(nullptr, LinuxPlatform().page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd));
    return header_ != nullptr;
  }
  bool next_window() noexcept {
    const long fd = sys::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    sys::munmap(window_, kWindowBytes);
    window_ = nullptr;
    const bool mapped = map_window(fd, window_offset_ + kWindowBytes);
    sys::close(fd);
    return mapped;
  }
  void write_header(bool forked) noexcept {
    memcpy(header_->magic, trace::kMagic, sizeof trace::kMagic);
    header_->version = trace::kVersion;
    header_->record_bytes = trace::kRecordBytes;
    header_->records = 0;
    header_->process = LinuxPlatform::process();
    header_->forked = forked ? 1 : 0;
  }

  Path path_;
  char* window_ = nullptr;
  std::size_t window_offset_ = 0;
  Header* header_ = nullptr;
};

HAKMEM_START_DATA constinit Lock<ProductionConfig> g_lock;
constinit TraceFile g_file;
constinit Path g_pattern;  // absolute
// One byte of a page that reads as zero in a child that was forked behind our back (clone): it
// must not write on in its parent's file.
constinit volatile char* g_still_parent = nullptr;

bool watch_for_clone() noexcept {
  const std::size_t bytes = LinuxPlatform().page_bytes();
  void* const at = sys::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (at == nullptr) return false;
  if (sys::madvise(at, bytes, MADV_WIPEONFORK) != 0) {
    sys::munmap(at, bytes);
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
  const char* const pattern = LinuxPlatform::environment(kName);
  if (pattern == nullptr || *pattern == '\0') return false;
  const LockGuard<ProductionConfig> guard(g_lock);
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
  const std::uint32_t thread = LinuxPlatform::thread();
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
  if (recording()) begin_child_file();
  g_lock.unlock();
}

}  // namespace hakmem::heap
