// One run of a program on the whole allocator under one schedule, and what must hold of it:
//
//   - no block lies over one that is live, contents stay, zeroed memory is zero;
//   - a program without misuse ends in no report;
//   - of two frees of one block one ends in a report, at the latest when all is at rest;
//   - nobody waits for ever;
//   - at rest every law holds; and when everything is freed, no page, run or mapping is out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "heap/allocator_members.h"
#include "inspect/audit.h"
#include "inspect/memory_statistics.h"
#include "models/schedule/program.h"
#include "models/schedule/reports.h"
#include "models/schedule/schedule_world.h"

namespace hakmem::schedule {

// Where each operation of the last run began: after so many switches.
struct Began {
  std::size_t switches;
  std::size_t thread;
  Op op;
};
inline std::vector<Began> g_began;

// On pages of its own: what is watched is watched by the page.
template <class C>
struct alignas(4096) Place {
  unsigned char bytes[(sizeof(Allocator<C>) + 4095) / 4096 * 4096];
};
template <class C>
inline Place<C> g_place;
struct Leaves {
  void operator()(auto* allocator) const { std::destroy_at(allocator); }
};

template <class C>
class Run {
 public:
  // "" when all was right.
  static std::string of(const Program& program, const Schedule& schedule) {
    auto run = std::make_unique<Run>(program, schedule);
    return run->go();
  }

  Run(const Program& program, const Schedule& schedule) : program_(program) {
    Scheduler::instance().begin(schedule, 40 * program.ops() + 1);
    if constexpr (kWatched) Clocks::instance().begin();
    Reported::right = false;
    Reported::doubled = 0;
    Reported::said.clear();
    g_began.clear();
    model::NextPlatform::next_seed = schedule.seed;
    allocator_.reset(new (g_place<C>.bytes) Allocator<C>());
    if constexpr (kWatched) {
      const auto& platform = allocator_->boxes().platform;
      Clocks::instance().watch(allocator_.get(), sizeof *allocator_);
      Clocks::instance().leave_out(&platform, sizeof platform);
    }
    PolicySnapshot policy = default_policy();
    policy.learn = schedule.seed % 2 != 0;
    allocator_->init(policy);
    if (!program.before.empty()) begin_together();
  }

 private:
  using Ctx = Context<C>;
  enum class State : unsigned char { kEmpty, kBusy, kLive, kFreedOnce };
  struct Cell {
    State state = State::kEmpty;
    unsigned char* p = nullptr;
    std::size_t size = 0;
    unsigned char mark = 0;
  };

  std::string go() {
    Scheduler& scheduler = Scheduler::instance();
    for (std::size_t t = 0; t < program_.threads.size(); ++t)
      scheduler.add([this, t] { thread(t); });
    std::string ended = run_threads();
    if (ended.empty()) {
      const bool forked = scheduler.alone();
      scheduler.go_on();
      scheduler.add([this, forked] { at_rest(forked); });
      ended = run_threads();
      if (ended.empty() && freed_twice_) return "a block was freed twice, and no report";
    }
    if (ended == kBroken) return "law " + Reported::said;
    if (ended == kReported) return Reported::right ? "" : "a report: " + Reported::said;
    return ended == kExcused || ended == kCut ? "" : ended;
  }
  static std::string run_threads() {
    if constexpr (kWatched) Clocks::instance().join_all();
    std::string ended = Scheduler::instance().run();
    if constexpr (kWatched) Clocks::instance().join_all();
    return ended;
  }
  void begin_together() {
    for (std::size_t t = 0; t < program_.threads.size(); ++t)
      together_[t] = allocator_->attach_context();
    for (const Op& op : program_.before) step(together_[0], op);
  }

  // ---- threads

  void thread(std::size_t t) {
    Ctx* ctx = together() ? together_[t] : allocator_->attach_context();
    for (const Op& op : program_.threads[t]) {
      g_began.push_back({Scheduler::instance().switches().size(), t, op});
      if (op.kind == Kind::kRestart) {
        if (ctx != nullptr) allocator_->park_context(*ctx);
        ctx = allocator_->attach_context();
      } else if (op.kind == Kind::kFork) {
        fork(ctx);
      } else {
        step(ctx, op);
      }
    }
    if (together())
      together_[t] = ctx;
    else if (ctx != nullptr)
      allocator_->park_context(*ctx);
  }
  bool together() const { return !program_.before.empty(); }

