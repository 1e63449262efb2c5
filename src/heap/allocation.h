// Allocation: malloc past the hot path, one switch on the route.
//
//   allocate_slow    catch up with policy and posted frees, then
//     `- small       magazine, else a refill from one page (current, partial, borrowed), else v1
//     `- v1, large
//
// A context may be null (none left, or no arena): then v1 and large serve alone.
#pragma once

#include <cstring>

#include "heap/maintenance.h"
#include "ultra/fast_path.h"

namespace hakmem {

template <class C>
class Allocation {
 public:
  using Sizes = typename C::Sizes;
  using Geometry = typename C::Geometry;
  using Ctx = Context<C>;
  using Contents = large::Contents;

  explicit Allocation(Boxes<C>& boxes) noexcept : boxes_(boxes), maintenance_(boxes) {}

  void* allocate_slow(Ctx* ctx, std::size_t n) noexcept {
    if (n > Geometry::kBlockMax) return allocate_large(ctx, n, kMinBlock, Contents::kAny);
    return allocate_bin(ctx, Sizes::bin_of(n));
  }

  void* allocate_zeroed(Ctx* ctx, std::size_t n) noexcept {
    // A fresh mapping is zero already.
    if (n > Geometry::kBlockMax) return allocate_large(ctx, n, kMinBlock, Contents::kZero);
    if (ctx == nullptr) return allocate_zeroed_slow(ctx, n);
    bool zeroed = false;
    void* const p = allocate_fast<C>(ctx, n, [&] {
      zeroed = true;
      return allocate_zeroed_slow(ctx, n);
    });
    if (p != nullptr && !zeroed) std::memset(p, 0, n);
    return p;
  }

  // Memory that nobody has written on since it came from the system stays with it until the program
  // touches it: a large table of which little is used costs no more than that.
  void* allocate_zeroed_slow(Ctx* ctx, std::size_t n) noexcept {
    if (ctx != nullptr) ctx->fresh_block = nullptr;
    void* const p = allocate_slow(ctx, n);
    if (p == nullptr || (ctx != nullptr && ctx->fresh_block == p)) return p;
    std::memset(p, 0, n);
    return p;
  }

  void* allocate_aligned_slow(Ctx* ctx, std::size_t alignment, std::size_t n) noexcept {
    if (alignment <= kMinBlock) return allocate_slow(ctx, n);
    if (has_aligned_bin(alignment, n)) {
      return allocate_bin(ctx, Sizes::bin_of(Sizes::aligned_size(alignment, n)));
    }
    return allocate_large(ctx, n == 0 ? 1 : n, alignment, Contents::kAny);
  }
  // Whether some bin serves n bytes at that alignment; else only large does. Pages start at
  // multiples of a unit, so blocks whose size is a multiple of the alignment are aligned.
  static bool has_aligned_bin(std::size_t alignment, std::size_t n) noexcept {
    return alignment <= Sizes::kUnitBytes && n <= Geometry::kBlockMax;
  }

  void* allocate_large(Ctx* ctx, std::size_t n, std::size_t alignment, Contents contents,
                       std::size_t room = 0) noexcept {
    void* const p = boxes_.large.allocate(n, alignment, contents, room);
    if (p != nullptr && ctx != nullptr && ctx->counting()) ctx->stats.large_alloc.add();
    return p;
  }

 private:
  void* allocate_bin(Ctx* ctx, BinIndex bin) noexcept {
    if (ctx == nullptr) return boxes_.v1.allocate(bin);
    const LockGuard<C> working(ctx->lock);
    boxes_.contexts.attend(*ctx);
    maintenance_.catch_up(*ctx);
    if (HAKMEM_UNLIKELY(ctx->releasing())) maintenance_.allocating_in_release_mode(*ctx);
    const SizeClass size_class(Sizes::info(bin).size_class);
    if (ctx->counting()) ctx->stats.by_class[size_class.value()].alloc_calls.add();
    return ctx->policy->route_of(size_class) == Route::kSmallHeapV3 ? allocate_small(*ctx, bin)
                                                                    : allocate_v1(*ctx, bin);
  }

  void* allocate_small(Ctx& ctx, BinIndex bin) noexcept {
    auto& stats = ctx.stats.by_class[Sizes::info(bin).size_class];
    if (ctx.counting()) stats.route_hits.add();
    Magazine<C>& magazine = ctx.ultra.magazine(bin);
    if (magazine.empty()) return allocate_from_page(ctx, magazine, bin);
    if (ctx.counting()) {
      stats.alloc_current_hit.add();
      stats.alloc_ultra_hit.add();
    }
    return magazine.pop();
  }

  void* allocate_from_page(Ctx& ctx, Magazine<C>& magazine, BinIndex bin) noexcept {
    maintenance_.keep_time(ctx);
    HotBox<C, ColdBox<C>> hot = boxes_.hot(ctx);
    BinPages<C>& of_bin = ctx.so.bins[bin.value()];
    if (of_bin.refilled && ctx.ultra.is_open(bin) && !ctx.releasing()) ctx.ultra.grow(bin);
    of_bin.refilled = true;
    const std::size_t more = ctx.releasing() ? 0 : magazine.capacity() / 2;
    const auto refilled = UltraBox<C, ColdBox<C>>::refill(hot, magazine, bin, more);
    ctx.release.freed_bytes = 0;
    ctx.fresh_block = refilled.fresh ? refilled.block : nullptr;
    if (refilled.path == TakePath::kRefill) maintenance_.scavenge();
    const SizeClass size_class(Sizes::info(bin).size_class);
    if (ctx.counting()) count_taken(ctx.stats.by_class[size_class.value()], refilled.path);
    if (HAKMEM_UNLIKELY(ctx.learning())) learn(ctx, size_class, refilled.path);
    return refilled.block != nullptr ? refilled.block : boxes_.v1.allocate(bin);
  }

  static void count_taken(ClassStats<C>& stats, TakePath path) noexcept {
    switch (path) {
      case TakePath::kCurrent:
        return stats.alloc_current_hit.add();
      case TakePath::kPartial:
        return stats.alloc_partial_hit.add();
      case TakePath::kRefill:
        return stats.alloc_refill.add();
      case TakePath::kNone:
        return stats.alloc_fb_v1.add();
    }
  }

  // After blocks were taken from a page.
  void learn(Ctx& ctx, SizeClass size_class, TakePath path) noexcept {
    if (path == TakePath::kRefill) boxes_.learner.note_refill(size_class);
    const std::uint32_t period = ctx.so.seen_period();
    if (HAKMEM_LIKELY(!boxes_.learner.due(period))) return;
    boxes_.learner.decide_in(period, [&](auto&& edit) {
      return boxes_.policy.update_learned(
          edit, [&](const PolicySnapshot& now) { boxes_.set_warm_caps(now); });
    });
  }

  // A class that is on v1. C6 may still have blocks of v1 in its magazine (HAKMEM_TINY_C6_HOT).
  void* allocate_v1(Ctx& ctx, BinIndex bin) noexcept {
    Magazine<C>& magazine = ctx.ultra.magazine(bin);
    return magazine.empty() ? boxes_.v1.allocate(bin) : magazine.pop();
  }

  Boxes<C>& boxes_;
  Maintenance<C> maintenance_;
};

}  // namespace hakmem
