// A shim to preload behind the allocator's back: from the REFUSE_AFTER-th call on, mmap
// (REFUSE=map), or mprotect, madvise and mremap (REFUSE=change), are refused with ENOMEM.
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<long> calls{0};

bool refused(const char* kind) {
  const char* const what = getenv("REFUSE");
  const char* const after = getenv("REFUSE_AFTER");
  if (what == nullptr || after == nullptr || std::strcmp(what, kind) != 0) return false;
  if (calls.fetch_add(1) < std::atol(after)) return false;
  errno = ENOMEM;
  return true;
}

}  // namespace

extern "C" {

void* mmap(void* at, size_t length, int protection, int flags, int file, off_t offset) noexcept {
  if (file == -1 && refused("map")) return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, length, protection, flags, file, offset));
}

int mprotect(void* at, size_t length, int protection) noexcept {
  if (refused("change")) return -1;
  return static_cast<int>(syscall(SYS_mprotect, at, length, protection));
}

int madvise(void* at, size_t length, int advice) noexcept {
  if (refused("change")) return -1;
  return static_cast<int>(syscall(SYS_madvise, at, length, advice));
}

void* mremap(void* at, size_t length, size_t new_length, int flags, ...) noexcept {
  if (refused("change")) return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mremap, at, length, new_length, flags));
}

}  // extern "C"
