// The front: the way of every size (class, LUT, route), which block serves an alignment, which
// stated sizes a sized free may give, what realloc does, and that the fast path is a shortcut: with
// or without it the same calls return the same blocks.
#include "heap/allocator_members.h"
#include "inspect/audit.h"
#include "models/reference/shape.h"
#include "proptests/heap_property.h"

namespace hakmem::model {
namespace {

template <class C>
struct Front {
  explicit Front(const PolicySnapshot& policy = default_policy(), std::uint64_t seed = 1) {
    NextPlatform::next_seed = seed;
    allocator = std::make_unique<hakmem::Allocator<C>>();
    allocator->init(policy);
    ctx = allocator->attach_context();
  }
  BlockView view(const void* p) const { return allocator->locate(p); }

  std::unique_ptr<hakmem::Allocator<C>> allocator;
  hakmem::Context<C>* ctx = nullptr;
};

// Sizes about the bounds of bins as often as any others.
template <class C>
std::size_t any_size(Rng& rng) {
  const std::uint32_t most = static_cast<std::uint32_t>(C::Geometry::kBlockMax);
  switch (rng.below(4)) {
    case 0:
      return rng.below(most + 2);
    case 1:
      return rng.below(kFineLimit + 9);
    case 2:
      return most + rng.below(most);
    default: {
      const std::uint32_t block = C::Sizes::kBinTable[rng.below(C::Sizes::kBins)].block_size;
      return block - 1 + rng.below(3);
    }
  }
}

// The bin that must serve n bytes at that alignment; bins.size(): only large does.
std::size_t bin_for(const Shape& shape, std::size_t alignment, std::size_t n) {
  if (alignment > shape.unit || n > shape.block_max) return shape.bins.size();
  std::size_t bin = shape.bin_of(n);
  while (bin < shape.bins.size() && shape.bins[bin].block % alignment != 0) ++bin;
  return bin;
}

// Every size through every door, under any mask of classes.
template <class C>
void check_ways() {
  static const Shape shape = shape_of<C>();
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  PolicySnapshot policy = default_policy();
  policy.set_v3_mask(*rc::gen::element<std::uint32_t>(0, kMaskC7, 0xC0, 0x5555, 0x1FF, kMaskAll));
  policy.count = *rc::gen::arbitrary<bool>();
  Front<C> front(policy);
  for (int i = 0; i < 25; ++i) {
    const std::size_t n = any_size<C>(rng);
    const std::size_t alignment = rng.below(2) == 0 ? 16 : std::size_t{16} << rng.below(14);
    RC_LOG() << n << " bytes at " << alignment << "\n";
    void* const p = alignment == 16 ? front.allocator->allocate(front.ctx, n)
                                    : front.allocator->allocate_aligned(front.ctx, alignment, n);
    RC_ASSERT((p != nullptr));
    RC_ASSERT((ClientPtr(p).address() % alignment == 0));
    const BlockView view = front.view(p);
    RC_ASSERT((view.fault == Fault::kNone));
    const std::size_t bin = bin_for(shape, alignment, n);
    if (bin == shape.bins.size()) {
      RC_ASSERT(std::string(view.heap) == "large");
      RC_ASSERT((view.block_size >= n));
    } else {
      const unsigned size_class = shape.bins[bin].size_class;
      RC_ASSERT(std::string(view.heap) == (policy.classes[size_class].v3 ? "v3" : "v1"));
      RC_ASSERT(view.block_size == shape.bins[bin].block);
      RC_ASSERT(unsigned{view.size_class} == size_class);
    }
    if (rng.below(2) == 0) front.allocator->deallocate(front.ctx, p);
  }
  RC_ASSERT((audit(*front.allocator) == nullptr));
}
RC_GTEST_PROP(Front, EverySizeGoesItsWayInSmall, ()) { check_ways<SmallHardened>(); }
RC_GTEST_PROP(Front, EverySizeGoesItsWayInSmallPerf, ()) { check_ways<SmallPerf>(); }
RC_GTEST_PROP(Front, EverySizeGoesItsWayInProduction, ()) { check_ways<ProductionHardened>(); }

// A sized free may state any size that would have got this block at that alignment; free_sized,
// once a realloc has shrunk some block in place, also any down to half of it.
template <class C>
void check_size_fits() {
  static const Shape shape = shape_of<C>();
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  Front<C> front;
  const bool shrunk = rng.below(2) == 0;
  if (shrunk)
    front.allocator->reallocate(front.ctx, front.allocator->allocate(front.ctx, 1000), 600);
  for (int i = 0; i < 20; ++i) {
    const std::size_t n = any_size<C>(rng);
    const std::size_t alignment = rng.below(2) == 0 ? 1 : std::size_t{16} << rng.below(14);
    void* const p = front.allocator->allocate_aligned(front.ctx, alignment, n);
    const BlockView view = front.view(p);
    const auto fits = [&](std::size_t m, SizeRule rule) {
      return front.allocator->size_fits(view, alignment, m, rule);
    };
    RC_LOG() << n << " bytes at " << alignment << ", block of " << view.block_size << "\n";
    RC_ASSERT(fits(n, SizeRule::kAllocated));
    RC_ASSERT(fits(n, SizeRule::kMayBeShrunk));
    RC_ASSERT(!fits(view.block_size + 1, SizeRule::kMayBeShrunk));
    const std::size_t stated = any_size<C>(rng);
    const std::size_t bin = bin_for(shape, std::max<std::size_t>(alignment, 16), stated);
    if (bin == shape.bins.size() || std::string(view.heap) == "large") continue;
    const bool same = stated <= view.block_size && shape.bins[bin].block == view.block_size;
    const bool half = stated <= view.block_size && stated >= view.block_size / 2;
    RC_ASSERT(fits(stated, SizeRule::kAllocated) == same);
    RC_ASSERT(fits(stated, SizeRule::kMayBeShrunk) == (same || (shrunk && half)));
  }
}
RC_GTEST_PROP(Front, StatedSizesThatFitInSmall, ()) { check_size_fits<SmallHardened>(); }
RC_GTEST_PROP(Front, StatedSizesThatFitInProduction, ()) { check_size_fits<ProductionHardened>(); }

// realloc: contents kept; the block stays while the new size fits it well enough, else it moves to
// one as malloc would give it, with room where it grows by little.
template <class C>
void check_realloc() {
  static const Shape shape = shape_of<C>();
  Rng rng(*rc::gen::arbitrary<std::uint32_t>());
  Front<C> front;
  std::size_t n = any_size<C>(rng);
  void* p = front.allocator->allocate(front.ctx, n);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const Block old = block_at(p, front.view(p).block_size, i * 77);
    RC_ASSERT(may_write<RecyclingPlatform>(old.bytes(), old.usable));
    Pattern::write(old);
    n = any_size<C>(rng);
    RC_LOG() << old.usable << " to " << n << "\n";
    p = front.allocator->reallocate(front.ctx, p, n);
    const BlockView view = front.view(p);
    RC_ASSERT((view.fault == Fault::kNone));
    RC_ASSERT((view.block_size >= n));
    const bool small = n <= shape.block_max && old.usable <= shape.block_max;
    const std::size_t due = n <= shape.block_max ? shape.bins[shape.bin_of(n)].block : 0;
    const bool stays = small && n <= old.usable && (n >= old.usable / 2 || due == old.usable);
    if (stays) RC_ASSERT((p == old.bytes()));
    if (!stays && due != 0) {
      const std::size_t more = old.usable + old.usable / 2;
      const bool grows = old.usable >= shape.growth_min && n > old.usable && n <= more;
      const std::size_t asked = grows ? std::min(more, shape.block_max) : n;
      RC_ASSERT(view.block_size == shape.bins[shape.bin_of(asked)].block);
    }
    const Block now = block_at(p, view.block_size, old.pattern);
    RC_ASSERT(Pattern::starts(now.bytes(), old.pattern, std::min(old.usable, n)));
    // Without checks it is in a magazine, and looks as if it were live.
    if (C::kMitigations.check_frees && p != old.bytes()) {
      RC_ASSERT((front.view(old.bytes()).fault != Fault::kNone));
    }
  }
  front.allocator->deallocate(front.ctx, p);
  RC_ASSERT((audit(*front.allocator) == nullptr));
}
RC_GTEST_PROP(Front, ReallocKeepsContentsInSmall, ()) { check_realloc<SmallHardened>(); }
RC_GTEST_PROP(Front, ReallocKeepsContentsInSmallPerf, ()) { check_realloc<SmallPerf>(); }
RC_GTEST_PROP(Front, ReallocKeepsContentsInProduction, ()) { check_realloc<ProductionHardened>(); }

// Two allocators with the same randomness, one never on the fast path: each call of both ends in
// the same place of the arena, and both hold the same afterwards.
template <class C>
void check_fast_is_a_shortcut() {
  const auto seed = *rc::gen::arbitrary<std::uint32_t>();
  Front<C> fast(default_policy(), seed), slow(default_policy(), seed);
  struct Pair {
    void* fast;
    void* slow;
  };
  std::vector<Pair> live;
  const auto place = [](const Front<C>& front, const void* p) {
    return ClientPtr(p).address() - front.allocator->boxes().arena.base();
  };
  for (const std::uint32_t bits : any_steps(400)) {
    Step step(bits);
    if (live.empty() || step.below(16) < 9) {
      const std::size_t bin = C::Sizes::kBins - 1 - step.below(3) * (C::Sizes::kBins / 4);
      const std::size_t n = C::Sizes::kBinTable[bin].block_size - step.below(8);
      RC_LOG() << "allocate: " << n << "\n";
      live.push_back(
          {fast.allocator->allocate(fast.ctx, n), slow.allocator->allocate_slow(slow.ctx, n)});
      RC_ASSERT(place(fast, live.back().fast) == place(slow, live.back().slow));
    } else {
      const std::size_t at = step.below(static_cast<std::uint32_t>(live.size()));
      RC_LOG() << "free: block " << at << "\n";
      fast.allocator->deallocate(fast.ctx, live[at].fast);
      slow.allocator->deallocate_slow(slow.ctx, live[at].slow, "free");
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  for (std::size_t b = 0; b < C::Sizes::kBins; ++b) {
    RC_ASSERT(fast.ctx->ultra.front[b].size() == slow.ctx->ultra.front[b].size());
    RC_ASSERT(fast.ctx->so.bins[b].pages == slow.ctx->so.bins[b].pages);
  }
  RC_ASSERT((audit(*fast.allocator) == nullptr));
  RC_ASSERT((audit(*slow.allocator) == nullptr));
}
RC_GTEST_PROP(Front, FastPathIsAShortcutInSmall, ()) { check_fast_is_a_shortcut<SmallHardened>(); }
RC_GTEST_PROP(Front, FastPathIsAShortcutInSmallPerf, ()) { check_fast_is_a_shortcut<SmallPerf>(); }
RC_GTEST_PROP(Front, FastPathIsAShortcutInProduction, ()) {
  check_fast_is_a_shortcut<ProductionHardened>();
}
RC_GTEST_PROP(Front, FastPathIsAShortcutInProductionPerf, ()) {
  check_fast_is_a_shortcut<ProductionPerf>();
}

}  // namespace
}  // namespace hakmem::model
