// The templates of the allocator for one configuration, to be compiled once for all test programs
// of a build: `HAKMEM_INSTANCES(extern template, C)` beside the configuration says that another
// file holds them, `HAKMEM_INSTANCES(template, C)` in that file makes them.
#pragma once

#include "heap/allocator_members.h"
#include "inspect/audit.h"
#include "inspect/memory_statistics.h"

#define HAKMEM_INSTANCES(TEMPLATE, C)                     \
  TEMPLATE class hakmem::Arena<C>;                        \
  TEMPLATE class hakmem::v1::V1Heap<C>;                   \
  TEMPLATE class hakmem::large::LargeHeap<C>;             \
  TEMPLATE class hakmem::PolicyBox<C>;                    \
  TEMPLATE class hakmem::LearnBox<C>;                     \
  TEMPLATE class hakmem::ColdBox<C>;                      \
  TEMPLATE class hakmem::HotBox<C, hakmem::ColdBox<C>>;   \
  TEMPLATE class hakmem::UltraBox<C, hakmem::ColdBox<C>>; \
  TEMPLATE class hakmem::ContextRegistry<C>;              \
  TEMPLATE class hakmem::Auditor<C>;                      \
  TEMPLATE class hakmem::MemoryCounter<C>;                \
  TEMPLATE class hakmem::Allocator<C>;
