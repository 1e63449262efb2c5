// A hash table of records keyed by address, in a mapping of its own: the registries of v1 chunks
// and of large blocks. Open addressing, at most half full, grows by doubling. Erasing shifts later
// records back instead of leaving tombstones, so a lookup's cost depends only on what is in it.
//
// Not thread-safe: the heap that owns it holds its lock. Record pointers are valid until the next
// insert or erase. Lookup is total: any 64-bit value may be asked for.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace hakmem {

// Record: an aggregate with a member `std::uintptr_t key`; key 0 means an empty slot.
template <class P, class Record>
class AddressTable {
  static_assert(std::is_trivially_copyable_v<Record>);

 public:
  void init(P& platform) noexcept { platform_ = &platform; }

  Record* find(std::uintptr_t key) noexcept {
    if (capacity_ == 0 || key == 0) return nullptr;
    for (std::size_t i = home(key);; i = next(i)) {
      if (slots_[i].key == key) return &slots_[i];
      if (slots_[i].key == 0) return nullptr;
    }
  }

  // nullptr when the table is full and cannot grow. Requires: record.key is not 0 and not present.
  Record* insert(const Record& record) noexcept {
    if ((count_ + room_kept_ + 1) * 2 > capacity_ && !grow()) return nullptr;
    ++count_;
    return place(record);
  }

  // Requires: `record` came from find or insert.
  void erase(Record* record) noexcept {
    auto hole = static_cast<std::size_t>(record - slots_);
    for (std::size_t i = next(hole); slots_[i].key != 0; i = next(i)) {
      // A record may move back as far as its home, so only when the hole is not before it.
      if (distance(home(slots_[i].key), i) < distance(hole, i)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = Record{};
    --count_;
  }

  // After an erase: so many later inserts find room, whatever is inserted meanwhile.
  void keep_room(std::size_t records) noexcept { room_kept_ += records; }
  void give_room(std::size_t records) noexcept { room_kept_ -= records; }

  // Calls visit(Record&) until it returns false. visit neither inserts nor erases.
  template <class F>
  void for_each(F visit) noexcept {
    for (std::size_t i = 0; i < capacity_; ++i) {
      if (slots_[i].key != 0 && !visit(slots_[i])) return;
    }
  }

  std::size_t count() const noexcept { return count_; }
  std::size_t bytes_mapped() const noexcept { return capacity_ * sizeof(Record); }

 private:
  std::size_t next(std::size_t i) const noexcept { return (i + 1) & (capacity_ - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const noexcept {
    return (to - from) & (capacity_ - 1);
  }
  std::size_t home(std::uintptr_t key) const noexcept {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> hash_shift_);
  }

  Record* place(const Record& record) noexcept {
    std::size_t i = home(record.key);
    while (slots_[i].key != 0) i = next(i);
    slots_[i] = record;
    return &slots_[i];
  }

  bool grow() noexcept {
    const std::size_t page = platform_->page_bytes();
    const std::size_t capacity =
        capacity_ == 0 ? std::bit_floor(page / sizeof(Record)) : capacity_ * 2;
    void* const memory = platform_->sparse(capacity * sizeof(Record));
    if (memory == nullptr) return false;
    Record* const old_slots = slots_;
    const std::size_t old_capacity = capacity_;
    slots_ = static_cast<Record*>(memory);  // zeroes: every slot is empty
    capacity_ = capacity;
    hash_shift_ = 64 - static_cast<unsigned>(std::countr_zero(capacity));
    for (std::size_t i = 0; i < old_capacity; ++i) {
      if (old_slots[i].key != 0) place(old_slots[i]);
    }
    if (old_slots != nullptr) platform_->unsparse(old_slots, old_capacity * sizeof(Record));
    return true;
  }

  P* platform_ = nullptr;
  Record* slots_ = nullptr;
  std::size_t capacity_ = 0;  // a power of two, or 0 before the first insert
  std::size_t count_ = 0;
  std::size_t room_kept_ = 0;
  unsigned hash_shift_ = 63;
};

}  // namespace hakmem
