// Faults: what is known about a pointer that the program passed in, and the report when it is
// wrong.
#pragma once

#include <cstdint>

#include "heap/boxes.h"
#include "page/locate.h"
#include "report/report.h"

namespace hakmem {

// What a stated size may differ by from the one that the block was allocated with.
enum class SizeRule : std::uint8_t {
  kAllocated,    // operator delete: the block still has the size it was allocated with
  kMayBeShrunk,  // free_sized: the same, until a realloc has left more than was asked for in some
                 // block of a page. From then on, down to half; any smaller one once a realloc had
                 // no memory to shrink one with
};

template <class C>
class Faults {
 public:
  using Ctx = Context<C>;
  using Page = SoPage<C>;

  explicit Faults(Boxes<C>& boxes) noexcept : boxes_(boxes) {}

  // Total. fault kNone: a live block.
  BlockView locate(const void* p) noexcept {
    const Page* const unit = boxes_.arena.so_page_of(ClientPtr(p));
    if (unit != nullptr) {
      return locate_in_page(*unit, boxes_.arena.head_of(*unit), ClientPtr(p));
    }
    BlockView view = boxes_.large.locate(ClientPtr(p));
    if (view.fault == Fault::kNotMine) view = boxes_.v1.locate(ClientPtr(p));
    return view.fault == Fault::kNotMine ? boxes_.large.diagnose(ClientPtr(p)) : view;
  }

  // As locate, but a fault ends in a report that names `operation`.
  BlockView locate_live(Ctx* ctx, const void* p, const char* operation) noexcept {
    const BlockView view = locate(p);
    if (HAKMEM_UNLIKELY(view.fault != Fault::kNone)) fail(ctx, p, operation, view);
    return view;
  }

  // The report. `stated`: bytes that the program said the block has.
  [[noreturn]] void fail(Ctx* ctx, const void* p, const char* operation, const BlockView& found,
                         std::size_t stated = 0) noexcept {
    BlockView view = found;
    const Page* const unit = boxes_.arena.so_page_of(ClientPtr(p));
    if (unit != nullptr) {
      const Ctx* const owner = unit->owner.load_relaxed();  // relaxed: a hint
      if (owner != nullptr) view.owner = owner->number;
    }
    if (boxes_.arena.reserves(ClientPtr(p))) view.heap = "v3";
    if (view.fault == Fault::kNotMine) view.fault = Fault::kInvalidFree;
    report_fault({operation, ClientPtr(p).address(), stated, ctx == nullptr ? 0 : ctx->number},
                 view);
  }

  [[noreturn]] void fail_freed_twice(Ctx* ctx, const Page& page,
                                     const FaultContext& call) noexcept {
    BlockView view = locate_in_page(page, page, ClientPtr(call.pointer));
    view.fault = Fault::kDoubleFree;
    fail(ctx, reinterpret_cast<void*>(call.pointer), call.operation, view);
  }

  // Of a slot that is about to go back to its page: the hot path pushes without an exchange, so
  // both may have changed since it looked.
  static void expect_mine(const Ctx& ctx, const Page& page, std::uint32_t slot, EntryBits kind,
                          const char* operation) noexcept {
    if constexpr (C::kMitigations.check_frees) {
      const EntryBits entry = page.entries[slot].load_relaxed();  // relaxed: under the lock
      const bool mine = page.owner.load_relaxed() == &ctx && entry_kind(entry) == kind;
      if (HAKMEM_UNLIKELY(!mine)) report_raced_double_free(page, slot, operation);
    }
  }

 private:
  Boxes<C>& boxes_;
};

}  // namespace hakmem
