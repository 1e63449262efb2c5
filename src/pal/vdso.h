// The kernel's own functions in each process (vDSO): the clock without a system call, and without
// libc's clock_gettime, which may be another's.
#pragma once

namespace hakmem {

// Address of the function of that name; nullptr where the kernel has none.
void* find_in_vdso(const char* name) noexcept;

}  // namespace hakmem
