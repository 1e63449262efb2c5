// Allocator: all boxes put together, and the slow paths that lead through them.
//
//   allocate_slow      sync policy, drain remote frees, then one switch on the route
//     `- small         magazine, else ultra refill (current, partial, cold box), else v1
//     `- v1, large
//   deallocate_slow    page_of: mine -> magazine or page; another's -> remote box
//     `- foreign       large, then v1, then the fatal report
//
// A context may be null (none left, or no arena): then v1 and large serve alone.
// Model: models/reference/; tests: tests/unit/allocator_test.cc, proptests/allocator_prop.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/memory_limit.h"
#include "cold/cold_box.h"
#include "front/context_registry.h"
#include "front/fast_path.h"
#include "large/large_heap.h"
#include "learn/learn_box.h"
#include "page/locate.h"
#include "policy/policy_box.h"
#include "report/report.h"
#include "ultra/ultra_box.h"
#include "v1/v1_heap.h"

namespace hakmem {

// What a stated size may differ by from the one that the block was allocated with.
enum class SizeRule : std::uint8_t {
  kAllocated,    // operator delete: the block still has the size it was allocated with
  kMayBeShrunk,  // free_sized: the same, until a realloc has left more than was asked for in some
                 // block of a page. From then on, down to half; any smaller one once a realloc had
                 // no memory to shrink one with
};

template <class C>
class Allocator {
 public:
  using Platform = typename C::Platform;
  using Sizes = typename C::Sizes;
  using Ctx = Context<C>;
  using Page = SoPage<C>;
  using Limit = typename C::Limit;

  constexpr Allocator() noexcept = default;
  constexpr explicit Allocator(const Platform& platform) noexcept
    requires std::is_copy_constructible_v<Platform>
      : platform_(platform) {}

  // Before init.
  void set_memory_options(const MemoryOptions& options) noexcept {
    cold_.set_options(options);
    v1_.set_options(options);
    large_.set_options(options);
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
    deallocate_fast<C>(arena_, ctx, p, [&] { deallocate_slow(ctx, p, "free"); });
  }
  void deallocate_slow(Ctx* ctx, void* p, const char* operation) noexcept;

  // Whether some block of a page may hold less than its size says (realloc left it in place).
  bool leaves_more() const noexcept {
    return leaves_more_.load_relaxed();
  }  // relaxed: see size_fits

  // Grows or shrinks; nullptr: out of memory, the block is untouched. Requires: p is not null.
  void* reallocate(Ctx* ctx, void* p, std::size_t n) noexcept;

  // What is known about a pointer; total. fault kNone: a live block.
  BlockView locate(const void* p) noexcept;
  // As locate, but a fault ends in a report that names `operation`.
  BlockView locate_live(Ctx* ctx, const void* p, const char* operation) noexcept;
  // The report. `stated`: bytes that the program said the block has.
  [[noreturn]] void fail(Ctx* ctx, const void* p, const char* operation, const BlockView& view,
                         std::size_t stated = 0) noexcept;

  // Whether a live block could have been asked for as n bytes at that alignment.
  bool size_fits(const BlockView& live, std::size_t alignment, std::size_t n,
                 SizeRule rule) noexcept;

  // Policy: published at once, taken up by each context on its next slow path; by `ctx` now.
  bool publish_policy(Ctx* ctx, const PolicySnapshot& policy) noexcept {
    return update_policy(ctx, [&](PolicySnapshot& current) { current = policy; });
  }
  // The same with `edit(PolicySnapshot&)` applied to the current one; atomic among writers.
  template <class Edit>
  bool update_policy(Ctx* ctx, Edit&& edit) noexcept {
    if (!policy_.update(edit, [&](const PolicySnapshot& now) { set_warm_caps(now); })) return false;
    if (ctx != nullptr) take_note(*ctx);
    return true;
  }
  PolicySnapshot policy() const noexcept { return policy_.current(); }

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
    limit_.set(limit);
    if (limit_.crowded(Holder::kMappings)) purge();
  }

  // `mine`: the context of the thread that forks, or nullptr.
  void fork_prepare(Ctx* mine = nullptr) noexcept HAKMEM_UNCHECKED;
  void fork_parent() noexcept HAKMEM_UNCHECKED;
  void fork_child(Ctx* mine) noexcept HAKMEM_UNCHECKED;

  Arena<C>& arena() noexcept { return arena_; }
  ColdBox<C>& cold() noexcept { return cold_; }
  v1::V1Heap<C>& v1() noexcept { return v1_; }
  large::LargeHeap<C>& large() noexcept { return large_; }
  const LearnBox<C>& learner() const noexcept { return learn_; }
  ContextRegistry<C>& contexts() noexcept { return contexts_; }
  PolicyBox<C>& policies() noexcept { return policy_; }
  Platform& platform() noexcept { return platform_; }
  Limit& limit() noexcept { return limit_; }

