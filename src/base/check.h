// Checks of the allocator's own state, each on the line that it protects. What a program does wrong
// is none of these: that ends in report_fault.
//
//   HAKMEM_CHECK   in every build: what whoever writes to the heap's memory might reach. O(1)
//   HAKMEM_DCHECK  with HAKMEM_DEBUG: what holds as long as the code is right. O(1)
//   HAKMEM_AUDIT   with HAKMEM_DEBUG: the same, O(n)
//
// All three are compiled in every build, and end in report_corruption(law, where). Tests:
// tests/unit/check_test.cc breaks what they are about, law by law.
#pragma once

#include <cstdint>

#include "base/attributes.h"

namespace hakmem {

#if defined(HAKMEM_DEBUG) && HAKMEM_DEBUG
inline constexpr bool kDebugChecks = true;
#else
inline constexpr bool kDebugChecks = false;
#endif

// report/report.cc
[[noreturn]] void report_corruption(const char* law, std::uintptr_t where) noexcept;

}  // namespace hakmem

#define HAKMEM_CHECK(condition, law, where)      \
  do {                                           \
    if (HAKMEM_UNLIKELY(!(condition))) {         \
      ::hakmem::report_corruption(law, (where)); \
    }                                            \
  } while (false)
#define HAKMEM_DCHECK(condition, law, where)                                   \
  do {                                                                         \
    if constexpr (::hakmem::kDebugChecks) HAKMEM_CHECK(condition, law, where); \
  } while (false)
#define HAKMEM_AUDIT(condition, law, where) HAKMEM_DCHECK(condition, law, where)
