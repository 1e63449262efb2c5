// A file name put together in place: for HAKMEM_TRACE and HAKMEM_STATS_FILE. Allocates nothing and
// is async-signal-safe.
#pragma once

#include <string.h>

#include <cstddef>
#include <cstdint>

#include "base/text.h"
#include "pal/linux.h"
#include "pal/system_call.h"

namespace hakmem::heap {

// Too long a one ends unusable.
class Path : public TextOf<4095> {
 public:
  // The directory that a relative `name` starts from; the program may change it later.
  void put_directory_of(const char* name) noexcept {
    if (name[0] == '/') return;
    char directory[4096];
    if (failed(system_call(SYS_getcwd, word(&directory[0]), sizeof directory))) {
      lost_ = true;
      return;
    }
    put(directory).put("/");
  }
  // `pattern` with this process's number in the place of its first %p. False: there is none.
  bool put_pattern(const char* pattern) noexcept {
    const char* const place = strstr(pattern, "%p");
    put(pattern, place == nullptr ? strlen(pattern) : static_cast<std::size_t>(place - pattern));
    if (place == nullptr) return false;
    number(LinuxPlatform::process());
    put(place + 2);
    return true;
  }
  void clear() noexcept {
    TextOf::clear();
    lost_ = false;
  }
  bool usable() const noexcept { return !lost_ && !cut() && size() != 0; }

 private:
  bool lost_ = false;  // the directory is; all zero at first, so that it needs no page of .data
};

}  // namespace hakmem::heap
