#include "config/geometry_proofs.h"

namespace hakmem {

static_assert(sizeof(SizeProofs<Sizes<ProductionGeometry, ProductionGeometry::kPageGuardBytes>>));
static_assert(sizeof(SizeProofs<Sizes<ProductionGeometry, 0>>));
static_assert(sizeof(SizeProofs<Sizes<SmallGeometry, 0>>));

}  // namespace hakmem
