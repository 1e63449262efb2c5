// What the programs that run the models start with, precompiled once per build: the headers, and
// for each configuration the word that another file holds its allocator and its lockstep. None of
// them includes it by name.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "fuzz/poison_world.h"
#include "models/lockstep/lockstep.h"
#include "models/lockstep/lockstep_configs.h"
#include "models/lockstep/minimise.h"
#include "models/lockstep/op_generator.h"
#include "tests/support/instances.h"
#include "tests/support/property_instances.h"

#define HAKMEM_MODEL_INSTANCES(TEMPLATE, C)                                     \
  HAKMEM_INSTANCES(TEMPLATE, C)                                                 \
  TEMPLATE class hakmem::model::Comparer<C>;                                    \
  TEMPLATE class hakmem::model::Lockstep<C>;                                    \
  TEMPLATE std::string hakmem::model::run_trace<C>(const hakmem::model::Trace&, \
                                                   const hakmem::model::LockstepOptions&);

HAKMEM_MODEL_INSTANCES(extern template, hakmem::model::SmallHardened)
HAKMEM_MODEL_INSTANCES(extern template, hakmem::model::SmallPerf)
HAKMEM_MODEL_INSTANCES(extern template, hakmem::model::SmallOrdered)
HAKMEM_MODEL_INSTANCES(extern template, hakmem::model::FourPagesHardened)
HAKMEM_MODEL_INSTANCES(extern template, hakmem::model::ProductionHardened)
HAKMEM_MODEL_INSTANCES(extern template, hakmem::model::ProductionPerf)
HAKMEM_INSTANCES(extern template, hakmem::model::ProductionOrdered)
HAKMEM_MODEL_INSTANCES(extern template, hakmem::fuzz::SmallPoisoned)
HAKMEM_MODEL_INSTANCES(extern template, hakmem::model::LinuxHardened)
HAKMEM_MODEL_INSTANCES(extern template, hakmem::model::LinuxPerf)
