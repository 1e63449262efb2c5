// The remote box under the model checker: posts from two threads against the owner's drains.
//   every block posted is drained once; a page is posted once, however many threads find it empty;
//   what a thread did to a block before it freed it is seen by the owner afterwards (R1);
//   the link of a posted page is seen by who takes it (R2);
//   of two threads that free one block, one is stopped; an owner that races with another thread is
//   stopped no later than at the drain.
#include "models/concurrency/checked_platform.h"
#include "models/concurrency/explore.h"

#include "cold/cold_box.h"
#include "page/freelist.h"
#include "remote/remote_box.h"
#include "ultra/context.h"

namespace hakmem::checked {
namespace {

constexpr std::uint32_t kPages = 2, kSlots = 4;

// One context's pages with all slots handed out, as the cold box and the freelist set them up.
template <class C>
struct Heap {
  Iteration iteration;
  CheckedPlatform platform;
  LimitOf<C> limit;
  Arena<C> arena;
  MappingBudget<C> mappings;
  ColdBox<C> cold;
  PendingPages<C> pending;
  alignas(64) char context[64];  // of the owner: only its address matters here
  SoPage<C>* pages[kPages] = {};
  Payload contents[kPages][kSlots];
  int given[kPages][kSlots] = {};

  void set_up(std::uint32_t count) {
    Rng rng(7);
    arena.init(platform);
    mappings.init(platform);
    cold.init(platform, arena, limit, mappings);
    for (std::uint32_t i = 0; i < count; ++i) {
      pages[i] = cold.refill_page(BinIndex(0), {reinterpret_cast<Context<C>*>(context), nullptr});
      while (pages[i]->has_free_slot()) take_slot_owner_only(*pages[i], kEntryLive, rng);
      for (Payload& p : contents[i]) p.write(0);
    }
  }
  bool free(std::uint32_t page, std::uint32_t slot) {
    std::uint32_t head = kNoSlot;
    if (!mark_remote(*pages[page], slot, &head)) return false;
    post(arena, pending, *pages[page], slot, head);
    return true;
  }
  // The program's last use of a block, and its free.
  void use_and_free(std::uint32_t page, std::uint32_t slot) {
    contents[page][slot].write(1);
    RL_ASSERT(free(page, slot));
  }
  void drain() {
    drain_owner_only(arena, pending, [this](SoPage<C>& page, std::uint32_t slot) {
      const std::uint32_t i = &page == pages[0] ? 0 : 1;
      RL_ASSERT(&page == pages[i]);
      RL_ASSERT(++given[i][slot] == 1);
      contents[i][slot].write(2);  // the owner hands the block out again
      give_slot_owner_only(page, slot);
    });
  }
  // At rest: everything that was posted has come back.
  void expect_given(std::uint32_t page, std::uint32_t slots) {
    for (std::uint32_t s = 0; s < kSlots; ++s) {
      RL_ASSERT(given[page][s] == ((slots >> s & 1) != 0 ? 1 : 0));
    }
    RL_ASSERT(pages[page]->used == kSlots - static_cast<std::uint32_t>(std::popcount(slots)));
    RL_ASSERT(pending.empty());
  }
};

// Two threads free `kEach` blocks each of one page; the owner drains meanwhile.
template <class C, int kEach>
struct OnePage : rl::test_suite<OnePage<C, kEach>, 3> {
  Heap<C> heap;
  void before() { heap.set_up(1); }
  void thread(unsigned index) {
    if (index == 0) return heap.drain();
    for (int i = 0; i < kEach; ++i) heap.use_and_free(0, (index - 1) * kEach + i);
  }
  void after() {
    heap.drain();
    heap.expect_given(0, (1u << 2 * kEach) - 1);
  }
};

// Two threads free a block of each of two pages, in opposite order; or only of the first in it.
template <class C, int kEach>
struct TwoPages : rl::test_suite<TwoPages<C, kEach>, 3> {
  Heap<C> heap;
  void before() { heap.set_up(2); }
  void thread(unsigned index) {
    if (index == 0) return heap.drain();
    heap.use_and_free(index - 1, index);
    if (kEach == 2) heap.use_and_free(2 - index, index);
  }
  void after() {
    heap.drain();
    heap.expect_given(0, kEach == 2 ? 0b110 : 0b010);
    heap.expect_given(1, kEach == 2 ? 0b110 : 0b100);
  }
};

// Two threads free the same block, a third one drains: exactly one of the frees is stopped, and the
// other one's list is whole meanwhile.
struct DoubleFree : rl::test_suite<DoubleFree, 3> {
  Heap<Tiny> heap;
  int won = 0;
  void before() { heap.set_up(1); }
  void thread(unsigned index) {
    if (index == 0) return heap.drain();
    if (heap.free(0, 2)) ++won;
  }
  void after() {
    RL_ASSERT(won == 1);
    heap.drain();
    heap.expect_given(0, 0b100);
  }
};

// The owner frees a block by load and store (the hot path), perhaps hands it out again, and drains;
// another thread frees it too, and one more block of the page. If its free falls between the load
// and the store, no later than the drain somebody is stopped, and the block is not handed out from
// the remote list.
template <bool kReused>
struct OwnerRaces : rl::test_suite<OwnerRaces<kReused>, 2> {
  Heap<Tiny> heap;
  bool stopped = false, stored = false, torn = false;
  void before() { heap.set_up(1); }
  void thread(unsigned index) {
    if (!survives([&] { index == 0 ? owner() : other(); })) stopped = true;
  }
  void owner() {
    auto& entry = heap.pages[0]->entries[1];
    if (entry.load_relaxed() != kEntryLive) stop_thread("free");
    entry.store_relaxed(kEntryCached);
    stored = true;
    if (kReused) entry.store_relaxed(kEntryLive);
    heap.drain();
  }
  void other() {
    std::uint32_t head = kNoSlot;
    if (!mark_remote(*heap.pages[0], 1, &head)) stop_thread("free");
    torn = !stored;
    post(heap.arena, heap.pending, *heap.pages[0], 1, head);
    heap.use_and_free(0, 3);
  }
  void after() {
    if (!stopped && !survives([&] { heap.drain(); })) stopped = true;
    if (torn) RL_ASSERT(stopped && heap.given[0][1] == 0);
    if (!kReused) RL_ASSERT(stopped);
  }
};

}  // namespace
}  // namespace hakmem::checked

