#include "test_heap.h"

HAKMEM_INSTANCES(template, hakmem::test::Small)
HAKMEM_INSTANCES(template, hakmem::test::SmallPerf)
HAKMEM_INSTANCES(template, hakmem::test::Watched)
