// A set of page numbers of one range of memory, a bit each, as long as its highest member asks for.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace hakmem::model {

class PageBits {
 public:
  void set(std::size_t first, std::size_t count) {
    add(first, count, [](std::size_t, std::size_t) {});
  }
  // Calls visit(first, count) for stretches of those that were no members.
  template <class Visit>
  void add(std::size_t first, std::size_t count, Visit&& visit) {
    if (words_.size() * 64 < first + count) words_.resize((first + count + 63) / 64);
    each_word(first, count, [&](std::size_t w, std::uint64_t mask) {
      stretches(w, mask & ~words_[w], visit);
      words_[w] |= mask;
    });
  }
  bool all(std::size_t first, std::size_t count) const {
    if (words_.size() * 64 < first + count) return false;
    bool found = true;
    each_word(first, count, [&](std::size_t w, std::uint64_t mask) {
      found = found && (words_[w] & mask) == mask;
    });
    return found;
  }
  bool has(std::size_t page) const { return all(page, 1); }
  // Calls visit(first, count) for stretches of members in the range.
  template <class Visit>
  void for_each_stretch(std::size_t first, std::size_t count, Visit&& visit) const {
    each_word(first, within(first, count),
              [&](std::size_t w, std::uint64_t mask) { stretches(w, words_[w] & mask, visit); });
  }
  void clear(std::size_t first, std::size_t count) {
    each_word(first, within(first, count),
              [&](std::size_t w, std::uint64_t mask) { words_[w] &= ~mask; });
  }

 private:
  template <class Visit>
  static void stretches(std::size_t word, std::uint64_t bits, Visit&& visit) {
    while (bits != 0) {
      const auto from = static_cast<std::size_t>(std::countr_zero(bits));
      const auto n = static_cast<std::size_t>(std::countr_one(bits >> from));
      visit(word * 64 + from, n);
      bits &= ~((~std::uint64_t{0} >> (64 - n)) << from);
    }
  }
  std::size_t within(std::size_t first, std::size_t count) const {
    const std::size_t end = words_.size() * 64;
    return first >= end ? 0 : std::min(count, end - first);
  }
  template <class Visit>
  static void each_word(std::size_t first, std::size_t count, Visit&& visit) {
    for (const std::size_t end = first + count; first < end;) {
      const std::size_t bit = first % 64;
      const std::size_t taken = std::min(end - first, 64 - bit);
      visit(first / 64, (~std::uint64_t{0} >> (64 - taken)) << bit);
      first += taken;
    }
  }

  std::vector<std::uint64_t> words_;
};

}  // namespace hakmem::model
