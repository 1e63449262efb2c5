// Size classes, the LUT, page layout and the reciprocals, against their definitions worked out the
// slow way (models/reference/shape.h), in every geometry.
#include <gtest/gtest.h>

#include "models/lockstep/lockstep_configs.h"
#include "models/reference/shape.h"
#include "proptests/fixed_seed.h"

namespace hakmem::model {
namespace {

template <class C>
void check_bin_of_size() {
  using Sizes = typename C::Sizes;
  static const Shape shape = shape_of<C>();
  const auto n = *rc::gen::inRange<std::size_t>(0, C::Geometry::kBlockMax + 1);
  const BinIndex bin = Sizes::bin_of(n);
  RC_ASSERT(bin.value() == shape.bin_of(n));
  RC_ASSERT(Sizes::info(bin).block_size >= n);
  RC_ASSERT(Sizes::info(bin).size_class == class_of_size(n));
  RC_ASSERT(class_of_size(n) == Shape::class_of(n));
}
RC_GTEST_PROP(Sizes, BinOfSizeInProduction, ()) { check_bin_of_size<ProductionHardened>(); }
RC_GTEST_PROP(Sizes, BinOfSizeInSmall, ()) { check_bin_of_size<SmallHardened>(); }

template <class C>
void check_layout() {
  const Shape shape = shape_of<C>();
  ASSERT_EQ(shape.bins.size(), C::Sizes::kBins);
  for (std::size_t b = 0; b < shape.bins.size(); ++b) {
    const BinInfo& info = C::Sizes::kBinTable[b];
    const Bin& bin = shape.bins[b];
    EXPECT_EQ(info.block_size, bin.block);
    EXPECT_EQ(info.size_class, bin.size_class);
    EXPECT_EQ(std::size_t{1} << info.page_shift, bin.page);
    EXPECT_EQ(info.capacity, bin.capacity);
    EXPECT_EQ(info.pages_per_superslab, bin.pages);
    EXPECT_EQ(info.magazine_capacity, bin.magazine);
    EXPECT_EQ(info.carve_batch, bin.carve);
  }
}
TEST(Sizes, LayoutOfEveryGeometry) {
  check_layout<ProductionHardened>();
  check_layout<ProductionPerf>();
  check_layout<SmallHardened>();
  check_layout<FourPagesHardened>();
}

// All of them, every bound of every bin, one less and one more.
TEST(Sizes, EverySizeInProduction) {
  using Sizes = ProductionHardened::Sizes;
  const Shape shape = shape_of<ProductionHardened>();
  for (std::size_t n = 0; n <= ProductionGeometry::kBlockMax; n += n < 5000 ? 1 : 127) {
    ASSERT_EQ(Sizes::bin_of(n).value(), shape.bin_of(n)) << n;
  }
  for (const Bin& bin : shape.bins) {
    for (const std::size_t n : {bin.block - 1, bin.block, bin.block + 1}) {
      if (n > ProductionGeometry::kBlockMax) continue;
      ASSERT_EQ(Sizes::bin_of(n).value(), shape.bin_of(n)) << n;
    }
  }
}

RC_GTEST_PROP(Sizes, ReciprocalDivides, ()) {
  using Sizes = ProductionHardened::Sizes;
  const BinInfo& info = Sizes::kBinTable[*rc::gen::inRange<std::size_t>(0, Sizes::kBins)];
  const auto offset = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << info.page_shift);
  const Quotient q = divide(offset, info.reciprocal);
  RC_ASSERT(q.value == offset / info.block_size);
  RC_ASSERT((q.fraction < info.reciprocal) == (offset % info.block_size == 0));
}

}  // namespace
}  // namespace hakmem::model
