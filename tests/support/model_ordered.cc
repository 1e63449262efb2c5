#include "tests/support/model_headers.h"

HAKMEM_MODEL_INSTANCES(template, hakmem::model::SmallOrdered)
HAKMEM_MODEL_INSTANCES(template, hakmem::model::FourPagesHardened)
HAKMEM_INSTANCES(template, hakmem::model::ProductionOrdered)
