// A shim to preload: a kernel before 6.13, which does not know MADV_GUARD_INSTALL and
// MADV_GUARD_REMOVE. The allocator makes its calls itself, so a filter answers in the kernel's
// stead.
#include "filter.h"

namespace {

[[gnu::constructor(101)]] void forget_guards() {
  constexpr std::uint32_t kGuardInstall = 102, kGuardRemove = 103;
  process::Filter filter(SECCOMP_RET_ALLOW);
  filter.answer_if(SYS_madvise, 2, {kGuardInstall, kGuardRemove}, SECCOMP_RET_ERRNO | EINVAL)
      .install(process::Filter::Door::kSilent);
}

}  // namespace
