// A plan for the fake platform of the next lockstep run: from its very first call, which call of
// which kind fails. Set before the run is made, because an allocator's start makes calls too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pal/fake.h"

namespace hakmem::model {

struct FaultPlan {
  enum class Mode : std::uint8_t { kNothing, kNth, kAllFrom };
  Mode mode = Mode::kNothing;
  Call kind = Call::kMap;
  std::uint64_t nth = 1;         // 1 is the first call
  std::size_t mappings_max = 0;  // that the process may have; 0: as many as it likes

  bool is_none() const { return mode == Mode::kNothing && mappings_max == 0; }
};

}  // namespace hakmem::model
