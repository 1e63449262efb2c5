// The registry of contexts: hands them to threads, takes them back when threads exit.
//   attach: parked -> active, else unused -> active      park: active -> parked
//   orphan_all_but: active -> orphaned, in a fork        salvage: orphaned -> parked
//   scavenge, visit: others work on contexts whose threads do not
// Contexts and their magazines lie in a table that is opened context by context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "base/bits.h"
#include "front/context.h"
#include "pal/growing_table.h"
#include "pal/lock.h"

namespace hakmem {

template <class C>
class ContextRegistry {
 public:
  using Platform = typename C::Platform;
  using Ctx = Context<C>;

  // Tries ever fewer contexts where address space is short; false when not even a few can be had.
  bool init(Platform& platform) noexcept {
    platform_ = &platform;
    for (std::size_t n = C::Geometry::kContextsMax; n >= kContextsFew && memory_ == nullptr;
         n /= 4) {
      capacity_ = table_.init(platform, n * kStride, 0) ? n : 0;
      memory_ = static_cast<char*>(table_.begin());
    }
    return memory_ != nullptr;
  }

  // nullptr when every context is taken, or the system refuses memory for another.
  Ctx* attach() noexcept {
    const LockGuard<C> guard(lock_);
    Ctx* ctx = parked_;
    if (ctx != nullptr) {
      parked_ = ctx->next_parked;
      parked_count_.store_relaxed(parked() - 1);
      ctx->next_parked = nullptr;
    } else {
      ctx = create();
    }
    if (ctx != nullptr) ctx->state = ContextState::kActive;
    return ctx;
  }

  // Requires: the caller holds the context and has flushed it.
  void park(Ctx& ctx) noexcept {
    const LockGuard<C> guard(lock_);
    park_locked(ctx);
  }

  std::uint32_t parked() const noexcept { return parked_count_.load_relaxed(); }  // a count
  // Requires: the caller holds the context, and its magazines are empty.
  void purge_magazines(Ctx& ctx) noexcept {
    const std::uint64_t system_page = platform_->page_bytes();
    const auto storage = reinterpret_cast<std::uintptr_t>(ctx.ultra.storage);
    const std::uint64_t first = round_up(storage, system_page);
    const std::uint64_t end = round_down(storage + kStride - kStorageOffset, system_page);
    if (first < end) platform_->purge(reinterpret_cast<void*>(first), end - first);
  }

  // Calls work(ctx) for up to `most` parked contexts that have remote frees waiting; does nothing
  // when another thread is at it.
  template <class Work>
  void scavenge(std::size_t most, Work&& work) noexcept {
    if (!lock_.try_lock()) return;
    std::size_t worked = 0;
    for (Ctx* ctx = parked_; ctx != nullptr && worked < most; ctx = ctx->next_parked) {
      if (ctx->pending.empty()) continue;
      work(*ctx);
      ++worked;
    }
    lock_.unlock();
  }

  // The same for up to `most` orphaned contexts, which are parked then. `work` flushes them.
  template <class Work>
  void salvage(std::size_t most, Work&& work) noexcept {
    if (HAKMEM_LIKELY(orphans_.load_relaxed() == 0)) return;  // relaxed: a hint, and a count
    if (!lock_.try_lock()) return;
    for (; orphaned_ != nullptr && most != 0; --most) {
      Ctx& ctx = *orphaned_;
      orphaned_ = ctx.next_parked;
      orphans_.store_relaxed(orphans_.load_relaxed() - 1);
      work(ctx);
      park_locked(ctx);
    }
    lock_.unlock();
  }

  // Calls work(ctx), with its lock held, for every context whose thread has ended or has not been
  // on a slow path in decay period `now` and the one before. Once is enough, until something is
  // sent to it. Does nothing when another thread is at it, and leaves out a context in use.
  template <class Work>
  void visit_idle(std::uint32_t now, Work&& work) noexcept {
    visit_if([&](const Ctx& ctx) { return needs_visit(ctx, now); },
             [&](Ctx& ctx) {
               work(ctx);
               ctx.tended_in = now;
             });
  }
  // The same for every context.
  template <class Work>
  void visit_all(Work&& work) noexcept {
    visit_if([](const Ctx&) { return true; }, work);
  }

  // Calls visit(ctx) for every context that was ever used.
  template <class Visit>
  void for_each(Visit&& visit) noexcept {
    const std::uint32_t n = created_.load_acquire();  // X1
    for (std::uint32_t i = 0; i < n; ++i) visit(at(i));
  }

  // Bytes of the contexts that were ever used and of their magazines.
  std::size_t bytes_used() const noexcept { return created_.load_relaxed() * kStride; }  // a count