 private:
  static constexpr std::uint32_t kWarmContexts = 64;
  using Contents = large::Contents;
  using Hot = HotBox<C, ColdBox<C>>;
  using Ultra = UltraBox<C, ColdBox<C>>;

  void* leaves_more(void* p) noexcept;
  void* not_shrunk(void* p, const BlockView& view, std::size_t n) noexcept;
  void* allocate_grown(Ctx* ctx, std::size_t old, std::size_t n) noexcept;
  static std::size_t size_to_grow_to(std::size_t old, std::size_t n) noexcept;
  static bool stays_in_place(std::size_t old, std::size_t n) noexcept;
  static std::size_t aligned_bin(std::size_t alignment, std::size_t n) noexcept;
  Hot hot(Ctx& ctx) noexcept { return Hot(arena_, cold_, ctx.so); }

  void* allocate_bin(Ctx* ctx, BinIndex bin) noexcept;
  void* allocate_small(Ctx& ctx, BinIndex bin) noexcept;
  void* allocate_from_page(Ctx& ctx, Magazine<C>& magazine, BinIndex bin) noexcept;
  void* allocate_v1(Ctx& ctx, BinIndex bin) noexcept;
  void* allocate_large(Ctx* ctx, std::size_t n, std::size_t alignment, Contents contents,
                       std::size_t room = 0) noexcept;

  void deallocate_local(Ctx& ctx, Page& page, std::uint32_t slot,
                        const FaultContext& call) noexcept;
  void deallocate_remote(Ctx* ctx, Page& page, std::uint32_t slot,
                         const FaultContext& call) noexcept;
  void mark_and_post(Ctx* ctx, Page& page, std::uint32_t slot, const FaultContext& call) noexcept;
  void deallocate_foreign(Ctx* ctx, void* p, const char* operation) noexcept;
  void cache_v1_block(Ctx& ctx, void* p, const BlockView& view, const char* operation) noexcept;
  [[noreturn]] void fail_freed_twice(Ctx* ctx, const Page& page, const FaultContext& call) noexcept;
  static void expect_mine(const Ctx& ctx, const Page& page, std::uint32_t slot, EntryBits kind,
                          const char* operation) noexcept;
  void give_to_page(Ctx& ctx, Page& page, std::uint32_t slot) noexcept;
  void give_back(Ctx& ctx, Page& page, std::uint32_t slot) noexcept;
  static void count_given_back(Ctx& ctx, std::uint8_t size_class, GivePath path) noexcept;
  void note_given(Ctx& ctx, const Page& page, BinIndex bin, GivePath path) noexcept;
  void learn(Ctx& ctx, SizeClass size_class, TakePath path) noexcept;
  void flush(Ctx& ctx, Magazine<C>& magazine, std::size_t count) noexcept;

  void prepare(Ctx& ctx) noexcept;
  void take_note(Ctx& ctx) noexcept;
  void take_up_policy(Ctx& ctx) noexcept;
  void look_at_time(Ctx& ctx) noexcept;
  void visit_idle(std::uint32_t now, typename ContextRegistry<C>::Looks looks) noexcept;
  std::size_t purge_unused(Page& page) noexcept;
  void note_freed_elsewhere(Ctx& ctx, std::size_t bytes) noexcept;
  void drain(Ctx& ctx) noexcept;
  void flush_all(Ctx& ctx) noexcept;
  void flush_unused(Ctx& ctx) noexcept;
  void begin_ebb(Ctx& ctx) noexcept;
  void note_thinned(Ctx& ctx, std::size_t bytes) noexcept;
  void allocating_at_ebb(Ctx& ctx) noexcept;
  void set_up_holding(Ctx& ctx) noexcept;
  void retire_empty_pages(Ctx& ctx) noexcept;
  void give_up_all(Ctx& ctx) noexcept;
  void salvage(std::size_t most) noexcept;
  void drop_half_done(Ctx& ctx) noexcept;
  Page* astray(Ctx& ctx, const void* block) noexcept;
  void unlock_heaps_after_fork() noexcept HAKMEM_UNCHECKED;
  static void count_retired(Ctx& ctx, const Page& page) noexcept;
  void scavenge() noexcept;
  void set_warm_caps(const PolicySnapshot& policy) noexcept;

  [[no_unique_address]] Platform platform_{};
  MappingBudget<C> mappings_;
  Arena<C> arena_;
  PolicyBox<C> policy_;
  LearnBox<C> learn_;
  ColdBox<C> cold_;
  ContextRegistry<C> contexts_;
  Lock<C> posting_;  // held by a thread without a context while it posts
  v1::V1Heap<C> v1_;
  large::LargeHeap<C> large_;
  Limit limit_;                                                  // far from what the hot path reads
  typename C::World::template atomic<bool> leaves_more_{false};  // some realloc did, once
  typename C::World::template atomic<bool> shrink_failed_{false};
};

}  // namespace hakmem
