// RecycledMemory: the system under the platforms of lockstep runs, which come and go by the
// thousand. What one gives back is zeroed and kept for the next, so that a run asks the kernel for
// nothing and takes no page fault: those were most of its time.
//
// Memory is open or closed, page by page: closed are a reservation before `commit`, guards, what is
// protected and what was given back. ASan stops whoever touches a closed page (`is_arena`: but for
// one kind); besides, the harness says with `wrote` where it writes, and is told when not all of
// that is open. What was never open is inaccessible really.
//
// Zeroed are the pages that `wrote` was told of, all of a small mapping, and of a sparse one those
// that the kernel says are there; it is used from its front, so a long empty stretch is its end.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "models/lockstep/asan_poison.h"
#include "models/lockstep/page_bits.h"
#include "pal/linux.h"

namespace hakmem::model {

class RecycledMemory {
 public:
  void* reserve(std::size_t bytes, std::size_t alignment) noexcept {
    return hand_out(Kind::kReserved, bytes, bytes, alignment);
  }
  void* map(std::size_t bytes, std::size_t alignment) noexcept {
    const std::lock_guard<std::mutex> guard(mutex());
    return map_locked(bytes, alignment);
  }
  void* sparse(std::size_t bytes) noexcept {
    const std::size_t inner = (bytes + kPage - 1) / kPage * kPage;
    return hand_out(Kind::kSparse, inner + 2 * kPage, bytes, kPage);
  }
  void* table(std::size_t bytes) noexcept {
    const std::size_t inner = (bytes + kPage - 1) / kPage * kPage;
    return hand_out(Kind::kTable, inner + 2 * kPage, bytes, kPage);
  }
  bool open(void* at, std::size_t bytes) noexcept { return commit(at, bytes); }
  bool unsparse(void* at, std::size_t) noexcept {
    return unmap(static_cast<char*>(at) - kPage, kPage);
  }

  bool commit(void* at, std::size_t bytes) noexcept {
    return with(at, bytes, [&](Range& r, std::size_t first, std::size_t pages) {
      if (is_closed_first(r) && !r.ready.all(first, pages)) {
        if (!LinuxPlatform().commit(at, bytes)) return false;
        r.ready.set(first, pages);
      }
      open(r, first, pages);
      return true;
    });
  }
  void reveal(void*, std::size_t) noexcept {}  // there are no core dumps of it
  bool purge(void* at, std::size_t bytes) noexcept {
    return with(at, bytes, [](Range& r, std::size_t first, std::size_t pages) {
      zero(r, first, pages);
      return true;
    });
  }
  bool guard(void* at, std::size_t bytes) noexcept {
    return with(at, bytes, [](Range& r, std::size_t first, std::size_t pages) {
      zero(r, first, pages);
      close(r, first, pages);
      return true;
    });
  }
  bool unguard(void* at, std::size_t bytes) noexcept { return commit(at, bytes); }
  bool protect(void* at, std::size_t bytes) noexcept {
    return with(at, bytes, [](Range& r, std::size_t first, std::size_t pages) {
      close(r, first, pages);
      return true;
    });
  }
  bool prefault(void* at, std::size_t bytes) noexcept {
    return with(at, bytes, [](Range& r, std::size_t first, std::size_t pages) {
      return r.open.all(first, pages);  // which the system gives memory to when it is touched
    });
  }
  // A growing mapping always moves.
  void* remap(void* at, std::size_t bytes, std::size_t new_bytes) noexcept {
    const std::lock_guard<std::mutex> guard(mutex());
    const std::size_t pages = pages_of(bytes);
    const std::size_t new_pages = pages_of(new_bytes);
    const Range* const one = find(address(at));  // the kernel moves no two mappings either
    if (one == nullptr || address(at) + bytes > one->begin + one->bytes) return nullptr;
    if (new_pages <= pages) {
      give_back(address(at) + new_pages * kPage, (pages - new_pages) * kPage);
      return at;
    }
    void* const to = map_locked(new_bytes, kPage);
    if (to == nullptr) return nullptr;
    copy(*find(address(at)), address(at), *find(address(to)), pages);
    give_back(address(at), bytes);
    return to;
  }
  bool unmap(void* at, std::size_t bytes) noexcept {
    const std::lock_guard<std::mutex> guard(mutex());
    give_back(address(at), bytes);
    return true;
  }
  static std::size_t page_bytes() noexcept { return kPage; }

  // The harness is about to write there. False: it must not.
  static bool wrote(const void* at, std::size_t bytes) noexcept {
    return with(at, bytes, [](Range& r, std::size_t first, std::size_t pages) {
      if (!r.open.all(first, pages)) return false;
      r.dirty.set(first, pages);
      return true;
    });
  }

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kSmallBytes = 128 * 1024;  // all of it is taken for written on
  static constexpr std::size_t kStretch = 128;       // pages of a sparse mapping looked at at first
  static constexpr std::size_t kShadowPages = 1024;  // of a sparse mapping that ASan is told about
  static constexpr std::size_t kSmallArenaMax = 1u << 24;  // bytes that a small geometry reserves
  static constexpr unsigned kUsesMax = 64;  // of a sparse mapping before it is purged

