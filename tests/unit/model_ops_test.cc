// The tools around the model: ops as text, C++ and bytes; the generator; the minimiser.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "models/lockstep/minimise.h"
#include "models/lockstep/op_generator.h"
#include "models/lockstep/ops.h"

namespace hakmem::model {
namespace {

TEST(Ops, NamesAreInTheOrderOfTheKinds) {
  for (std::size_t k = 0; k < kOpNames.size(); ++k) {
    EXPECT_EQ(static_cast<std::size_t>(kOpNames[k].kind), k) << kOpNames[k].text;
    EXPECT_GT(kOpNames[k].weight, 0u);
  }
}

TEST(Ops, TextAndBytesBringEveryKindBack) {
  for (const OpName& name : kOpNames) {
    const Op op{name.kind, 3, 777, 123456, 0xFFFFFFFF};
    Op parsed;
    ASSERT_TRUE(parse_op(text_of(op).c_str(), parsed)) << text_of(op);
    EXPECT_EQ(parsed, op);
    std::uint8_t bytes[kOpBytes];
    encode_op(op, bytes);
    EXPECT_EQ(decode_op(bytes), op);
    EXPECT_NE(cpp_of({op}, "SmallHardened").find(name.symbol), std::string::npos);
  }
}

TEST(Ops, BytesOfOldKeepTheirMeaning) {
  const auto kind_of = [](std::uint8_t byte) { return static_cast<int>(decode_kind(byte)); };
  EXPECT_EQ(kind_of(15), static_cast<int>(OpKind::kLimit));
  EXPECT_EQ(kind_of(26), static_cast<int>(OpKind::kLimit));
  EXPECT_EQ(kind_of(28), static_cast<int>(OpKind::kLearn));
  EXPECT_EQ(kind_of(29), static_cast<int>(OpKind::kRealloc)) << "modulo 26";
}

TEST(Ops, WhatIsNoOpIsRefused) {
  Op op;
  for (const char* line :
       {"", "malloc", "mallok thread=0 block=0 size=1 arg=0",
        "malloc thread=65536 block=0 size=1 arg=0", "malloc thread=0 block=4294967296 size=1 arg=0",
        "malloc thread=0 block=0 size=-1 arg=0", "malloc thread=0 block=0 size=1 arg=0 ",
        "malloc thread=0 block=0 size=1 arg=0 arg=1", "malloc thread=0  block=0 size=1 arg=0",
        "malloc thread=0 block=0 size=0x1 arg=0", " malloc thread=0 block=0 size=1 arg=0",
        "malloc block=0 thread=0 size=1 arg=0", "malloc thread=0 block=0 size=+1 arg=0"}) {
    EXPECT_FALSE(parse_op(line, op)) << line;
  }
}

TEST(Ops, EveryByteStringIsATrace) {
  Rng rng(9);
  for (std::size_t length = 0; length < 200; ++length) {
    std::vector<std::uint8_t> bytes(length);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(rng.next());
    const Trace trace = decode_trace(bytes.data(), bytes.size());
    EXPECT_EQ(trace.size(), length / kOpBytes);
    for (const Op& op : trace) EXPECT_LT(static_cast<std::size_t>(op.kind), kOpNames.size());
  }
}

TEST(OpGenerator, DrawsEveryKindAndRepeatsBySeed) {
  std::set<OpKind> kinds;
  for (const Op& op : OpGenerator(1, 10).trace(5000)) kinds.insert(op.kind);
  EXPECT_EQ(kinds.size(), kOpNames.size());
  EXPECT_EQ(OpGenerator(2, 10).trace(300), OpGenerator(2, 10).trace(300));
  EXPECT_NE(OpGenerator(2, 10).trace(300), OpGenerator(3, 10).trace(300));
}

TEST(OpGenerator, MutatesAndCrossesWithinBounds) {
  OpGenerator gen(4, 10);
  Trace trace;
  std::set<std::string> seen;
  for (int i = 0; i < 500; ++i) {
    gen.mutate(trace, 40);
    ASSERT_GE(trace.size(), 1u);
    ASSERT_LE(trace.size(), 40u);
    seen.insert(text_of(trace));
  }
  EXPECT_GT(seen.size(), 400u);  // it does change something
  const Trace crossed = gen.cross(trace, OpGenerator(5, 10).trace(100), 50);
  EXPECT_LE(crossed.size(), 50u);
  EXPECT_TRUE(gen.cross({}, {}, 50).empty());
}

// Fails when a free comes after two mallocs of the same size beyond 100.
bool fails(const Trace& trace) {
  std::vector<std::uint32_t> sizes;
  for (const Op& op : trace) {
    if (op.kind == OpKind::kMalloc && op.size > 100) sizes.push_back(op.size);
    if (op.kind != OpKind::kFree) continue;
    for (const std::uint32_t n : sizes) {
      if (std::count(sizes.begin(), sizes.end(), n) >= 2) return true;
    }
  }
  return false;
}

TEST(Minimiser, FindsTheThreeOpsThatMatter) {
  Trace trace = OpGenerator(6, 10).trace(300);
  ASSERT_TRUE(fails(trace));
  const Trace small = minimise(trace, fails);
  ASSERT_EQ(small.size(), 3u);
  EXPECT_TRUE(fails(small));
  EXPECT_EQ(small[2], (Op{OpKind::kFree, 0, 0, 0, 0}));
}

TEST(Minimiser, StopsAfterSoManyRuns) {
  std::size_t runs = 0;
  const auto counting = [&](const Trace& t) {
    ++runs;
    return fails(t);
  };
  minimise(OpGenerator(6, 10).trace(300), counting, 10);
  EXPECT_EQ(runs, 10u);
}

}  // namespace
}  // namespace hakmem::model
