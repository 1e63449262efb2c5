#include "entry/override_new_tail.h"

namespace hakmem::heap {

static bool call_new_handler() {
  const std::new_handler handler = std::get_new_handler();
  if (handler != nullptr) handler();
  return handler != nullptr;
}

static void throw_bad_alloc() { throw std::bad_alloc(); }

}  // namespace hakmem::heap
