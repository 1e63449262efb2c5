#include "pal/parent.h"

#include <fcntl.h>
#include <string.h>

#include <cstddef>
#include <cstdint>

#include "base/text.h"
#include "pal/errno_keeper.h"
#include "pal/linux.h"
#include "pal/system_call.h"

namespace hakmem {
namespace {

using FileName = TextOf<63>;

// "/proc/PROCESS/LEAF".
FileName of_parent(const char* leaf) noexcept {
  FileName name;
  name.put("/proc/").number(static_cast<std::uint64_t>(system_call(SYS_getppid)));
  name.put("/").put(leaf);
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

long read_link(const char* path, char* to, std::size_t bytes) noexcept {
  return system_call(SYS_readlinkat, word(AT_FDCWD), word(path), word(to), bytes);
}

bool same_program() noexcept {
  char own[1024];
  char of_parents[sizeof own];
  const long length = read_link("/proc/self/exe", own, sizeof own);
  const long other = read_link(of_parent("exe").c_str(), of_parents, sizeof of_parents);
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
  sys::read_file(of_parent("environ").c_str(), [&](const char* piece, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      variable.take(piece[i]);
      library.take(piece[i]);
    }
  });
  return variable.found() && (library.found() || (preload == nullptr && same_program()));
}

}  // namespace hakmem
