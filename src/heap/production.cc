#include "heap/production.h"

#include "heap/allocator_members.h"

namespace hakmem {

template class Allocator<ProductionConfig>;

}  // namespace hakmem
