// The live blocks of a recorded trace in lockstep: found by their number in the trace, hundreds of
// thousands at a time. The interface is Blocks' (blocks.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "models/lockstep/blocks.h"

namespace hakmem::model {

class RecordedBlocks {
 public:
  // False when it overlaps a live block.
  bool add(const Block& block) {
    const std::uintptr_t begin = block.owned.address, end = begin + block.usable;
    const auto after = extents_.lower_bound(begin);
    if (after != extents_.end() && after->first < end) return false;
    if (after != extents_.begin() && std::prev(after)->second > begin) return false;
    extents_.emplace_hint(after, begin, end);
    std::size_t place = places_.size();
    if (unused_.empty()) {
      places_.push_back(block);
    } else {
      place = unused_.back();
      unused_.pop_back();
      places_[place] = block;
    }
    place_of_[block.name] = place;
    return true;
  }
  // While realloc moves a block, its number is the new place's.
  Block take(std::size_t at) {
    const Block block = places_[at];
    const auto named = place_of_.find(block.name);
    if (named != place_of_.end() && named->second == at) place_of_.erase(named);
    extents_.erase(block.owned.address);
    places_[at].usable = 0;
    unused_.push_back(at);
    freed_.assign(1, block.owned.address);
    return block;
  }

  bool has(std::uint32_t name) const { return place_of_.contains(name); }
  // Requires: has(name).
  std::size_t pick(std::uint32_t name) const { return place_of_.at(name); }
  Block& at(std::size_t i) { return places_[i]; }
  bool empty() const { return place_of_.empty(); }
  std::size_t size() const { return place_of_.size(); }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Block& block : places_) {
      if (block.usable != 0) visit(block);
    }
  }
  bool starts_at(std::uintptr_t address) const { return extents_.contains(address); }
  const std::vector<std::uintptr_t>& freed() const { return freed_; }

 private:
  std::vector<Block> places_;
  std::vector<std::size_t> unused_;
  std::unordered_map<std::uint32_t, std::size_t> place_of_;
  std::map<std::uintptr_t, std::uintptr_t> extents_;  // begin -> end
  std::vector<std::uintptr_t> freed_;                 // the last one
};

// An op of a recorded trace means what it says: `block` is the number of a block (the op that
// obtains it gives it that number), `size` is bytes, `arg` the alignment's logarithm.
struct RecordedTrace {
  using Blocks = RecordedBlocks;
  static constexpr std::size_t kThreads = 32768;
  static constexpr std::size_t thread(const Op& op) { return op.thread % kThreads; }
  template <class C>
  static constexpr std::size_t size(const Op& op) {
    return op.size;
  }
  static constexpr std::size_t alignment(const Op& op) { return std::size_t{1} << op.arg % 48; }
};

}  // namespace hakmem::model
