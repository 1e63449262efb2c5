// The hak_* functions on policy, counters and memory held (include/hakmem/hakmem.h).
#include <errno.h>
#include <hakmem/hakmem.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "entry/heap.h"
#include "entry/memory_held.h"
#include "entry/stats_dump.h"
#include "entry/stats_output.h"
#include "pal/errno_keeper.h"

namespace heap = hakmem::heap;
using hakmem::ClassPolicy;
using hakmem::PolicySnapshot;

namespace {

constexpr unsigned kPagesMax = UINT16_MAX;

bool is_class(int size_class) noexcept { return size_class >= 0 && size_class < HAK_CLASSES; }

// `edit` changes a PolicySnapshot.
template <class Edit>
int change(Edit&& edit) noexcept {
  const hakmem::ErrnoKeeper keep;
  const heap::OutsideFork outside;
  return heap::allocator().update_policy(heap::context(), edit) ? 0 : ENOMEM;
}

// `edit` changes a ClassPolicy.
template <class Edit>
int change_class(int size_class, Edit&& edit) noexcept {
  if (!is_class(size_class)) return EINVAL;
  return change(
      [&](PolicySnapshot& policy) { edit(policy.classes[static_cast<std::size_t>(size_class)]); });
}

using InternalStats = hakmem::StatsV3::PerClass;

hak_class_stats to_public(const InternalStats& s) noexcept {
  return {s.route_hits,        s.alloc_calls,       s.free_calls,      s.alloc_refill,
          s.alloc_current_hit, s.alloc_partial_hit, s.alloc_ultra_hit, s.alloc_fb_v1,
          s.free_fb_v1,        s.free_current,      s.free_partial,    s.free_retire,
          s.free_remote};
}

}  // namespace

void hak_policy_get(hak_policy* policy) {
  const PolicySnapshot current = heap::allocator().policy();
  for (std::size_t c = 0; c < HAK_CLASSES; ++c) {
    const ClassPolicy& from = current.classes[c];
    policy->classes[c] = {from.v3 ? HAK_HEAP_V3 : HAK_HEAP_V1, from.max_partial, from.warm_cap,
                          from.pinned ? 1 : 0};
  }
  policy->v3_mask = current.v3_mask();
  policy->c6_hot = current.c6_hot ? 1 : 0;
  policy->stats = current.count ? 1 : 0;
  policy->learn = current.learn ? 1 : 0;
}

int hak_policy_set_class(int size_class, hak_heap to) {
  if (to != HAK_HEAP_V1 && to != HAK_HEAP_V3) return EINVAL;
  return change_class(size_class, [=](ClassPolicy& policy) { policy.v3 = to == HAK_HEAP_V3; });
}

int hak_policy_set_mask(std::uint32_t v3_mask) {
  if ((v3_mask & ~hakmem::kMaskAll) != 0) return EINVAL;
  return change([=](PolicySnapshot& policy) { policy.set_v3_mask(v3_mask); });
}

int hak_policy_set_max_partial(int size_class, unsigned pages) {
  if (pages > kPagesMax) return EINVAL;
  return change_class(size_class, [=](ClassPolicy& policy) {
    policy.max_partial = static_cast<std::uint16_t>(pages);
    policy.pinned = true;
  });
}

int hak_policy_set_warm_cap(int size_class, unsigned pages) {
  if (pages > kPagesMax) return EINVAL;
  return change_class(size_class, [=](ClassPolicy& policy) {
    policy.warm_cap = static_cast<std::uint16_t>(pages);
    policy.pinned = true;
  });
}

int hak_policy_unpin(int size_class) {
  return change_class(size_class, [=](ClassPolicy& policy) {
    const bool v3 = policy.v3;
    policy = hakmem::default_policy().classes[static_cast<std::size_t>(size_class)];
    policy.v3 = v3;
  });
}

int hak_policy_learn(int on) {
  return change([=](PolicySnapshot& policy) { policy.learn = on != 0; });
}

void hak_stats_v3(hak_counters* counters) {
  const hakmem::StatsV3 counted = heap::allocator().stats();
  *counters = {};
  counters->page_of_fail = counted.page_of_fail;
  counters->large_alloc = counters->total_alloc = counted.large_alloc;
  counters->large_free = counters->total_free = counted.large_free;
  for (std::size_t c = 0; c < HAK_CLASSES; ++c) {
    counters->classes[c] = to_public(counted.by_class[c]);
    counters->total_alloc += counted.by_class[c].alloc_calls;
    counters->total_free += counted.by_class[c].free_calls;
  }
}

int hak_stats_v3_enable(int on) {
  return change([=](PolicySnapshot& policy) { policy.count = on != 0; });
}

void hak_stats_v3_print() { heap::print_stats_v3(); }

int hak_limit_set(std::size_t soft, std::size_t hard) {
  if (soft > hard && soft != HAK_NO_LIMIT) return EINVAL;
  const heap::OutsideFork outside;
  heap::allocator().set_limit({soft, hard});
  return 0;
}

void hak_limit_get(hak_limit* limit) {
  using hakmem::Holder;
  const auto& now = heap::allocator().boxes().limit;
  const hakmem::LimitBytes bytes = now.get();
  std::uint64_t refused = 0;
  for (const Holder holder : {Holder::kPages, Holder::kChunks, Holder::kMappings}) {
    refused += now.refusals(holder);
  }
  *limit = {bytes.soft, bytes.hard, now.held(), refused};
}

int hak_stats_get(hak_stats* stats) {
  constexpr std::size_t kFirstVersion = offsetof(hak_stats, large_blocks) + sizeof(std::size_t);
  if (stats->size < kFirstVersion) return EINVAL;
  const hakmem::MemoryStats held = heap::memory_held();
  const std::size_t size = stats->size < sizeof(hak_stats) ? stats->size : sizeof(hak_stats);
  const hak_stats all = {size,
                         held.allocated(),
                         held.active(),
                         held.resident(),
                         held.mapped(),
                         held.retained,
                         held.metadata,
                         held.small_allocated,
                         held.small_mapped,
                         held.small_idle,
                         held.large_allocated,
                         held.large_mapped,
                         held.large_idle,
                         held.large_blocks};
  std::memcpy(stats, &all, size);
  return 0;
}

int hak_stats_print(int fd, hak_stats_format format) {
  switch (format) {
    case HAK_STATS_TEXT:
      return heap::print_stats(fd, heap::StatsFormat::kText);
    case HAK_STATS_JSON:
      return heap::print_stats(fd, heap::StatsFormat::kJson);
    case HAK_STATS_PROM:
      return heap::print_stats(fd, heap::StatsFormat::kProm);
  }
  return EINVAL;
}
