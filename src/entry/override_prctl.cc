// A program tells prctl before it gets a filter for system calls: PR_SET_NO_NEW_PRIVS first, then
// PR_SET_SECCOMP or seccomp(). From then on the allocator makes no call that a filter may not know
// (docs/SYSTEM_CALLS.md). What is said here is passed on as it is.
#include <errno.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "pal/sandbox.h"
#include "pal/system_call.h"

extern "C" [[gnu::visibility("default")]] int prctl(int option, ...) noexcept {
  va_list more;
  va_start(more, option);
  const auto a = va_arg(more, unsigned long), b = va_arg(more, unsigned long),
             c = va_arg(more, unsigned long), d = va_arg(more, unsigned long);
  va_end(more);
  if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP) hakmem::expect_sandbox();
  const long result = hakmem::system_call(SYS_prctl, hakmem::word(option), a, b, c, d);
  if (!hakmem::failed(result)) return static_cast<int>(result);
  errno = static_cast<int>(-result);
  return -1;
}
