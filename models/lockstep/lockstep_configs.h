// The allocators that are run in lockstep with the model.
#pragma once

#include "base/atomic.h"
#include "config/config.h"
#include "models/lockstep/model_platform.h"
#include "models/lockstep/watched_limit.h"

namespace hakmem::model {

struct SmallHardened : Config<SmallGeometry, RecyclingPlatform, StdWorld, kHardenedMitigations> {
  using Limit = WatchedLimit;
};
struct SmallPerf : Config<SmallGeometry, RecyclingPlatform, StdWorld, kPerfMitigations> {
  using Limit = WatchedLimit;
};
struct ProductionHardened
    : Config<ProductionGeometry, RecyclingPlatform, StdWorld, kHardenedMitigations> {
  using Limit = WatchedLimit;
};
struct ProductionPerf : Config<ProductionGeometry, RecyclingPlatform, StdWorld, kPerfMitigations> {
  using Limit = WatchedLimit;
};
// Four pages a superslab: the fewest with which one can be three quarters empty (DRAINING).
struct FourPagesGeometry : SmallGeometry {
  static constexpr std::size_t kPagesPerSuperslabMax = 4;
};
struct FourPagesHardened
    : Config<FourPagesGeometry, RecyclingPlatform, StdWorld, kHardenedMitigations> {
  using Limit = WatchedLimit;
};

// Slots in order: fewer states, for exhaustive runs.
struct SmallOrdered
    : Config<SmallGeometry, RecyclingPlatform, StdWorld, Mitigations{true, false, false}> {
  using Limit = WatchedLimit;
};
// The same in production's sizes, for boxes by themselves.
struct ProductionOrdered
    : Config<ProductionGeometry, RecyclingPlatform, StdWorld, Mitigations{true, false, true}> {};

// Linux underneath, and nothing counted on the hot path; but time stands still, for the model has
// to know when pages decay.
class SteadyLinux : public LinuxPlatform, public RemapNotes {
 public:
  std::uint64_t clock_ms() noexcept { return 1000; }
  void* remap(void* at, std::size_t bytes, std::size_t new_bytes) noexcept {
    return note_remap(at, bytes, LinuxPlatform::remap(at, bytes, new_bytes));
  }
};
struct LinuxHardened : Config<ProductionGeometry, SteadyLinux, StdWorld, kHardenedMitigations> {
  using Limit = WatchedLimit;
};
struct LinuxPerf : Config<ProductionGeometry, SteadyLinux, StdWorld, kPerfMitigations> {
  using Limit = WatchedLimit;
};

}  // namespace hakmem::model
