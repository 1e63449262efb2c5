#include "config/geometry_proofs.h"
#include "tests/support/model_headers.h"

static_assert(sizeof(hakmem::SizeProofs<hakmem::model::FourPagesHardened::Sizes>));

HAKMEM_MODEL_INSTANCES(template, hakmem::model::SmallOrdered)
HAKMEM_MODEL_INSTANCES(template, hakmem::model::FourPagesHardened)
HAKMEM_INSTANCES(template, hakmem::model::ProductionOrdered)
