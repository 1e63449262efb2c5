// What the process that started this one was started with, so that what is said once for a tree of
// processes is said by its first.
#pragma once

namespace hakmem {

// Whether the parent runs on this allocator, too, and was started with the same value of the
// variable: the same LD_PRELOAD says the first, or without one the same program. False when it
// cannot be known: then something is said twice. Allocates nothing, changes no errno.
bool parent_was_started_with(const char* name) noexcept;

}  // namespace hakmem
