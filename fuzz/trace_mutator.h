// The custom mutator and crossover of the targets that run traces: whole ops are changed, repeated,
// moved and spliced with the generator of the property tests (models/lockstep/op_generator.h); one
// time in eight libFuzzer's own mutation of bytes has its turn. A target includes this once, in its
// .cc.
#pragma once

#include "fuzz/trace_input.h"
#include "models/lockstep/op_generator.h"

// Absent where a plain main() replays inputs.
extern "C" __attribute__((weak)) std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                                              std::size_t max_size);

namespace hakmem::fuzz {

inline constexpr unsigned kClassesDrawn = 16;

inline void mutate_input(TraceInput& input, std::uint64_t seed) {
  Rng rng(seed);
  model::OpGenerator generator(rng.next(), rng.below(2) == 0 ? 10 : kClassesDrawn);
  const model::Trace fresh = generator.trace(1 + rng.below(40));  // sets the generator's mood, too
  if (rng.below(16) == 0)
    input.header[rng.below(kHeaderBytes)] = static_cast<std::uint8_t>(rng.next());
  if (rng.below(8) == 0 || input.ops.empty()) {
    const std::size_t at =
        input.ops.empty() ? 0 : rng.below(static_cast<std::uint32_t>(input.ops.size()));
    input.ops.insert(input.ops.begin() + static_cast<std::ptrdiff_t>(at), fresh.begin(),
                     fresh.end());
  }
  for (std::uint32_t n = 1 + rng.below(4); n > 0; --n) generator.mutate(input.ops, kOpsMax);
}

}  // namespace hakmem::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using namespace hakmem::fuzz;
  if (seed % 8 == 0 && LLVMFuzzerMutate != nullptr) return LLVMFuzzerMutate(data, size, max_size);
  TraceInput input = decode_input(data, size);
  mutate_input(input, seed);
  return encode_input(input, data, max_size);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data1, std::size_t size1,
                                                 const std::uint8_t* data2, std::size_t size2,
                                                 std::uint8_t* out, std::size_t out_max,
                                                 unsigned seed) {
  using namespace hakmem::fuzz;
  TraceInput a = decode_input(data1, size1);
  const TraceInput b = decode_input(data2, size2);
  hakmem::model::OpGenerator generator(seed, kClassesDrawn);
  a.ops = generator.cross(a.ops, b.ops, kOpsMax);
  return encode_input(a, out, out_max);
}
