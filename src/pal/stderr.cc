#include "pal/stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/atomic.h"
#include "base/attributes.h"
#include "pal/sandbox.h"
#include "pal/system_call.h"

namespace hakmem {
namespace {

constexpr int kStderr = 2;

struct Identity {
  dev_t device;
  ino_t inode;
  mode_t mode;
};

enum class Known : std::uint8_t { kNothing, kClosed, kOpen };

HAKMEM_START_DATA constinit StdAtomic<Known> g_known{Known::kNothing};
HAKMEM_START_DATA constinit Identity g_at_start{};  // written once, before g_known
HAKMEM_START_DATA constinit const char* g_report_file = nullptr;

// False: it is closed. As the dynamic loader asks, which every filter has let through.
bool identify(Identity& found) noexcept {
  struct stat s;
  if (failed(system_call(SYS_newfstatat, kStderr, word(""), word(&s), AT_EMPTY_PATH))) return false;
  found = {s.st_dev, s.st_ino, s.st_mode};
  return true;
}

bool is_terminal() noexcept {
  char settings[256];  // the kernel's struct termios is smaller
  return !failed(system_call(SYS_ioctl, kStderr, TCGETS, word(&settings[0])));
}
// A log is appended to or only written; data is read, too.
bool is_log() noexcept {
  const long flags = system_call(SYS_fcntl, kStderr, F_GETFL);
  return !failed(flags) && ((flags & O_APPEND) != 0 || (flags & O_ACCMODE) == O_WRONLY);
}

void write_all(long fd, const char* text, std::size_t bytes) noexcept {
  while (bytes > 0) {
    const long n = sys::write(fd, text, bytes);
    if (n <= 0 && n != -EINTR) return;
    if (n > 0) {
      text += n;
      bytes -= static_cast<std::size_t>(n);
    }
  }
}

}  // namespace

void remember_stderr() noexcept {
  if (g_known.load_relaxed() != Known::kNothing) return;  // relaxed: one thread loads the library
  const bool open = identify(g_at_start);
  g_known.store_release(open ? Known::kOpen : Known::kClosed);  // E1
}

bool stderr_takes(Line line) noexcept {
  const Known known = g_known.load_acquire();  // E1
  if (known == Known::kNothing || line == Line::kCalledFor) return true;
  if (known == Known::kClosed) return false;
  // What a filter says to these questions is not known. A fatal report ends the process anyhow.
  if (line == Line::kWarning && sandbox() == Sandbox::kLater) return false;
  Identity now{};
  if (!identify(now)) return false;
  if (now.device == g_at_start.device && now.inode == g_at_start.inode &&
      now.mode == g_at_start.mode) {
    return true;
  }
  if (S_ISCHR(now.mode)) return is_terminal();
  if (S_ISFIFO(now.mode) || S_ISSOCK(now.mode)) return line == Line::kWanted;
  return S_ISREG(now.mode) && is_log();
}

void write_stderr(Line line, const char* text, std::size_t bytes) noexcept {
  if (stderr_takes(line)) write_all(kStderr, text, bytes);
}

void set_report_file(const char* path) noexcept { g_report_file = path; }

void append_to_report_file(const char* text, std::size_t bytes) noexcept {
  if (g_report_file == nullptr) return;
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  const long fd = sys::open(g_report_file, kFlags, 0600);
  if (failed(fd)) return;
  write_all(fd, text, bytes);
  sys::close(fd);
}

}  // namespace hakmem