  // In the child of a fork: the threads of all other contexts are gone, and none was on a slow
  // path.
  void orphan_all_but(Ctx* mine) noexcept HAKMEM_UNCHECKED {
    for_each([&](Ctx& ctx) HAKMEM_UNCHECKED {
      ctx.lock.reset_in_child();
      if (ctx.state != ContextState::kActive || &ctx == mine) return;
      ctx.state = ContextState::kOrphaned;
      ctx.next_parked = orphaned_;
      orphaned_ = &ctx;
      orphans_.store_relaxed(orphans_.load_relaxed() + 1);
    });
  }

  // With the registry all contexts in use, but for the caller's own: nobody works on that
  // meanwhile. Whoever holds a context's lock never waits for the registry's.
  void lock_for_fork(Ctx* mine) noexcept HAKMEM_UNCHECKED {
    lock_.lock();
    forking_ = mine;
    for_each_locked_by_fork([](Ctx& ctx) HAKMEM_UNCHECKED { ctx.lock.lock(); });
  }
  void unlock_after_fork() noexcept HAKMEM_UNCHECKED {
    for_each_locked_by_fork([](Ctx& ctx) HAKMEM_UNCHECKED { ctx.lock.unlock(); });
    lock_.unlock();
  }
  void unlock_in_child() noexcept HAKMEM_UNCHECKED { lock_.unlock(); }

 private:
  template <class Visit>
  void for_each_locked_by_fork(Visit&& visit) noexcept HAKMEM_UNCHECKED {
    for_each([&](Ctx& ctx) HAKMEM_UNCHECKED {
      if (ctx.state == ContextState::kActive && &ctx != forking_) visit(ctx);
    });
  }
  void park_locked(Ctx& ctx) noexcept HAKMEM_REQUIRES(lock_) {
    ctx.state = ContextState::kParked;
    ctx.next_parked = parked_;
    parked_ = &ctx;
    parked_count_.store_relaxed(parked() + 1);
  }

  static constexpr std::size_t kContextsFew = 8;
  static constexpr std::size_t kStorageOffset = (sizeof(Ctx) + 63) / 64 * 64;
  static constexpr std::size_t kStride =
      (kStorageOffset + C::Sizes::kMagazineEntries * sizeof(MagazinePlace<C>) + 4095) / 4096 * 4096;

  template <class Wanted, class Work>
  void visit_if(Wanted&& wanted, Work&& work) noexcept HAKMEM_UNCHECKED {
    if (!lock_.try_lock()) return;
    for_each([&](Ctx& ctx) {
      if (ctx.state == ContextState::kOrphaned || !wanted(ctx) || !ctx.lock.try_lock()) return;
      work(ctx);
      ctx.lock.unlock();
    });
    lock_.unlock();
  }
  // Another thread's `period` may be ahead of the caller's.
  static bool needs_visit(const Ctx& ctx, std::uint32_t now) noexcept {
    constexpr auto since = [](std::uint32_t later, std::uint32_t earlier) noexcept {
      return static_cast<std::int32_t>(later - earlier);
    };
    const std::uint32_t used_in = ctx.so.seen_period();
    if (ctx.state == ContextState::kActive && since(now, used_in) < 2) return false;
    return !ctx.pending.empty() || since(ctx.tended_in, used_in) < 2;
  }

  Ctx& at(std::uint32_t i) noexcept {
    return *std::launder(reinterpret_cast<Ctx*>(memory_ + i * kStride));
  }

  Ctx* create() noexcept HAKMEM_REQUIRES(lock_) {
    const std::uint32_t i = created_.load_relaxed();  // relaxed: writers hold the lock
    if (i == capacity_ || !table_.reach(*platform_, (i + 1) * kStride)) return nullptr;
    char* const memory = memory_ + i * kStride;
    auto* const ctx = new (memory) Ctx();
    ctx->ultra.storage = reinterpret_cast<MagazinePlace<C>*>(memory + kStorageOffset);
    for (std::size_t b = 0; b < C::Sizes::kBins; ++b) {
      ctx->so.classes[b].owner = {ctx, &ctx->ultra.front[b]};
    }
    ctx->so.rng = Rng(platform_->random());
    ctx->number = i + 1;
    created_.store_release(i + 1);  // X1
    return ctx;
  }

  Platform* platform_ = nullptr;
  GrowingTable<Platform> table_{};
  char* memory_ = nullptr;
  std::size_t capacity_ = 0;
  Lock<C> lock_;
  typename C::World::template atomic<std::uint32_t> created_{0};
  typename C::World::template atomic<std::uint32_t> orphans_{0};
  Ctx* parked_ HAKMEM_GUARDED_BY(lock_) = nullptr;
  typename C::World::template atomic<std::uint32_t> parked_count_{0};
  Ctx* orphaned_ HAKMEM_GUARDED_BY(lock_) = nullptr;
  Ctx* forking_ HAKMEM_GUARDED_BY(lock_) = nullptr;  // of the thread between prepare and after
};

}  // namespace hakmem
