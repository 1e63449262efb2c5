// ModelPlatform: the fake platform as lockstep runs use it. It tells how often the system refused
// something during a step, and what it moved, and takes the seed of its randomness from the test.
// RecyclingPlatform is the same over memory that is kept from run to run: for harnesses that say
// where they write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "models/lockstep/fault_plan.h"
#include "models/lockstep/recycled_memory.h"
#include "pal/fake.h"

namespace hakmem::model {

// Over which addresses remap has succeeded lately.
class RemapNotes {
 public:
  void forget_remaps() { ranges_.clear(); }
  bool remapped(std::uintptr_t address) const {
    for (const auto& [begin, bytes] : ranges_) {
      if (address - begin < bytes) return true;
    }
    return false;
  }

 protected:
  void* note_remap(const void* at, std::size_t bytes, void* moved) {
    if (moved != nullptr) ranges_.emplace_back(reinterpret_cast<std::uintptr_t>(at), bytes);
    return moved;
  }

 private:
  std::vector<std::pair<std::uintptr_t, std::size_t>> ranges_;
};

// What all of them share: what the next one made is to be like, and what was said last.
struct NextPlatform {
  static inline thread_local std::uint64_t next_seed = 1;
  static inline thread_local FaultPlan next_plan{};
  static inline thread_local std::string said;
  static inline thread_local std::uint64_t times_said = 0;
};

template <class System>
class ModelPlatformOn : public FakePlatformOn<System>, public NextPlatform, public RemapNotes {
  using Fake = FakePlatformOn<System>;

 public:
  static constexpr std::size_t kPolicyBlock = 65536;  // nothing else asks for just that

  ModelPlatformOn() : Fake(next_seed) {
    if (next_plan.mode == FaultPlan::Mode::kNth) this->fail_nth(next_plan.kind, next_plan.nth);
    if (next_plan.mode == FaultPlan::Mode::kAllFrom)
      this->fail_after(next_plan.kind, next_plan.nth - 1);
    if (next_plan.mappings_max != 0) this->set_mappings_max(next_plan.mappings_max);
  }

  bool commit(void* at, std::size_t bytes) noexcept {
    const bool done = Fake::commit(at, bytes);
    commits_refused_ += done ? 0 : 1;
    return done;
  }
  bool open(void* at, std::size_t bytes) noexcept {
    const bool done = Fake::open(at, bytes);
    commits_refused_ += done ? 0 : 1;
    return done;
  }
  void* map(std::size_t bytes, std::size_t alignment) noexcept {
    void* const memory = Fake::map(bytes, alignment);
    const bool of_policies = bytes == kPolicyBlock && alignment == kPolicyBlock;
    policy_maps_refused_ += memory == nullptr && of_policies ? 1 : 0;
    return memory;
  }
  void* remap(void* at, std::size_t bytes, std::size_t new_bytes) noexcept {
    return note_remap(at, bytes, Fake::remap(at, bytes, new_bytes));
  }

  bool unmap(void* at, std::size_t bytes) noexcept {
    const bool done = Fake::unmap(at, bytes);
    unmaps_refused_ += done ? 0 : 1;
    return done;
  }

  bool purge(void* at, std::size_t bytes) noexcept {
    const bool done = Fake::purge(at, bytes);
    purges_refused_ += done ? 0 : 1;
    return done;
  }

  std::uint64_t purges_refused() const { return purges_refused_; }
  std::uint64_t unmaps_refused() const { return unmaps_refused_; }
  std::uint64_t commits_refused() const { return commits_refused_; }
  std::uint64_t policy_maps_refused() const { return policy_maps_refused_; }

  // What the allocator says is kept for the test to look at.
  static void write_error(const char* text, std::size_t bytes) noexcept {
    said.assign(text, bytes);
    ++times_said;
  }

  void set_failing(bool commit, bool memory) {
    this->stop_failing();
    if (commit) this->fail_after(Call::kCommit, 0);
    if (!memory) return;
    this->fail_after(Call::kMap, 0);
    this->fail_after(Call::kSparse, 0);
    this->fail_after(Call::kRemap, 0);
  }

 private:
  std::uint64_t policy_maps_refused_ = 0;
  std::uint64_t commits_refused_ = 0;
  std::uint64_t unmaps_refused_ = 0;
  std::uint64_t purges_refused_ = 0;
};

using ModelPlatform = ModelPlatformOn<LinuxPlatform>;
using RecyclingPlatform = ModelPlatformOn<RecycledMemory>;

static_assert(Platform<ModelPlatform> && Platform<RecyclingPlatform>);

// The harness is about to write there. False: that memory is closed. Where the system itself stops
// who writes to what is not his, nothing is to be said.
template <class P>
bool may_write(const void* at, std::size_t bytes) {
  if constexpr (std::is_base_of_v<FakePlatformOn<RecycledMemory>, P>)
    return RecycledMemory::wrote(at, bytes);
  else
    return true;
}

}  // namespace hakmem::model
