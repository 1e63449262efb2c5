// Op: the one operation type of every test that runs sequences: property tests, fuzz targets,
// exhaustive runs, the replay tool. An op is plain numbers and every op is valid in every state
// (a block is chosen modulo the live ones, a thread attaches when it first needs a context), so
// that cutting, splicing and shrinking sequences never makes nonsense.
//
//   kind                     thread  block   size        arg
//   malloc calloc            who     -       bytes       -
//   aligned                  who     -       bytes       log2 of the alignment
//   realloc                  who     which   bytes       -
//   free free_sized usable   who     which   -           -
//   thread_exit fork_child   who     -       -           -
//   route max_partial warm_cap  who  -       class       0 v1, 1 v3 | pages | pages
//   mask c6_hot count        who     -       -           bits | 0, 1 | 0, 1
//   commit_fails memory_fails -      -       -           0 off, 1 on
//   trim clock               who     -       -           - | milliseconds
//   limit purge              -       -       soft        hard: a level, see limit_level | -
//   double_free freed_realloc  who   which   -           -        (of those freed last)
//   interior misaligned wrong_size  who  which  bytes    offset
//   wild                     -       -       -           which kind of place, and where
//   learn                    who     -       -           0, 1
//
// The groups from double_free to wild must be refused: they are put to Allocator::locate, which
// decides what free does, so that a sequence goes on behind them. Needs neither rapidcheck nor
// GoogleTest.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace hakmem::model {

enum class OpKind : std::uint8_t {
  kMalloc,
  kCalloc,
  kAligned,
  kRealloc,
  kFree,
  kFreeSized,
  kUsable,
  kThreadExit,
  kForkChild,
  kRoute,
  kMask,
  kMaxPartial,
  kWarmCap,
  kC6Hot,
  kCount,
  kLimit,
  kCommitFails,
  kMemoryFails,
  kTrim,
  kClock,
  kDoubleFree,
  kFreedRealloc,
  kInterior,
  kMisaligned,
  kWrongSize,
  kWild,
  kPurge,
  kLearn,
};

struct OpName {
  OpKind kind;
  const char* text;    // in traces
  const char* symbol;  // in C++
  unsigned weight;     // how often a generator picks it
};

inline constexpr std::array<OpName, 28> kOpNames{{
    {OpKind::kMalloc, "malloc", "kMalloc", 60},
    {OpKind::kCalloc, "calloc", "kCalloc", 5},
    {OpKind::kAligned, "aligned", "kAligned", 8},
    {OpKind::kRealloc, "realloc", "kRealloc", 14},
    {OpKind::kFree, "free", "kFree", 66},
    {OpKind::kFreeSized, "free_sized", "kFreeSized", 6},
    {OpKind::kUsable, "usable", "kUsable", 2},
    {OpKind::kThreadExit, "thread_exit", "kThreadExit", 6},
    {OpKind::kForkChild, "fork_child", "kForkChild", 1},
    {OpKind::kRoute, "route", "kRoute", 7},
    {OpKind::kMask, "mask", "kMask", 2},
    {OpKind::kMaxPartial, "max_partial", "kMaxPartial", 5},
    {OpKind::kWarmCap, "warm_cap", "kWarmCap", 4},
    {OpKind::kC6Hot, "c6_hot", "kC6Hot", 4},
    {OpKind::kCount, "count", "kCount", 4},
    {OpKind::kLimit, "limit", "kLimit", 4},
    {OpKind::kCommitFails, "commit_fails", "kCommitFails", 3},
    {OpKind::kMemoryFails, "memory_fails", "kMemoryFails", 2},
    {OpKind::kTrim, "trim", "kTrim", 4},
    {OpKind::kClock, "clock", "kClock", 2},
    {OpKind::kDoubleFree, "double_free", "kDoubleFree", 6},
    {OpKind::kFreedRealloc, "freed_realloc", "kFreedRealloc", 2},
    {OpKind::kInterior, "interior", "kInterior", 4},
    {OpKind::kMisaligned, "misaligned", "kMisaligned", 3},
    {OpKind::kWrongSize, "wrong_size", "kWrongSize", 3},
    {OpKind::kWild, "wild", "kWild", 4},
    {OpKind::kPurge, "purge", "kPurge", 2},
    {OpKind::kLearn, "learn", "kLearn", 3},
}};

struct Op {
  OpKind kind = OpKind::kMalloc;
  std::uint16_t thread = 0;
  std::uint32_t block = 0;  // counted from the newest
  std::uint32_t size = 0;
  std::uint32_t arg = 0;
  bool operator==(const Op&) const = default;
};

using Trace = std::vector<Op>;

// A limit as an op says it: none, or what is held now and 0, 1, 2, 4 .. 32 units more.
inline std::size_t limit_level(std::uint32_t level, std::size_t held, std::size_t unit) {
  const std::uint32_t k = level % 8;
  if (k == 0) return ~std::size_t{0};
  return held + (k == 1 ? 0 : unit << (k - 2));
}

