// The one production instantiation per flavour.
#pragma once

#include "base/atomic.h"
#include "config/config.h"
#include "heap/allocator.h"
#include "pal/linux.h"

namespace hakmem {

#if defined(HAKMEM_FLAVOUR_PERF)
inline constexpr Mitigations kFlavourMitigations = kPerfMitigations;
#else
inline constexpr Mitigations kFlavourMitigations = kHardenedMitigations;
#endif

struct ProductionConfig : Config<ProductionGeometry, LinuxPlatform, StdWorld, kFlavourMitigations> {
};

using ProductionAllocator = Allocator<ProductionConfig>;
using ProductionContext = Context<ProductionConfig>;

extern template class Allocator<ProductionConfig>;

}  // namespace hakmem
