// Every name of the C++ runtime that is used here is weak: in a program without one the library
// loads all the same, and nobody calls operator new.
#include "entry/override_new_tail.h"
#include "pal/linux.h"
#include "report/report.h"

asm(".weak __gxx_personality_v0\n"
    ".weak __cxa_begin_catch\n"
    ".weak __cxa_end_catch\n"
    ".weak _Unwind_Resume\n"
    ".weak _ZSt9terminatev\n");

// libstdc++ and libc++ both have these two.
extern "C" [[gnu::weak]] void hakmem_throw_bad_alloc() __asm__("_ZSt17__throw_bad_allocv");
extern "C" [[gnu::weak]] std::new_handler hakmem_get_new_handler() __asm__(
    "_ZSt15get_new_handlerv");

namespace hakmem::heap {

static bool call_new_handler() {
  const std::new_handler handler =
      hakmem_get_new_handler != nullptr ? hakmem_get_new_handler() : nullptr;
  if (handler != nullptr) handler();
  return handler != nullptr;
}

static void throw_bad_alloc() {
  if (hakmem_throw_bad_alloc != nullptr) hakmem_throw_bad_alloc();
  report_warning("operator new is out of memory, and there is no C++ runtime to throw with");
  LinuxPlatform::abort();
}

}  // namespace hakmem::heap
