// FakePlatform: the platform of tests. Real memory underneath, but every call is counted, the k-th
// call of a kind can be made to fail, time stands still until the test moves it, randomness
// repeats, and what is mapped is recorded, so that a test can say that nothing leaks and nothing
// foreign is unmapped. Thread-safe. Uses the C++ heap for its records: not for an allocator that
// replaces it.
#pragma once

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>

#include "base/bits.h"
#include "pal/fake_areas.h"
#include "pal/linux.h"
#include "pal/platform.h"

namespace hakmem {

enum class Call : std::uint8_t {
  kReserve,
  kCommit,
  kReveal,
  kPurge,
  kGuard,
  kUnguard,
  kMap,
  kSparse,
  kTable,
  kOpen,
  kUnsparse,
  kRemap,
  kProtect,
  kAdviseHuge,
  kPrefault,
  kUnmap,
  kCount
};

// System: where the memory comes from, with the calls of platform.h that are about memory.
template <class System>
class FakePlatformOn {
 public:
  explicit FakePlatformOn(std::uint64_t seed = 1) : random_(seed) {}
  FakePlatformOn(const FakePlatformOn&) = delete;
  FakePlatformOn& operator=(const FakePlatformOn&) = delete;
  // A test that leaks on purpose must not starve the next one.
  ~FakePlatformOn() {
    for (const auto& [begin, end] : live_) os_.unmap(pointer(begin), end - begin);
  }

  // --- What the test asks for and about.

