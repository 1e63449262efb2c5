// V1Heap under random load against a model: blocks never overlap, keep their contents, and every
// fault injected on the way is told without harm. Then the same from several threads.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "base/atomic.h"
#include "config/config.h"
#include "pal/fake.h"
#include "v1/v1_heap.h"

namespace hakmem {
namespace {

using Production = Config<ProductionGeometry, FakePlatform, StdWorld, kHardenedMitigations>;
using Small = Config<SmallGeometry, FakePlatform, StdWorld, kHardenedMitigations>;

struct Block {
  char* p = nullptr;
  std::size_t size = 0;
  std::uint8_t bin = 0;
  char fill = 0;
};

bool intact(const Block& b) {
  for (std::size_t i = 0; i < b.size; ++i) {
    if (b.p[i] != b.fill) return false;
  }
  return true;
}

template <class C>
class V1Churn : public testing::Test {
 protected:
  V1Churn() {
    budget_.init(platform_);
    heap_.init(platform_, limit_, budget_);
  }
  ~V1Churn() override { EXPECT_EQ(platform_.foreign_calls(), 0u); }

  Block take(std::mt19937& random) {
    Block b;
    b.bin = static_cast<std::uint8_t>(random() % C::Sizes::kBins);
    b.size = C::Sizes::kBinTable[b.bin].block_size;
    b.fill = static_cast<char>(random());
    b.p = static_cast<char*>(heap_.allocate(BinIndex(b.bin)));
    if (b.p != nullptr) std::memset(b.p, b.fill, b.size);
    return b;
  }
  Fault give(const Block& b) { return heap_.deallocate(ClientPtr(b.p)).fault; }

  FakePlatform platform_;
  LimitOf<C> limit_;
  MappingBudget<C> budget_;
  v1::V1Heap<C> heap_;
};
using Configs = testing::Types<Production, Small>;
TYPED_TEST_SUITE(V1Churn, Configs);

TYPED_TEST(V1Churn, BlocksNeverOverlapAndKeepTheirContents) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    std::map<char*, Block> live;  // by first byte
    for (int step = 0; step < 12000; ++step) {
      const bool growing = step / 2000 % 2 == 0;  // waves, so that runs and chunks come and go
      if (live.empty() || random() % 10 < (growing ? 6u : 4u)) {
        const Block b = this->take(random);
        ASSERT_NE(b.p, nullptr);
        const auto next = live.lower_bound(b.p);
        ASSERT_TRUE(next == live.end() || b.p + b.size <= next->first) << "step " << step;
        ASSERT_TRUE(next == live.begin() ||
                    std::prev(next)->first + std::prev(next)->second.size <= b.p)
            << "step " << step;
        live[b.p] = b;
      } else {
        auto victim = live.begin();
        std::advance(victim, random() % std::min<std::size_t>(live.size(), 64));
        ASSERT_TRUE(intact(victim->second)) << "step " << step;
        ASSERT_EQ(this->give(victim->second), Fault::kNone) << "step " << step;
        ASSERT_NE(this->give(victim->second), Fault::kNone) << "step " << step;
        live.erase(victim);
      }
      if (step % 1000 == 999) this->heap_.trim();
    }
    for (const auto& [p, b] : live) {
      ASSERT_TRUE(intact(b));
      ASSERT_EQ(this->give(b), Fault::kNone);
    }
  }
  this->heap_.trim();
  for (std::size_t b = 0; b < TypeParam::Sizes::kBins; ++b) {
    EXPECT_EQ(this->heap_.live_blocks(BinIndex(static_cast<std::uint8_t>(b))), 0u);
  }
  // Chunk tables only: two of them, between guards.
  EXPECT_EQ(this->platform_.live_bytes() % this->platform_.page_bytes(), 0u);
  EXPECT_LE(this->platform_.live_bytes(),
            this->heap_.bytes_mapped() + 4 * this->platform_.page_bytes());
}

