// All operator new and delete of the C++ runtime, over heap.h. Memory at the first try comes from
// the inlined hot path; everything else is in override_new.h. Sized deletes have the size checked
// in flavours with checks.
//
// A program may replace some of them and not others. The standard says what our others then do
// ([new.delete.single], [new.delete.array]): a nothrow form calls the one that throws, an array
// form the single one, a sized or nothrow delete the plain one. So each of these has a Reach:
// closed when what it has to call is not ours, and then every call takes the slow path, which calls
// it. A replacement is seen by the name's address, which ld.so or the linker has settled; all names
// here are weak, so that a static program may define any of them. Tests:
// tests/link/replaced_new.sh.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <new>

#include "entry/heap.h"
#include "entry/override_new.h"

namespace heap = hakmem::heap;
using hakmem::ClientPtr;
using hakmem::ProductionConfig;
using heap::Replaceable;
using Align = std::align_val_t;
using NoThrow = const std::nothrow_t&;

#define HAKMEM_OPERATOR [[gnu::weak, gnu::visibility("default")]]

// The replaceable ones under names that always mean ours.
#define HAKMEM_OURS(name) gnu::alias(name), gnu::visibility("hidden")
#define HAKMEM_GIVES gnu::malloc, gnu::alloc_size(1)  // what GCC says of each operator new
extern "C" {
[[HAKMEM_OURS("_Znwm"), HAKMEM_GIVES]] void* hakmem_new(std::size_t);
[[HAKMEM_OURS("_Znam"), HAKMEM_GIVES]] void* hakmem_new_array(std::size_t);
[[HAKMEM_OURS("_ZnwmSt11align_val_t"), HAKMEM_GIVES]] void* hakmem_new_aligned(std::size_t, Align);
[[HAKMEM_OURS("_ZnamSt11align_val_t"), HAKMEM_GIVES]] void* hakmem_new_array_aligned(std::size_t,
                                                                                     Align);
[[HAKMEM_OURS("_ZdlPv")]] void hakmem_delete(void*) noexcept;
[[HAKMEM_OURS("_ZdaPv")]] void hakmem_delete_array(void*) noexcept;
[[HAKMEM_OURS("_ZdlPvSt11align_val_t")]] void hakmem_delete_aligned(void*, Align) noexcept;
[[HAKMEM_OURS("_ZdaPvSt11align_val_t")]] void hakmem_delete_array_aligned(void*, Align) noexcept;
// The others, so that each has a name that is not weak: memcheck takes the place of those only, and
// in a static program must take that of all or none.
[[HAKMEM_OURS("_ZnwmRKSt9nothrow_t"), HAKMEM_GIVES]] void* hakmem_new_nothrow(std::size_t,
                                                                              NoThrow) noexcept;
[[HAKMEM_OURS("_ZnamRKSt9nothrow_t"), HAKMEM_GIVES]] void* hakmem_new_array_nothrow(
    std::size_t, NoThrow) noexcept;
[[HAKMEM_OURS("_ZnwmSt11align_val_tRKSt9nothrow_t"), HAKMEM_GIVES]] void*
hakmem_new_aligned_nothrow(std::size_t, Align, NoThrow) noexcept;
[[HAKMEM_OURS("_ZnamSt11align_val_tRKSt9nothrow_t"), HAKMEM_GIVES]] void*
hakmem_new_array_aligned_nothrow(std::size_t, Align, NoThrow) noexcept;
[[HAKMEM_OURS("_ZdlPvRKSt9nothrow_t")]] void hakmem_delete_nothrow(void*, NoThrow) noexcept;
[[HAKMEM_OURS("_ZdaPvRKSt9nothrow_t")]] void hakmem_delete_array_nothrow(void*, NoThrow) noexcept;
[[HAKMEM_OURS("_ZdlPvm")]] void hakmem_delete_sized(void*, std::size_t) noexcept;
[[HAKMEM_OURS("_ZdaPvm")]] void hakmem_delete_array_sized(void*, std::size_t) noexcept;
[[HAKMEM_OURS("_ZdlPvSt11align_val_tRKSt9nothrow_t")]] void hakmem_delete_aligned_nothrow(
    void*, Align, NoThrow) noexcept;
[[HAKMEM_OURS("_ZdaPvSt11align_val_tRKSt9nothrow_t")]] void hakmem_delete_array_aligned_nothrow(
    void*, Align, NoThrow) noexcept;
[[HAKMEM_OURS("_ZdlPvmSt11align_val_t")]] void hakmem_delete_aligned_sized(void*, std::size_t,
                                                                           Align) noexcept;
[[HAKMEM_OURS("_ZdaPvmSt11align_val_t")]] void hakmem_delete_array_aligned_sized(void*, std::size_t,
                                                                                 Align) noexcept;
}

