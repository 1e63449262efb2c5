// Config: the one template parameter of every box. It fixes geometry (sizes), platform (system
// calls), world (atomics) and mitigations, so that one source is the production allocator, the
// small-geometry allocator under test, and the code under the model checker.
#pragma once

#include <cstddef>

#include "base/memory_limit.h"
#include "config/geometry.h"
#include "config/mitigations.h"

namespace hakmem {

// Whether the hot path itself counts. Production leaves it off: when statistics are on there, the
// hot path is given empty magazines and every call takes the slow path, which counts.
enum class HotCounting : bool { kOff, kOn };

template <class G, class P, class W, Mitigations M, HotCounting H = HotCounting::kOff>
struct Config {
  using Geometry = G;
  using Platform = P;
  using World = W;
  using Limit = MemoryLimit<W>;
  static constexpr Mitigations kMitigations = M;
  static constexpr bool kCountHotPath = H == HotCounting::kOn;
  using Sizes = hakmem::Sizes<G, M.guard_pages ? G::kPageGuardBytes : 0>;
};

}  // namespace hakmem
