// Batches of 64 short-lived threads that hand blocks to one another: a thread fills its own outbox,
// then checks and frees what the previous batch's thread left, so that most blocks die on a thread
// that did not make them, after their maker has exited. Prints one check sum a batch; nothing
// depends on time. Usage: handover_threads BATCHES. Run by 70_threads.sh; the compilers' tests
// compile it.
#include <pthread.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr unsigned kThreads = 64;
constexpr unsigned kBlocks = 200;

struct Block {
  unsigned char* data = nullptr;
  std::size_t bytes = 0;
};
using Outbox = std::vector<Block>;

std::uint32_t next_number(std::uint32_t& state) {
  return (state = state * 1664525u + 1013904223u) >> 8;
}

// Mostly small, some mid, a few that are mapped directly: every path of an allocator.
std::size_t pick_size(std::uint32_t& state) {
  const std::uint32_t kind = next_number(state) % 100;
  if (kind < 80) return 1 + next_number(state) % 1024;
  if (kind < 98) return 1025 + next_number(state) % 60000;
  return 65537 + next_number(state) % 200000;
}

unsigned char* obtain(std::uint32_t& state, std::size_t bytes) {
  switch (next_number(state) % 4) {
    case 0:
      return static_cast<unsigned char*>(std::calloc(1, bytes));
    case 1:
      return static_cast<unsigned char*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
    case 2:
      return static_cast<unsigned char*>(std::realloc(std::malloc(bytes / 2 + 1), bytes));
    default:
      return static_cast<unsigned char*>(std::malloc(bytes));
  }
}

// The block carries its own size and a tag at both ends: a block given to two threads shows here.
void fill(Block& block, unsigned char tag) {
  if (block.data == nullptr) std::abort();
  std::memset(block.data, tag, block.bytes);
}

std::uint64_t check_and_free(const Block& block) {
  const unsigned char tag = block.data[0];
  for (std::size_t i = 0; i < block.bytes; ++i) {
    if (block.data[i] != tag) {
      std::printf("block of %zu bytes changed at %zu\n", block.bytes, i);
      std::exit(1);
    }
  }
  std::free(block.data);
  return std::uint64_t{tag} * block.bytes;
}

std::uint64_t thread_body(unsigned index, unsigned batch, Outbox& inbox, Outbox& outbox) {
  std::uint32_t state = batch * 977u + index * 131u + 1u;
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < kBlocks; ++i) {
    Block block;
    block.bytes = pick_size(state);
    block.data = obtain(state, block.bytes);
    fill(block, static_cast<unsigned char>(1 + (index + i) % 250));
    outbox.push_back(block);
    if (!inbox.empty()) {
      sum += check_and_free(inbox.back());
      inbox.pop_back();
    }
  }
  auto text = std::make_unique<std::string>(std::to_string(sum));
  return sum + text->size();
}

std::uint64_t run_batch(unsigned batch, std::vector<Outbox>& inboxes,
                        std::vector<Outbox>& outboxes) {
  std::vector<std::uint64_t> sums(kThreads);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back(
        [&, t] { sums[t] = thread_body(t, batch, inboxes[(t * 7 + 3) % kThreads], outboxes[t]); });
  }
  for (std::thread& thread : threads) thread.join();
  std::uint64_t total = 0;
  for (std::uint64_t sum : sums) total = total * 31 + sum;
  return total;
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned batches = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 10;
  std::vector<Outbox> inboxes(kThreads);
  for (unsigned batch = 0; batch < batches; ++batch) {
    std::vector<Outbox> outboxes(kThreads);
    std::printf("batch %u %llu\n", batch,
                static_cast<unsigned long long>(run_batch(batch, inboxes, outboxes)));
    inboxes = std::move(outboxes);
  }
  std::uint64_t rest = 0;
  for (Outbox& box : inboxes) {
    for (const Block& block : box) rest += check_and_free(block);
  }
  std::printf("rest %llu\n", static_cast<unsigned long long>(rest));
  return 0;
}