// ---- text and C++

inline std::string text_of(const Op& op) {
  std::array<char, 96> line{};
  std::snprintf(line.data(), line.size(), "%s thread=%u block=%u size=%u arg=%u",
                kOpNames[static_cast<std::size_t>(op.kind)].text, unsigned{op.thread},
                unsigned{op.block}, unsigned{op.size}, unsigned{op.arg});
  return line.data();
}

inline std::string text_of(const Trace& trace) {
  std::string all;
  for (const Op& op : trace) all += text_of(op) + "\n";
  return all;
}

// False when the line is not exactly an op as text_of writes it; `op` is then as it was.
inline bool parse_op(std::string_view line, Op& op) {
  const auto take = [&line](std::string_view text) {
    const bool there = line.starts_with(text);
    if (there) line.remove_prefix(text.size());
    return there;
  };
  const auto number = [&](std::string_view key, auto& value) {
    if (!take(key)) return false;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc()) return false;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    return true;
  };
  const std::string_view name = line.substr(0, line.find(' '));
  for (const OpName& known : kOpNames) {
    if (name != known.text) continue;
    Op read;
    read.kind = known.kind;
    const bool whole = take(name) && number(" thread=", read.thread) &&
                       number(" block=", read.block) && number(" size=", read.size) &&
                       number(" arg=", read.arg) && line.empty();
    if (whole) op = read;
    return whole;
  }
  return false;
}

// A test that repeats the trace. `config` is the name of a configuration in lockstep_configs.h.
inline std::string cpp_of(const Trace& trace, const char* config) {
  std::string all = "TEST(Replay, Trace) {\n  using hakmem::model::OpKind;\n";
  all += std::string("  EXPECT_EQ(hakmem::model::run_trace<hakmem::model::") + config + ">({\n";
  for (const Op& op : trace) {
    std::array<char, 96> line{};
    std::snprintf(line.data(), line.size(), "    {OpKind::%s, %u, %u, %u, %u},\n",
                  kOpNames[static_cast<std::size_t>(op.kind)].symbol, unsigned{op.thread},
                  unsigned{op.block}, unsigned{op.size}, unsigned{op.arg});
    all += line.data();
  }
  return all + "  }), \"\");\n}\n";
}

// ---- bytes, for fuzzers: every byte string is a valid trace; a rest shorter than an op is ignored

inline constexpr std::size_t kOpBytes = 12;

// The first byte of an op, from the first kind of OpKind on, then those that came later, in the
// order in which they came, so that inputs keep their meaning: a new kind is added at the end.
// Bytes that name no kind go by the number of kinds that there were at first.
inline constexpr std::size_t kFirstKinds = 26;
inline constexpr std::array kLaterKinds{OpKind::kLimit, OpKind::kPurge, OpKind::kLearn};

inline OpKind decode_kind(std::uint8_t byte) {
  const std::size_t later = std::size_t{byte} - kFirstKinds;
  if (byte >= kFirstKinds && later < kLaterKinds.size()) return kLaterKinds[later];
  return static_cast<OpKind>(byte % kFirstKinds);
}
inline std::uint8_t encode_kind(OpKind kind) {
  const auto* const later = std::find(kLaterKinds.begin(), kLaterKinds.end(), kind);
  const std::ptrdiff_t number =
      later == kLaterKinds.end()
          ? static_cast<std::ptrdiff_t>(kind)
          : static_cast<std::ptrdiff_t>(kFirstKinds) + (later - kLaterKinds.begin());
  return static_cast<std::uint8_t>(number);
}

inline Op decode_op(const std::uint8_t* bytes) {
  Op op;
  op.kind = decode_kind(bytes[0]);
  op.thread = bytes[1];
  op.block = static_cast<std::uint32_t>(bytes[2] | bytes[3] << 8);
  std::memcpy(&op.size, bytes + 4, sizeof op.size);
  std::memcpy(&op.arg, bytes + 8, sizeof op.arg);
  return op;
}

inline void encode_op(const Op& op, std::uint8_t* bytes) {
  bytes[0] = encode_kind(op.kind);
  bytes[1] = static_cast<std::uint8_t>(op.thread);
  bytes[2] = static_cast<std::uint8_t>(op.block);
  bytes[3] = static_cast<std::uint8_t>(op.block >> 8);
  std::memcpy(bytes + 4, &op.size, sizeof op.size);
  std::memcpy(bytes + 8, &op.arg, sizeof op.arg);
}

inline Trace decode_trace(const std::uint8_t* bytes, std::size_t count) {
  Trace trace;
  for (; count >= kOpBytes; bytes += kOpBytes, count -= kOpBytes) trace.push_back(decode_op(bytes));
  return trace;
}

}  // namespace hakmem::model
