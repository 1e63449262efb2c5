// The registry of contexts: hands them to threads, takes them back when threads exit.
//   attach: parked -> active, else unused -> active      park: active -> parked
//   orphan_all_but: active -> orphaned, in a fork        salvage: orphaned -> parked
//   scavenge, visit_idle: others work on contexts whose threads do not, as long as there is work
// Contexts and their magazines lie in a table that is opened context by context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "base/bits.h"
#include "heap/context_queue.h"
#include "pal/growing_table.h"
#include "pal/lock.h"
#include "ultra/context.h"

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
    {
      const LockGuard<C> working(ctx.lock);
      leave(ctx);
    }
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

  // ---- who is looked at by others: a parked context when it was sent something, any context once
  // its thread has been on no slow path for a while. Whoever holds a context's lock never waits for
  // the registry's, and nobody works on a context with the registry's held.

  // Requires: the caller holds the context's lock, for its thread, which uses its pages.
  void attend(Ctx& ctx) noexcept {
    if (HAKMEM_LIKELY(ctx.attended)) return;
    ctx.attended = true;
    call(ctx);
  }
  // Any thread: something was posted to a context that nobody had in view.
  void call(Ctx& ctx) noexcept { called_.call(ctx); }

  // Drains for up to `most` parked contexts that were sent something, by drain(ctx), with their
  // lock held; ends where another thread is at it.
  template <class Drain>
  void scavenge(std::size_t most, Drain&& drain) noexcept {
    for (; most != 0; --most) {
      Ctx* const ctx = take_sent();
      if (ctx == nullptr) return;
      if (!ctx->lock.try_lock()) return call(*ctx);
      drain(*ctx);
      leave(*ctx);
      ctx->lock.unlock();
    }
  }

  // How many contexts one visit may find idle, and in use.
  struct Looks {
    std::uint32_t idle = ~std::uint32_t{0};
    std::uint32_t in_use = ~std::uint32_t{0};
  };
  // Works on each context whose thread has ended or has been on no slow path in decay period `now`
  // and the one before, by step(ctx, n) for n = 0, 1, … until that is false: its lock is held
  // during a step, and let go of in between. Once is enough, until something is sent to it or its
  // thread comes back. Does nothing when another thread is at it, and leaves out a context in use.
  template <class Step>
  void visit_idle(std::uint32_t now, Looks looks, Step&& step) noexcept {
    if (!lock_.try_lock()) return;
    collect();
    std::uint32_t most = watched_.size();
    lock_.unlock();
    while (Ctx* const idle = take_idle(now, looks, most)) {
      if (!visit(*idle, now, step)) call(*idle);
    }
  }
  // Calls work(ctx), with its lock held, for every context but those in use.
  template <class Work>
  void visit_all(Work&& work) noexcept {
    for_each([&](Ctx& ctx) {
      if (!ctx.lock.try_lock()) return;
      if (!ctx.lost) {
        work(ctx);
        leave(ctx);
      }
      ctx.lock.unlock();
    });
  }

  // Calls work(ctx), with its lock held, for up to `most` orphaned contexts, which are parked then.
  template <class Work>
  void salvage(std::size_t most, Work&& work) noexcept {
    if (HAKMEM_LIKELY(orphans_.load_relaxed() == 0)) return;  // relaxed: a hint, and a count
    if (!lock_.try_lock()) return;
    for (; orphaned_ != nullptr && most != 0; --most) {
      Ctx& ctx = *orphaned_;
      orphaned_ = ctx.next_parked;
      orphans_.store_relaxed(orphans_.load_relaxed() - 1);
      {
        const LockGuard<C> working(ctx.lock);
        work(ctx);
        ctx.lost = false;
        leave(ctx);
        ctx.attended = true;
      }
      park_locked(ctx);
      call(ctx);
    }
    lock_.unlock();
  }

  // Calls visit(ctx) for every context that was ever used.
  template <class Visit>
  void for_each(Visit&& visit) noexcept {
    const std::uint32_t n = created_.load_acquire();  // X1
    for (std::uint32_t i = 0; i < n; ++i) visit(at(i));
  }

  // Bytes of the contexts that were ever used and of their magazines.
  std::size_t bytes_used() const noexcept { return created_.load_relaxed() * kStride; }  // a count

  // With the registry all contexts, but for the caller's own: nobody works on that meanwhile.
  void lock_for_fork(Ctx* mine) noexcept HAKMEM_UNCHECKED {
    lock_.lock();
    forking_ = mine;
    for_each_locked_by_fork([](Ctx& ctx) HAKMEM_UNCHECKED { ctx.lock.lock(); });
  }
  void unlock_after_fork() noexcept HAKMEM_UNCHECKED {
    for_each_locked_by_fork([](Ctx& ctx) HAKMEM_UNCHECKED { ctx.lock.unlock(); });
    lock_.unlock();
  }

  // In the child: the threads of all other contexts are gone, and none was on a slow path with its
  // lock held. One may have had a context in hand to call or visit it.
  void orphan_all_but(Ctx* mine) noexcept HAKMEM_UNCHECKED {
    called_.forget_all_in_child();
    sent_ = {};
    orphaned_ = nullptr;
    orphans_.store_relaxed(0);
    for_each([&](Ctx& ctx) HAKMEM_UNCHECKED {
      ctx.lock.reset_in_child();
      if (ctx.state == ContextState::kActive && &ctx != mine) {
        ctx.state = ContextState::kOrphaned;
        ctx.lost = true;
      }
      if (ctx.state != ContextState::kOrphaned) return;
      ctx.next_parked = orphaned_;
      orphaned_ = &ctx;
      orphans_.store_relaxed(orphans_.load_relaxed() + 1);
    });
  }
  // After that, and when no free is half sent any more.
  void call_again_in_child() noexcept HAKMEM_UNCHECKED {
    for_each([&](Ctx& ctx) {
      const bool was_called = ctx.called.exchange_relaxed(0) != 0;
      if (ctx.state == ContextState::kOrphaned) return;
      if (was_called || !ctx.pending.empty() || (ctx.attended && !ctx.watched)) call(ctx);
    });
  }
  void unlock_in_child() noexcept HAKMEM_UNCHECKED { lock_.unlock(); }

 private:
  template <class Visit>
  void for_each_locked_by_fork(Visit&& visit) noexcept HAKMEM_UNCHECKED {
    for_each([&](Ctx& ctx) HAKMEM_UNCHECKED {
      if (&ctx != forking_) visit(ctx);
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

  // Those that were called: a parked one to be drained soon, any other to be seen once it is idle.
  void collect() noexcept HAKMEM_REQUIRES(lock_) {
    called_.take_all([this](Ctx& ctx) HAKMEM_UNCHECKED {
      const bool sent = ctx.state == ContextState::kParked && !ctx.pending.empty();
      if (!sent) return watch(ctx);
      if (ctx.called.exchange_release(1) == 0) sent_.push_back(ctx);  // X3; else on the stack anew
    });
  }
  void watch(Ctx& ctx) noexcept HAKMEM_REQUIRES(lock_) {
    if (ctx.watched || ctx.state == ContextState::kOrphaned) return;
    ctx.watched = true;
    watched_.push_back(ctx);
  }
  // What is drained leaves pages at rest, to be seen to later.
  Ctx* take_sent() noexcept HAKMEM_UNCHECKED {
    if (!lock_.try_lock()) return nullptr;
    collect();
    Ctx* ctx = sent_.pop_front();
    for (; ctx != nullptr; ctx = sent_.pop_front()) {
      ctx->called.exchange_acquire(0);  // X3
      watch(*ctx);
      if (ctx->state == ContextState::kParked) break;  // else the thread that has it now did it
    }
    lock_.unlock();
    return ctx;
  }
  // The next idle one, which is then in nobody's view but the caller's; nullptr: none, or enough
  // for once. `most`: contexts still to be looked at.
  Ctx* take_idle(std::uint32_t now, Looks& looks, std::uint32_t& most) noexcept HAKMEM_UNCHECKED {
    if (!lock_.try_lock()) return nullptr;
    Ctx* found = nullptr;
    while (found == nullptr && most != 0 && looks.idle != 0 && looks.in_use != 0) {
      Ctx* const ctx = watched_.pop_front();
      if (ctx == nullptr) break;
      --most;
      ctx->watched = false;
      if (ctx->state == ContextState::kOrphaned) continue;
      if (is_idle(*ctx, now)) {
        --looks.idle;
        found = ctx;
      } else {
        --looks.in_use;
        watch(*ctx);
      }
    }
    lock_.unlock();
    return found;
  }
  // False when it is not done with: in use, or sent something meanwhile.
  template <class Step>
  bool visit(Ctx& ctx, std::uint32_t now, Step& step) noexcept HAKMEM_UNCHECKED {
    for (std::uint32_t n = 0;; ++n) {
      if (!ctx.lock.try_lock()) return false;
      const bool more = step(ctx, n);
      const bool idle = is_idle(ctx, now);
      if (!more && idle) ctx.attended = false;
      if (!more && idle) leave(ctx);
      ctx.lock.unlock();
      if (!more || !idle) return idle;
    }
  }
  // Requires: the caller holds the context's lock, and has drained what was sent to it.
  void leave(Ctx& ctx) noexcept {
    if (!ctx.pending.leave_out_of_view()) call(ctx);
  }
  // Another thread's `period` may be ahead of the caller's.
  static bool is_idle(const Ctx& ctx, std::uint32_t now) noexcept {
    return static_cast<std::int32_t>(now - ctx.so.seen_period()) >= 2;
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
      ctx->so.bins[b].owner = {ctx, &ctx->ultra.front[b]};
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
  CalledContexts<C> called_;
  ContextQueue<C, &Ctx::next_sent> sent_ HAKMEM_GUARDED_BY(lock_);  // parked, and sent something
  ContextQueue<C, &Ctx::next_watched> watched_ HAKMEM_GUARDED_BY(lock_);
  Ctx* forking_ HAKMEM_GUARDED_BY(lock_) = nullptr;  // of the thread between prepare and after
};

}  // namespace hakmem
