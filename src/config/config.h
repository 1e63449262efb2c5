// Config: the one template parameter of every box. It fixes geometry (sizes), platform (system
// calls), world (atomics), mitigations and tuning, so that one source is the production allocator,
// the small-geometry allocator under test, and the code under the model checker.
#pragma once

#include <cstddef>

#include "config/geometry.h"
#include "config/mitigations.h"
#include "config/tuning.h"

namespace hakmem {

template <class G, class P, class W, Mitigations M, class T = TuningFor<G>>
struct Config {
  using Geometry = G;
  using Platform = P;
  using World = W;
  using Tuning = T;
  static constexpr Mitigations kMitigations = M;
  using Sizes = hakmem::Sizes<G, M.guard_pages ? G::kPageGuardBytes : 0>;
};

}  // namespace hakmem
