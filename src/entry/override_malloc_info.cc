// glibc's windows into malloc: mallinfo, malloc_info, malloc_stats, and the knobs malloc_trim and
// mallopt. All figures come from memory_held.h. Belongs to override_malloc.cc (see there).
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include <cstddef>

#include "base/text.h"
#include "entry/alias.h"
#include "entry/heap.h"
#include "entry/memory_held.h"
#include "pal/stderr.h"

namespace heap = hakmem::heap;

namespace {

int clamp_to_int(std::size_t n) noexcept { return n > INT_MAX ? INT_MAX : static_cast<int>(n); }

bool is_mallopt_parameter(int parameter) noexcept {
  return (parameter >= M_ARENA_MAX && parameter <= M_TRIM_THRESHOLD) ||
         (parameter >= M_MXFAST && parameter <= M_KEEP);
}

}  // namespace

extern "C" {

HAKMEM_EXPORT int malloc_trim(std::size_t) noexcept { return heap::trim() != 0 ? 1 : 0; }

// hakmem has none of glibc's knobs: they are accepted, so that programs which insist on success
// run, and change nothing.
HAKMEM_EXPORT int mallopt(int parameter, int) noexcept {
  return is_mallopt_parameter(parameter) ? 1 : 0;
}

HAKMEM_EXPORT struct mallinfo2 mallinfo2() noexcept {
  const hakmem::MemoryStats held = heap::memory_held();
  struct mallinfo2 info = {};
  info.arena = held.small_mapped;
  info.hblks = held.large_blocks;
  info.hblkhd = held.large_allocated;
  info.uordblks = held.small_allocated;
  info.fordblks = held.small_mapped - held.small_allocated;
  info.keepcost = held.small_idle + held.large_idle;
  return info;
}

HAKMEM_EXPORT struct mallinfo mallinfo() noexcept {
  const struct mallinfo2 wide = mallinfo2();
  struct mallinfo info = {};
  info.arena = clamp_to_int(wide.arena);
  info.hblks = clamp_to_int(wide.hblks);
  info.hblkhd = clamp_to_int(wide.hblkhd);
  info.uordblks = clamp_to_int(wide.uordblks);
  info.fordblks = clamp_to_int(wide.fordblks);
  info.keepcost = clamp_to_int(wide.keepcost);
  return info;
}

// As glibc on stderr, and without allocating.
HAKMEM_EXPORT void malloc_stats() noexcept {
  const hakmem::MemoryStats held = heap::memory_held();
  hakmem::Text text;
  text.put("system bytes     = ").number(held.mapped());
  text.put("\nin use bytes     = ").number(held.allocated());
  text.put("\nmmap regions     = ").number(held.large_blocks);
  text.put("\nmmap bytes       = ").number(held.large_allocated).put("\n");
  hakmem::write_stderr(hakmem::Line::kCalledFor, text.data(), text.size());
}

HAKMEM_EXPORT int malloc_info(int options, FILE* out) noexcept {
  if (options != 0) return EINVAL;
  const hakmem::MemoryStats held = heap::memory_held();
  const int written = fprintf(out,
                              "<malloc version=\"1\">\n"
                              "<heap nr=\"0\">\n"
                              "<total type=\"live\" size=\"%zu\"/>\n"
                              "<total type=\"idle\" size=\"%zu\"/>\n"
                              "</heap>\n"
                              "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n"
                              "<system type=\"current\" size=\"%zu\"/>\n"
                              "</malloc>\n",
                              held.small_allocated, held.small_idle, held.large_blocks,
                              held.large_allocated, held.mapped());
  return written < 0 ? errno : 0;
}

HAKMEM_ALIAS(struct mallinfo, __libc_mallinfo, mallinfo);
HAKMEM_ALIAS(struct mallinfo2, __libc_mallinfo2, mallinfo2);
HAKMEM_ALIAS(int, __libc_mallopt, mallopt, int, int);

HAKMEM_HIDDEN_ALIAS(struct mallinfo, __mallinfo, mallinfo);
HAKMEM_HIDDEN_ALIAS(struct mallinfo2, __mallinfo2, mallinfo2);
HAKMEM_HIDDEN_ALIAS(int, __mallopt, mallopt, int, int);
HAKMEM_HIDDEN_ALIAS(int, __malloc_trim, malloc_trim, std::size_t);
HAKMEM_HIDDEN_ALIAS(void, __malloc_stats, malloc_stats);
HAKMEM_HIDDEN_ALIAS(int, __malloc_info, malloc_info, int, FILE*);

}  // extern "C"

[[gnu::used]] static const auto kPullsMalloc = &malloc;
