#include "entry/memory_held.h"

#include "entry/heap.h"

namespace hakmem::heap {

MemoryStats memory_held() noexcept {
  MemoryStats found;
  const OutsideFork outside;
  MemoryCounter<ProductionConfig>(allocator()).run(Patience::kWaits, found);
  return found;
}

bool try_memory_held(MemoryStats& found) noexcept {
  return MemoryCounter<ProductionConfig>(g_allocator).run(Patience::kNone, found);
}

}  // namespace hakmem::heap
