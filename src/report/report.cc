#include "report/report.h"

#include "base/atomic.h"
#include "base/attributes.h"
#include "base/text.h"
#include "config/version.h"
#include "pal/linux.h"

namespace hakmem {
namespace {

const char* explanation(Fault fault) noexcept {
  switch (fault) {
    case Fault::kDoubleFree:
      return "this block is already free";
    case Fault::kInteriorFree:
      return "the pointer is inside a block, not at its start";
    case Fault::kMisalignedFree:
      return "no block starts here: blocks are aligned to 16 bytes";
    case Fault::kInvalidFree:
      return "hakmem never handed out this pointer";
    case Fault::kSizeMismatch:
      return "the stated size or alignment is not that of this block";
    case Fault::kFreedRealloc:
      return "the block to resize is already free";
    case Fault::kCorruption:
      return "the allocator's metadata contradicts itself";
    case Fault::kNone:
    case Fault::kNotMine:
      break;
  }
  return "unknown fault";
}

constinit StdWorld::atomic<bool> g_deep_bound{false};

const char* advice(Fault fault) noexcept {
  // relaxed: a hint in a report
  if (fault == Fault::kInvalidFree && g_deep_bound.load_relaxed()) {
    return "a library loaded with RTLD_DEEPBIND has libc's malloc: set HAKMEM_DEEPBIND=drop";
  }
  switch (fault) {
    case Fault::kDoubleFree:
    case Fault::kFreedRealloc:
      return "find the first free of this pointer (try an ASan build)";
    case Fault::kInteriorFree:
    case Fault::kMisalignedFree:
      return "free exactly the pointer that malloc returned";
    case Fault::kSizeMismatch:
      return "pass the size and alignment of the allocation";
    case Fault::kInvalidFree:
      return "check that this block came from malloc in this process";
    case Fault::kCorruption:
    case Fault::kNone:
    case Fault::kNotMine:
      break;
  }
  return "report this with the command that shows it";
}

Text describe(const FaultContext& call, const BlockView& block) noexcept {
  Text t;
  t.put("hakmem: fatal: ").put(fault_code(block.fault)).put(": ").put(call.operation);
  t.put("(").hex(call.pointer).put("): ").put(explanation(block.fault));
  if (block.fault == Fault::kSizeMismatch) t.put("; stated ").number(call.size).put(" bytes");
  t.put("\nhakmem:   heap=").put(block.heap).put(" page=");
  block.page != 0 ? t.hex(block.page) : t.put("none");
  t.put(" class=C").number(block.size_class).put(" block=").number(block.block_size);
  t.put(" slot=").number(block.slot).put(" offset=").number(block.offset);
  t.put(" state=").put(slot_state_name(block.state));
  t.put(" owner=").number(block.owner).put(" this=").number(call.this_context);
  t.put("\nhakmem:   build=").put(kVersionText).put(" what to do: ").put(advice(block.fault));
  t.put("\n");
  return t;
}

[[noreturn]] void write_and_abort(const Text& text) noexcept {
  LinuxPlatform::write_fatal(text.data(), text.size());
  LinuxPlatform::abort();
}

// One frame per fault: crash de-duplication looks at function names. The differing code keeps the
// linker from folding them into one.
#define HAKMEM_REPORT_FRAME(name)                                                        \
  [[noreturn]] HAKMEM_COLD void name(const FaultContext& call, const BlockView& block) { \
    asm volatile("" ::"r"(#name));                                                       \
    write_and_abort(describe(call, block));                                              \
  }
HAKMEM_REPORT_FRAME(report_double_free)
HAKMEM_REPORT_FRAME(report_interior_free)
HAKMEM_REPORT_FRAME(report_misaligned_free)
HAKMEM_REPORT_FRAME(report_invalid_free)
HAKMEM_REPORT_FRAME(report_size_mismatch)
HAKMEM_REPORT_FRAME(report_freed_realloc)
HAKMEM_REPORT_FRAME(report_metadata_corruption)
#undef HAKMEM_REPORT_FRAME

}  // namespace

const char* fault_code(Fault fault) noexcept {
  switch (fault) {
    case Fault::kDoubleFree:
      return "double-free";
    case Fault::kInteriorFree:
      return "interior-free";
    case Fault::kMisalignedFree:
      return "misaligned-free";
    case Fault::kInvalidFree:
      return "invalid-free";
    case Fault::kSizeMismatch:
      return "size-mismatch";
    case Fault::kFreedRealloc:
      return "freed-realloc";
    case Fault::kCorruption:
      return "metadata-corruption";
    case Fault::kNotMine:
      return "not-mine";
    case Fault::kNone:
      break;
  }
  return "none";
}

const char* slot_state_name(SlotState state) noexcept {
  switch (state) {
    case SlotState::kFree:
      return "FREE";
    case SlotState::kLive:
      return "LIVE";
    case SlotState::kCached:
      return "CACHED";
    case SlotState::kRemote:
      return "REMOTE";
    case SlotState::kNone:
      break;
  }
  return "NONE";
}

void report_fault(const FaultContext& call, const BlockView& block) noexcept {
  switch (block.fault) {
    case Fault::kDoubleFree:
      report_double_free(call, block);
    case Fault::kInteriorFree:
      report_interior_free(call, block);
    case Fault::kMisalignedFree:
      report_misaligned_free(call, block);
    case Fault::kSizeMismatch:
      report_size_mismatch(call, block);
    case Fault::kFreedRealloc:
      report_freed_realloc(call, block);
    case Fault::kInvalidFree:
    case Fault::kNotMine:
      report_invalid_free(call, block);
    case Fault::kCorruption:
    case Fault::kNone:
      break;
  }
  report_metadata_corruption(call, block);
}

void report_corruption(const char* law, std::uintptr_t where) noexcept {
  BlockView block;
  block.fault = Fault::kCorruption;
  report_metadata_corruption({law, where, 0, 0}, block);
}

void report_bad_environment(const char* name, const char* value, const char* expected,
                            const char* used) noexcept {
  Text t;
  t.put("hakmem: warning: ").put(name).put("=\"").put(value).put("\" is not ").put(expected);
  t.put("; using ").put(used).put("\n");
  LinuxPlatform::write_error(t.data(), t.size());
}

void report_unknown_variable(const char* name) noexcept {
  Text t;
  t.put("hakmem: warning: ").put(name).put(" is not a variable that hakmem knows\n");
  LinuxPlatform::write_error(t.data(), t.size());
}

void report_few_mappings(std::size_t max, const char* what) noexcept {
  Text t;
  t.put("hakmem: warning: vm.max_map_count=").number(max).put(" ").put(what).put("\n");
  LinuxPlatform::write_error(t.data(), t.size());
}

void report_sized_delete(const FaultContext& call, const BlockView& block) noexcept {
  Text t;
  t.put("hakmem: warning: ").put(fault_code(Fault::kSizeMismatch)).put(": ").put(call.operation);
  t.put("(").hex(call.pointer).put("): stated ").number(call.size).put(" bytes of a block of ");
  t.number(block.block_size).put("; going on, and silent from now on: HAKMEM_SIZED_DELETE=abort");
  t.put(" ends the program here, =off says nothing\n");
  LinuxPlatform::write_error(t.data(), t.size());
}

void note_deep_bound() noexcept { g_deep_bound.store_relaxed(true); }  // relaxed: see advice

void report_warning(const char* text) noexcept {
  Text t;
  t.put("hakmem: warning: ").put(text).put("\n");
  LinuxPlatform::write_error(t.data(), t.size());
}

}  // namespace hakmem
