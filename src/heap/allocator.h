// Allocator: all boxes of a heap and the ways through them. It does nothing itself: the hot path is
// ultra/fast_path.h, all else one of the units that heap/boxes.h lists. Whatever instantiates one
// includes heap/allocator_members.h: production.cc, and tests over their own Config.
// Model: models/reference/; tests: tests/unit/allocator_test.cc, proptests/allocator_prop.cc.
#pragma once

#include <cstddef>

#include "heap/boxes.h"
#include "heap/faults.h"
#include "ultra/fast_path.h"

namespace hakmem {

template <class C>
class Allocator {
 public:
  using Platform = typename C::Platform;
  using Ctx = Context<C>;

  constexpr Allocator() noexcept = default;
  constexpr explicit Allocator(const Platform& platform) noexcept
    requires std::is_copy_constructible_v<Platform>
      : boxes_(platform) {}

  // Before init.
  void set_memory_options(const MemoryOptions& options) noexcept {
    boxes_.cold.set_options(options);
    boxes_.v1.set_options(options);
    boxes_.large.set_options(options);
  }
  // Once, before anything else but set_limit and set_memory_options.
  void init(const PolicySnapshot& policy) noexcept;

  // Threads. nullptr: none to be had, which every call below accepts, except those with a `_slow`
  // beside them: they want a context, if only a fresh one that stands for none.
  Ctx* attach_context() noexcept;
  void park_context(Ctx& ctx) noexcept;

  // nullptr when out of memory. Requires: n <= PTRDIFF_MAX.
  HAKMEM_ALWAYS_INLINE void* allocate(Ctx* ctx, std::size_t n) noexcept {
    return allocate_fast<C>(ctx, n, [&] { return allocate_slow(ctx, n); });
  }
  void* allocate_slow(Ctx* ctx, std::size_t n) noexcept;
  void* allocate_zeroed(Ctx* ctx, std::size_t n) noexcept;
  // Requires: n <= kBlockMax.
  void* allocate_zeroed_slow(Ctx* ctx, std::size_t n) noexcept;
  HAKMEM_ALWAYS_INLINE void* allocate_aligned(Ctx* ctx, std::size_t alignment,
                                              std::size_t n) noexcept {
    return allocate_aligned_fast<C>(kAlignedEnd<C>, ctx, alignment, n,
                                    [&] { return allocate_aligned_slow(ctx, alignment, n); });
  }
  void* allocate_aligned_slow(Ctx* ctx, std::size_t alignment, std::size_t n) noexcept;

  // nullptr does nothing; a pointer that is not a live block ends in a fatal report.
  HAKMEM_ALWAYS_INLINE void deallocate(Ctx* ctx, void* p) noexcept {
    deallocate_fast<C>(boxes_.arena, ctx, p, [&] { deallocate_slow(ctx, p, "free"); });
  }
  void deallocate_slow(Ctx* ctx, void* p, const char* operation) noexcept;

  // Grows or shrinks; nullptr: out of memory, the block is untouched. Requires: p is not null.
  void* reallocate(Ctx* ctx, void* p, std::size_t n) noexcept;
  // Whether some block of a page may hold less than its size says (realloc left it in place).
  bool leaves_more() const noexcept {
    return boxes_.leaves_more.load_relaxed();  // relaxed: see size_fits
  }
  // Whether a live block could have been asked for as n bytes at that alignment.
  bool size_fits(const BlockView& live, std::size_t alignment, std::size_t n,
                 SizeRule rule) noexcept;

  // What is known about a pointer; total. fault kNone: a live block.
  BlockView locate(const void* p) noexcept;
  // As locate, but a fault ends in a report that names `operation`.
  BlockView locate_live(Ctx* ctx, const void* p, const char* operation) noexcept;
  // The report. `stated`: bytes that the program said the block has.
  [[noreturn]] void fail(Ctx* ctx, const void* p, const char* operation, const BlockView& view,
                         std::size_t stated = 0) noexcept;

  // Policy: published at once, taken up by each context on its next slow path; by `ctx` now.
  bool publish_policy(Ctx* ctx, const PolicySnapshot& policy) noexcept {
    return update_policy(ctx, [&](PolicySnapshot& current) { current = policy; });
  }
  // The same with `edit(PolicySnapshot&)` applied to the current one; atomic among writers.
  template <class Edit>
  bool update_policy(Ctx* ctx, Edit&& edit) noexcept {
    const auto then = [&](const PolicySnapshot& now) { boxes_.set_warm_caps(now); };
    if (!boxes_.policy.update(edit, then)) return false;
    if (ctx != nullptr) catch_up(*ctx);
    return true;
  }
  PolicySnapshot policy() const noexcept { return boxes_.policy.current(); }

  StatsV3 stats() noexcept;
  void add_stats(StatsV3& sum) noexcept;

  // Both: bytes given back to the system. `purge`: what is free now, in all heaps and in contexts
  // that no thread is working on, but for their magazines; nothing of it is left for a second call.
  // `trim`: first the caller's own magazines, too.
  std::size_t trim(Ctx* ctx) noexcept;
  std::size_t purge() noexcept;

  // What any thread's slow path does once in a period, for a thread that does nothing else. False
  // when nothing is left that may have to go back later.
  bool release_idle() noexcept;

  // From now on; what is held beyond it stays, but nothing free of it.
  void set_limit(const LimitBytes& limit) noexcept {
    boxes_.limit.set(limit);
    if (boxes_.limit.over_soft(Holder::kMappings)) purge();
  }

  // `mine`: the context of the thread that forks, or nullptr.
  void fork_prepare(Ctx* mine = nullptr) noexcept HAKMEM_UNCHECKED;
  void fork_parent() noexcept HAKMEM_UNCHECKED;
  void fork_child(Ctx* mine) noexcept HAKMEM_UNCHECKED;

  // What it is made of: for inspection and tests.
  Boxes<C>& boxes() noexcept { return boxes_; }

 private:
  void catch_up(Ctx& ctx) noexcept;

  Boxes<C> boxes_;
};

}  // namespace hakmem
