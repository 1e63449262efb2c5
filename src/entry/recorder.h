// HAKMEM_TRACE: writes the calls that this process makes of the allocator to a file, which
// hakmem-replay then puts to the reference model. Each process writes FILE.PID, or FILE with its %p
// replaced; after an exec, and where a file is there already, with a number behind it.
//
// While it records, every call takes the slow path (PolicySnapshot::every_call_slow); off, it costs
// nothing. The file is mapped a window at a time, so that what has been written survives _exit,
// exec and a crash. Nothing here allocates, keeps a file descriptor or changes errno.
#pragma once

#include <cstddef>

#include "base/atomic.h"
#include "entry/trace_format.h"

namespace hakmem::heap {

extern constinit StdWorld::atomic<bool> g_recording;

// Opens the file if the environment asks for one. True when every call is to be recorded.
bool start_recording() noexcept;

void record(trace::Kind kind, std::size_t size, std::size_t alignment, const void* p) noexcept;

// Around fork. The child records into a file of its own.
void recorder_fork_prepare() noexcept;
void recorder_fork_parent() noexcept;
void recorder_fork_child() noexcept;

// relaxed: whoever sees it late misses calls from before the start only
inline bool recording() noexcept { return g_recording.load_relaxed(); }

}  // namespace hakmem::heap