namespace {

// ---- who is called ----------------------------------------------------------------------------

// Where the hot path ends for the forms that call one function; as it begins, no call takes it.
// Written once, before there are other threads that could see half of it; not atomic, because that
// would cost the hot path an instruction.
struct Reach {
  std::size_t fine_end = 0;
  std::size_t block_end = 0;
  std::size_t aligned_end = 0;
  std::uintptr_t arena_base = hakmem::Arena<ProductionConfig>::kNowhere;
};

struct Reaches {
  Reach new_single, new_array, new_aligned, new_array_aligned;
  Reach delete_single, delete_array, delete_aligned, delete_array_aligned;
};
constinit Reaches g_via;

template <class Function>
bool same(Function* named, Function* ours) noexcept {
  asm("" : "+r"(named));  // or the compiler takes one for the other
  return named == ours;
}

using New = void*(std::size_t);
using NewAligned = void*(std::size_t, Align);
using Delete = void(void*) noexcept;
using DeleteAligned = void(void*, Align) noexcept;

bool new_is_ours() noexcept { return same<New>(&::operator new, &hakmem_new); }
bool delete_is_ours() noexcept { return same<Delete>(&::operator delete, &hakmem_delete); }
bool new_aligned_is_ours() noexcept {
  return same<NewAligned>(&::operator new, &hakmem_new_aligned);
}
bool delete_aligned_is_ours() noexcept {
  return same<DeleteAligned>(&::operator delete, &hakmem_delete_aligned);
}
// Ours, and what it calls in turn.
bool new_array_is_ours() noexcept {
  return same<New>(&::operator new[], &hakmem_new_array) && new_is_ours();
}
bool delete_array_is_ours() noexcept {
  return same<Delete>(&::operator delete[], &hakmem_delete_array) && delete_is_ours();
}
bool new_array_aligned_is_ours() noexcept {
  return same<NewAligned>(&::operator new[], &hakmem_new_array_aligned) && new_aligned_is_ours();
}
bool delete_array_aligned_is_ours() noexcept {
  return same<DeleteAligned>(&::operator delete[], &hakmem_delete_array_aligned) &&
         delete_aligned_is_ours();
}

// Until this has run all forms are slow, and right.
[[gnu::constructor(101)]] void open_reaches() noexcept {
  const Reach open = {hakmem::Everything<ProductionConfig>::fine_end,
                      hakmem::Everything<ProductionConfig>::block_end,
                      hakmem::kAlignedEnd<ProductionConfig>,
                      heap::allocator().boxes().arena.base()};
  const auto reach = [&open](bool ours) noexcept { return ours ? open : Reach{}; };
  g_via.new_single = reach(new_is_ours());
  g_via.new_array = reach(new_array_is_ours());
  g_via.new_aligned = reach(new_aligned_is_ours());
  g_via.new_array_aligned = reach(new_array_aligned_is_ours());
  g_via.delete_single = reach(delete_is_ours());
  g_via.delete_array = reach(delete_array_is_ours());
  g_via.delete_aligned = reach(delete_aligned_is_ours());
  g_via.delete_array_aligned = reach(delete_array_aligned_is_ours());
}

// ---- operator new -----------------------------------------------------------------------------

HAKMEM_NOINLINE void* new_slow(std::size_t n) { return heap::new_or_throw({n, 1}); }
HAKMEM_NOINLINE void* new_array_slow(std::size_t n) {
  return new_is_ours() ? heap::new_or_throw({n, 1}) : ::operator new(n);
}
HAKMEM_NOINLINE void* new_nothrow_slow(std::size_t n) noexcept {
  return new_is_ours() ? heap::new_or_null({n, 1}) : heap::call_or_null(Replaceable::kNew, n, 1);
}
HAKMEM_NOINLINE void* new_array_nothrow_slow(std::size_t n) noexcept {
  return new_array_is_ours() ? heap::new_or_null({n, 1})
                             : heap::call_or_null(Replaceable::kNewArray, n, 1);
}

// An alignment that is no power of two cannot be met: as if out of memory for ever.
heap::NewRequest request_of(std::size_t n, std::size_t alignment) noexcept {
  return hakmem::is_power_of_two(alignment) ? heap::NewRequest{n, alignment}
                                            : heap::NewRequest{SIZE_MAX, 1};
}
HAKMEM_NOINLINE void* new_aligned_slow(std::size_t n, std::size_t a) {
  return heap::new_or_throw(request_of(n, a));
}
HAKMEM_NOINLINE void* new_array_aligned_slow(std::size_t n, std::size_t a) {
  return new_aligned_is_ours() ? heap::new_or_throw(request_of(n, a)) : ::operator new(n, Align(a));
}
HAKMEM_NOINLINE void* new_aligned_nothrow_slow(std::size_t n, std::size_t a) noexcept {
  return new_aligned_is_ours() ? heap::new_or_null(request_of(n, a))
                               : heap::call_or_null(Replaceable::kNewAligned, n, a);
}
HAKMEM_NOINLINE void* new_array_aligned_nothrow_slow(std::size_t n, std::size_t a) noexcept {
  return new_array_aligned_is_ours() ? heap::new_or_null(request_of(n, a))
                                     : heap::call_or_null(Replaceable::kNewArrayAligned, n, a);
}

template <class Ends, class Slow>
HAKMEM_ALWAYS_INLINE void* new_via(const Ends& reach, std::size_t n,
                                   Slow slow) noexcept(noexcept(slow(n))) {
  return hakmem::allocate_within<ProductionConfig>(
      reach, heap::t_context, n, [=]() noexcept(noexcept(slow(n))) { return slow(n); });
}
template <class Slow>
HAKMEM_ALWAYS_INLINE void* new_aligned_within(std::size_t end, std::size_t n, Align alignment,
                                              Slow slow) noexcept(noexcept(slow(n, n))) {
  const auto a = static_cast<std::size_t>(alignment);
  if (HAKMEM_UNLIKELY(!hakmem::is_power_of_two(a))) return slow(n, a);
  return hakmem::allocate_aligned_fast<ProductionConfig>(
      end, heap::t_context, a, n, [=]() noexcept(noexcept(slow(n, a))) { return slow(n, a); });
}

// ---- operator delete --------------------------------------------------------------------------

constexpr const char* kDelete = "operator delete";
constexpr const char* kDeleteArray = "operator delete[]";

HAKMEM_NOINLINE void delete_slow(void* p, const char* operation) noexcept {
  delete_is_ours() ? heap::deallocate_slow(p, operation) : ::operator delete(p);
}
HAKMEM_NOINLINE void delete_array_slow(void* p) noexcept {
  delete_array_is_ours() ? heap::deallocate_slow(p, kDeleteArray) : ::operator delete[](p);
}
HAKMEM_NOINLINE void delete_sized_slow(void* p, std::size_t n) noexcept {
  delete_is_ours() ? heap::delete_sized_slow(p, n, 1, kDelete) : ::operator delete(p);
}
HAKMEM_NOINLINE void delete_array_sized_slow(void* p, std::size_t n) noexcept {
  delete_array_is_ours() ? heap::delete_sized_slow(p, n, 1, kDeleteArray) : ::operator delete[](p);
}
HAKMEM_NOINLINE void delete_aligned_slow(void* p, Align a, const char* operation) noexcept {
  delete_aligned_is_ours() ? heap::deallocate_slow(p, operation) : ::operator delete(p, a);
}
HAKMEM_NOINLINE void delete_array_aligned_slow(void* p, Align a) noexcept {
  delete_array_aligned_is_ours() ? heap::deallocate_slow(p, kDeleteArray)
                                 : ::operator delete[](p, a);
}
HAKMEM_NOINLINE void delete_aligned_sized_slow(void* p, std::size_t n, Align a) noexcept {
  delete_aligned_is_ours() ? heap::delete_sized_slow(p, n, static_cast<std::size_t>(a), kDelete)
                           : ::operator delete(p, a);
}
HAKMEM_NOINLINE void delete_array_aligned_sized_slow(void* p, std::size_t n, Align a) noexcept {
  delete_array_aligned_is_ours()
      ? heap::delete_sized_slow(p, n, static_cast<std::size_t>(a), kDeleteArray)
      : ::operator delete[](p, a);
}

template <class Slow>
HAKMEM_ALWAYS_INLINE void delete_via(const Reach& reach, void* p, Slow slow) noexcept {
  const auto& arena = heap::g_allocator.boxes().arena;
  if (HAKMEM_UNLIKELY(!arena.contains_from(reach.arena_base, ClientPtr(p)))) return slow();
  hakmem::deallocate_within<ProductionConfig>(arena, heap::t_context, p, slow);
}
template <class Slow>
HAKMEM_ALWAYS_INLINE void delete_sized_via(const Reach& reach, void* p, std::size_t n,
                                           const char* operation, Slow slow) noexcept {
  heap::deallocate_sized_within(reach.arena_base, p, n, operation, slow);
}
template <class Slow>
HAKMEM_ALWAYS_INLINE void delete_aligned_via(const Reach& reach, void* p, std::size_t n, Align a,
                                             const char* operation, Slow slow) noexcept {
  const auto alignment = static_cast<std::size_t>(a);
  heap::deallocate_aligned_within(reach.arena_base, p, alignment, n, operation, slow);
}

}  // namespace

