// entry_points: the C API as shipped (include/hakmem/hakmem.h): sizes at every limit, products that
// overflow, alignments that are none, null pointers, policy setters with values out of range, and
// what each must do to errno. Everything is freed at the end of a run.
//
// Input: 12 bytes per call: which, which block, how to stretch two numbers, and the numbers.
#include <hakmem/hakmem.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "fuzz/check.h"

namespace hakmem::fuzz {
namespace {

constexpr std::size_t kTooMuch = PTRDIFF_MAX;
constexpr std::size_t kTouchMax = 1u << 12;  // of a block, so that huge ones stay cheap
constexpr std::size_t kAskMax = 1u << 28;    // beyond it the system decides whether there is memory
constexpr std::size_t kCallBytes = 12;
constexpr std::size_t kCallsMax = 24;
constexpr int kUntouched = 4711;  // errno before a call

struct Block {
  unsigned char* at;
  std::size_t size;
  unsigned char mark;
  std::size_t alignment;  // 1: none was asked for
};

class Run {
 public:
  explicit Run(Bytes bytes) : bytes_(bytes) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() {
    while (!blocks_.empty()) free_block(0);
    restore_policy();
    hak_stats_v3_enable(0);
  }

  bool done() const { return bytes_.empty(); }
  void step() {
    const std::uint8_t what = bytes_.byte();
    which_ = static_cast<std::size_t>(bytes_.number(2));
    const std::uint8_t stretch = bytes_.byte();
    a_ = stretched(bytes_.number(4), stretch % 16);
    b_ = stretched(bytes_.number(4), stretch / 16);
    errno = kUntouched;
    switch (what % 16) {
      case 0:
      case 1:
        return take(hak_malloc(a_), a_, 1);
      case 2:
        return calloc();
      case 3:
        return aligned();
      case 4:
        return memalign();
      case 5:
        return realloc();
      case 6:
      case 7:
        return free();
      case 8:
        return sizes();
      case 9:
        return page_of();
      case 10:
        return set_policy();
      case 11:
        return statistics();
      case 12:
        return nulls();
      case 13:
        return memory();
      case 14:
        return free_sized();
      default:  // seldom: it gives back what the next calls fault in again
        return which_ % 8 == 0 ? trim() : take(hak_malloc(a_), a_, 1);
    }
  }

 private:
  // A plain number, or one near a limit.
  static std::size_t stretched(std::uint64_t n, unsigned how) {
    switch (how) {
      case 0:
        return SIZE_MAX - n % 64;
      case 1:
        return kTooMuch - 32 + n % 64;
      case 2:
        return std::size_t{1} << n % 64;
      case 3:
        return (std::size_t{1} << n % 20) - 1 + (n >> 8) % 3;
      case 4:
        return n << 32 | n;
      case 5:
        return n % (1u << 22);
      default:
        return n % 5000;
    }
  }
  Block& pick() { return blocks_[which_ % blocks_.size()]; }

  static void fill(const Block& b) {
    std::memset(b.at, b.mark, std::min(b.size, kTouchMax));
    if (b.size != 0) b.at[b.size - 1] = b.mark;
  }
  static void check(const Block& b, std::size_t bytes) {
    for (std::size_t i = 0; i < std::min(bytes, kTouchMax); i += i < 64 ? 1 : 61) {
      require(b.at[i] == b.mark, "contents of a block");
    }
  }

  // What every allocation must look like.
  void take(void* p, std::size_t size, std::size_t alignment) {
    if (p == nullptr) {
      require(errno == ENOMEM, "no block, and errno is not ENOMEM");
      require(size > kAskMax || alignment > kAskMax, "a small block is refused");
      return;
    }
    require(size <= kTooMuch, "a block beyond PTRDIFF_MAX");
    require(errno == kUntouched, "a call that succeeds touches errno");
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    require(address % 16 == 0 && address % alignment == 0, "alignment");
    require(hak_usable_size(p) >= size, "usable size");
    if (alignment <= 16) require(hak_usable_size(p) >= hak_good_size(size), "good size");
    auto* const at = static_cast<unsigned char*>(p);
    for (const Block& other : blocks_) {
      require(at + size <= other.at || other.at + other.size <= at, "two live blocks overlap");
    }
    blocks_.push_back({at, size, static_cast<unsigned char>(marks_ += 37), alignment});
    fill(blocks_.back());
  }

