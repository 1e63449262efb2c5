// schedule: the whole allocator, two to four threads, and where each of them stops. The oracle is
// that of models/schedule/run.h.
//
// Input: a byte that says how many threads, whether blocks are freed twice, whether there are forks
// and which system call takes for ever; then the number of operations, and three bytes for each:
// thread and kind, cell, size; then three bytes for each switch: from and to which thread, and
// after how many of the first one's points since its last switch. So a prefix of an input is an
// input, and both parts can be changed by themselves (LLVMFuzzerCustomMutator).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fuzz/check.h"
#include "models/schedule/finding.h"

namespace hakmem::schedule {
namespace {

constexpr std::size_t kHead = 3;  // bytes
constexpr std::size_t kEach = 3;
constexpr std::size_t kOpsMax = 40;
constexpr std::size_t kSwitchesMax = 60;

struct Input {
  Program program;
  Schedule schedule;
};

Op op_of(fuzz::Bytes& bytes, bool misuse, bool forks, unsigned kind) {
  constexpr std::uint32_t kSizes[] = {1000, 16, 300, 2000, 5000, 40000};
  Op op;
  op.kind = static_cast<Kind>(kind % static_cast<unsigned>(Kind::kKinds));
  if (op.kind == Kind::kTwice && !misuse) op.kind = Kind::kFree;
  if (op.kind == Kind::kFork && !forks) op.kind = Kind::kRestart;
  op.cell = static_cast<std::uint8_t>(bytes.byte() % kCells);
  op.size = kSizes[bytes.byte() % std::size(kSizes)];
  return op;
}

Input input_of(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  Input input;
  const unsigned head = bytes.byte();
  input.program.threads.resize(2 + head % 3);
  const bool misuse = (head >> 2 & 1) != 0;
  const bool forks = !misuse && (head >> 3 & 1) != 0;
  const std::uint32_t call = 1u + bytes.byte();
  if ((head >> 4) == 15 && !misuse && !forks) input.schedule.for_ever = call;
  const std::size_t ops = std::min<std::size_t>(bytes.byte(), kOpsMax);
  for (std::size_t i = 0; i < ops && !bytes.empty(); ++i) {
    const unsigned first = bytes.byte();
    Op op = op_of(bytes, misuse, forks, first >> 2);
    if (input.schedule.for_ever != 0 && op.kind == Kind::kPolicy) op.kind = Kind::kMalloc;  // to v1
    input.program.threads[first % input.program.threads.size()].push_back(op);
  }
  input.schedule.strategy = Strategy::kGiven;
  std::array<std::uint32_t, kThreadsMax> points{};
  for (std::size_t i = 0; i < kSwitchesMax && !bytes.empty(); ++i) {
    const unsigned who = bytes.byte();
    const std::size_t from = who % input.program.threads.size();
    points[from] += 1 + static_cast<std::uint32_t>(bytes.number(2)) % 400;
    input.schedule.switches.push_back(
        {from, points[from], (who >> 2) % input.program.threads.size(), {"", 0}});
  }
  return input;
}

}  // namespace
}  // namespace hakmem::schedule

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem::schedule;
  const Input input = input_of(data, size);
  const std::string wrong = Run<Hardened>::of(input.program, input.schedule);
  if (wrong.empty()) return 0;
  std::printf("FAILED: %s\n", wrong.c_str());
  Finding finding(&Run<Hardened>::of, input.program, input.schedule, wrong);
  finding.shrink();
  finding.tell();
  std::abort();
}

extern "C" __attribute__((weak)) std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                                              std::size_t max_size);

// Takes out, puts in, copies or changes one operation or one switch; now and then any byte.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using namespace hakmem::schedule;
  hakmem::Rng rng(seed);
  if (LLVMFuzzerMutate != nullptr && (size < kHead || rng.below(8) == 0))
    return LLVMFuzzerMutate(data, size, max_size);
  if (size < kHead) return size;
  const std::size_t ops = std::min<std::size_t>({data[2], kOpsMax, (size - kHead) / kEach});
  const std::size_t switches = (size - kHead) / kEach - ops;
  const bool of_ops = switches == 0 || rng.below(2) == 0;
  const std::size_t first = kHead + (of_ops ? 0 : ops * kEach);
  const auto count = static_cast<std::uint32_t>(of_ops ? ops : switches);
  std::uint8_t* const at = data + first + (count != 0 ? rng.below(count) : 0u) * kEach;
  const std::uint32_t what = count == 0 ? 0 : rng.below(3);
  if (what == 0 && size + kEach <= max_size && count < (of_ops ? kOpsMax : kSwitchesMax)) {
    std::memmove(at + kEach, at, static_cast<std::size_t>(data + size - at));
    if (count == 0 || rng.below(2) == 0)
      for (std::size_t i = 0; i < kEach; ++i) at[i] = static_cast<std::uint8_t>(rng.next());
    if (of_ops) data[2] = static_cast<std::uint8_t>(ops + 1);
    return size + kEach;
  }
  if (what == 1) {
    std::memmove(at, at + kEach, static_cast<std::size_t>(data + size - at) - kEach);
    if (of_ops) data[2] = static_cast<std::uint8_t>(ops - 1);
    return size - kEach;
  }
  if (count != 0) at[rng.below(kEach)] = static_cast<std::uint8_t>(rng.next());
  return size;
}