// ---- the twenty -------------------------------------------------------------------------------

HAKMEM_OPERATOR void* operator new(std::size_t n) {
  return new_via(hakmem::Everything<ProductionConfig>{}, n, new_slow);
}
HAKMEM_OPERATOR void* operator new[](std::size_t n) {
  return new_via(g_via.new_single, n, new_array_slow);
}
HAKMEM_OPERATOR void* operator new(std::size_t n, NoThrow) noexcept {
  return new_via(g_via.new_single, n, new_nothrow_slow);
}
HAKMEM_OPERATOR void* operator new[](std::size_t n, NoThrow) noexcept {
  return new_via(g_via.new_array, n, new_array_nothrow_slow);
}
HAKMEM_OPERATOR void* operator new(std::size_t n, Align a) {
  return new_aligned_within(hakmem::kAlignedEnd<ProductionConfig>, n, a, new_aligned_slow);
}
HAKMEM_OPERATOR void* operator new[](std::size_t n, Align a) {
  return new_aligned_within(g_via.new_aligned.aligned_end, n, a, new_array_aligned_slow);
}
HAKMEM_OPERATOR void* operator new(std::size_t n, Align a, NoThrow) noexcept {
  return new_aligned_within(g_via.new_aligned.aligned_end, n, a, new_aligned_nothrow_slow);
}
HAKMEM_OPERATOR void* operator new[](std::size_t n, Align a, NoThrow) noexcept {
  return new_aligned_within(g_via.new_array_aligned.aligned_end, n, a,
                            new_array_aligned_nothrow_slow);
}

