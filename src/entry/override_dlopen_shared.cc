// dlopen without RTLD_DEEPBIND. A library that is loaded with it looks for malloc and free in its
// own dependencies first, and finds libc's: blocks then cross between two heaps, and the program
// ends in the first free of one by the other. Debian's php loads each of its extensions so.
// HAKMEM_DEEPBIND=keep leaves the flag alone. dlmopen is not touched: a namespace of its own has a
// libc of its own.
//
// The real dlopen finds out who calls it by its return address (whose RUNPATH, whose namespace), so
// it is not called from here but jumped to, with the caller's return address. Test:
// tests/link/deepbind.sh.
#include <dlfcn.h>

#include <cstdint>

#include "base/atomic.h"
#include "entry/heap.h"
#include "report/report.h"

#if defined(__x86_64__)

namespace heap = hakmem::heap;

namespace {

using Target = void* (*)(const char*, int);

constinit hakmem::StdWorld::atomic<Target> g_target{nullptr};

void* no_dlopen(const char*, int) noexcept { return nullptr; }

// dlsym may allocate; by now the program is past all that could stand in its way.
Target target() noexcept {
  Target found = g_target.load_relaxed();  // relaxed: whoever finds none looks for itself
  if (found != nullptr) return found;
  found = reinterpret_cast<Target>(dlsym(RTLD_NEXT, "dlopen"));
  if (found == nullptr) found = no_dlopen;
  g_target.store_relaxed(found);
  return found;
}

int mode_to_use(int mode) noexcept {
  if ((mode & RTLD_DEEPBIND) == 0) return mode;
  if (heap::options().deep_bind == heap::DeepBind::kDrop) return mode & ~RTLD_DEEPBIND;
  hakmem::note_deep_bound();
  return mode;
}

}  // namespace

// Both are the jump's registers: rax and rdx.
struct HakmemDlopen {
  Target target;
  std::uint64_t mode;
};

extern "C" [[gnu::used, gnu::visibility("hidden")]] HakmemDlopen hakmem_dlopen(int mode) noexcept {
  return {target(), static_cast<std::uint64_t>(mode_to_use(mode))};
}

asm(".text\n"
    ".p2align 4\n"
    ".globl dlopen\n"
    ".type dlopen, @function\n"
    "dlopen:\n"
    ".cfi_startproc\n"
    "endbr64\n"
    "pushq %rdi\n"  // the file name; and the stack is aligned again
    ".cfi_adjust_cfa_offset 8\n"
    "movl %esi, %edi\n"
    "call hakmem_dlopen\n"
    "popq %rdi\n"
    ".cfi_adjust_cfa_offset -8\n"
    "movl %edx, %esi\n"
    "jmp *%rax\n"
    ".cfi_endproc\n"
    ".size dlopen, .-dlopen\n");

#endif
