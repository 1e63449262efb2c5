// The world under the model checker: the production headers' atomics, run by Relacy, which explores
// thread interleavings and the stale values that weak memory orders allow.
//
// An atomic is either constructed by a running thread, or lies in zeroed memory that no constructor
// has seen (page records, slot entries): such a one comes into being at its first use, and
// everybody sees its zero. 64-bit words are statistics ("counter only"): plain, or they would only
// multiply the schedules.
//
// Weakening: the code names its happens-before edges in comments. `weaken({"R1", kRelease})` makes
// every release whose line cites R1 relaxed, so that a test can see that the order is needed.
#pragma once

#include <atomic>  // before Relacy, which redefines much of the language
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <type_traits>

#include <relacy/relacy.hpp>
// What relacy.hpp defines and the code under test must not see.
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#undef $

namespace hakmem::checked {

// Where the code under test is, so that a history shows its lines.
struct Site {
  const char* file;
  int line;
  rl::debug_info info() const { return rl::debug_info("", file, static_cast<unsigned>(line)); }
};

enum class Side : std::uint8_t { kRelease, kAcquire };

// Which order is relaxed: that of one of the lines that cite the edge, numbered as they are met.
struct Weakening {
  static constexpr int kNone = -1;  // only number the lines
  const char* edge = nullptr;       // e.g. "R1"
  Side side = Side::kRelease;
  int site = kNone;
};
inline Weakening g_weakening;

// Whether the comment on that line of the source cites `edge`.
inline bool line_cites(const Site& site, const char* edge) {
  const char* within = std::strstr(site.file, "src/");
  char path[1024];
  std::snprintf(path, sizeof path, "%s/%s", HAKMEM_SOURCE_DIR, within == nullptr ? "" : within);
  std::FILE* const file = std::fopen(path, "r");
  if (file == nullptr) return false;
  char line[512] = "";
  for (int i = 0; i < site.line; ++i) {
    if (std::fgets(line, sizeof line, file) == nullptr) line[0] = 0;
  }
  std::fclose(file);
  const char* const comment = std::strstr(line, "// ");
  return comment != nullptr && std::strstr(comment, edge) != nullptr;
}

// The lines met so far that have an order on the wanted side. They are few, and asked about often.
class Sites {
 public:
  struct Met {
    Site site;
    int number;  // among those that cite the edge; kElsewhere: it does not
  };
  static constexpr int kElsewhere = -1;

  void clear() { met_ = cited_ = 0; }
  int cited() const { return cited_; }
  const Site& line(int number) const {
    int i = 0;
    while (sites_[i].number != number) ++i;
    return sites_[i].site;
  }
  int number_of(const Site& site) {
    for (int i = 0; i < met_; ++i) {
      if (sites_[i].site.line == site.line && sites_[i].site.file == site.file) {
        return sites_[i].number;
      }
    }
    if (met_ == kMost) std::abort();
    const int number = line_cites(site, g_weakening.edge) ? cited_++ : kElsewhere;
    sites_[met_++] = {site, number};
    return number;
  }

 private:
  static constexpr int kMost = 64;
  Met sites_[kMost];
  int met_ = 0, cited_ = 0;
};
inline Sites g_sites;

inline rl::memory_order order(rl::memory_order wanted, Side side, const Site& site) {
  if (g_weakening.edge == nullptr || g_weakening.side != side) return wanted;
  const int number = g_sites.number_of(site);
  return number >= 0 && number == g_weakening.site ? rl::mo_relaxed : wanted;
}

// What was created in this iteration, destroyed at its end. A failed iteration is left as it is:
// the checker starts anew with another context of its own.
class Created {
 public:
  static Created& instance() {
    static Created created;
    return created;
  }
  void begin_iteration() { count_ = bytes_ = 0; }
  void end_iteration() {
    while (count_ != 0) {
      --count_;
      things_[count_].destroy(things_[count_].thing);
    }
    bytes_ = 0;
  }
  template <class Thing, class... Args>
  Thing* make(Args&&... args) {
    const std::size_t size = (sizeof(Thing) + 15) / 16 * 16;
    if (count_ == kThingsMax || bytes_ + size > kBytesMax) std::abort();
    auto* const thing =
        ::new (static_cast<void*>(memory_ + bytes_)) Thing(static_cast<Args&&>(args)...);
    bytes_ += size;
    things_[count_++] = {thing, [](void* t) { static_cast<Thing*>(t)->~Thing(); }};
    return thing;
  }

 private:
  static constexpr std::size_t kThingsMax = 4096, kBytesMax = std::size_t{4} << 20;
  struct Entry {
    void* thing;
    void (*destroy)(void*);
  };
  std::size_t count_ = 0, bytes_ = 0;
  Entry things_[kThingsMax];
  alignas(16) char memory_[kBytesMax];
};

#define HAKMEM_SITE const Site site = {__builtin_FILE(), __builtin_LINE()}

template <class T>
class CheckedAtomic {
 public:
  CheckedAtomic() noexcept : CheckedAtomic(T{}) {}
  explicit CheckedAtomic(T value, HAKMEM_SITE) noexcept : latest_(value) {
    constructed_ = Created::instance().make<Constructed>();
    constructed_->word.store(to_word(value), rl::mo_relaxed, site.info());
  }