int main(int argc, char** argv) {
  using namespace hakmem::checked;
  Runner run(argc, argv);
  run.every<OnePage<Tiny, 1>>("2 threads free a block each of one page, 1 drains", 4);
  run.every<OnePage<Tiny, 2>>("2 threads free 2 blocks each of one page, 1 drains", 2);
  run.every<OnePage<TinyPerf, 2>>("the same without checks", 2);
  run.every<TwoPages<Tiny, 1>>("2 threads free a block each of 2 pages, 1 drains", 3);
  run.every<DoubleFree>("2 threads free the same block, 1 drains", 4);
  run.every<OwnerRaces<false>>("the owner and another thread free the same block", 5);
  run.every<OwnerRaces<true>>("the same, and the owner hands it out again", 5);
  run.random<OnePage<Tiny, 2>>("2 threads free 2 blocks each of one page, 1 drains", 20000);
  run.random<TwoPages<Tiny, 2>>("2 threads free a block of each of 2 pages, 1 drains", 20000);
  run.needs<OnePage<Tiny, 1>>("R1", Side::kRelease, 2);
  run.needs<OnePage<Tiny, 1>>("R1", Side::kAcquire, 2);
  run.needs<TwoPages<Tiny, 1>>("R2", Side::kRelease, 2);
  run.needs<TwoPages<Tiny, 1>>("R2", Side::kAcquire, 2);
  return run.status();
}
