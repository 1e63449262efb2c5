// Pool v1: classes C9..C15, blocks of 2 KiB to 256 KiB. The older generation of the mid-size heap,
// kept for ever as fallback and rollback target of v3 (docs/decisions/).
#pragma once

#include <cstdint>

#include "config/geometry.h"
#include "v1/run_heap.h"

namespace hakmem::v1 {

struct PoolSpan {
  static constexpr std::uint8_t kFirstClass = 9;
  static constexpr std::uint8_t kLastClass = kClassesMax - 1;
};

template <class C>
using Pool = RunHeap<C, PoolSpan>;

}  // namespace hakmem::v1
