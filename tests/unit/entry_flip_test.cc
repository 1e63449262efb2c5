// Classes change between v3 and v1, statistics go on and off and limits change, all while threads
// allocate, pass blocks on and free: contents stay, and in the end nothing is left over.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "gtest/gtest.h"
#include "hakmem/hakmem.h"

namespace {

constexpr std::size_t kThreads = 3;
constexpr int kOperations = 60000;
constexpr std::size_t kSlots = 300;

struct Block {
  unsigned char* data = nullptr;
  std::size_t size = 0;
  unsigned char mark = 0;
};

// First, middle and last byte: enough to see another block or the allocator in it.
void fill(const Block& b) { b.data[0] = b.data[b.size / 2] = b.data[b.size - 1] = b.mark; }
bool intact(const Block& b) {
  return b.data[0] == b.mark && b.data[b.size / 2] == b.mark && b.data[b.size - 1] == b.mark;
}

// Where threads leave blocks for each other.
class Exchange {
 public:
  Block swap(std::uint32_t place, Block mine) {
    const std::lock_guard<std::mutex> guard(mutex_);
    std::swap(places_[place % places_.size()], mine);
    return mine;
  }
  std::vector<Block>& all() { return places_; }

 private:
  std::mutex mutex_;
  std::vector<Block> places_ = std::vector<Block>(64);
};

class Worker {
 public:
  Worker(Exchange& exchange, std::uint64_t seed) : exchange_(exchange), rng_(seed) {}

  void run() {
    for (int i = 0; i < kOperations; ++i) step();
    for (Block& b : held_) drop(b);
  }
  std::uint64_t damaged() const { return damaged_; }

 private:
  void step() {
    Block& b = held_[rng_.below(kSlots)];
    switch (rng_.below(8)) {
      case 0:
        b = exchange_.swap(rng_.below(64), b);
        break;
      case 1:
        resize(b);
        break;
      default:
        b.data == nullptr ? take(b) : drop(b);
    }
  }
  // Mostly tiny; up to beyond the greatest class.
  std::size_t any_size() {
    const std::uint32_t top = rng_.below(8) == 0 ? 300000 : (rng_.below(4) == 0 ? 20000 : 1024);
    return 1 + rng_.below(top);
  }
  void take(Block& b) {
    b.size = any_size();
    b.mark = static_cast<unsigned char>(rng_.below(256));
    b.data = static_cast<unsigned char*>(hak_malloc(b.size));
    fill(b);
  }
  void drop(Block& b) {
    if (b.data == nullptr) return;
    if (!intact(b)) ++damaged_;
    hak_free(b.data);
    b = {};
  }
  void resize(Block& b) {
    if (b.data == nullptr) return;
    const std::size_t size = any_size();
    if (!intact(b)) ++damaged_;
    b.data = static_cast<unsigned char*>(hak_realloc(b.data, size));
    if (b.data[0] != b.mark) ++damaged_;
    b.size = size;
    fill(b);
  }

  Exchange& exchange_;
  hakmem::Rng rng_;
  std::vector<Block> held_ = std::vector<Block>(kSlots);
  std::uint64_t damaged_ = 0;
};

void flip_until(const std::atomic<bool>& stop, std::uint64_t seed) {
  constexpr std::uint32_t kMasks[] = {0x0, 0x80, 0xC0, 0xFF, 0xFFFF, 0xFF00, 0xFFFF};
  hakmem::Rng rng(seed);
  while (!stop.load()) {
    hak_policy_set_mask(kMasks[rng.below(7)]);
    hak_policy_set_class(static_cast<int>(rng.below(HAK_CLASSES)), HAK_HEAP_V3);
    hak_policy_set_max_partial(static_cast<int>(rng.below(HAK_CLASSES)), rng.below(4));
    hak_policy_set_warm_cap(static_cast<int>(rng.below(HAK_CLASSES)), rng.below(8));
    hak_stats_v3_enable(rng.below(4) == 0 ? 1 : 0);
    std::this_thread::yield();
  }
}

std::size_t live_bytes() {
  hak_trim();
  hak_stats s{};
  s.size = sizeof s;
  hak_stats_get(&s);
  return s.small_allocated + s.large_blocks;
}

TEST(Flip, NothingIsLostWhileClassesChangeHeaps) {
  const std::uint64_t seed =
      testing::UnitTest::GetInstance()->random_seed() == 0
          ? 20240613
          : static_cast<std::uint64_t>(testing::UnitTest::GetInstance()->random_seed());
  std::printf("seed %llu; again: --gtest_random_seed=%llu\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(seed));
  const std::size_t before = live_bytes();
  Exchange exchange;
  std::vector<Worker> workers;
  for (std::size_t i = 0; i < kThreads; ++i) workers.emplace_back(exchange, seed + i);
  std::atomic<bool> stop{false};
  std::thread flipper([&] { flip_until(stop, seed); });
  std::vector<std::thread> threads;
  for (Worker& w : workers) threads.emplace_back([&w] { w.run(); });
  for (std::thread& t : threads) t.join();
  stop.store(true);
  flipper.join();
  for (const Worker& w : workers) EXPECT_EQ(w.damaged(), 0u);
  for (const Block& b : exchange.all()) {
    if (b.data == nullptr) continue;
    EXPECT_TRUE(intact(b));
    hak_free(b.data);
  }
  EXPECT_EQ(live_bytes(), before);
  EXPECT_EQ(hak_policy_set_mask(0xFFFF), 0);
  EXPECT_EQ(hak_stats_v3_enable(0), 0);
}

// One thread: every block of one heap is freed while the class is on the other.
TEST(Flip, BlocksOutliveTheirRoute) {
  const std::size_t before = live_bytes();
  for (const std::uint32_t mask : {0x0u, 0xFFFFu, 0x5555u, 0xFFFFu}) {
    std::vector<Block> blocks;
    for (std::size_t n = 1; n <= 262144; n += 1 + n / 4) {
      for (int i = 0; i < 20; ++i) {
        Block b{static_cast<unsigned char*>(hak_malloc(n)), n, static_cast<unsigned char>(n + 1)};
        fill(b);
        blocks.push_back(b);
      }
    }
    ASSERT_EQ(hak_policy_set_mask(mask), 0);
    for (const Block& b : blocks) {
      ASSERT_TRUE(intact(b));
      hak_free_sized(b.data, b.size);
    }
  }
  EXPECT_EQ(live_bytes(), before);
}

}  // namespace
