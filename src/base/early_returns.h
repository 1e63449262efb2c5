// EarlyReturns: free memory that went back to the system before it had aged, and how much of that
// was wanted anew. A program that takes and frees much in turns misses it: whoever keeps free
// memory keeps as much more from then on, and half of that after each period. Bytes; no lock.
#pragma once

#include <algorithm>
#include <cstddef>

namespace hakmem {

class EarlyReturns {
 public:
  std::size_t missed() const noexcept { return missed_; }
  void returned(std::size_t bytes) noexcept { returned_ += bytes; }
  void taken_anew(std::size_t bytes) noexcept {
    const std::size_t missed = std::min(bytes, returned_);
    returned_ -= missed;
    missed_ += missed;
  }
  void forget_half() noexcept {
    returned_ /= 2;
    missed_ /= 2;
  }

 private:
  std::size_t returned_ = 0;  // early, and not missed so far
  std::size_t missed_ = 0;
};

}  // namespace hakmem
