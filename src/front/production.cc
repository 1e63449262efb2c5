#include "front/production.h"

#include "front/allocator_cold.h"
#include "front/allocator_slow.h"

namespace hakmem {

template class Allocator<ProductionConfig>;

}  // namespace hakmem