  void step(Ctx* ctx, const Op& op) {
    Cell& cell = cells_[op.cell];
    Scheduler::instance().point({&cell, true, {"the program", 0}});
    switch (op.kind) {
      case Kind::kMalloc:
      case Kind::kCalloc:
      case Kind::kAligned:
        return allocate(ctx, cell, op);
      case Kind::kFree:
        if (cell.state == State::kLive) give(ctx, take_out(cell));
        return;
      case Kind::kRealloc:
        return reallocate(ctx, cell, op.size);
      case Kind::kUsable:
        if (cell.state == State::kLive) usable(ctx, cell);
        return;
      case Kind::kTwice:
        return free_twice(ctx, cell);
      case Kind::kTrim:
        allocator_->trim(ctx);
        return;
      case Kind::kPurge:
        allocator_->purge();
        return;
      case Kind::kStats:
        return look();
      case Kind::kPolicy:
        return flip(ctx, class_of_size(op.size));
      case Kind::kCount:
        allocator_->update_policy(
            ctx, [](PolicySnapshot& policy) { policy.count = policy.learn = !policy.count; });
        return;
      case Kind::kLimit:
        allocator_->set_limit({op.size * 64, LimitBytes::kNone});
        return;
      case Kind::kClock:
        allocator_->boxes().platform.advance_clock_ms(ColdBox<C>::kDecayPeriodMs);
        return;
      default:
        return;
    }
  }

  void allocate(Ctx* ctx, Cell& cell, const Op& op) {
    if (cell.state != State::kEmpty) return;
    cell.state = State::kBusy;
    const std::uint64_t began = begin();
    std::size_t alignment = 16;
    void* p = nullptr;
    if (op.kind == Kind::kCalloc) {
      p = allocator_->allocate_zeroed(ctx, op.size);
    } else if (op.kind == Kind::kAligned) {
      alignment = 256;
      p = allocator_->allocate_aligned(ctx, alignment, op.size);
    } else {
      p = ctx == nullptr ? allocator_->allocate_slow(ctx, op.size)
                         : allocator_->allocate(ctx, op.size);
    }
    over();
    if (p == nullptr) {
      cell.state = State::kEmpty;
      return;
    }
    if (reinterpret_cast<std::uintptr_t>(p) % alignment != 0) fail("a block is not aligned");
    fill(cell, static_cast<unsigned char*>(p), op.size, began, op.kind == Kind::kCalloc);
  }

  // The block is the program's from here on.
  void fill(Cell& cell, unsigned char* p, std::size_t size, std::uint64_t began, bool zeroed) {
    handed_out(p, began);
    for (Cell& other : cells_) {
      const bool out = other.state == State::kLive && &other != &cell;
      if (out && p < other.p + other.size && other.p < p + size)
        fail("a block lies over a live one");
    }
    if (!model::may_write<typename C::Platform>(p, size)) fail("a block lies in closed memory");
    if (zeroed && !all_are(p, 0, size)) fail("zeroed memory is not zero");
    cell.mark = ++marks_;
    std::memset(p, cell.mark, size);
    touch(p, size, true);
    put_in(cell, {State::kLive, p, size, cell.mark});
  }
  // The program's threads pass blocks on in order.
  static void put_in(Cell& cell, const Cell& block) {
    cell = block;
    released(&cell, true);
  }
  Cell take_out(Cell& cell) {
    acquired(&cell);
    const Cell block = cell;
    cell.state = State::kEmpty;
    check(block, block.size);
    return block;
  }
  // Of a block that was freed twice, which nobody has noticed yet, a part may be given back.
  void check(const Cell& block, std::size_t bytes) {
    if (freed_twice_ && reinterpret_cast<std::uintptr_t>(block.p) == Reported::doubled) return;
    touch(block.p, bytes, false);
    if (!all_are(block.p, block.mark, bytes)) fail("the contents of a live block have changed");
  }
  // What nobody else may be doing at the time: the beginning stands for all of it.
  static void touch(const unsigned char* p, std::size_t bytes, bool writes) {
    constexpr std::size_t kBeginning = 64;
    if constexpr (kWatched) {
      Clocks::instance().access(p, bytes < kBeginning ? bytes : kBeginning, writes,
                                __builtin_return_address(0));
    }
  }
  HAKMEM_UNWATCHED static bool all_are(const unsigned char* p, unsigned char value,
                                       std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
      if (p[i] != value) return false;
    return true;
  }
  void give(Ctx* ctx, const Cell& block) {
    if (ctx != nullptr)
      allocator_->deallocate(ctx, block.p);
    else
      allocator_->deallocate_slow(ctx, block.p, "free");
  }

  void reallocate(Ctx* ctx, Cell& cell, std::size_t n) {
    if (cell.state != State::kLive) return;
    const Cell block = take_out(cell);
    cell.state = State::kBusy;
    const std::uint64_t began = begin();
    auto* const p = static_cast<unsigned char*>(allocator_->reallocate(ctx, block.p, n));
    over();
    if (p == nullptr) return put_in(cell, block);
    check({State::kLive, p, 0, block.mark}, n < block.size ? n : block.size);
    fill(cell, p, n, began, false);
  }

