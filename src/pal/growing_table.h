// GrowingTable: records in address space of their own, between inaccessible guards, that become
// readable and writable from the first one on, as far as they have been asked for. So what a table
// takes of RLIMIT_DATA, of a strict overcommit or of locked memory follows its use; neighbours are
// one mapping; and a stray pointer into the rest faults.
//
// An eighth of what is open is opened ahead, so that a growing heap asks the system rarely, until
// that is refused once. Its owner holds the lock.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/bits.h"
#include "pal/platform.h"

namespace hakmem {

template <class P>
class GrowingTable {
 public:
  // False when refused. `step`: bytes that are opened at a time at least, if the system has them.
  bool init(P& platform, std::size_t bytes, std::size_t step) noexcept {
    at_ = static_cast<char*>(platform.table(bytes));
    bytes_ = static_cast<std::size_t>(round_up(bytes, platform.page_bytes()));
    step_ = step;
    return at_ != nullptr;
  }
  // Requires: init succeeded, and nothing of it was opened.
  void release(P& platform) noexcept {
    platform.unsparse(at_, bytes_);
    at_ = nullptr;
  }
  void* begin() const noexcept { return at_; }

  // From now on the first `bytes` can be read and written: zeroes, where nobody has written. False
  // when the system refuses; what was open stays so. Requires: bytes is not more than init's.
  bool reach(P& platform, std::size_t bytes) noexcept {
    if (bytes <= open_) return true;
    const std::size_t ahead = refused_ ? 0 : std::max(step_, open_ / 8);
    const std::size_t wanted = std::max(bytes, std::min(open_ + ahead, bytes_));
    const auto end = static_cast<std::size_t>(round_up(wanted, platform.page_bytes()));
    if (!platform.open(at_ + open_, end - open_)) {
      refused_ = true;
      return false;
    }
    open_ = end;
    return true;
  }

 private:
  char* at_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t open_ = 0;
  std::size_t step_ = 0;
  bool refused_ = false;
};

}  // namespace hakmem
