// The remote box: what is posted arrives exactly once, whatever the number of producers; of two
// threads that free one block, one wins; what a racing owner leaves behind is seen.
#include "remote/remote_box.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "test_heap.h"

namespace hakmem::test {
namespace {

template <class C>
struct Remote {
  ColdSetUp<C> boxes;
  PendingPages<C> pending;

  SoPage<C>& full_page(std::size_t size) {
    SoPage<C>& page = *boxes.borrow(bin_of<C>(size));
    while (page.has_free_slot()) take_slot_owner_only(page, kEntryLive, boxes.rng);
    return page;
  }
  bool free(SoPage<C>& page, std::uint32_t slot) {
    std::uint32_t head = kNoSlot;
    if (!mark_remote(page, slot, &head)) return false;
    post(boxes.arena, pending, page, slot, head);
    return true;
  }
  std::vector<std::pair<SoPage<C>*, std::uint32_t>> drain() {
    std::vector<std::pair<SoPage<C>*, std::uint32_t>> got;
    drain_owner_only(boxes.arena, pending, [&](SoPage<C>& page, std::uint32_t slot) {
      give_slot_owner_only(page, slot);
      got.emplace_back(&page, slot);
    });
    return got;
  }
};

// What others push to, what the owner writes, and what every free reads: on lines of their own.
TEST(Remote, NobodyElsesPostsDisturbTheOwner) {
  const auto line_of = [](const auto& field) {
    return reinterpret_cast<std::uintptr_t>(&field) / 64;
  };
  const SoPage<Full> page;
  EXPECT_EQ(line_of(page.owner), line_of(page.class_idx));
  EXPECT_EQ(line_of(page.freelist), line_of(page.links));
  EXPECT_EQ(line_of(page.remote_head), line_of(page.next_pending));
  EXPECT_NE(line_of(page.owner), line_of(page.freelist));
  EXPECT_GE(line_of(page.remote_head), line_of(page.freelist) + 1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&page) % 128, 0u);
}

TEST(Remote, NothingPostedNothingDrained) {
  Remote<Small> remote;
  EXPECT_TRUE(remote.pending.empty());
  EXPECT_TRUE(remote.drain().empty());
}

TEST(Remote, WhatIsPostedArrivesOncePerSlotAndPage) {
  Remote<Small> remote;
  SoPage<Small>& a = remote.full_page(64);
  SoPage<Small>& b = remote.full_page(1024);
  ASSERT_TRUE(remote.free(a, 2));
  ASSERT_TRUE(remote.free(b, 0));
  ASSERT_TRUE(remote.free(a, 1));
  EXPECT_FALSE(remote.pending.empty());
  EXPECT_EQ(state_of_entry(a.entries[2].load_relaxed()), SlotState::kRemote);
  auto got = remote.drain();
  std::sort(got.begin(), got.end());
  std::vector<std::pair<SoPage<Small>*, std::uint32_t>> due{{&a, 1}, {&a, 2}, {&b, 0}};
  std::sort(due.begin(), due.end());
  EXPECT_EQ(got, due);
  EXPECT_TRUE(remote.pending.empty());
  EXPECT_TRUE(remote.drain().empty());
  EXPECT_EQ(a.used, a.capacity - 2);
}

TEST(Remote, APageIsPendingAgainAfterADrain) {
  Remote<Small> remote;
  SoPage<Small>& page = remote.full_page(64);
  for (std::uint32_t slot = 0; slot < page.capacity; ++slot) {
    ASSERT_TRUE(remote.free(page, slot));
    EXPECT_EQ(remote.drain().size(), 1u);
  }
}

// What is refused is left as it was: other threads go on until the report has ended the process.
TEST(Remote, OnlyALiveSlotCanBeMarked) {
  Remote<Small> remote;
  SoPage<Small>& page = remote.full_page(64);
  std::uint32_t head = 0;
  EXPECT_TRUE(remote.free(page, 0));
  EXPECT_FALSE(mark_remote(page, 0, &head)) << "REMOTE";
  EXPECT_EQ(page.entries[0].load_relaxed(), remote_entry(kNoSlot));
  page.entries[1].store_relaxed(kEntryCached);
  EXPECT_FALSE(mark_remote(page, 1, &head)) << "CACHED";
  EXPECT_EQ(page.entries[1].load_relaxed(), kEntryCached);
  give_slot_owner_only(page, 2);
  EXPECT_FALSE(mark_remote(page, 2, &head)) << "FREE";
  EXPECT_EQ(page.entries[2].load_relaxed(), free_entry(kNoSlot));
}

TEST(Remote, OfTwoThreadsThatFreeABlockExactlyOneWins) {
  Remote<Full> remote;
  SoPage<Full>& page = remote.full_page(64);
  std::atomic<int> winners{0};
  const auto free_all = [&] {
    for (std::uint32_t slot = 0; slot < page.capacity; ++slot) {
      std::uint32_t head = 0;
      winners += mark_remote(page, slot, &head) ? 1 : 0;
    }
  };
  std::thread one(free_all), two(free_all);
  one.join();
  two.join();
  EXPECT_EQ(winners, page.capacity);
}

// Producers free disjoint blocks of shared pages while the owner drains: every block arrives once.
TEST(Remote, ManyProducersOneOwner) {
  constexpr std::uint32_t kProducers = 3, kPages = 6;
  Remote<Full> remote;
  std::vector<SoPage<Full>*> pages;
  for (std::uint32_t i = 0; i < kPages; ++i) pages.push_back(&remote.full_page(i % 2 ? 64 : 512));
  std::size_t due = 0;
  for (const SoPage<Full>* page : pages) due += page->capacity;

  std::vector<std::thread> producers;
  for (std::uint32_t t = 0; t < kProducers; ++t) {
    producers.emplace_back([&, t] {
      for (std::uint32_t slot = t; slot < 4096; slot += kProducers) {
        for (SoPage<Full>* page : pages) {
          if (slot < page->capacity && !remote.free(*page, slot)) std::abort();
        }
      }
    });
  }
  std::size_t got = 0;
  while (got < due) got += remote.drain().size();
  for (std::thread& t : producers) t.join();
  EXPECT_EQ(got, due);
  EXPECT_TRUE(remote.drain().empty());
  for (const SoPage<Full>* page : pages) EXPECT_EQ(page->used, 0);
}

// A block's contents, written before the free, are visible to whoever gets it from the drain (R1).
TEST(Remote, ContentsTravelWithTheBlock) {
  Remote<Full> remote;
  SoPage<Full>& page = remote.full_page(1024);
  std::thread producer([&] {
    for (std::uint32_t slot = 0; slot < page.capacity; ++slot) {
      *static_cast<std::uint32_t*>(page.slot_address(slot)) = slot + 1;  // plain: R1 orders it
      if (!remote.free(page, slot)) std::abort();
    }
  });
  std::size_t got = 0;
  while (got < page.capacity) {
    for (const auto& [from, slot] : remote.drain()) {
      EXPECT_EQ(*static_cast<std::uint32_t*>(from->slot_address(slot)), slot + 1);
      ++got;
    }
  }
  producer.join();
}

// A poster that another one has overtaken links its slot anew: none is lost.
template <class C>
void expect_both_arrive() {
  Remote<C> remote;
  SoPage<C>& page = remote.full_page(64);
  std::uint32_t head = kNoSlot;
  ASSERT_TRUE(mark_remote(page, 1, &head));
  ASSERT_TRUE(remote.free(page, 2));  // `head` is out of date now
  post(remote.boxes.arena, remote.pending, page, 1, head);
  std::set<std::uint32_t> slots;
  for (const auto& [from, slot] : remote.drain()) slots.insert(slot);
  EXPECT_EQ(slots, (std::set<std::uint32_t>{1, 2}));
}
TEST(Remote, AnOvertakenPosterLosesNothing) {
  expect_both_arrive<Small>();
  expect_both_arrive<SmallPerf>();
}

using RemoteDeathTest = ::testing::Test;

// The owner's free came between another thread's marking and the drain.
TEST(RemoteDeathTest, ARacingFreeByTheOwnerIsReportedAtTheDrain) {
  Remote<Small> remote;
  SoPage<Small>& page = remote.full_page(64);
  ASSERT_TRUE(remote.free(page, 1));
  page.entries[1].store_relaxed(kEntryCached);
  EXPECT_DEATH(remote.drain(), "double-free: remote-drain");
}

// The block may have been handed out again: it is the same fault.
TEST(RemoteDeathTest, SoIsOneWhoseBlockIsLiveAgain) {
  Remote<Small> remote;
  SoPage<Small>& page = remote.full_page(64);
  ASSERT_TRUE(remote.free(page, 1));
  page.entries[1].store_relaxed(kEntryLive);
  EXPECT_DEATH(remote.drain(), "double-free: remote-drain.*\n.*this=0");
}

TEST(RemoteDeathTest, ALinkJustPastThePageIsCorruption) {
  Remote<Small> remote;
  SoPage<Small>& page = remote.full_page(64);
  ASSERT_TRUE(remote.free(page, 1));
  page.entries[1].store_relaxed(remote_entry(page.capacity));
  EXPECT_DEATH(remote.drain(), "metadata-corruption: remote-list");
}

// The same, seen by a poster that has to link its slot anew because another one came first.
TEST(RemoteDeathTest, ARacingFreeByTheOwnerIsNotOverwrittenByARetry) {
  Remote<Small> remote;
  SoPage<Small>& page = remote.full_page(64);
  std::uint32_t head = kNoSlot;
  ASSERT_TRUE(mark_remote(page, 1, &head));
  ASSERT_TRUE(remote.free(page, 2));  // `head` is out of date now
  page.entries[1].store_relaxed(kEntryCached);
  EXPECT_DEATH(post(remote.boxes.arena, remote.pending, page, 1, head), "double-free: free");
}

TEST(RemoteDeathTest, ALinkOutOfThePageIsCorruption) {
  Remote<Small> remote;
  SoPage<Small>& page = remote.full_page(64);
  ASSERT_TRUE(remote.free(page, 1));
  page.entries[1].store_relaxed(remote_entry(0x1000));
  EXPECT_DEATH(remote.drain(), "metadata-corruption: remote-list");
}

TEST(RemoteDeathTest, ACircleIsCorruption) {
  Remote<SmallPerf> remote;
  SoPage<SmallPerf>& page = remote.full_page(64);
  std::uint32_t head = 0;
  ASSERT_TRUE(mark_remote(page, 1, &head));
  post(remote.boxes.arena, remote.pending, page, 1, head);
  page.entries[1].store_relaxed(remote_entry(1));
  std::uint32_t given = 0;
  const auto no_more_than_there_are = [&](const auto&, std::uint32_t) {
    if (++given > page.capacity) std::_Exit(0);
  };
  EXPECT_DEATH(drain_owner_only(remote.boxes.arena, remote.pending, no_more_than_there_are),
               "metadata-corruption: remote-list");
}

}  // namespace
}  // namespace hakmem::test
