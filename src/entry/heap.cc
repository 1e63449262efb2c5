#include "entry/heap.h"

#include <limits.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "entry/background.h"
#include "entry/options.h"
#include "entry/recorder.h"
#include "entry/report_file.h"
#include "entry/settings.h"
#include "entry/stats_dump.h"
#include "entry/stats_output.h"
#include "entry/variables.h"
#include "pal/sandbox.h"
#include "pal/start_gate.h"

// Laid out one after the other: what the loader relocates, and what a start writes, are few pages.
#if defined(__clang__)
#define HAKMEM_IN_THIS_ORDER  // Clang's order anyway
#else
#define HAKMEM_IN_THIS_ORDER [[gnu::no_reorder]]
#endif

namespace hakmem::heap {
namespace {

using Ctx = ProductionContext;

// Before a thread's first call, and after its exit.
HAKMEM_IN_THIS_ORDER constinit Ctx g_no_context;
constinit StartGate<ProductionConfig> g_start;
constinit Options g_options;  // written before g_start opens
constinit StdWorld::atomic<bool> g_told_of_size{false};
constinit StdWorld::atomic<bool> g_key_made{false};
pthread_key_t g_exit_key;

// Destructors run in rounds, as long as values are set anew. Other keys' destructors use the heap
// as well, before ours and after: the thread keeps its context until the last round.
constinit thread_local int t_exit_rounds __attribute__((tls_model("initial-exec"))) = 0;
#if defined(__has_feature)
#define HAKMEM_HAS_FEATURE(x) __has_feature(x)
#else
#define HAKMEM_HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAKMEM_HAS_FEATURE(thread_sanitizer)
constexpr int kExitRounds = PTHREAD_DESTRUCTOR_ITERATIONS - 1;  // its own thread ends in the last
#else
constexpr int kExitRounds = PTHREAD_DESTRUCTOR_ITERATIONS;
#endif

bool has_exited() noexcept { return t_exit_rounds == kExitRounds; }

void on_thread_exit(void* ctx) noexcept {
  const bool again = ++t_exit_rounds < kExitRounds;
  if (again && pthread_setspecific(g_exit_key, ctx) == 0) return;
  t_exit_rounds = kExitRounds;
  t_context = &g_no_context;
  g_allocator.park_context(*static_cast<Ctx*>(ctx));
  if (HAKMEM_UNLIKELY(recording())) record(trace::Kind::kThreadExit, 0, 1, nullptr);
}

std::uint32_t g_forking_process;  // under every lock

// Prepare handlers run in the reverse order of their registration, the others in its order: a
// handler registered before ours runs with every lock held by its thread (OutsideFork).
void on_fork_prepare() noexcept HAKMEM_UNCHECKED {
  g_start.lock_for_fork();
  recorder_fork_prepare();
  g_allocator.fork_prepare(t_context);
  g_forking_process = LinuxPlatform::process();
  t_forking = true;
}

void on_fork_parent() noexcept HAKMEM_UNCHECKED {
  t_forking = false;
  g_allocator.fork_parent();
  recorder_fork_parent();
  g_start.unlock_after_fork();
}

void on_fork_child() noexcept HAKMEM_UNCHECKED {
  if (!t_forking) return;  // another's handler wanted memory before
  t_forking = false;
  g_allocator.fork_child(t_context->number == 0 ? nullptr : t_context);
  recorder_fork_child();
  stats_dump_fork_child();
  background_fork_child();
  g_start.unlock_after_fork();
}

// What follows may call malloc, so the allocator must be ready by then.
void register_hooks() noexcept {
  if (pthread_key_create(&g_exit_key, on_thread_exit) == 0) g_key_made.store_release(true);  // B2
  pthread_atfork(on_fork_prepare, on_fork_parent, on_fork_child);
}

HAKMEM_COLD void start_slow() noexcept {
  const bool first = g_start.open([] {
    LinuxPlatform::start();
    start_report_file();
    PolicySnapshot policy = policy_from_environment();
    policy.every_call_slow = start_recording();
    g_allocator.set_limit(limits_from_environment());
    g_options = options_from_environment();
    if (g_options.sandboxed) expect_sandbox();
    g_allocator.set_memory_options(g_options.memory);
    g_allocator.init(policy);
  });
  if (!first) return;
  register_hooks();
  start_stats_dump(g_options.stats);
  if (g_options.background) want_background();
}

void ensure_started() noexcept {
  if (HAKMEM_UNLIKELY(!g_start.is_open())) start_slow();
}

// Runs `call(ctx)` with a context. A thread that has already given its own back (libc still frees
// after the last thread-exit hooks) borrows one for the length of the call.
template <class Call>
auto with_context(Call&& call) noexcept {
  Ctx* ctx = t_context;
  if (HAKMEM_LIKELY(ctx->number != 0)) return call(ctx);
  if (!has_exited()) return call(context());
  Ctx* const borrowed = g_allocator.attach_context();
  if constexpr (std::is_void_v<decltype(call(ctx))>) {
    call(borrowed);
    if (borrowed != nullptr) g_allocator.park_context(*borrowed);
  } else {
    const auto result = call(borrowed);
    if (borrowed != nullptr) g_allocator.park_context(*borrowed);
    return result;
  }
}

// As with_context, for a call that gives memory or nullptr. Before the program is told that there
// is none, what the other heaps keep for later is given up: cached mappings, empty chunks.
template <class Call>
void* with_memory(Call&& call) noexcept {
  void* const p = with_context(call);
  if (HAKMEM_LIKELY(p != nullptr) || trim() == 0) return p;
  return with_context(call);
}

// The result of a call that obtains memory, on its way out.
void* recorded(trace::Kind kind, std::size_t n, std::size_t alignment, void* p) noexcept {
  if (HAKMEM_UNLIKELY(recording())) record(kind, n, alignment, p);
  return p;
}

[[maybe_unused]] bool fits(const BlockView& live, const void* p, std::size_t n,
                           std::size_t alignment, SizeRule rule) noexcept {
  const bool aligned =
      alignment == 0 || (is_power_of_two(alignment) && ClientPtr(p).address() % alignment == 0);
  return aligned && g_allocator.size_fits(live, alignment, n, rule);
}

// The size is the compiler's, of the type that the program deletes: a block with room behind the
// object has another, in programs that run everywhere else. So it ends them only when asked to.
[[maybe_unused]] HAKMEM_COLD void wrong_size(BlockView& view, const void* p, std::size_t n,
                                             const char* operation) noexcept {
  view.fault = Fault::kSizeMismatch;
  if (g_options.sized_delete == SizedDelete::kAbort) {
    g_allocator.fail(t_context, p, operation, view, n);
  }
  if (g_options.sized_delete == SizedDelete::kOff) return;
  if (g_told_of_size.exchange_relaxed(true)) return;  // relaxed: a flag, and nothing behind it
  report_sized_delete({operation, ClientPtr(p).address(), n, 0}, view);
}

bool too_large(std::size_t n) noexcept { return n > PTRDIFF_MAX; }

HAKMEM_NOINLINE void* obtain(std::size_t n) noexcept {
  if (too_large(n)) return nullptr;
  const OutsideFork outside;
  ensure_started();
  serve_stats();
  serve_background();
  return recorded(trace::Kind::kMalloc, n, 1,
                  with_memory([n](Ctx* ctx) { return g_allocator.allocate_slow(ctx, n); }));
}

// Requires: n <= kBlockMax.
HAKMEM_NOINLINE void* obtain_zeroed(std::size_t n) noexcept {
  const OutsideFork outside;
  ensure_started();
  serve_stats();
  serve_background();
  return recorded(trace::Kind::kCalloc, n, 1,
                  with_memory([n](Ctx* ctx) { return g_allocator.allocate_zeroed_slow(ctx, n); }));
}

}  // namespace

// A program that links the static library prints statistics at its exit and names unknown
// variables, too.
[[gnu::used]] static void (*const kPullsStatsOutput)() noexcept = &print_stats_v3;
[[gnu::used]] static void (*const kPullsVariables)() noexcept = &name_unknown_variables;

HAKMEM_IN_THIS_ORDER constinit ProductionAllocator g_allocator;
constinit thread_local bool t_forking __attribute__((tls_model("initial-exec"))) = false;
constinit thread_local Ctx* t_context __attribute__((tls_model("initial-exec"))) = &g_no_context;

// In the child all locks are let go for good.
bool OutsideFork::leave() noexcept {
  if (LinuxPlatform::process() != g_forking_process) {
    on_fork_child();
    return false;
  }
  on_fork_parent();
  return true;
}
void OutsideFork::come_back() noexcept { on_fork_prepare(); }

ProductionAllocator& allocator() noexcept {
  ensure_started();
  return g_allocator;
}

Ctx* context() noexcept {
  if (t_context->number != 0) return t_context;
  ensure_started();
  if (has_exited()) return nullptr;
  if (t_context->number != 0) return t_context;  // starting up allocated
  Ctx* const ctx = g_allocator.attach_context();
  if (ctx == nullptr) return nullptr;
  t_context = ctx;
  // May allocate in turn, which is why the context is in place before.
  if (g_key_made.load_acquire()) pthread_setspecific(g_exit_key, ctx);  // B2
  return ctx;
}

void* allocate_slow(std::size_t n) noexcept { return obtain(n); }

void* allocate_zeroed_slow(std::size_t n) noexcept {
  if (n <= ProductionGeometry::kBlockMax) return obtain_zeroed(n);
  if (too_large(n)) return nullptr;
  const OutsideFork outside;
  ensure_started();
  return recorded(trace::Kind::kCalloc, n, 1,
                  with_memory([n](Ctx* ctx) { return g_allocator.allocate_zeroed(ctx, n); }));
}

void* allocate_aligned_slow(std::size_t alignment, std::size_t n) noexcept {
  if (too_large(n)) return nullptr;
  const OutsideFork outside;
  ensure_started();
  return recorded(trace::Kind::kAligned, n, alignment, with_memory([=](Ctx* ctx) {
                    return g_allocator.allocate_aligned_slow(ctx, alignment, n);
                  }));
}

void* reallocate(void* p, std::size_t n) noexcept {
  const bool stays = stays_in_place_fast<ProductionConfig>(g_allocator.boxes().arena, p, n,
                                                           g_allocator.leaves_more());
  if (HAKMEM_LIKELY(stays && !recording())) return p;
  if (too_large(n)) return nullptr;
  const OutsideFork outside;
  ensure_started();
  if (HAKMEM_UNLIKELY(recording())) record(trace::Kind::kReallocFrom, n, 1, p);
  return recorded(trace::Kind::kReallocTo, n, 1,
                  with_memory([=](Ctx* ctx) { return g_allocator.reallocate(ctx, p, n); }));
}

void deallocate_slow(void* p, const char* operation) noexcept {
  if (p == nullptr) return;
  const OutsideFork outside;
  ensure_started();
  serve_stats();
  serve_background();
  if (HAKMEM_UNLIKELY(recording())) record(trace::Kind::kFree, 0, 1, p);
  with_context([=](Ctx* ctx) { g_allocator.deallocate_slow(ctx, p, operation); });
}

void deallocate_sized_slow(void* p, std::size_t n, std::size_t alignment, SizeRule rule,
                           const char* operation) noexcept {
  if (p == nullptr) return;
  const OutsideFork outside;
  if constexpr (ProductionConfig::kMitigations.check_frees) {
    BlockView view = g_allocator.locate_live(t_context, p, operation);
    if (!fits(view, p, n, alignment, rule)) {
      view.fault = Fault::kSizeMismatch;
      g_allocator.fail(t_context, p, operation, view, n);
    }
  }
  deallocate_slow(p, operation);
}

void delete_sized_slow(void* p, std::size_t n, std::size_t alignment,
                       const char* operation) noexcept {
  if (p == nullptr) return;
  if constexpr (ProductionConfig::kMitigations.check_frees) {
    BlockView view = g_allocator.locate_live(t_context, p, operation);
    if (!fits(view, p, n, alignment, SizeRule::kAllocated)) wrong_size(view, p, n, operation);
  }
  deallocate_slow(p, operation);
}

const Options& options() noexcept {
  ensure_started();
  return g_options;
}

std::size_t usable_size_slow(const void* p, const char* operation) noexcept {
  if (p == nullptr) return 0;
  const OutsideFork outside;
  return g_allocator.locate_live(t_context, p, operation).block_size;
}

std::size_t trim() noexcept {
  const OutsideFork outside;
  ensure_started();
  return with_context([](Ctx* ctx) { return g_allocator.trim(ctx); });
}

std::size_t purge() noexcept {
  const OutsideFork outside;
  return allocator().purge();
}

}  // namespace hakmem::heap
