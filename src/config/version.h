// The version and flavour that reports, statistics and `hak_version()` state.
#pragma once

namespace hakmem {

#if defined(HAKMEM_FLAVOUR_PERF)
inline constexpr const char* kVersionText = "hakmem-0.1.0/perf";
#else
inline constexpr const char* kVersionText = "hakmem-0.1.0/hardened";
#endif

}  // namespace hakmem
