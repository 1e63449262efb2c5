// FakeAreas: the mappings that a kernel would make of the fake platform's calls. Neighbours that
// are alike are one mapping; a change in the middle makes three of one; a change that would exceed
// the cap is refused and undone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>

namespace hakmem {

class FakeAreas {
 public:
  static constexpr unsigned kHole = 0;
  static constexpr unsigned kMapped = 1;
  static constexpr unsigned kUsable = 2;  // readable and writable
  static constexpr unsigned kNotDumped = 4;

  void set_max(std::size_t max) { max_ = max; }
  std::size_t max() const { return max_; }
  std::size_t count() const { return areas_.size(); }
  std::uint64_t refusals() const { return refusals_; }

  // Every byte of [begin, end) becomes change(what it was). False: over the cap, nothing changed.
  template <class Change>
  bool change(std::uintptr_t begin, std::uintptr_t end, Change&& change) {
    const bool capped = max_ != kNoMax;
    const std::map<std::uintptr_t, Area> before =
        capped ? areas_ : std::map<std::uintptr_t, Area>{};
    apply(begin, end, change);
    if (!capped || areas_.size() <= max_ || areas_.size() <= before.size()) return true;
    areas_ = before;
    ++refusals_;
    return false;
  }
  bool set(std::uintptr_t begin, std::uintptr_t end, unsigned kind) {
    return change(begin, end, [kind](unsigned) { return kind; });
  }

  static constexpr std::size_t kNoMax = 65530;  // what the kernel has by default; not enforced

 private:
  struct Area {
    std::uintptr_t end = 0;
    unsigned kind = kHole;
  };

  void cut(std::uintptr_t at) {
    const auto after = areas_.upper_bound(at);
    if (after == areas_.begin()) return;
    Area& area = std::prev(after)->second;
    if (std::prev(after)->first == at || area.end <= at) return;
    areas_.emplace(at, area);
    area.end = at;
  }

  template <class Change>
  void apply(std::uintptr_t begin, std::uintptr_t end, Change&& change) {
    cut(begin);
    cut(end);
    for (std::uintptr_t at = begin; at < end;) {
      const auto area = areas_.lower_bound(at);
      const bool hole = area == areas_.end() || area->first != at;
      const std::uintptr_t next =
          hole ? (area == areas_.end() || area->first > end ? end : area->first) : area->second.end;
      const unsigned kind = change(hole ? kHole : area->second.kind);
      if (!hole) areas_.erase(area);
      if (kind != kHole) areas_.emplace(at, Area{next, kind});
      at = next;
    }
    join(begin, end);
  }

  void join(std::uintptr_t begin, std::uintptr_t end) {
    auto area = areas_.lower_bound(begin);
    if (area != areas_.begin()) --area;
    while (area != areas_.end() && area->first <= end) {
      const auto next = std::next(area);
      if (next == areas_.end()) return;
      if (next->first == area->second.end && next->second.kind == area->second.kind) {
        area->second.end = next->second.end;
        areas_.erase(next);
      } else {
        area = next;
      }
    }
  }

  std::map<std::uintptr_t, Area> areas_;  // by first byte; neighbours differ or do not touch
  std::size_t max_ = kNoMax;
  std::uint64_t refusals_ = 0;
};

}  // namespace hakmem
