// The small programs that are run under every schedule: two threads, one operation and one or two,
// out of an alphabet, over a few blocks that the first thread made.
#pragma once

#include <cstdint>
#include <vector>

#include "models/schedule/program.h"

namespace hakmem::schedule {

inline constexpr std::uint64_t kRunsOfOne = 1000;

inline std::vector<Program> programs_of(const Flavour& flavour) {
  constexpr std::uint32_t kSize = 1000;
  const std::vector<Op> before = {
      {Kind::kMalloc, 0, kSize}, {Kind::kMalloc, 1, kSize}, {Kind::kMalloc, 2, 16}};
  std::vector<Op> alphabet = {{Kind::kMalloc, 3, kSize}, {Kind::kFree, 0, 0},
                              {Kind::kFree, 1, 0},       {Kind::kRealloc, 1, 2000},
                              {Kind::kTrim, 0, 0},       {Kind::kPurge, 0, 0},
                              {Kind::kClock, 0, 0},      {Kind::kRestart, 0, 0}};
  if (flavour.misuse)
    alphabet = {{Kind::kTwice, 0, 0},
                {Kind::kMalloc, 3, kSize},
                {Kind::kTrim, 0, 0},
                {Kind::kRestart, 0, 0}};
  std::vector<Program> programs;
  for (const Op& first : alphabet)
    for (const Op& second : alphabet) {
      programs.push_back({{{first}, {second}}, before});
      for (const Op& third : alphabet) programs.push_back({{{first}, {second, third}}, before});
    }
  return programs;
}

}  // namespace hakmem::schedule
