// How contexts come to be looked at by threads that are not theirs.
//   CalledContexts   a stack without a lock: whoever sends something to a context that nobody has
//                    in view puts it there, and so does the context's own thread
//   ContextQueue     first in, first out, under the registry's lock
// Edges: X2 a called context's link: push's release -> take_all's acquire.
//        X3 `called`: who finds it clear puts the context on the stack, and whoever clears it sees
//           what was sent before by all who found it set.
#pragma once

#include <cstdint>

#include "ultra/context.h"

namespace hakmem {

template <class C>
class CalledContexts {
 public:
  using Ctx = Context<C>;

  // Any thread. Does nothing when the context has been called already.
  void call(Ctx& ctx) noexcept {
    if (ctx.called.exchange_release(1) != 0) return;  // X3
    Ctx* first = top_.load_relaxed();                 // relaxed: the cas decides
    do {
      ctx.next_called.store_relaxed(first);  // relaxed: X2 publishes
    } while (!top_.cas_weak_release_relaxed(first, &ctx));  // X2
  }

  // Calls visit(ctx) for each, the latest first; it may be called again from then on.
  template <class Visit>
  void take_all(Visit&& visit) noexcept {
    if (top_.load_relaxed() == nullptr) return;  // relaxed: a hint, a later look finds it
    for (Ctx* ctx = top_.exchange_acquire(nullptr); ctx != nullptr;) {  // X2
      Ctx& called = *ctx;
      ctx = called.next_called.load_acquire();  // acquire: before the next call can change it
      called.called.exchange_acquire(0);        // X3
      visit(called);
    }
  }

  void forget_all_in_child() noexcept { top_.store_relaxed(nullptr); }

 private:
  typename C::World::template atomic<Ctx*> top_{nullptr};
};

// Requires: a context is on at most one queue of each `Link`.
template <class C, Context<C>* Context<C>::* Link>
class ContextQueue {
 public:
  std::uint32_t size() const noexcept { return size_; }

  void push_back(Context<C>& ctx) noexcept {
    ctx.*Link = nullptr;
    (first_ == nullptr ? first_ : last_->*Link) = &ctx;
    last_ = &ctx;
    ++size_;
  }
  // nullptr when there is none.
  Context<C>* pop_front() noexcept {
    Context<C>* const ctx = first_;
    if (ctx == nullptr) return ctx;
    first_ = ctx->*Link;
    --size_;
    return ctx;
  }

 private:
  Context<C>* first_ = nullptr;
  Context<C>* last_ = nullptr;  // of no meaning while there is none
  std::uint32_t size_ = 0;
};

}  // namespace hakmem
