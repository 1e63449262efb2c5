#include "entry/heap.h"

#include <pthread.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "entry/background.h"
#include "entry/options.h"
#include "entry/recorder.h"
#include "entry/settings.h"
#include "entry/stats_dump.h"
#include "entry/stats_output.h"
#include "entry/variables.h"
#include "pal/start_gate.h"

namespace hakmem::heap {
namespace {

using Ctx = ProductionContext;

constinit Ctx g_no_context;      // before a thread's first call
constinit Ctx g_exited_context;  // after its exit
constinit StartGate<ProductionConfig> g_start;
constinit StdWorld::atomic<bool> g_key_made{false};
pthread_key_t g_exit_key;

void on_thread_exit(void* ctx) noexcept {
  t_context = &g_exited_context;
  g_allocator.park_context(*static_cast<Ctx*>(ctx));
  if (HAKMEM_UNLIKELY(recording())) record(trace::Kind::kThreadExit, 0, 1, nullptr);
}

void on_fork_prepare() noexcept HAKMEM_UNCHECKED {
  g_start.lock_for_fork();
  recorder_fork_prepare();
  g_allocator.fork_prepare();
}

void on_fork_parent() noexcept HAKMEM_UNCHECKED {
  g_allocator.fork_parent();
  recorder_fork_parent();
  g_start.unlock_after_fork();
}

void on_fork_child() noexcept HAKMEM_UNCHECKED {
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
  Options options;
  const bool first = g_start.open([&options] {
    PolicySnapshot policy = policy_from_environment();
    policy.every_call_slow = start_recording();
    g_allocator.set_limit(limits_from_environment());
    options = options_from_environment();
    g_allocator.set_memory_options(options.memory);
    g_allocator.init(policy);
  });
  if (!first) return;
  register_hooks();
  start_stats_dump(options.stats);
  if (options.background) want_background();
}

void ensure_started() noexcept {
  if (HAKMEM_UNLIKELY(!g_start.is_open())) start_slow();
}

// Runs `call(ctx)` with a context. A thread that has already given its own back (memory is still
// allocated and freed after thread-exit hooks) borrows one for the length of the call.
template <class Call>
auto with_context(Call&& call) noexcept {
  Ctx* ctx = t_context;
  if (HAKMEM_LIKELY(ctx->number != 0)) return call(ctx);
  if (ctx != &g_exited_context) return call(context());
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

bool too_large(std::size_t n) noexcept { return n > PTRDIFF_MAX; }

HAKMEM_NOINLINE void* obtain(std::size_t n) noexcept {
  if (too_large(n)) return nullptr;
  ensure_started();
  serve_stats();
  serve_background();
  return recorded(trace::Kind::kMalloc, n, 1,
                  with_memory([n](Ctx* ctx) { return g_allocator.allocate_slow(ctx, n); }));
}

// Requires: n <= kBlockMax.
HAKMEM_NOINLINE void* obtain_zeroed(std::size_t n) noexcept {
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

constinit ProductionAllocator g_allocator;
constinit thread_local Ctx* t_context __attribute__((tls_model("initial-exec"))) = &g_no_context;

ProductionAllocator& allocator() noexcept {
  ensure_started();
  return g_allocator;
}

Ctx* context() noexcept {
  if (t_context->number != 0) return t_context;
  ensure_started();
  if (t_context == &g_exited_context) return nullptr;
  if (t_context->number != 0) return t_context;  // starting up allocated
  Ctx* const ctx = g_allocator.attach_context();
  if (ctx == nullptr) return nullptr;
  t_context = ctx;
  // May allocate in turn, which is why the context is in place before.
  if (g_key_made.load_acquire()) pthread_setspecific(g_exit_key, ctx);  // B2
  return ctx;
}

void* allocate_slow(std::size_t n) noexcept { return obtain(n); }

void* allocate_zeroed(std::size_t n) noexcept {
  if (too_large(n)) return nullptr;
  if (HAKMEM_LIKELY(n <= ProductionGeometry::kBlockMax)) {
    bool zeroed = false;
    void* const p = allocate_fast<ProductionConfig>(t_context, n, [n, &zeroed] {
      zeroed = true;
      return obtain_zeroed(n);
    });
    if (p != nullptr && !zeroed) std::memset(p, 0, n);
    return p;
  }
  ensure_started();
  return recorded(trace::Kind::kCalloc, n, 1,
                  with_memory([n](Ctx* ctx) { return g_allocator.allocate_zeroed(ctx, n); }));
}

void* allocate_aligned(std::size_t alignment, std::size_t n) noexcept {
  if (too_large(n)) return nullptr;
  ensure_started();
  return recorded(trace::Kind::kAligned, n, alignment, with_memory([=](Ctx* ctx) {
                    return g_allocator.allocate_aligned(ctx, alignment, n);
                  }));
}

void* reallocate(void* p, std::size_t n) noexcept {
  if (too_large(n)) return nullptr;
  ensure_started();
  if (HAKMEM_UNLIKELY(recording())) record(trace::Kind::kReallocFrom, n, 1, p);
  return recorded(trace::Kind::kReallocTo, n, 1,
                  with_memory([=](Ctx* ctx) { return g_allocator.reallocate(ctx, p, n); }));
}

void deallocate_slow(void* p, const char* operation) noexcept {
  if (p == nullptr) return;
  ensure_started();
  serve_stats();
  serve_background();
  if (HAKMEM_UNLIKELY(recording())) record(trace::Kind::kFree, 0, 1, p);
  with_context([=](Ctx* ctx) { g_allocator.deallocate_slow(ctx, p, operation); });
}

void deallocate_sized_slow(void* p, std::size_t n, std::size_t alignment, SizeRule rule,
                           const char* operation) noexcept {
  if (p == nullptr) return;
  if constexpr (ProductionConfig::kMitigations.check_frees) {
    BlockView view = g_allocator.locate_live(t_context, p, operation);
    const bool aligned = alignment == 0 || ClientPtr(p).address() % alignment == 0;
    if (!aligned || !g_allocator.size_fits(view, alignment, n, rule)) {
      view.fault = Fault::kSizeMismatch;
      g_allocator.fail(t_context, p, operation, view, n);
    }
  }
  deallocate_slow(p, operation);
}

std::size_t usable_size(const void* p, const char* operation) noexcept {
  if (p == nullptr) return 0;
  return g_allocator.locate_live(t_context, p, operation).block_size;
}

std::size_t trim() noexcept {
  ensure_started();
  return with_context([](Ctx* ctx) { return g_allocator.trim(ctx); });
}

std::size_t purge() noexcept { return allocator().purge(); }

}  // namespace hakmem::heap
