// differential: one trace on four allocators that differ only in what a program must not notice:
// all on v3, all on v1, without checks, and C7 alone on v3 with statistics on. What a program sees
// must be the same: whether it gets a block, how much of it may be used, whether realloc moved it,
// and what is in it. No reference model here: they judge each other. In production's geometry two
// at a time, chosen by byte 3 of the input.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "fuzz/check.h"
#include "fuzz/trace_input.h"
#include "fuzz/trace_mutator.h"
#include "heap/allocator.h"
#include "heap/allocator_members.h"
#include "inspect/audit.h"
#include "models/lockstep/blocks.h"
#include "models/lockstep/lockstep_configs.h"

namespace hakmem::fuzz {
namespace {

using model::Op;
using model::OpKind;

// What one op shows to the program.
struct Seen {
  bool served = false;
  bool moved = false;
  std::size_t usable = 0;
  bool operator==(const Seen&) const = default;
};

template <class C>
class Tenant {
 public:
  Tenant(std::uint64_t seed, const PolicySnapshot& policy) {
    model::NextPlatform::next_seed = seed;
    heap_ = std::make_unique<Allocator<C>>();
    heap_->init(policy);
    for (auto*& ctx : contexts_) ctx = heap_->attach_context();
  }

  Seen step(const Op& op) {
    ctx_ = &contexts_[op.thread % contexts_.size()];
    switch (op.kind) {
      case OpKind::kMalloc:
      case OpKind::kCalloc:
      case OpKind::kAligned:
        return allocate(op);
      case OpKind::kRealloc:
        return blocks_.empty() ? Seen{} : reallocate(op);
      case OpKind::kFree:
      case OpKind::kFreeSized:
        return blocks_.empty() ? Seen{} : free(pick(op));
      case OpKind::kUsable:
        return blocks_.empty() ? Seen{} : look(blocks_[pick(op)]);
      case OpKind::kThreadExit:
        return exit_thread();
      case OpKind::kTrim:
        heap_->trim(*ctx_);
        return {};
      case OpKind::kClock:
        heap_->boxes().platform.advance_clock_ms(op.arg % 5000);
        return {};
      default:
        return {};
    }
  }

  void finish() {
    const char* const broken = audit(*heap_);
    if (broken != nullptr) fail(std::string("law ") + broken + " is broken");
    while (!blocks_.empty()) free(0);
    require(heap_->boxes().platform.foreign_calls() == 0, "calls about foreign memory");
  }

 private:
  struct Block {
    unsigned char* at;
    std::size_t asked;
    std::uint64_t mark;
    std::size_t alignment;
    bool resized;
    bool was_large;
  };

  std::size_t pick(const Op& op) const { return blocks_.size() - 1 - op.block % blocks_.size(); }

  static bool may_write(const void* at, std::size_t bytes) {
    return model::may_write<typename C::Platform>(at, bytes);
  }
  // The first and last bytes that were asked for carry the mark.
  [[gnu::noinline]] static void write(const Block& b) {
    const std::size_t end = std::min<std::size_t>(b.asked, 256);
    require(may_write(b.at, end) && may_write(b.at + b.asked - end, end),
            "a block in closed memory");
    for (std::size_t i = 0; i < b.asked; i += 8) {
      const std::uint64_t mark = b.mark + i;
      std::memcpy(b.at + i, &mark, std::min<std::size_t>(8, b.asked - i));
      if (i == 64 && b.asked > 256) i = b.asked / 8 * 8 - 64;
    }
  }
  [[gnu::noinline]] static void check(const Block& b, std::size_t bytes) {
    for (std::size_t i = 0; i < b.asked; i += 8) {
      const std::uint64_t mark = b.mark + i;
      if (i + 8 <= bytes) require(std::memcmp(b.at + i, &mark, 8) == 0, "contents of a block");
      if (i == 64 && b.asked > 256) i = b.asked / 8 * 8 - 64;
    }
  }
  // Which mapping out of the cache of large ones fits depends on where the kernel had put it, and
  // so do its length and what realloc makes of it: not compared.
  bool is_large(const void* p) { return std::strcmp(heap_->locate(p).heap, "large") == 0; }
  Seen look(const Block& b) {
    const BlockView view = heap_->locate(b.at);
    require(view.fault == Fault::kNone, "a live block is refused");
    require(view.block_size >= b.asked, "usable size");
    return {true, false, b.was_large ? 0 : view.block_size};
  }

