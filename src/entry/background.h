// HAKMEM_BACKGROUND=1: a thread that does once in a period what else a thread of the program does
// on its slow paths, so that memory goes back although the program makes no call for hours.
//
//   kWanted   to be started by the next slow path, in a child of a fork, too; not before the
//             library's constructors have run
//   kActive   the program has left the fast path in this period
//   kDozing   it has not yet. After some such periods with nothing to give back: kAsleep, until it
//             does again
//
// It allocates nothing, holds no lock but those of any slow path, blocks all signals, and ends with
// the process. Tests: tests/process/idle.cc.
#pragma once

#include <cstdint>

#include "base/atomic.h"
#include "base/attributes.h"

namespace hakmem::heap {

enum class Background : std::uint32_t {
  kOff = 0,
  kWanted = 1,  // odd: a slow path has something to do
  kStarting = 2,
  kDozing = 3,
  kActive = 4,
  kAsleep = 5,
};

extern constinit StdWorld::atomic<std::uint32_t> g_background;

// Once, when the allocator has started.
void want_background() noexcept;
// In the child of a fork, which has no such thread yet.
void background_fork_child() noexcept;

HAKMEM_NOINLINE void serve_background_slow() noexcept;
// On slow paths, with no lock held. relaxed: whoever sees it late serves it late.
inline void serve_background() noexcept {
  if (HAKMEM_UNLIKELY((g_background.load_relaxed() & 1) != 0)) serve_background_slow();
}

}  // namespace hakmem::heap