  enum class Kind : unsigned char { kReserved, kMapped, kSparse, kTable };
  struct Range {
    Kind kind = Kind::kMapped;
    std::uintptr_t begin = 0;
    std::size_t bytes = 0;   // in all
    std::size_t asked = 0;   // of which the caller knows
    std::size_t mapped = 0;  // of which not given back yet
    PageBits open{}, dirty{};
    PageBits unshadowed{};  // what ASan takes for open
    PageBits ready{};       // of a reservation or a table, what the kernel has opened
    unsigned uses = 0;      // of a sparse mapping, since the system had its pages back
  };
  using Ranges = std::map<std::uintptr_t, Range>;  // by begin

  static std::mutex& mutex() {
    static std::mutex m;
    return m;
  }
  // Never destroyed: allocators of static storage may outlive any order of destruction.
  static Ranges& out() {
    static auto* const ranges = new Ranges;
    return *ranges;
  }
  static std::vector<Range>& kept() {
    static auto* const ranges = new std::vector<Range>;
    return *ranges;
  }

  static std::uintptr_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }
  static void* pointer(std::uintptr_t at) { return reinterpret_cast<void*>(at); }
  static std::size_t pages_of(std::size_t bytes) { return (bytes + kPage - 1) / kPage; }

  // nullptr: not handed out by us.
  static Range* find(std::uintptr_t at) {
    const auto after = out().upper_bound(at);
    if (after == out().begin()) return nullptr;
    Range& r = std::prev(after)->second;
    return at - r.begin < r.bytes ? &r : nullptr;
  }
  template <class Work>
  static bool with(const void* at, std::size_t bytes, Work&& work) {
    const std::lock_guard<std::mutex> guard(mutex());
    std::uintptr_t from = address(at);
    for (const std::uintptr_t end = from + bytes; from < end;) {  // it may be neighbours by chance
      Range* const r = find(from);
      if (r == nullptr) return false;
      const std::size_t part = std::min(end - from, r->begin + r->bytes - from);
      if (!work(*r, (from - r->begin) / kPage, pages_of(from % kPage + part))) return false;
      from += part;
    }
    return true;
  }

  // ---- pages

  static void open(Range& r, std::size_t first, std::size_t pages) {
    r.open.set(first, pages);
    r.unshadowed.add(first, pages, [&](std::size_t at, std::size_t n) {
      asan_open(r.begin + at * kPage, n * kPage);
    });
  }
  static void close(Range& r, std::size_t first, std::size_t pages) {
    r.open.for_each_stretch(first, pages, [&](std::size_t at, std::size_t n) {
      asan_close(r.begin + at * kPage, n * kPage);
      r.unshadowed.clear(at, n);
    });
    r.open.clear(first, pages);
  }
  static void zero(Range& r, std::size_t first, std::size_t pages) {
    r.dirty.for_each_stretch(first, pages, [&](std::size_t at, std::size_t n) {
      for (std::size_t k = at; k < at + n; ++k) zero_page(r.begin + k * kPage);
    });
    r.dirty.clear(first, pages);
  }
  // Closed pages, too: no memset, which ASan would look into, and no loop that becomes one.
  using Line [[gnu::vector_size(64), gnu::may_alias]] = unsigned char;
  HAKMEM_MODEL_UNCHECKED static void zero_page(std::uintptr_t at) {
    for (std::uintptr_t to = at; to < at + kPage; to += sizeof(Line)) {
      *reinterpret_cast<Line*>(to) = Line{};
      asm volatile("" ::: "memory");
    }
  }
  HAKMEM_MODEL_UNCHECKED static void copy_page(std::uintptr_t to, std::uintptr_t from) {
    for (std::size_t i = 0; i < kPage; i += sizeof(Line)) {
      *reinterpret_cast<Line*>(to + i) = *reinterpret_cast<const Line*>(from + i);
      asm volatile("" ::: "memory");
    }
  }

  static void copy(const Range& from, std::uintptr_t at, Range& to, std::size_t pages) {
    const std::size_t first = (at - from.begin) / kPage;
    for (std::size_t k = 0; k < pages; ++k) {
      if (from.dirty.has(first + k)) {
        copy_page(to.begin + k * kPage, from.begin + (first + k) * kPage);
        to.dirty.set(k, 1);
      }
      if (!from.open.has(first + k)) close(to, k, 1);
    }
  }

  // ---- ranges

