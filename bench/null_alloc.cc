// An allocator that does nothing, to measure the drivers' own loop: its time is subtracted from the
// others'. malloc hands out the blocks of a fixed per-thread ring in turn, free returns at once.
// Blocks overlap live ones, so only programs that merely touch blocks may run on it (workload.cc).
// Two rings, small enough for the first two cache levels, as the loop is to be the upper bound:
// 32 x 1 KiB, and 16 x 32 KiB for larger sizes. Everything else (calloc for thread-local storage,
// aligned blocks, sizes above 32 KiB) comes from an arena that is never reused, because the system
// keeps state in there.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace {

constexpr size_t kSmallBlocks = 32;
constexpr size_t kMidBlocks = 16;
constexpr size_t kSmallBytes = 1024;
constexpr size_t kMidBytes = 32768;
constexpr size_t kArenaBytes = size_t{16} << 20;

struct Ring {
  size_t next;
  alignas(64) char small[kSmallBlocks][kSmallBytes];
  alignas(64) char mid[kMidBlocks][kMidBytes];
};

constexpr unsigned kThreadsMax = 8;
Ring rings[kThreadsMax];
unsigned rings_taken;
alignas(64) char arena[kArenaBytes];
size_t arena_used;
__attribute__((tls_model("initial-exec"))) thread_local Ring* ring;

__attribute__((noinline)) Ring* take_ring_slow() {
  const unsigned index = __atomic_fetch_add(&rings_taken, 1, __ATOMIC_RELAXED);  // counter only
  ring = &rings[index % kThreadsMax];
  return ring;
}

void* from_arena(size_t alignment, size_t bytes) {
  if (alignment < 16) alignment = 16;
  const size_t wanted = bytes + alignment;
  const size_t start = __atomic_fetch_add(&arena_used, wanted, __ATOMIC_RELAXED);  // counter only
  if (start + wanted > kArenaBytes) return nullptr;
  const uintptr_t address = reinterpret_cast<uintptr_t>(arena + start);
  return reinterpret_cast<void*>((address + alignment - 1) & ~(alignment - 1));
}

}  // namespace

extern "C" {

void* malloc(size_t bytes) {
  Ring* mine = ring;
  if (__builtin_expect(mine == nullptr, 0)) mine = take_ring_slow();
  const size_t index = mine->next++;
  if (__builtin_expect(bytes <= kSmallBytes, 1)) return mine->small[index % kSmallBlocks];
  return bytes <= kMidBytes ? mine->mid[index % kMidBlocks] : from_arena(16, bytes);
}

void free(void*) {}

void* calloc(size_t count, size_t bytes) { return from_arena(16, count * bytes); }

void* realloc(void* block, size_t bytes) {
  void* fresh = from_arena(16, bytes);
  if (block != nullptr && fresh != nullptr) memcpy(fresh, block, bytes);
  return fresh;
}

void* aligned_alloc(size_t alignment, size_t bytes) { return from_arena(alignment, bytes); }
void* memalign(size_t alignment, size_t bytes) { return from_arena(alignment, bytes); }

int posix_memalign(void** block, size_t alignment, size_t bytes) {
  *block = from_arena(alignment, bytes);
  return *block == nullptr ? 12 : 0;
}

}  // extern "C"
