#include "entry/totals.h"

#include <cstdint>

#include "entry/heap.h"

namespace hakmem::heap {
namespace {

using Sizes = ProductionConfig::Sizes;

std::size_t live_bytes_of_v3() noexcept {
  std::size_t bytes = 0;
  allocator().cold().for_each_lent_page([&](BinIndex bin, const auto* entries) {
    const BinInfo& info = Sizes::info(bin);
    for (std::size_t slot = 0; slot < info.capacity; ++slot) {
      if (entries[slot].load_relaxed() == kEntryLive) bytes += info.block_size;  // counter only
    }
  });
  return bytes;
}

std::size_t live_bytes_of_v1() noexcept {
  std::size_t bytes = 0;
  for (std::size_t b = 0; b < Sizes::kBins; ++b) {
    const BinIndex bin(static_cast<std::uint8_t>(b));
    bytes += allocator().v1().live_blocks(bin) * Sizes::info(bin).block_size;
  }
  return bytes;
}

}  // namespace

Totals totals() noexcept {
  ProductionAllocator& all = allocator();
  const ColdTotals cold = all.cold().totals();
  Totals t;
  t.small_held = cold.committed_bytes + all.v1().bytes_mapped();
  t.small_live = live_bytes_of_v3() + live_bytes_of_v1();
  t.small_idle = cold.warm_bytes;
  t.large_held = all.large().bytes_mapped();
  t.large_idle = all.large().bytes_cached();
  t.large_blocks = all.large().live_blocks();
  return t;
}

}  // namespace hakmem::heap
