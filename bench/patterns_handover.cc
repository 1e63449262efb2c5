// Patterns in which blocks and heaps pass from thread to thread: see patterns.h.
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "driver.h"
#include "patterns.h"

namespace hakmem::bench {
namespace {

// ---- larson: a server whose threads end and hand their blocks to a successor ----

constexpr unsigned kLarsonSlots = 5000;
constexpr unsigned kLarsonSteps = 25000;
constexpr unsigned kLarsonGenerations = 8;

struct Stint {
  void** slots;
  uint64_t seed;
};

void* larson_stint(void* argument) {
  const Stint& stint = *static_cast<const Stint*>(argument);
  Random random(stint.seed);
  for (unsigned step = 0; step < kLarsonSteps; ++step) {
    void*& slot = stint.slots[random.below(kLarsonSlots)];
    const size_t size = 8 + random.below(993);
    free(slot);
    slot = malloc(size);
    touch(slot, size);
  }
  return nullptr;
}

void larson_chain(void* context, unsigned thread) {
  const PatternSetup& setup = *static_cast<const PatternSetup*>(context);
  Table<void*> slots(kLarsonSlots);
  for (unsigned generation = 0; generation < kLarsonGenerations; ++generation) {
    Stint stint{slots.data(), setup.seed + 100 * generation + thread};
    pthread_t successor;
    if (pthread_create(&successor, nullptr, larson_stint, &stint) != 0) fail("larson", "thread");
    pthread_join(successor, nullptr);
  }
  for (unsigned i = 0; i < kLarsonSlots; ++i) free(slots[i]);
}

// ---- handover: even threads allocate batches, odd threads free them ----

constexpr unsigned kBatchBlocks = 64;
constexpr unsigned kQueueBatches = 64;
constexpr unsigned kBatches = 6000;

struct Batch {
  void* blocks[kBatchBlocks];
};

// One producer, one consumer, bounded. Spins, then yields, as the sides run at different speeds.
class Queue {
 public:
  void push(Batch* batch) {
    while (tail_ - __atomic_load_n(&head_, __ATOMIC_ACQUIRE) == kQueueBatches) sched_yield();
    ring_[tail_ % kQueueBatches] = batch;
    __atomic_store_n(&tail_, tail_ + 1, __ATOMIC_RELEASE);
  }
  Batch* pop() {
    while (head_ == __atomic_load_n(&tail_, __ATOMIC_ACQUIRE)) sched_yield();
    Batch* batch = ring_[head_ % kQueueBatches];
    __atomic_store_n(&head_, head_ + 1, __ATOMIC_RELEASE);
    return batch;
  }

 private:
  alignas(64) uint64_t tail_ = 0;
  alignas(64) uint64_t head_ = 0;
  Batch* ring_[kQueueBatches];
};

struct Handover {
  uint64_t seed;
  Queue* queues;
};

void produce(Queue& queue, Random& random) {
  for (unsigned i = 0; i < kBatches; ++i) {
    Batch* batch = static_cast<Batch*>(malloc(sizeof(Batch)));
    for (void*& block : batch->blocks) {
      const size_t size = 16 + random.below(497);
      block = malloc(size);
      touch(block, size);
    }
    queue.push(batch);
  }
}

void consume(Queue& queue) {
  for (unsigned i = 0; i < kBatches; ++i) {
    Batch* batch = queue.pop();
    for (void* block : batch->blocks) free(block);
    free(batch);
  }
}

void handover_side(void* context, unsigned thread) {
  Handover& handover = *static_cast<Handover*>(context);
  Random random(handover.seed + thread);
  if (thread % 2 == 0) {
    produce(handover.queues[thread / 2], random);
  } else {
    consume(handover.queues[thread / 2]);
  }
}

// ---- exchange: every block goes through a table that all threads swap with ----

constexpr unsigned kSharedSlots = 1024;
constexpr unsigned kExchanges = 400000;

struct Exchange {
  uint64_t seed;
  void** shared;
};

void exchange_worker(void* context, unsigned thread) {
  const Exchange& exchange = *static_cast<const Exchange*>(context);
  Random random(exchange.seed + thread);
  for (unsigned i = 0; i < kExchanges; ++i) {
    const size_t size = 16 + random.below(497);
    void* block = malloc(size);
    touch(block, size);
    void** slot = &exchange.shared[random.below(kSharedSlots)];
    free(__atomic_exchange_n(slot, block, __ATOMIC_ACQ_REL));
  }
}

// ---- mstress: skewed sizes, most blocks short-lived, some kept, some given away, new threads ----

constexpr unsigned kStressKept = 2000;
constexpr unsigned kStressSteps = 60000;
constexpr unsigned kStressRounds = 4;

size_t skewed_size(Random& random) {
  const uint32_t percent = random.below(100);
  if (percent < 80) return 16 + random.below(241);
  if (percent < 95) return 257 + random.below(3840);
  if (percent < 99) return 4097 + random.below(28672);
  return 32769 + random.below(98304);
}

void mstress_worker(void* context, unsigned thread) {
  const Exchange& stress = *static_cast<const Exchange*>(context);
  Random random(stress.seed + thread);
  Table<void*> kept(kStressKept);
  for (unsigned step = 0; step < kStressSteps; ++step) {
    const size_t size = skewed_size(random);
    void* block = malloc(size);
    touch(block, size);
    const uint32_t fate = random.below(100);
    if (fate < 40) {
      void*& slot = kept[random.below(kStressKept)];
      free(slot);
      slot = block;
    } else if (fate < 60) {
      void** slot = &stress.shared[random.below(kSharedSlots)];
      free(__atomic_exchange_n(slot, block, __ATOMIC_ACQ_REL));
    } else {
      free(block);
    }
  }
  for (unsigned i = 0; i < kStressKept; ++i) free(kept[i]);
}

void free_all(Table<void*>& table, unsigned count) {
  for (unsigned i = 0; i < count; ++i) free(table[i]);
}

}  // namespace

uint64_t run_larson(const PatternSetup& setup) {
  PatternSetup copy = setup;
  run_on_threads(setup.threads, larson_chain, &copy);
  return uint64_t{setup.threads} * kLarsonGenerations * kLarsonSteps;
}

uint64_t run_handover(const PatternSetup& setup) {
  if (setup.threads % 2 != 0) fail("handover", "needs an even number of threads");
  static Queue queues[kThreadsMax / 2];
  Handover handover{setup.seed, queues};
  run_on_threads(setup.threads, handover_side, &handover);
  return uint64_t{setup.threads} / 2 * kBatches * (kBatchBlocks + 1);
}

uint64_t run_exchange(const PatternSetup& setup) {
  Table<void*> shared(kSharedSlots);
  Exchange exchange{setup.seed, shared.data()};
  run_on_threads(setup.threads, exchange_worker, &exchange);
  free_all(shared, kSharedSlots);
  return uint64_t{setup.threads} * kExchanges;
}

uint64_t run_mstress(const PatternSetup& setup) {
  Table<void*> shared(kSharedSlots);
  for (unsigned round = 0; round < kStressRounds; ++round) {
    Exchange stress{setup.seed + 100 * round, shared.data()};
    run_on_threads(setup.threads, mstress_worker, &stress);
  }
  free_all(shared, kSharedSlots);
  return uint64_t{setup.threads} * kStressRounds * kStressSteps;
}

}  // namespace hakmem::bench
