// Reports: the stable codes, every field of the two lines, one warning line, and cutting off
// instead of overflowing.
#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <utility>

namespace hakmem {
namespace {

using ::testing::HasSubstr;
using ::testing::KilledBySignal;

BlockView view_of(Fault fault) {
  BlockView view;
  view.fault = fault;
  view.state = SlotState::kCached;
  view.heap = "v3";
  view.page = 0xABC0000;
  view.size_class = 7;
  view.block_size = 1024;
  view.slot = 12;
  view.offset = 48;
  view.owner = 3;
  return view;
}

TEST(ReportDeathTest, EveryFaultHasItsCodeAndAborts) {
  const std::pair<Fault, const char*> codes[] = {
      {Fault::kDoubleFree, "double-free"},
      {Fault::kInteriorFree, "interior-free"},
      {Fault::kMisalignedFree, "misaligned-free"},
      {Fault::kInvalidFree, "invalid-free"},
      {Fault::kNotMine, "not-mine"},
      {Fault::kSizeMismatch, "size-mismatch"},
      {Fault::kFreedRealloc, "freed-realloc"},
      {Fault::kCorruption, "metadata-corruption"},
  };
  for (const auto& [fault, code] : codes) {
    const std::string line = std::string("hakmem: fatal: ") + code + ": free\\(0xdead0\\): ";
    EXPECT_EXIT(report_fault({"free", 0xDEAD0, 0, 1}, view_of(fault)), KilledBySignal(SIGABRT),
                line);
  }
}

TEST(ReportDeathTest, TheSecondLineSaysWhereThePointerLies) {
  EXPECT_DEATH(report_fault({"realloc", 0xDEAD0, 0, 9}, view_of(Fault::kFreedRealloc)),
               "heap=v3 page=0xabc0000 class=C7 block=1024 slot=12 offset=48 state=CACHED "
               "owner=3 this=9\nhakmem:   build=hakmem-");
}

TEST(ReportDeathTest, ASizeMismatchStatesTheSize) {
  EXPECT_DEATH(report_fault({"free_sized", 0xDEAD0, 77, 1}, view_of(Fault::kSizeMismatch)),
               "stated 77 bytes");
}

TEST(ReportDeathTest, WithoutAPageItSaysNone) {
  BlockView view;
  view.fault = Fault::kInvalidFree;
  EXPECT_DEATH(report_fault({"free", 16, 0, 0}, view), "heap=none page=none .* state=NONE");
}

TEST(ReportDeathTest, CorruptionNamesTheLaw) {
  EXPECT_DEATH(report_corruption("remote-list", 0x1000),
               "metadata-corruption: remote-list\\(0x1000\\)");
}

TEST(Report, CodesAndStatesHaveNames) {
  EXPECT_STREQ(fault_code(Fault::kNone), "none");
  EXPECT_STREQ(fault_code(Fault::kNotMine), "not-mine");
  EXPECT_STREQ(slot_state_name(SlotState::kNone), "NONE");
  EXPECT_STREQ(slot_state_name(SlotState::kFree), "FREE");
  EXPECT_STREQ(slot_state_name(SlotState::kLive), "LIVE");
  EXPECT_STREQ(slot_state_name(SlotState::kCached), "CACHED");
  EXPECT_STREQ(slot_state_name(SlotState::kRemote), "REMOTE");
}

TEST(Report, ABadEnvironmentValueIsOneLine) {
  testing::internal::CaptureStderr();
  report_bad_environment("HAKMEM_X", "maybe", "0 or 1", "1");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "hakmem: warning: HAKMEM_X=\"maybe\" is not 0 or 1; using 1\n");
}

TEST(Report, AWarningIsOneLine) {
  testing::internal::CaptureStderr();
  report_warning("something");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "hakmem: warning: something\n");
}

}  // namespace
}  // namespace hakmem
