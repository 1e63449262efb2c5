// A shim to preload behind the allocator's back: a kernel before 6.13, which does not know
// MADV_GUARD_INSTALL and MADV_GUARD_REMOVE.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

extern "C" int madvise(void* at, size_t length, int advice) noexcept {
  constexpr int kGuardInstall = 102;
  constexpr int kGuardRemove = 103;
  if (advice == kGuardInstall || advice == kGuardRemove) {
    errno = EINVAL;
    return -1;
  }
  return static_cast<int>(syscall(SYS_madvise, at, length, advice));
}