  void usable(Ctx* ctx, Cell& cell) {
    const Cell block = take_out(cell);
    cell.state = State::kBusy;
    const BlockView view = allocator_->locate_live(ctx, block.p, "malloc_usable_size");
    if (view.block_size < block.size) fail("a block is smaller than what was asked for");
    put_in(cell, block);
  }

  // The first of the two leaves the block where the second finds it. Once the block is somebody's
  // anew, its second free can no longer be told from one of its new life.
  void free_twice(Ctx* ctx, Cell& cell) {
    acquired(&cell);
    const Cell block = cell;
    const auto address = reinterpret_cast<std::uintptr_t>(cell.p);
    if (cell.state == State::kLive && Reported::doubled == 0) {
      check(block, block.size);
      cell.state = State::kFreedOnce;
      Reported::doubled = address;
      give(ctx, block);
      if (second_began_ && second_returned_) freed_twice_ = true;
      first_returned_ = true;
      both_at_ = ++moves_;
    } else if (cell.state == State::kFreedOnce) {
      cell.state = State::kEmpty;
      second_began_ = true;
      give(ctx, block);
      if (first_returned_) freed_twice_ = true;
      second_returned_ = true;
      both_at_ = ++moves_;
    }
  }
  std::uint64_t begin() { return allocating_since_[Scheduler::instance().current()] = ++moves_; }
  void over() { allocating_since_[Scheduler::instance().current()] = 0; }
  void handed_out(const unsigned char* p, std::uint64_t began) {
    if (reinterpret_cast<std::uintptr_t>(p) != Reported::doubled) return;
    // This allocation, or one that is not over yet, may have had it in hand already when one of the
    // two frees came.
    bool in_hand = !first_returned_ || !second_returned_ || began < both_at_;
    for (const std::uint64_t since : allocating_since_) in_hand |= since != 0 && since < both_at_;
    if (second_began_ && in_hand) Scheduler::instance().end(kExcused);
    if (freed_twice_) return;
    if (second_began_) Scheduler::instance().end(kExcused);
    for (Cell& cell : cells_)
      if (cell.state == State::kFreedOnce) cell.state = State::kEmpty;
    Reported::doubled = 0;
    first_returned_ = false;
  }

  void look() {
    MemoryStats held;
    MemoryCounter<C>(*allocator_).run(Patience::kWaits, held);
    allocator_->stats();
  }
  void flip(Ctx* ctx, std::uint8_t size_class) {
    allocator_->update_policy(ctx, [=](PolicySnapshot& policy) {
      policy.classes[size_class].v3 = !policy.classes[size_class].v3;
    });
  }

  // The others stop where they are, as in the child.
  void fork(Ctx* ctx) {
    allocator_->fork_prepare();
    Scheduler::instance().go_on_alone();
    if constexpr (kWatched) Clocks::instance().join_all();
    for (Cell& cell : cells_)
      if (cell.state != State::kLive) cell.state = State::kEmpty;  // in the middle of something
    allocator_->fork_child(ctx);
  }

  [[noreturn]] void fail(const char* what) { Scheduler::instance().end(what); }

  // ---- when all threads have ended

  void at_rest(bool forked) {
    for (Ctx* const parked : together_)
      if (parked != nullptr) allocator_->park_context(*parked);
    Ctx* const ctx = allocator_->attach_context();
    obey(" is broken at rest");
    for (Cell& cell : cells_)
      if (cell.state == State::kLive) give(ctx, take_out(cell));
    if (ctx != nullptr) allocator_->park_context(*ctx);
    allocator_->purge();
    obey(" is broken after everything was freed");
    if (freed_twice_ || forked) return;
    MemoryStats held;
    MemoryCounter<C>(*allocator_).run(Patience::kWaits, held);
    if (held.allocated() != 0) fail("blocks are lost");
    if (allocator_->boxes().cold.totals().lent_bytes != 0) fail("pages are lost");
  }
  // A block that was freed twice may be in two places until that is found.
  void obey(const char* what) {
    const laws::Broken broken = audit(*allocator_);
    if (broken == laws::kHolds || freed_twice_) return;
    Reported::said = std::string(broken) + what;
    fail(kBroken);
  }

  const Program& program_;
  std::unique_ptr<Allocator<C>, Leaves> allocator_;
  std::array<Cell, kCells> cells_{};
  std::array<Ctx*, kThreadsMax> together_{};
  unsigned char marks_ = 0;
  bool first_returned_ = false;
  bool second_began_ = false;
  bool second_returned_ = false;
  std::uint64_t moves_ = 0;  // allocations begun and frees of a pair ended
  std::array<std::uint64_t, kThreadsMax> allocating_since_{};
  std::uint64_t both_at_ = 0;  // when both were over
  bool freed_twice_ = false;
};

}  // namespace hakmem::schedule