  T load_relaxed(HAKMEM_SITE) const noexcept { return load(rl::mo_relaxed, site); }
  T load_acquire(HAKMEM_SITE) const noexcept {
    return load(order(rl::mo_acquire, Side::kAcquire, site), site);
  }
  void store_relaxed(T v, HAKMEM_SITE) noexcept { store(v, rl::mo_relaxed, site); }
  void store_release(T v, HAKMEM_SITE) noexcept {
    store(v, order(rl::mo_release, Side::kRelease, site), site);
  }
  T exchange_relaxed(T v, HAKMEM_SITE) noexcept { return exchange(v, rl::mo_relaxed, site); }
  T exchange_acquire(T v, HAKMEM_SITE) noexcept {
    return exchange(v, order(rl::mo_acquire, Side::kAcquire, site), site);
  }
  T exchange_release(T v, HAKMEM_SITE) noexcept {
    return exchange(v, order(rl::mo_release, Side::kRelease, site), site);
  }
  T fetch_add_relaxed(T n, HAKMEM_SITE) noexcept {
    const auto add = [&](auto& w) { return w.fetch_add(n, rl::mo_relaxed, site.info()); };
    const T before = from_word(on_word(add));
    latest_ = static_cast<T>(before + n);
    return before;
  }
  bool cas_weak_release_relaxed(T& expected, T desired, HAKMEM_SITE) noexcept {
    return cas<true>(expected, desired, order(rl::mo_release, Side::kRelease, site), site);
  }
  bool cas_acquire_relaxed(T& expected, T desired, HAKMEM_SITE) noexcept {
    return cas<false>(expected, desired, order(rl::mo_acquire, Side::kAcquire, site), site);
  }
  bool cas_relaxed(T& expected, T desired, HAKMEM_SITE) noexcept {
    return cas<false>(expected, desired, rl::mo_relaxed, site);
  }

  // The newest value, and who sleeps on it: for the model of the futex.
  T latest() const noexcept { return latest_; }
  rl::waitset<8>& sleepers() noexcept {
    return constructed_ != nullptr ? constructed_->sleepers : zeroed_->sleepers;
  }

 private:
  // The checker wants pointers to be plain.
  using Word = std::conditional_t<std::is_pointer_v<T>, void*, T>;
  // Constructed: whoever reads it without a happens-before edge from the constructor is told off.
  struct Constructed {
    rl::generic_atomic<Word, false> word;
    rl::waitset<8> sleepers;
  };
  struct Zeroed {
    rl::generic_atomic<Word, true> word;
    rl::waitset<8> sleepers;
  };

  static Word to_word(T value) noexcept {
    if constexpr (std::is_pointer_v<T>)
      return const_cast<void*>(static_cast<const void*>(value));
    else
      return value;
  }
  static T from_word(Word word) noexcept { return static_cast<T>(word); }

  template <class F>
  auto on_word(F&& f) const {
    if (constructed_ != nullptr) return f(constructed_->word);
    if (zeroed_ == nullptr) zeroed_ = Created::instance().make<Zeroed>();
    return f(zeroed_->word);
  }
  T load(rl::memory_order mo, const Site& site) const {
    return from_word(on_word([&](auto& w) { return w.load(mo, site.info()); }));
  }
  void store(T v, rl::memory_order mo, const Site& site) {
    on_word([&](auto& w) { w.store(to_word(v), mo, site.info()); });
    latest_ = v;
  }
  T exchange(T v, rl::memory_order mo, const Site& site) {
    const Word before = on_word([&](auto& w) { return w.exchange(to_word(v), mo, site.info()); });
    latest_ = v;
    return from_word(before);
  }
  template <bool kWeak>
  bool cas(T& expected, T desired, rl::memory_order mo, const Site& site) {
    Word found = to_word(expected);
    const bool success = on_word([&](auto& w) {
      return w.compare_exchange(rl::bool_t<kWeak>(), found, to_word(desired), mo, rl::mo_relaxed,
                                site.info());
    });
    if (success) latest_ = desired;
    expected = from_word(found);
    return success;
  }

  mutable Constructed* constructed_ = nullptr;
  mutable Zeroed* zeroed_ = nullptr;
  T latest_;
};

// Statistics: nothing depends on their order.
class Counter {
 public:
  constexpr Counter() noexcept = default;
  constexpr explicit Counter(std::uint64_t value) noexcept : value_(value) {}
  std::uint64_t load_relaxed() const noexcept { return value_; }
  bool is_above_relaxed(std::uint64_t value) const noexcept { return value_ > value; }
  void store_relaxed(std::uint64_t value) noexcept { value_ = value; }
  std::uint64_t fetch_add_relaxed(std::uint64_t n) noexcept { return (value_ += n) - n; }
  bool cas_relaxed(std::uint64_t& expected, std::uint64_t desired) noexcept {
    const bool same = value_ == expected;
    (same ? value_ : expected) = same ? desired : value_;
    return same;
  }

 private:
  std::uint64_t value_ = 0;
};

struct CheckedWorld {
  template <class T>
  using atomic = std::conditional_t<std::is_same_v<T, std::uint64_t>, Counter, CheckedAtomic<T>>;
  static constexpr int kLockSpins = 1;  // more only repeat the same schedules
};

// Plain memory whose every access is checked for races: what an edge carries. May lie in zeroed
// memory; to read it before it was written is an error.
class Payload {
 public:
  void write(int value, HAKMEM_SITE) { word()(site.info()) = value; }
  int read(HAKMEM_SITE) const { return word()(site.info()); }

 private:
  rl::var<int>& word() const {
    if (word_ == nullptr) word_ = Created::instance().make<rl::var<int>>();
    return *word_;
  }
  mutable rl::var<int>* word_ = nullptr;
};

}  // namespace hakmem::checked