  static void* hand_out(Kind kind, std::size_t bytes, std::size_t asked, std::size_t alignment) {
    const std::lock_guard<std::mutex> guard(mutex());
    return hand_out_locked(kind, bytes, asked, alignment);
  }
  static void* map_locked(std::size_t bytes, std::size_t alignment) {
    const std::size_t whole = std::bit_ceil(std::max(bytes, kPage));
    return hand_out_locked(Kind::kMapped, whole, pages_of(bytes) * kPage, alignment);
  }
  static void* hand_out_locked(Kind kind, std::size_t bytes, std::size_t asked,
                               std::size_t alignment) {
    Range r;
    if (!take_kept(kind, bytes, alignment, r) && !make(kind, bytes, asked, alignment, r)) {
      return nullptr;
    }
    r.asked = asked;
    r.mapped = kind == Kind::kMapped ? asked : bytes;
    if (kind == Kind::kMapped) {
      open(r, 0, pages_of(asked));
      if (asked <= kSmallBytes) r.dirty.set(0, pages_of(asked));
    }
    if (has_shadow(r)) asan_open(r.begin + kPage, pages_of(asked) * kPage);
    void* const at = pointer(has_guards(kind) ? r.begin + kPage : r.begin);
    out().emplace(r.begin, std::move(r));
    return at;
  }
  static bool take_kept(Kind kind, std::size_t bytes, std::size_t alignment, Range& r) {
    for (std::size_t i = kept().size(); i-- > 0;) {
      Range& k = kept()[i];
      if (k.kind != kind || k.bytes != bytes || k.begin % alignment != 0) continue;
      r = std::move(k);
      kept()[i] = std::move(kept().back());
      kept().pop_back();
      return true;
    }
    return false;
  }
  static bool make(Kind kind, std::size_t bytes, std::size_t asked, std::size_t alignment,
                   Range& r) {
    LinuxPlatform os;
    void* at = nullptr;
    if (kind == Kind::kReserved) at = os.reserve(bytes, alignment);
    if (kind == Kind::kMapped) at = os.map(bytes, alignment);
    if (kind == Kind::kSparse) at = os.sparse(asked);
    if (kind == Kind::kTable) at = os.table(asked);
    if (at == nullptr) return false;
    r.kind = kind;
    r.begin = address(at) - (has_guards(kind) ? kPage : 0);
    r.bytes = bytes;
    return true;
  }

  static void give_back(std::uintptr_t at, std::size_t bytes) {
    while (bytes != 0) {
      Range* const r = find(at);
      if (r == nullptr) return;
      const std::size_t part =
          has_guards(r->kind) ? r->bytes : std::min(bytes, r->begin + r->bytes - at);
      give_back_part(*r, at, part);
      bytes -= std::min(bytes, part);
      at += part;
    }
  }
  static void give_back_part(Range& r, std::uintptr_t at, std::size_t bytes) {
    if (has_guards(r.kind)) {
      empty_sparse(r);
    } else {
      const std::size_t first = (at - r.begin) / kPage;
      zero(r, first, pages_of(bytes));
      if (is_arena(r))
        r.open.clear(first, pages_of(bytes));
      else
        close(r, first, pages_of(bytes));
    }
    r.mapped -= std::min(r.mapped, pages_of(bytes) * kPage);
    if (r.mapped != 0) return;
    kept().push_back(std::move(r));
    out().erase(kept().back().begin);
  }
  static void empty_sparse(Range& r) {
    const std::uintptr_t begin = r.begin + kPage;
    const std::size_t pages = pages_of(r.asked);
    if (++r.uses == kUsesMax) {  // or ever more pages that one run once touched would be zeroed
      LinuxPlatform().purge(pointer(begin), pages * kPage);
      r.uses = 0;
    } else {
      zero_sparse(begin, pages);
    }
    if (has_shadow(r)) asan_close(begin, pages * kPage);
    if (r.kind == Kind::kTable) r.open.clear(1, pages);
  }
  static void zero_sparse(std::uintptr_t begin, std::size_t pages) {
    std::vector<unsigned char> there;
    bool any = true;
    for (std::size_t first = 0, stretch = kStretch; first < pages && any; stretch *= 2) {
      const std::size_t count = std::min(stretch, pages - first);
      there.resize(std::max(there.size(), count));
      if (mincore(pointer(begin + first * kPage), count * kPage, there.data()) != 0) std::abort();
      any = false;
      for (std::size_t k = 0; k < count; ++k) {
        if (there[k] % 2 == 0) continue;
        zero_page(begin + (first + k) * kPage);
        any = true;
      }
      first += count;
    }
  }
  // The shadow of a larger one takes longer to write than a run does.
  static bool has_shadow(const Range& r) {
    return r.kind == Kind::kSparse && pages_of(r.asked) <= kShadowPages;
  }
  static bool has_guards(Kind kind) { return kind == Kind::kSparse || kind == Kind::kTable; }
  static bool is_closed_first(const Range& r) {
    return r.kind == Kind::kReserved || r.kind == Kind::kTable;
  }
  // An arena of production's: to close it and open it again took an eighth of a run. So ASan takes
  // for open what an earlier run had open; `wrote` does not.
  static bool is_arena(const Range& r) {
    return r.kind == Kind::kReserved && r.bytes > kSmallArenaMax;
  }
};

}  // namespace hakmem::model
