#include "tests/support/model_headers.h"

HAKMEM_MODEL_INSTANCES(template, hakmem::model::ProductionHardened)
HAKMEM_MODEL_INSTANCES(template, hakmem::model::ProductionPerf)
