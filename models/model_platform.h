// ModelPlatform: the fake platform as lockstep runs use it. It tells how often the system refused
// something during a step, and what it moved, and takes the seed of its randomness from the test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/fault_plan.h"
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

class ModelPlatform : public FakePlatform, public RemapNotes {
 public:
  ModelPlatform() : FakePlatform(next_seed) {
    if (next_plan.mode == FaultPlan::Mode::kNth) fail_nth(next_plan.kind, next_plan.nth);
    if (next_plan.mode == FaultPlan::Mode::kAllFrom) fail_after(next_plan.kind, next_plan.nth - 1);
  }

  bool commit(void* at, std::size_t bytes) noexcept {
    const bool done = FakePlatform::commit(at, bytes);
    commits_refused_ += done ? 0 : 1;
    return done;
  }
  void* map(std::size_t bytes, std::size_t alignment) noexcept {
    void* const memory = FakePlatform::map(bytes, alignment);
    const bool of_policies = bytes == kPolicyBlock && alignment == kPolicyBlock;
    policy_maps_refused_ += memory == nullptr && of_policies ? 1 : 0;
    return memory;
  }
  void* remap(void* at, std::size_t bytes, std::size_t new_bytes) noexcept {
    return note_remap(at, bytes, FakePlatform::remap(at, bytes, new_bytes));
  }

  std::uint64_t commits_refused() const { return commits_refused_; }
  std::uint64_t policy_maps_refused() const { return policy_maps_refused_; }

  // What the allocator says is kept for the test to look at.
  static void write_error(const char* text, std::size_t bytes) noexcept {
    said.assign(text, bytes);
    ++times_said;
  }
  static inline thread_local std::string said;
  static inline thread_local std::uint64_t times_said = 0;

  void set_failing(bool commit, bool memory) {
    stop_failing();
    if (commit) fail_after(Call::kCommit, 0);
    if (!memory) return;
    fail_after(Call::kMap, 0);
    fail_after(Call::kSparse, 0);
    fail_after(Call::kRemap, 0);
  }

  static inline thread_local std::uint64_t next_seed = 1;  // of the next one made
  static inline thread_local FaultPlan next_plan{};

 private:
  static constexpr std::size_t kPolicyBlock = 65536;  // nothing else asks for just that

  std::uint64_t policy_maps_refused_ = 0;
  std::uint64_t commits_refused_ = 0;
};

static_assert(Platform<ModelPlatform>);

}  // namespace hakmem::model
