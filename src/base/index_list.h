// Doubly linked lists through records that are found by index: records[i], the links within each.
// Who is on which list the caller knows, and whose lock or thread guards it.
//   IndexList   last in, first out; one word
//   IndexQueue  both ends, and how many there are
// Tests: tests/unit/index_list_test.cc.
#pragma once

#include <cstdint>

namespace hakmem {

struct IndexLinks {
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  std::uint32_t next = kNone;
  std::uint32_t prev = kNone;
};

// kLinks: an IndexLinks of the record.
template <auto kLinks>
class IndexList {
 public:
  static constexpr std::uint32_t kNone = IndexLinks::kNone;

  constexpr bool empty() const noexcept { return front_ == kNone; }
  constexpr std::uint32_t front() const noexcept { return front_; }  // kNone when it is empty
  // Whether the links of i do not deny that it is on this list.
  template <class Records>
  bool may_hold(const Records& records, std::uint32_t i) const noexcept {
    const std::uint32_t prev = (records[i].*kLinks).prev;
    return prev == kNone ? front_ == i : (records[prev].*kLinks).next == i;
  }

  template <class Records>
  void push_front(const Records& records, std::uint32_t i) noexcept {
    records[i].*kLinks = {front_, kNone};
    if (front_ != kNone) (records[front_].*kLinks).prev = i;
    front_ = i;
  }
  // Requires: i is on it.
  template <class Records>
  void remove(const Records& records, std::uint32_t i) noexcept {
    IndexLinks& links = records[i].*kLinks;
    if (links.prev != kNone) (records[links.prev].*kLinks).next = links.next;
    if (links.next != kNone) (records[links.next].*kLinks).prev = links.prev;
    if (front_ == i) front_ = links.next;
    links = {};
  }

 private:
  std::uint32_t front_ = kNone;
};

template <auto kLinks>
class IndexQueue {
 public:
  static constexpr std::uint32_t kNone = IndexLinks::kNone;

  constexpr std::uint32_t front() const noexcept { return list_.front(); }
  constexpr std::uint32_t size() const noexcept { return size_; }
  template <class Records>
  bool may_hold(const Records& records, std::uint32_t i) const noexcept {
    return size_ != 0 && list_.may_hold(records, i);
  }

  template <class Records>
  void push_front(const Records& records, std::uint32_t i) noexcept {
    if (list_.empty()) back_ = i;
    list_.push_front(records, i);
    ++size_;
  }
  template <class Records>
  void push_back(const Records& records, std::uint32_t i) noexcept {
    if (list_.empty()) return push_front(records, i);
    records[i].*kLinks = {kNone, back_};
    (records[back_].*kLinks).next = i;
    back_ = i;
    ++size_;
  }
  // Requires: i is on it.
  template <class Records>
  void remove(const Records& records, std::uint32_t i) noexcept {
    if (back_ == i) back_ = (records[i].*kLinks).prev;
    list_.remove(records, i);
    --size_;
  }

 private:
  IndexList<kLinks> list_;
  std::uint32_t back_ = kNone;  // of no meaning while it is empty
  std::uint32_t size_ = 0;
};

}  // namespace hakmem