  void calloc() {
    std::size_t n = 0;
    const bool overflows = __builtin_mul_overflow(a_, b_, &n);
    auto* const p = static_cast<unsigned char*>(hak_calloc(a_, b_));
    if (overflows) return require(p == nullptr && errno == ENOMEM, "a product that overflows");
    for (std::size_t i = 0; p != nullptr && i < std::min(n, kTouchMax); i += i < 512 ? 1 : 509)
      require(p[i] == 0, "zeroes");
    take(p, n, 1);
  }

  void aligned() {
    void* const p = hak_aligned_alloc(a_, b_);
    if (!is_power_of_two(a_))
      return require(p == nullptr && errno == EINVAL, "an alignment that is none");
    take(p, b_, a_);
  }

  void memalign() {
    void* p = this;
    const int error = hak_posix_memalign(&p, a_, b_);
    require(errno == kUntouched, "posix_memalign touches errno");
    const bool good = is_power_of_two(a_) && a_ % sizeof(void*) == 0;
    if (!good) return require(error == EINVAL && p == this, "an alignment that is none");
    if (error == 0) return take(p, b_, a_);
    require(error == ENOMEM && p == this, "posix_memalign without memory");
    require(a_ > kAskMax || b_ > kAskMax, "a small block is refused");
  }

  void realloc() {
    if (blocks_.empty() || which_ % 8 == 0) return take(hak_realloc(nullptr, a_), a_, 1);
    const std::size_t index = which_ % blocks_.size();
    const Block before = blocks_[index];
    check(before, before.size);
    if (a_ == 0) {
      blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
      return require(hak_realloc(before.at, 0) == nullptr, "realloc to 0 frees");
    }
    void* const p = hak_realloc(before.at, a_);
    if (p == nullptr) {
      require(errno == ENOMEM && a_ > kAskMax, "realloc to a small size is refused");
      return check(before, before.size);
    }
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
    check({static_cast<unsigned char*>(p), a_, before.mark, 1}, std::min(before.size, a_));
    errno = kUntouched;
    take_moved(p);
  }
  void take_moved(void* p) {
    require(hak_usable_size(p) >= a_, "usable size after realloc");
    blocks_.push_back(
        {static_cast<unsigned char*>(p), a_, static_cast<unsigned char>(marks_ += 37), 1});
    fill(blocks_.back());
  }

