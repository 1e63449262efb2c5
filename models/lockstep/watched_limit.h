// WatchedLimit: the memory limit as lockstep runs use it. What v1 and large hold is theirs to
// choose, and can change in the middle of a call; so it writes down how much that was each time the
// cold box asked, for the model, which predicts the cold box's own part and what follows.
#pragma once

#include <cstddef>
#include <vector>

#include "base/atomic.h"
#include "limits/memory_limit.h"

namespace hakmem::model {

class WatchedLimit : public MemoryLimit<StdWorld> {
 public:
  bool over_soft(Holder holder, std::size_t more = 0) {
    if (holder == Holder::kPages) elsewhere_.push_back(elsewhere());
    return MemoryLimit::over_soft(holder, more);
  }
  std::size_t elsewhere() const { return held_by(Holder::kChunks) + held_by(Holder::kMappings); }

  void forget_questions() {
    elsewhere_.clear();
    read_ = 0;
  }
  // What v1 and large held when the next question was asked.
  std::size_t at_next_question() {
    return read_++ < elsewhere_.size() ? elsewhere_[read_ - 1] : elsewhere();
  }
  // As many were read as were asked.
  bool questions_match() const { return read_ == elsewhere_.size(); }

 private:
  std::vector<std::size_t> elsewhere_;
  std::size_t read_ = 0;
};

}  // namespace hakmem::model
