// Patterns that allocate many blocks and then free many, and the false-sharing pair: patterns.h.
#include <stdlib.h>

#include "driver.h"
#include "patterns.h"

namespace hakmem::bench {
namespace {

// ---- simple: one size at a time, a batch of blocks, freed in the order of allocation ----

constexpr unsigned kSimpleBlocks = 400;
constexpr unsigned kSimpleRounds = 400;
constexpr size_t kSimpleSizes[] = {16, 64, 256, 1024};

void simple_worker(void*, unsigned) {
  void* blocks[kSimpleBlocks];
  for (unsigned round = 0; round < kSimpleRounds; ++round) {
    for (const size_t size : kSimpleSizes) {
      for (void*& block : blocks) {
        block = malloc(size);
        touch(block, size);
      }
      for (void* block : blocks) free(block);
    }
  }
}

// ---- sh6: sizes rise, small ones more often; a full table is freed in one of three orders ----

constexpr unsigned kShTable = 10000;
constexpr unsigned kShPasses = 24;

void fill_rising(void** table) {
  unsigned used = 0;
  while (used < kShTable) {
    for (size_t size = 1; size <= 1000 && used < kShTable; size += 1 + size / 8) {
      const unsigned repeats = size < 128 ? 8 : 2;
      for (unsigned i = 0; i < repeats && used < kShTable; ++i) {
        table[used] = malloc(size);
        touch(table[used], size);
        ++used;
      }
    }
  }
}

void free_forward(void** table) {
  for (unsigned i = 0; i < kShTable; ++i) free(table[i]);
}

void free_backward(void** table) {
  for (unsigned i = kShTable; i > 0; --i) free(table[i - 1]);
}

void free_every_other(void** table) {
  for (unsigned i = 0; i < kShTable; i += 2) free(table[i]);
  for (unsigned i = 1; i < kShTable; i += 2) free(table[i]);
}

void free_in_some_order(void** table, unsigned pass) {
  switch (pass % 3) {
    case 0:
      return free_forward(table);
    case 1:
      return free_backward(table);
    default:
      return free_every_other(table);
  }
}

void sh6_worker(void*, unsigned) {
  Table<void*> table(kShTable);
  for (unsigned pass = 0; pass < kShPasses; ++pass) {
    fill_rising(table.data());
    free_in_some_order(table.data(), pass);
  }
}

// ---- sh8: the same, but each full table is freed by the next thread ----

struct Sh8 {
  Meeting meeting;
  unsigned threads;
  void** tables;
};

void sh8_worker(void* context, unsigned thread) {
  Sh8& sh8 = *static_cast<Sh8*>(context);
  void** mine = sh8.tables + size_t{thread} * kShTable;
  void** next = sh8.tables + size_t{(thread + 1) % sh8.threads} * kShTable;
  for (unsigned pass = 0; pass < kShPasses; ++pass) {
    fill_rising(mine);
    sh8.meeting.wait();
    free_in_some_order(next, pass);
    sh8.meeting.wait();
  }
}

// ---- page_churn: a few pages' worth of one size, all freed, again and again: pages come and go
// ----

constexpr size_t kChurnBytes = size_t{2} << 20;
constexpr size_t kChurnSizes[] = {512, 1024, 4096};
constexpr unsigned kChurnRounds = 40;

constexpr uint64_t churn_blocks() {
  uint64_t blocks = 0;
  for (const size_t size : kChurnSizes) blocks += kChurnBytes / size;
  return blocks;
}

void page_churn_worker(void*, unsigned) {
  Table<void*> blocks(kChurnBytes / kChurnSizes[0]);
  for (unsigned round = 0; round < kChurnRounds; ++round) {
    for (const size_t size : kChurnSizes) {
      const size_t count = kChurnBytes / size;
      for (size_t i = 0; i < count; ++i) {
        blocks[i] = malloc(size);
        touch(blocks[i], size);
      }
      for (size_t i = 0; i < count; ++i) free(blocks[i]);
    }
  }
}

// ---- cache_scratch, cache_thrash: do two threads get parts of the same cache line? ----

constexpr unsigned kScratchRounds = 20000;
constexpr unsigned kScratchWrites = 400;
constexpr size_t kScratchBytes = 8;

// The thread that wrote a line last owns it: sharing one makes each write a transfer.
void write_often(void* block) {
  touch(block, kScratchBytes);
  volatile char* bytes = static_cast<volatile char*>(block);
  for (unsigned i = 0; i < kScratchWrites; ++i) bytes[i % kScratchBytes] = static_cast<char>(i);
}

void scratch_worker(void* context, unsigned thread) {
  void** given = static_cast<void**>(context);
  if (given != nullptr) free(given[thread]);
  for (unsigned round = 0; round < kScratchRounds; ++round) {
    void* block = malloc(kScratchBytes);
    write_often(block);
    free(block);
  }
}

}  // namespace

uint64_t run_simple(const PatternSetup& setup) {
  run_on_threads(setup.threads, simple_worker, nullptr);
  return uint64_t{setup.threads} * kSimpleRounds * kSimpleBlocks * 4;
}

uint64_t run_sh6(const PatternSetup& setup) {
  run_on_threads(setup.threads, sh6_worker, nullptr);
  return uint64_t{setup.threads} * kShPasses * kShTable;
}

uint64_t run_sh8(const PatternSetup& setup) {
  Table<void*> tables(size_t{setup.threads} * kShTable);
  Sh8 sh8{.meeting = {}, .threads = setup.threads, .tables = tables.data()};
  sh8.meeting.set_parties(setup.threads);
  run_on_threads(setup.threads, sh8_worker, &sh8);
  return uint64_t{setup.threads} * kShPasses * kShTable;
}

uint64_t run_page_churn(const PatternSetup& setup) {
  run_on_threads(setup.threads, page_churn_worker, nullptr);
  return uint64_t{setup.threads} * kChurnRounds * churn_blocks();
}

// Passive false sharing: the blocks lie side by side because the main thread allocated them.
uint64_t run_cache_scratch(const PatternSetup& setup) {
  void* given[kThreadsMax];
  for (unsigned t = 0; t < setup.threads; ++t) given[t] = malloc(kScratchBytes);
  run_on_threads(setup.threads, scratch_worker, given);
  return uint64_t{setup.threads} * kScratchRounds;
}

// Active false sharing: the threads allocate at the same time.
uint64_t run_cache_thrash(const PatternSetup& setup) {
  run_on_threads(setup.threads, scratch_worker, nullptr);
  return uint64_t{setup.threads} * kScratchRounds;
}

}  // namespace hakmem::bench
