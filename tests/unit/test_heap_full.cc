#include "test_heap.h"

HAKMEM_INSTANCES(template, hakmem::test::Full)
HAKMEM_INSTANCES(template, hakmem::test::FullPerf)
