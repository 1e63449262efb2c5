// The allocators that are run in lockstep with the model.
#pragma once

#include "base/atomic.h"
#include "config/config.h"
#include "models/model_platform.h"

namespace hakmem::model {

struct SmallHardened
    : Config<SmallGeometry, ModelPlatform, StdWorld, kHardenedMitigations, HotCounting::kOn> {};
struct SmallPerf
    : Config<SmallGeometry, ModelPlatform, StdWorld, kPerfMitigations, HotCounting::kOn> {};
struct ProductionHardened
    : Config<ProductionGeometry, ModelPlatform, StdWorld, kHardenedMitigations> {};
struct ProductionPerf : Config<ProductionGeometry, ModelPlatform, StdWorld, kPerfMitigations> {};
// Four pages a superslab: the fewest with which one can be three quarters empty (DRAINING).
struct FourPagesGeometry : SmallGeometry {
  static constexpr std::size_t kPagesPerSuperslabMax = 4;
};
struct FourPagesHardened
    : Config<FourPagesGeometry, ModelPlatform, StdWorld, kHardenedMitigations, HotCounting::kOn> {};

// Slots in order: fewer states, for exhaustive runs.
struct SmallOrdered
    : Config<SmallGeometry, ModelPlatform, StdWorld, Mitigations{true, false, false}> {};

// Linux underneath, and nothing counted on the hot path; but time stands still, for the model has
// to know when pages decay.
class SteadyLinux : public LinuxPlatform {
 public:
  std::uint64_t clock_ms() noexcept { return 1000; }
};
struct LinuxHardened : Config<ProductionGeometry, SteadyLinux, StdWorld, kHardenedMitigations> {};
struct LinuxPerf : Config<ProductionGeometry, SteadyLinux, StdWorld, kPerfMitigations> {};

}  // namespace hakmem::model
