// The input of every target that runs a trace: a header that chooses how, then encoded ops.
//
//   byte 0  configuration, modulo what the target has
//   byte 1  seed of the allocator's randomness
//   byte 2  policy at start: all on v3, C7 alone, all on v1, all on v3 and counting; in every
//   second
//           four with the learner on
//   byte 3  what else the target wants to choose
//   then    kOpBytes per op
//
// Any byte string is a valid input, so mutation can do no harm; trace_mutator.h does better.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/lockstep/ops.h"
#include "policy/policy_snapshot.h"

namespace hakmem::fuzz {

inline constexpr std::size_t kHeaderBytes = 4;
inline constexpr std::size_t kOpsMax = 64;  // longer traces reach no more edges and run slower
// In production's geometry an op costs several times as much, and what only many ops reach is what
// small geometry is for.
template <class C>
inline constexpr std::size_t kOpsRun = C::Geometry::kMagazineMax > 16 ? kOpsMax / 2 : kOpsMax;
inline constexpr std::size_t kInputMax = kHeaderBytes + kOpsMax * model::kOpBytes;

struct TraceInput {
  std::array<std::uint8_t, kHeaderBytes> header{};
  model::Trace ops;

  std::uint64_t seed() const { return header[1] + std::uint64_t{1}; }
  PolicySnapshot policy() const {
    PolicySnapshot policy = default_policy();
    if (header[2] % 4 == 1) policy.set_v3_mask(kMaskC7);
    if (header[2] % 4 == 2) policy.set_v3_mask(0);
    policy.count = header[2] % 4 == 3;
    policy.learn = header[2] / 4 % 2 == 1;
    return policy;
  }
};

inline TraceInput decode_input(const std::uint8_t* data, std::size_t size) {
  TraceInput input;
  const std::size_t header = std::min(size, kHeaderBytes);
  std::copy(data, data + header, input.header.begin());
  input.ops = model::decode_trace(data + header, std::min(size, kInputMax) - header);
  return input;
}

// The ops that a run in configuration C takes.
template <class C>
std::span<const model::Op> ops_run(const TraceInput& input) {
  return std::span(input.ops).first(std::min(input.ops.size(), kOpsRun<C>));
}

// Ensures: at most `room` bytes; ops that do not fit are left out.
inline std::size_t encode_input(const TraceInput& input, std::uint8_t* out, std::size_t room) {
  if (room < kHeaderBytes) return 0;
  std::copy(input.header.begin(), input.header.end(), out);
  std::size_t used = kHeaderBytes;
  for (const model::Op& op : input.ops) {
    if (used + model::kOpBytes > room) break;
    model::encode_op(op, out + used);
    used += model::kOpBytes;
  }
  return used;
}

}  // namespace hakmem::fuzz
