// rapidcheck with the same seed each time, unless the environment's RC_PARAMS gives another one:
//   RC_PARAMS="seed=7 max_success=1000" PROGRAM
// rapidcheck prints the seed it uses, and on failure the RC_PARAMS that repeats it.
#pragma once

#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <stdlib.h>

namespace hakmem::model {

// Before rapidcheck reads its configuration.
inline const int kFixedSeed = setenv("RC_PARAMS", "seed=20261122 max_success=250", 0);

}  // namespace hakmem::model
