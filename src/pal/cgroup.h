// The memory limit of this process's control group (version 2): what a container is given.
#pragma once

#include <cstddef>

namespace hakmem {

// Where to look. Tests give a directory of their own.
struct CgroupPlace {
  const char* root = "/sys/fs/cgroup";           // where the hierarchy is mounted
  const char* membership = "/proc/self/cgroup";  // its line "0::PATH" says which group
};

// The least number in files named `file` ("memory.high", "memory.max") of the process's group and
// of every group above it, for each limits it too. ~0 when none has one, or nothing can be read.
// Keeps errno and allocates nothing.
std::size_t cgroup_bytes(const char* file, const CgroupPlace& place = {}) noexcept;

}  // namespace hakmem
