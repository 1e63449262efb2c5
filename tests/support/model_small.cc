#include "tests/support/model_headers.h"

HAKMEM_MODEL_INSTANCES(template, hakmem::model::SmallHardened)
HAKMEM_MODEL_INSTANCES(template, hakmem::model::SmallPerf)
