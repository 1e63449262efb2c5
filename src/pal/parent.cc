#include "pal/parent.h"

#include <fcntl.h>
#include <string.h>

#include <array>
#include <cstddef>

#include "pal/errno_keeper.h"
#include "pal/linux.h"
#include "pal/system_call.h"

namespace hakmem {
namespace {

using FileName = std::array<char, 64>;

// "/proc/PROCESS/LEAF".
FileName of_parent(const char* leaf) noexcept {
  FileName name{};
  std::size_t at = 0;
  const auto put = [&](const char* text) {
    while (*text != '\0') name[at++] = *text++;
  };
  char digits[20];
  std::size_t n = 0;
  for (long rest = system_call(SYS_getppid); n == 0 || rest > 0; rest /= 10) {
    digits[n++] = static_cast<char>('0' + rest % 10);
  }
  put("/proc/");
  while (n > 0) name[at++] = digits[--n];
  put("/");
  put(leaf);
  return name;
}

// Finds NAME=VALUE among strings that come byte by byte.
class Finder {
 public:
  Finder(const char* name, const char* value) noexcept : name_(name), value_(value) {}

  void take(char c) noexcept {
    same_ = same_ && c == expected();
    found_ = found_ || (same_ && c == '\0');
    ++at_;
    if (c != '\0') return;
    at_ = 0;
    same_ = true;
  }
  bool found() const noexcept { return found_; }

 private:
  char expected() const noexcept {
    const std::size_t length = strlen(name_);
    if (at_ < length) return name_[at_];
    return at_ == length ? '=' : value_[at_ - length - 1];
  }

  const char* name_;
  const char* value_;
  std::size_t at_ = 0;
  bool same_ = true;
  bool found_ = false;
};

template <class Visit>
void read_all(const char* path, Visit&& visit) noexcept {
  const long fd = sys::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char piece[2048];
  for (long got = 1; got > 0;) {
    got = sys::read(fd, piece, sizeof piece);
    for (long i = 0; i < got; ++i) visit(piece[i]);
  }
  sys::close(fd);
}

long read_link(const char* path, char* to, std::size_t bytes) noexcept {
  return system_call(SYS_readlinkat, word(AT_FDCWD), word(path), word(to), bytes);
}

bool same_program() noexcept {
  char own[1024];
  char of_parents[sizeof own];
  const long length = read_link("/proc/self/exe", own, sizeof own);
  const long other = read_link(of_parent("exe").data(), of_parents, sizeof of_parents);
  return length > 0 && length == other &&
         memcmp(own, of_parents, static_cast<std::size_t>(length)) == 0;
}

}  // namespace

bool parent_was_started_with(const char* name) noexcept {
  const ErrnoKeeper keep;
  constexpr const char* kPreload = "LD_PRELOAD";
  const char* const value = LinuxPlatform::environment(name);
  if (value == nullptr) return false;
  const char* const preload = LinuxPlatform::environment(kPreload);
  Finder variable(name, value);
  Finder library(kPreload, preload == nullptr ? "" : preload);
  read_all(of_parent("environ").data(), [&](char c) {
    variable.take(c);
    library.take(c);
  });
  return variable.found() && (library.found() || (preload == nullptr && same_program()));
}

}  // namespace hakmem
