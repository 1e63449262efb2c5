// Pool v1: classes C9..C13, blocks of 2 KiB to 64 KiB. The older generation of the mid-size heap,
// kept for ever as fallback and rollback target of v3 (docs/decisions/).
#pragma once

#include <cstdint>

#include "v1/run_heap.h"

namespace hakmem::v1 {

struct PoolSpan {
  static constexpr std::uint8_t kFirstClass = 9;
  static constexpr std::uint8_t kLastClass = 13;
};

template <class C>
using Pool = RunHeap<C, PoolSpan>;

}  // namespace hakmem::v1
