// TinyHeap v1: classes C0..C8, blocks of up to 2 KiB. The older generation of the small-object
// heap, kept for ever as fallback and rollback target of v3 (docs/decisions/). A heap of its own:
// it shares no chunk with pool v1, so that short-lived small blocks do not pin mid-size memory.
#pragma once

#include <cstdint>

#include "v1/run_heap.h"

namespace hakmem::v1 {

struct TinySpan {
  static constexpr std::uint8_t kFirstClass = 0;
  static constexpr std::uint8_t kLastClass = 8;
};

template <class C>
using TinyHeap = RunHeap<C, TinySpan>;

}  // namespace hakmem::v1
