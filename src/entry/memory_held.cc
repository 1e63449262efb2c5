#include "entry/memory_held.h"

#include "entry/heap.h"

namespace hakmem::heap {

Survey memory_held() noexcept {
  Survey found;
  const OutsideFork outside;
  Surveyor<ProductionConfig>(allocator()).run(Patience::kWaits, found);
  return found;
}

bool try_memory_held(Survey& found) noexcept {
  return Surveyor<ProductionConfig>(g_allocator).run(Patience::kNone, found);
}

}  // namespace hakmem::heap