  void free_block(std::size_t index) {
    const Block b = blocks_[index];
    check(b, b.size);
    errno = kUntouched;
    hak_free(b.at);
    require(errno == kUntouched, "free touches errno");
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void free() {
    if (!blocks_.empty()) free_block(which_ % blocks_.size());
  }
  void free_sized() {
    if (blocks_.empty()) return hak_free_sized(nullptr, a_);
    const std::size_t index = which_ % blocks_.size();
    const Block b = blocks_[index];
    check(b, b.size);
    if (b.alignment == 1)
      hak_free_sized(b.at, b.size);
    else
      hak_free_aligned_sized(b.at, b.alignment, b.size);
    require(errno == kUntouched, "free_sized touches errno");
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void sizes() const {
    const int k = hak_size_class(a_);
    require(k >= -1 && k < HAK_CLASSES, "a class that is none");
    const std::size_t good = hak_good_size(a_);
    require(good >= a_ && hak_good_size(good) == good, "good_size is not a fixed point");
    if (k < 0) return require(good == a_, "good_size of a large size");
    require(hak_size_class(good) == k || (k == 0 && good == 16), "good_size leaves the class");
  }

  void page_of() {
    hak_page page{};
    const void* const any = reinterpret_cast<const void*>(a_);
    hak_page_of(any, nullptr);
    if (blocks_.empty()) return;
    const Block& b = pick();
    void* const base = hak_page_of(b.at, &page);
    if (base == nullptr) return;
    require(page.base == base && page.block < page.capacity && page.owner > 0, "page");
    require(static_cast<unsigned char*>(base) + page.block * page.block_size == b.at,
            "block of the page");
    require(page.block_size == hak_usable_size(b.at), "block size");
    require(hak_size_class(page.block_size) == page.size_class || page.block_size == 16,
            "class of the page");
  }

  // Every policy that was ever published is kept. So there are few values, for one class a run, and
  // they are put back at the end: a bounded number of policies, however long this runs.
  void set_policy() {
    int k = static_cast<int>(a_ % 20) - 2;
    const bool exists = k >= 0 && k < HAK_CLASSES;
    if (exists) {
      if (class_ < 0) class_ = k;
      k = class_;
    }
    const auto heap = static_cast<hak_heap>(b_ % 4);
    const bool known = heap == HAK_HEAP_V1 || heap == HAK_HEAP_V3;
    hak_policy policy{};
    require(hak_policy_set_class(k, heap) == (exists && known ? 0 : EINVAL), "set_class");
    hak_policy_get(&policy);
    if (exists && known) require(policy.classes[k].heap == heap, "the heap of the class");
    const auto mask = static_cast<std::uint32_t>(b_ % 2 == 0 ? 0xFFFFu << b_ % 3 : 1u << a_ % 18);
    require(hak_policy_set_mask(mask) == (mask <= 0xFFFF ? 0 : EINVAL), "set_mask");
    hak_policy_get(&policy);
    if (mask <= 0xFFFF) require(policy.v3_mask == mask, "the mask");
    constexpr unsigned kPages[] = {0, 1, 4, 65535, 65536, ~0u};
    const unsigned pages = kPages[b_ % 6];
    const int due = exists && pages <= 65535 ? 0 : EINVAL;
    require(hak_policy_set_max_partial(k, pages) == due, "set_max_partial");
    require(hak_policy_set_warm_cap(k, pages) == due, "set_warm_cap");
    hak_policy_get(&policy);
    if (due == 0)
      require(policy.classes[k].max_partial == pages && policy.classes[k].warm_cap == pages &&
                  policy.classes[k].pinned == 1,
              "caps");
    require(hak_policy_unpin(k) == (exists ? 0 : EINVAL), "unpin");
    hak_policy_get(&policy);
    if (exists) require(policy.classes[k].pinned == 0, "an unpinned class");
    require(hak_policy_learn(static_cast<int>(b_ % 2)) == 0, "learn_enable");
    hak_policy_get(&policy);
    require(policy.learn == static_cast<int>(b_ % 2), "the learner is on");
  }

  static hak_policy policy_at_start() {
    hak_policy policy{};
    hak_policy_get(&policy);
    return policy;
  }
  void restore_policy() const {
    if (class_ >= 0) {
      hak_policy_set_max_partial(class_, initial_.classes[class_].max_partial);
      hak_policy_set_warm_cap(class_, initial_.classes[class_].warm_cap);
      hak_policy_unpin(class_);
    }
    hak_policy_set_mask(0xFFFF);
    hak_policy_learn(0);
  }

  void statistics() {
    require(hak_stats_v3_enable(static_cast<int>(a_ % 2)) == 0, "stats_enable");
    hak_counters before{}, after{};
    hak_stats_v3(&before);
    hak_free(hak_malloc(b_ % 3000));
    hak_stats_v3(&after);
    const std::uint64_t due = a_ % 2;
    require(after.total_alloc - before.total_alloc == due, "total_alloc");
    require(after.total_free - before.total_free == due, "total_free");
  }

  static void nulls() {
    hak_free(nullptr);
    hak_free_sized(nullptr, 8);
    hak_free_aligned_sized(nullptr, 16, 8);
    require(hak_usable_size(nullptr) == 0 && hak_page_of(nullptr, nullptr) == nullptr, "null");
    require(errno == kUntouched, "null touches errno");
  }

  void memory() const {
    hak_stats s{};
    require(hak_stats_get(&s) == EINVAL, "a size of none");
    s.size = sizeof s;
    require(hak_stats_get(&s) == 0 && s.size == sizeof s, "get_stats");
    std::size_t asked = 0;
    for (const Block& b : blocks_) asked += b.size;
    require(s.allocated >= asked, "less is allocated than is out");
    require(s.allocated <= s.active && s.active <= s.resident, "allocated, active, resident");
    require(s.resident <= s.mapped + s.metadata, "resident, mapped");
    require(s.allocated == s.small_allocated + s.large_allocated, "parts of allocated");
    require(s.mapped == s.small_mapped + s.large_mapped, "parts of mapped");
    require(hak_stats_print(-1, HAK_STATS_JSON) == EBADF, "print_stats to nowhere");
    require(hak_stats_print(-1, hak_stats_format{}) == EINVAL, "no such format");
    require(s.small_idle <= s.small_mapped && s.large_idle <= s.large_mapped, "idle");
  }
  void trim() const {
    hak_trim();
    require(hak_purge() == 0, "trim left something to purge");
    for (const Block& b : blocks_) check(b, b.size);
  }

  static bool is_power_of_two(std::size_t n) { return n != 0 && (n & (n - 1)) == 0; }

  Bytes bytes_;
  std::size_t which_ = 0, a_ = 0, b_ = 0;
  std::vector<Block> blocks_;
  unsigned marks_ = 0;
  static inline const hak_policy initial_ = policy_at_start();
  int class_ = -1;  // whose policy is set in this run
};

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem::fuzz;
  Run run(Bytes(data, std::min(size, kCallBytes * kCallsMax)));
  while (!run.done()) run.step();
  return 0;
}
