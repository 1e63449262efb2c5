#include "pal/sandbox.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/attributes.h"
#include "pal/system_call.h"

namespace hakmem {
namespace {

HAKMEM_START_DATA constinit StdAtomic<Sandbox> g_sandbox{Sandbox::kOpen};

// The line is short, and the file too, but for the lists of processors and nodes before it.
bool has_filter(const char* text, std::size_t length) noexcept {
  constexpr char kLine[] = "\nSeccomp:\t";
  constexpr std::size_t kLength = sizeof kLine - 1;
  for (std::size_t i = 0; i + kLength < length; ++i) {
    if (memcmp(text + i, kLine, kLength) == 0) return text[i + kLength] != '0';
  }
  return false;
}

}  // namespace

// Relaxed, all three: who installs a filter for other threads, too, has to do with them.
Sandbox sandbox() noexcept { return g_sandbox.load_relaxed(); }

void expect_sandbox() noexcept { g_sandbox.store_relaxed(Sandbox::kLater); }

void look_for_sandbox() noexcept {
  bool found = false;
  const int refused = sys::read_file("/proc/self/status", [&](const char* text, std::size_t n) {
    found = found || has_filter(text, n);
  });
  // Without /proc nobody knows; but a filter that refuses the question is one.
  if (refused == EPERM || refused == EACCES || refused == ENOSYS) found = true;
  if (found && sandbox() == Sandbox::kOpen) g_sandbox.store_relaxed(Sandbox::kAtStart);
}

}  // namespace hakmem