TYPED_TEST(V1Churn, WhileTheSystemRefusesMemoryNowAndThen) {
  std::mt19937 random(9);
  std::vector<Block> live;
  int refused = 0;
  for (int step = 0; step < 12000; ++step) {
    if (step % 50 == 0) this->platform_.fail_nth(Call::kMap, 1);
    if (step % 70 == 0) this->platform_.fail_nth(Call::kSparse, 1);
    if (live.empty() || random() % 100 < 60) {
      const Block b = this->take(random);
      if (b.p == nullptr) ++refused;
      if (b.p != nullptr) live.push_back(b);
    } else {
      std::swap(live[random() % live.size()], live.back());
      ASSERT_TRUE(intact(live.back())) << "step " << step;
      ASSERT_EQ(this->give(live.back()), Fault::kNone) << "step " << step;
      live.pop_back();
    }
  }
  EXPECT_GT(refused, 0) << "the test has met what it is about";
  for (const Block& b : live) ASSERT_EQ(this->give(b), Fault::kNone);
}

// Threads share a board of blocks: whoever swaps a block out of a place frees it.
TYPED_TEST(V1Churn, ThreadsFreeEachOthersBlocks) {
  constexpr int kThreads = 4, kSteps = 8000;
  std::array<std::atomic<Block*>, 64> board{};
  std::atomic<int> faults{0}, damaged{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int step = 0; step < kSteps; ++step) {
      auto* const mine = new Block(this->take(random));
      Block* const other = board[random() % board.size()].exchange(mine);
      if (other == nullptr) continue;
      damaged += intact(*other) ? 0 : 1;
      faults += this->give(*other) == Fault::kNone ? 0 : 1;
      delete other;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) threads.emplace_back(work, t + 100);
  for (std::thread& t : threads) t.join();
  for (auto& place : board) {
    Block* const b = place.exchange(nullptr);
    if (b == nullptr) continue;
    EXPECT_EQ(this->give(*b), Fault::kNone);
    delete b;
  }
  EXPECT_EQ(faults, 0);
  EXPECT_EQ(damaged, 0);
}

// All threads work on one bin, doing little else: what one has, no other gets.
TYPED_TEST(V1Churn, ThreadsNeverGetTheSameBlock) {
  constexpr unsigned kThreads = 4, kSteps = 200000;
  const BinIndex bin(2);
  std::atomic<unsigned> waiting{kThreads};  // they start together, or the first is done too soon
  std::atomic<int> faults{0}, shared{0};
  const auto work = [&](unsigned id) {
    std::array<volatile unsigned*, 8> mine{};
    for (--waiting; waiting != 0;) std::this_thread::yield();
    for (unsigned step = 0; step < kSteps; ++step) {
      volatile unsigned*& place = mine[step % mine.size()];
      if (place != nullptr) {
        shared += *place == id ? 0 : 1;
        faults +=
            this->heap_.deallocate(ClientPtr(const_cast<unsigned*>(place))).fault == Fault::kNone
                ? 0
                : 1;
      }
      place = static_cast<unsigned*>(this->heap_.allocate(bin));
      *place = id;
    }
    for (volatile unsigned* const p : mine) {
      this->heap_.deallocate(ClientPtr(const_cast<unsigned*>(p)));
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 1; t <= kThreads; ++t) threads.emplace_back(work, t);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(faults, 0);
  EXPECT_EQ(shared, 0);
  EXPECT_EQ(this->heap_.live_blocks(bin), 0u);
}

// Many threads free the same block at once: exactly one succeeds, the others are told.
TYPED_TEST(V1Churn, OfManyFreesOfOneBlockExactlyOneSucceeds) {
  constexpr int kThreads = 4, kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    const Block b{static_cast<char*>(this->heap_.allocate(BinIndex(4))), 0, 4, 0};
    std::atomic<int> succeeded{0}, told{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        const Fault fault = this->give(b);
        succeeded += fault == Fault::kNone ? 1 : 0;
        told += fault == Fault::kDoubleFree ? 1 : 0;
      });
    }
    for (std::thread& t : threads) t.join();
    ASSERT_EQ(succeeded, 1);
    ASSERT_EQ(told, kThreads - 1);
  }
}

}  // namespace
}  // namespace hakmem
