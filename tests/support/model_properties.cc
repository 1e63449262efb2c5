#include "tests/support/property_instances.h"

HAKMEM_PROPERTY_INSTANCES(template)