  // From now on, calls of `kind` fail after `successes` more have been let through.
  void fail_after(Call kind, std::uint64_t successes) {
    const std::lock_guard<std::mutex> guard(mutex_);
    Kind& k = of(kind);
    k.fail_from = k.calls + successes;
    k.fail_until = kNever;
  }
  // Only the k-th call of `kind` from now fails; 1 is the next one.
  void fail_nth(Call kind, std::uint64_t nth) {
    const std::lock_guard<std::mutex> guard(mutex_);
    Kind& k = of(kind);
    k.fail_from = k.calls + nth - 1;
    k.fail_until = k.fail_from + 1;
  }
  void stop_failing() {
    const std::lock_guard<std::mutex> guard(mutex_);
    for (Kind& k : kinds_) k.fail_from = k.fail_until = kNever;
    areas_.set_max(FakeAreas::kNoMax);
  }
  std::uint64_t calls(Call kind) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return kinds_[static_cast<std::size_t>(kind)].calls;
  }
  // From now on the process may have `max` mappings, as if it had none but the fake's.
  void set_mappings_max(std::size_t max) {
    const std::lock_guard<std::mutex> guard(mutex_);
    areas_.set_max(max);
  }
  // Calls refused for want of mappings.
  std::uint64_t short_of_mappings() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return areas_.refusals();
  }
  // Calls that were made to fail, or refused for want of mappings.
  std::uint64_t failures() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return failures_ + areas_.refusals();
  }
  std::size_t live_bytes() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    std::size_t bytes = 0;
    for (const auto& [begin, end] : live_) bytes += end - begin;
    return bytes;
  }
  bool is_live(const void* at, std::size_t bytes) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return covered(reinterpret_cast<std::uintptr_t>(at), bytes);
  }
  // Calls about memory that was not mapped at the time: any at all is a bug of the caller.
  std::uint64_t foreign_calls() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return foreign_;
  }
  // Bytes of all advice so far; it is not passed on to the system.
  std::size_t advised(HugeAdvice advice) const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return advised_[static_cast<std::size_t>(advice)];
  }
  std::size_t prefaulted() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return prefaulted_;
  }
  void advance_clock_ms(std::uint64_t ms) {
    const std::lock_guard<std::mutex> guard(mutex_);
    now_ms_ += ms;
  }
  // Whether the kernel lets one byte at `p` be read; asks it, so there is no fault to survive.
  static bool is_readable(const void* p) {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) return false;
    const bool readable = write(ends[1], p, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return readable;
  }

  // --- The platform (platform.h).

  void* reserve(std::size_t bytes, std::size_t alignment) noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (refused(Call::kReserve)) return nullptr;
    return added(os_.reserve(bytes, alignment), bytes, kReserved);
  }
  bool commit(void* at, std::size_t bytes) noexcept {
    return known(Call::kCommit, at, bytes) && changed(at, bytes, FakeAreas::kUsable, 0) &&
           os_.commit(at, bytes);
  }
  void reveal(void* at, std::size_t bytes) noexcept {
    if (!known(Call::kReveal, at, bytes)) return;
    if (changed(at, bytes, 0, FakeAreas::kNotDumped)) os_.reveal(at, bytes);
  }
  bool purge(void* at, std::size_t bytes) noexcept {
    return known(Call::kPurge, at, bytes) && os_.purge(at, bytes);
  }
  bool guard(void* at, std::size_t bytes) noexcept {
    return known(Call::kGuard, at, bytes) && os_.guard(at, bytes);
  }
  bool unguard(void* at, std::size_t bytes) noexcept {
    return known(Call::kUnguard, at, bytes) && os_.unguard(at, bytes);
  }
  void* map(std::size_t bytes, std::size_t alignment) noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (refused(Call::kMap)) return nullptr;
    return added(os_.map(bytes, alignment), bytes, kReadWrite);
  }
  void* sparse(std::size_t bytes) noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (refused(Call::kSparse)) return nullptr;
    void* const inner = os_.sparse(bytes);
    if (inner == nullptr) return nullptr;
    const std::size_t outer_bytes = sparse_bytes(bytes);
    void* const outer = static_cast<char*>(inner) - page_bytes();
    if (added(outer, outer_bytes, kReserved) == nullptr) return nullptr;
    const auto begin = reinterpret_cast<std::uintptr_t>(inner);
    if (areas_.set(begin, begin + outer_bytes - 2 * page_bytes(),
                   kReadWrite | FakeAreas::kNotDumped)) {
      return inner;
    }
    if (removed(outer, outer_bytes)) os_.unmap(outer, outer_bytes);
    return nullptr;
  }
  void* table(std::size_t bytes) noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (refused(Call::kTable)) return nullptr;
    void* const inner = os_.table(bytes);
    if (inner == nullptr) return nullptr;
    void* const outer = static_cast<char*>(inner) - page_bytes();
    return added(outer, sparse_bytes(bytes), kReserved) == nullptr ? nullptr : inner;
  }
  bool open(void* at, std::size_t bytes) noexcept {
    return known(Call::kOpen, at, bytes) && changed(at, bytes, FakeAreas::kUsable, 0) &&
           os_.open(at, bytes);
  }
  bool unsparse(void* at, std::size_t bytes) noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (refused(Call::kUnsparse)) return false;
    return removed(static_cast<char*>(at) - page_bytes(), sparse_bytes(bytes)) &&
           os_.unsparse(at, bytes);
  }
  void* remap(void* at, std::size_t bytes, std::size_t new_bytes) noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (refused(Call::kRemap) || !removed(at, bytes)) return nullptr;
    if (areas_.max() != FakeAreas::kNoMax && areas_.count() + 1 > areas_.max()) {
      added(at, bytes, kReadWrite);  // as it was: the kernel, too, refuses before it moves anything
      ++failures_;
      return nullptr;
    }
    void* const moved = os_.remap(at, bytes, new_bytes);
    added(moved == nullptr ? at : moved, moved == nullptr ? bytes : new_bytes, kReadWrite);
    return moved;
  }
  bool protect(void* at, std::size_t bytes) noexcept {
    return known(Call::kProtect, at, bytes) && changed(at, bytes, 0, FakeAreas::kUsable) &&
           os_.protect(at, bytes);
  }
  void advise_huge(void* at, std::size_t bytes, HugeAdvice advice) noexcept {
    if (!known(Call::kAdviseHuge, at, bytes)) return;
    const std::lock_guard<std::mutex> guard(mutex_);
    advised_[static_cast<std::size_t>(advice)] += bytes;
  }
  bool prefault(void* at, std::size_t bytes) noexcept {
    if (!known(Call::kPrefault, at, bytes) || !os_.prefault(at, bytes)) return false;
    const std::lock_guard<std::mutex> guard(mutex_);
    prefaulted_ += bytes;
    return true;
  }
  bool unmap(void* at, std::size_t bytes) noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (refused(Call::kUnmap)) return false;
    return removed(at, bytes) && os_.unmap(at, bytes);
  }
  std::size_t mappings_max() noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    return areas_.max();
  }
  std::size_t mappings() noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    return areas_.count();
  }
  std::size_t page_bytes() noexcept { return os_.page_bytes(); }
  std::uint64_t random() noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    std::uint64_t z = random_ += 0x9E3779B97F4A7C15u;  // splitmix64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  std::uint64_t clock_ms() noexcept {
    const std::lock_guard<std::mutex> guard(mutex_);
    return now_ms_;
  }
  static void futex_wait(std::uint32_t* word, std::uint32_t expected) noexcept {
    LinuxPlatform::futex_wait(word, expected);
  }
  static void futex_wake(std::uint32_t* word) noexcept { LinuxPlatform::futex_wake(word); }
  static void write_error(const char* text, std::size_t bytes) noexcept {
    LinuxPlatform::write_error(text, bytes);
  }

 private:
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  static constexpr unsigned kReserved = FakeAreas::kMapped | FakeAreas::kNotDumped;
  static constexpr unsigned kReadWrite = FakeAreas::kMapped | FakeAreas::kUsable;

  struct Kind {
    std::uint64_t calls = 0;
    std::uint64_t fail_from = kNever;  // calls number fail_from .. fail_until - 1 fail
    std::uint64_t fail_until = kNever;
  };

  static void* pointer(std::uintptr_t address) { return reinterpret_cast<void*>(address); }
  Kind& of(Call kind) { return kinds_[static_cast<std::size_t>(kind)]; }
  std::size_t sparse_bytes(std::size_t bytes) {
    return static_cast<std::size_t>(round_up(bytes, page_bytes())) + 2 * page_bytes();
  }

  bool refused(Call kind) {
    Kind& k = of(kind);
    const std::uint64_t number = k.calls++;
    const bool fails = number >= k.fail_from && number < k.fail_until;
    failures_ += fails ? 1 : 0;
    return fails;
  }
  bool known(Call kind, void* at, std::size_t bytes) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (refused(kind)) return false;
    const bool ours = covered(reinterpret_cast<std::uintptr_t>(at), bytes);
    foreign_ += ours ? 0 : 1;
    return ours;
  }

  // live_ holds disjoint ranges, begin -> end; touching ones are merged.
  bool covered(std::uintptr_t begin, std::size_t bytes) const {
    const auto after = live_.upper_bound(begin);
    return after != live_.begin() && std::prev(after)->second >= begin + bytes;
  }
  // A change of a range's kind, as far as the cap on mappings allows it.
  bool changed(void* at, std::size_t bytes, unsigned more, unsigned less) {
    const std::lock_guard<std::mutex> guard(mutex_);
    const auto begin = reinterpret_cast<std::uintptr_t>(at);
    return areas_.change(begin, static_cast<std::uintptr_t>(round_up(begin + bytes, page_bytes())),
                         [=](unsigned kind) { return (kind | more) & ~less; });
  }
  // What the system has just mapped; nullptr, and unmapped again, when that is over the cap.
  void* added(void* at, std::size_t bytes, unsigned kind) {
    if (at == nullptr || bytes == 0) return at;
    auto begin = reinterpret_cast<std::uintptr_t>(at);
    auto end = static_cast<std::uintptr_t>(round_up(begin + bytes, page_bytes()));
    if (!areas_.set(begin, end, kind)) {
      os_.unmap(at, bytes);
      return nullptr;
    }
    if (const auto next = live_.find(end); next != live_.end()) {
      end = next->second;
      live_.erase(next);
    }
    const auto after = live_.lower_bound(begin);
    if (after != live_.begin() && std::prev(after)->second == begin) {
      std::prev(after)->second = end;
    } else {
      live_.emplace(begin, end);
    }
    return at;
  }
  bool removed(void* at, std::size_t bytes) {
    const auto begin = reinterpret_cast<std::uintptr_t>(at);
    const auto end = static_cast<std::uintptr_t>(round_up(begin + bytes, page_bytes()));
    if (!covered(begin, end - begin)) {
      ++foreign_;
      return false;
    }
    if (!areas_.set(begin, end, FakeAreas::kHole)) return false;
    const auto range = std::prev(live_.upper_bound(begin));
    const std::uintptr_t range_end = range->second;
    range->second = begin;
    if (range->first == begin) live_.erase(range);
    if (range_end != end) live_.emplace(end, range_end);
    return true;
  }

  mutable std::mutex mutex_;
  System os_;
  std::array<Kind, static_cast<std::size_t>(Call::kCount)> kinds_{};
  std::map<std::uintptr_t, std::uintptr_t> live_;
  FakeAreas areas_;
  std::array<std::size_t, 2> advised_{};
  std::size_t prefaulted_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t foreign_ = 0;
  std::uint64_t now_ms_ = 1000;
  std::uint64_t random_;
};

using FakePlatform = FakePlatformOn<LinuxPlatform>;

static_assert(Platform<FakePlatform>);

}  // namespace hakmem