  Seen allocate(const Op& op) {
    const std::size_t n = op.size % (3 * C::Geometry::kBlockMax);
    const std::size_t alignment = op.kind == OpKind::kAligned ? std::size_t{1} << op.arg % 14 : 1;
    void* const p = op.kind == OpKind::kAligned  ? heap_->allocate_aligned(*ctx_, alignment, n)
                    : op.kind == OpKind::kCalloc ? heap_->allocate_zeroed(*ctx_, n)
                                                 : heap_->allocate(*ctx_, n);
    if (p == nullptr) return {};
    require(reinterpret_cast<std::uintptr_t>(p) % alignment == 0, "alignment");
    auto* const at = static_cast<unsigned char*>(p);
    if (op.kind == OpKind::kCalloc) {
      require(model::Pattern::zero(at, n), "calloc's memory is zero");
    }
    blocks_.push_back({at, n, next_mark_ += 0x0101010101010101u, alignment, false, is_large(p)});
    write(blocks_.back());
    return look(blocks_.back());
  }

  Seen reallocate(const Op& op) {
    Block& b = blocks_[pick(op)];
    const std::size_t n = 1 + op.size % (3 * C::Geometry::kBlockMax - 1);
    check(b, b.asked);
    auto* const p = static_cast<unsigned char*>(heap_->reallocate(*ctx_, b.at, n));
    if (p == nullptr) return {};
    b.was_large = b.was_large || is_large(p);
    const bool moved = p != b.at && !b.was_large;
    b.at = p;
    require(may_write(p, n), "a block in closed memory");  // all of it: realloc has copied
    check(b, std::min(b.asked, n));
    b.asked = n;
    b.alignment = 1;
    b.resized = true;
    b.mark = next_mark_ += 0x0101010101010101u;
    write(b);
    return {true, moved, look(b).usable};
  }

  Seen free(std::size_t index) {
    const Block b = blocks_[index];
    const Seen seen = look(b);
    check(b, b.asked);
    const SizeRule rule = b.resized ? SizeRule::kMayBeShrunk : SizeRule::kAllocated;
    require(heap_->size_fits(heap_->locate(b.at), b.alignment, b.asked, rule),
            "the size asked for");
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
    heap_->deallocate(*ctx_, b.at);
    if (C::kMitigations.check_frees) {
      require(heap_->locate(b.at).fault != Fault::kNone, "a freed block is said to be live");
    }
    return seen;
  }

  Seen exit_thread() {
    heap_->park_context(**ctx_);
    *ctx_ = heap_->attach_context();
    return {*ctx_ != nullptr, false, 0};
  }

  std::unique_ptr<Allocator<C>> heap_;
  std::array<Context<C>*, 3> contexts_{};
  Context<C>** ctx_ = &contexts_[0];
  std::vector<Block> blocks_;
  std::uint64_t next_mark_ = 0;
};

PolicySnapshot policy_with(std::uint32_t mask, bool count) {
  PolicySnapshot policy = default_policy();
  policy.set_v3_mask(mask);
  policy.count = count;
  return policy;
}

template <class C>
struct OnV3 : Tenant<C> {
  explicit OnV3(std::uint64_t seed) : Tenant<C>(seed, policy_with(kMaskAll, false)) {}
};
template <class C>
struct OnV1 : Tenant<C> {
  explicit OnV1(std::uint64_t seed) : Tenant<C>(seed, policy_with(0, false)) {}
};
template <class C>
struct C7OnV3 : Tenant<C> {
  explicit C7OnV3(std::uint64_t seed) : Tenant<C>(seed, policy_with(kMaskC7, true)) {}
};

template <class First, class... Others>
void run(const TraceInput& input, std::span<const Op> ops) {
  First first(input.seed());
  std::tuple<std::unique_ptr<Others>...> others(std::make_unique<Others>(input.seed())...);
  const auto of_others = [&](auto&& work) {
    return std::apply([&](auto&... other) { return (work(*other) && ...); }, others);
  };
  for (const Op& op : ops) {
    const Seen seen = first.step(op);
    if (!of_others([&](auto& other) { return other.step(op) == seen; }))
      fail("the allocators differ at: " + text_of(op) + "\nin:\n" + text_of(input.ops));
  }
  first.finish();
  of_others([](auto& other) { return other.finish(), true; });
}

void run_small(const TraceInput& input) {
  using C = model::SmallHardened;
  run<OnV3<C>, OnV1<C>, C7OnV3<C>, OnV3<model::SmallPerf>>(input, ops_run<C>(input));
}

// To set up and take down one of these takes longer than the ops do.
void run_production(const TraceInput& input) {
  using C = model::ProductionHardened;
  const auto ops = ops_run<C>(input);
  const unsigned choice = input.header[3] % 4;
  if (choice == 0) return run<OnV3<C>, OnV1<C>>(input, ops);
  if (choice == 1) return run<OnV3<C>, C7OnV3<C>>(input, ops);
  run<OnV3<C>, OnV3<model::ProductionPerf>>(input, ops);
}

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem;
  const fuzz::TraceInput input = fuzz::decode_input(data, size);
  if (input.header[0] % 16 == 15) {
    fuzz::run_production(input);
  } else {
    fuzz::run_small(input);
  }
  return 0;
}