HAKMEM_OPERATOR void operator delete(void* p) noexcept { heap::deallocate(p, kDelete); }
HAKMEM_OPERATOR void operator delete[](void* p) noexcept {
  delete_via(g_via.delete_single, p, [p] { delete_slow(p, kDeleteArray); });
}
HAKMEM_OPERATOR void operator delete(void* p, NoThrow) noexcept {
  delete_via(g_via.delete_single, p, [p] { delete_slow(p, kDelete); });
}
HAKMEM_OPERATOR void operator delete[](void* p, NoThrow) noexcept {
  delete_via(g_via.delete_array, p, [p] { delete_array_slow(p); });
}
HAKMEM_OPERATOR void operator delete(void* p, std::size_t n) noexcept {
  delete_sized_via(g_via.delete_single, p, n, kDelete, [=] { delete_sized_slow(p, n); });
}
HAKMEM_OPERATOR void operator delete[](void* p, std::size_t n) noexcept {
  delete_sized_via(g_via.delete_array, p, n, kDeleteArray, [=] { delete_array_sized_slow(p, n); });
}
HAKMEM_OPERATOR void operator delete(void* p, Align) noexcept { heap::deallocate(p, kDelete); }
HAKMEM_OPERATOR void operator delete[](void* p, Align a) noexcept {
  delete_via(g_via.delete_aligned, p, [=] { delete_aligned_slow(p, a, kDeleteArray); });
}
HAKMEM_OPERATOR void operator delete(void* p, Align a, NoThrow) noexcept {
  delete_via(g_via.delete_aligned, p, [=] { delete_aligned_slow(p, a, kDelete); });
}
HAKMEM_OPERATOR void operator delete[](void* p, Align a, NoThrow) noexcept {
  delete_via(g_via.delete_array_aligned, p, [=] { delete_array_aligned_slow(p, a); });
}
HAKMEM_OPERATOR void operator delete(void* p, std::size_t n, Align a) noexcept {
  delete_aligned_via(g_via.delete_aligned, p, n, a, kDelete,
                     [=] { delete_aligned_sized_slow(p, n, a); });
}
HAKMEM_OPERATOR void operator delete[](void* p, std::size_t n, Align a) noexcept {
  delete_aligned_via(g_via.delete_array_aligned, p, n, a, kDeleteArray,
                     [=] { delete_array_aligned_sized_slow(p, n, a); });
}

// A static program that has our operator new has our malloc too, not a second heap beside it.
[[gnu::used]] static void* (*const kPullsMalloc)(std::size_t) = &malloc;
