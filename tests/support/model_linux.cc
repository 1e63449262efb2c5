#include "tests/support/model_headers.h"

HAKMEM_MODEL_INSTANCES(template, hakmem::model::LinuxHardened)
HAKMEM_MODEL_INSTANCES(template, hakmem::model::LinuxPerf)
