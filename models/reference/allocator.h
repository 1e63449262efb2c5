// The reference model: an executable specification of the whole allocator, in plain containers and
// without cleverness. It says which path serves each call, what every counter becomes, where every
// page and superslab is, and what any pointer is worth. What it must be told: the address of a
// fresh slot, of a v1 block and of a large block, and which system calls failed during the step.
// models/MAPPING.md ties each part to the code and lists what is left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/block_view.h"
#include "models/reference/paths.h"

namespace hakmem::model {

// Which way in: the hot path first, or the slow function at once.
enum class Door : unsigned char { kFast, kSlow };

class Allocator : public Paths {
 public:
  Allocator(const Shape& shape, std::uintptr_t arena, std::size_t superslabs,
            const PolicySnapshot& policy)
      : Paths(shape, superslabs, policy),
        arena_(arena),
        arena_bytes_(superslabs * shape.superslab) {
    set_warm_caps();
  }

  // ---- threads

  // kNone: every context is taken.
  std::size_t attach() {
    salvage(2);
    std::size_t who = kNone;
    if (!parked_.empty()) {
      who = parked_.back();
      parked_.pop_back();
    } else if (contexts_.size() < shape_.contexts_max) {
      who = contexts_.size();
      contexts_.emplace_back(who, shape_.bins.size());
    }
    if (who == kNone) return who;
    contexts_[who].life = Life::kActive;
    take_up_policy(contexts_[who]);
    attend(contexts_[who]);
    drain(contexts_[who]);
    return who;
  }
  void park(std::size_t who) { park_context(contexts_[who]); }
  // In the child: the other threads are gone, and others will park their contexts for them.
  void fork_child(std::size_t who) {
    orphaned_.clear();
    for (Context& ctx : contexts_) {
      ++ctx.generation;
      if (ctx.life == Life::kActive && ctx.number != who) ctx.life = Life::kOrphaned;
      if (ctx.life == Life::kOrphaned) orphaned_.push_back(ctx.number);
    }
    call_again_in_child();
  }

  // ---- allocation

  Served allocate(std::size_t who, std::size_t n, Door door) {
    if (n > shape_.block_max) return large();
    return allocate_in(who, shape_.bin_of(n), door);
  }
  Served allocate_in(std::size_t who, std::size_t bin, Door door) {
    if (who != kNone && door == Door::kFast && hot_magazine(contexts_[who], bin) != nullptr &&
        !hot_magazine(contexts_[who], bin)->blocks.empty()) {
      return pop(contexts_[who], bin);
    }
    return allocate_bin(who, bin);
  }

  Served allocate_aligned(std::size_t who, std::size_t alignment, std::size_t n, Door door) {
    // The hot path knows units and sizes of less than two units.
    const bool hot = door == Door::kFast && alignment <= shape_.unit && n < 2 * shape_.unit;
    if (alignment <= 16) return allocate(who, n, hot ? Door::kFast : Door::kSlow);
    if (alignment > shape_.unit || n > shape_.block_max) return large();
    std::size_t bin = shape_.bin_of(n);
    while (bin < shape_.bins.size() && shape_.bins[bin].block % alignment != 0) ++bin;
    return bin < shape_.bins.size() ? allocate_in(who, bin, hot ? Door::kFast : Door::kSlow)
                                    : large();
  }

  // Tells where the block came out. False: not where it may be. address 0: out of memory.
  bool settle(std::size_t who, const Served& served, std::uintptr_t address, Owned& owned) {
    owned = {served.heap, address, served.bin, served.page, 0};
    switch (served.heap) {
      case Heap::kV3:
        return settle_v3(served, address, owned);
      case Heap::kV1:
        if (served.cached_v1 != 0) return served.cached_v1 == address;
        v1_live[served.bin] += address != 0 ? 1 : 0;
        break;
      case Heap::kLarge:
        large_live += address != 0 ? 1 : 0;
        if (address != 0 && who != kNone && counting(contexts_[who])) {
          ++contexts_[who].stats.large_alloc;
        }
        break;
    }
    return address - arena_ >= arena_bytes_;
  }

  // ---- free and realloc

  void free(std::size_t who, const Owned& block, Door door) {
    if (block.heap != Heap::kV3) return free_foreign(who, block);
    Page& page = cold_.page(block.page);
    if (who == kNone || page.owner != who) return free_remote(who, page, block.slot);
    Context& ctx = contexts_[who];
    Magazine* const hot = hot_magazine(ctx, page.bin);
    if (door == Door::kFast && hot != nullptr && hot->blocks.size() < hot->capacity) {
      return push(ctx, page, block.slot);
    }
    free_local(ctx, page, block.slot);
  }

  enum class Resize : unsigned char { kStays, kResized, kMoves };
  Resize resize_of(std::size_t usable, std::size_t n, bool remap_fails) const {
    if (stays_in_place(usable, n)) return Resize::kStays;
    const bool both_large = usable > shape_.block_max && n > shape_.block_max;
    return both_large && !remap_fails ? Resize::kResized : Resize::kMoves;
  }
  // What realloc asks for when it needs a new block.
  std::size_t size_to_grow_to(std::size_t old, std::size_t n) const {
    if (old < shape_.growth_min || n <= old || n > shape_.block_max || n > old + old / 2) return n;
    return std::min(old + old / 2, shape_.block_max);
  }
  // free_sized takes the size of the allocation; once a realloc has left more in a block of a page,
  // down to half; once one found no memory to shrink a block with, anything.
  bool leaves_more = false;
  bool shrink_failed = false;
  void note_stays(std::size_t usable, std::size_t n) {
    leaves_more = leaves_more || shape_.bins[shape_.bin_of(n)].block != usable;
  }
  bool may_be_shrunk(std::size_t usable, std::size_t n) const {
    if (n > usable || shrink_failed) return n <= usable;
    if (leaves_more && stays_in_place(usable, n)) return true;
    return n <= shape_.block_max && shape_.bins[shape_.bin_of(n)].block == usable;
  }
  bool stays_in_place(std::size_t usable, std::size_t n) const {
    if (n > usable || usable > shape_.block_max) return false;
    return n >= usable / 2 || shape_.bins[shape_.bin_of(n)].block == usable;
  }

  // ---- policy, limit, trim

  void publish(std::size_t who, const PolicySnapshot& policy) {
    policy_ = policy;
    learner_.published(policy);
    set_warm_caps();
    if (who != kNone) catch_up(contexts_[who]);
  }
  const PolicySnapshot& policy() const { return policy_; }
  // `held`: by all heaps. What is free of it goes at once if that is too much.
  void set_limit(const Cold::Limit& limit, std::size_t held) {
    cold_.limit = limit;
    if (held > limit.soft) purge();
  }

  // Bytes of small pages given back, at least.
  std::size_t trim(std::size_t who) {
    if (who != kNone) {
      catch_up(contexts_[who]);
      flush_all(contexts_[who]);
      retire_empty_pages(contexts_[who]);
    }
    return purge();
  }
  std::size_t purge() {
    salvage(kNone);
    const std::size_t between_blocks = give_up_memory() * 4096;
    return between_blocks + cold_.trim();
  }

  // ---- what a pointer into the arena is worth

  Fault verdict(std::uintptr_t address) {
    const std::size_t number = (address - arena_) / shape_.unit;
    const Cold::Unit unit = cold_.unit(number);
    if (unit.head == kNone) return Fault::kInvalidFree;
    const std::size_t block = shape_.bins[unit.bin].block;
    const std::size_t within = address - arena_ - unit.head * shape_.unit;
    const std::size_t slot = within / block;
    const bool start = within % block == 0;
    const Page* const page = cold_.page_of_unit(number);
    const std::size_t ever_out = page != nullptr ? page->carved : shape_.bins[unit.bin].capacity;
    if (page != nullptr && start && slot < ever_out && page->seen[slot] &&
        page->slots[slot] == Slot::kLive) {
      return Fault::kNone;
    }
    if (address % 16 != 0) return Fault::kMisalignedFree;
    if (slot >= ever_out) return Fault::kInvalidFree;
    return start ? Fault::kDoubleFree : Fault::kInteriorFree;
  }

  const Shape& shape() const { return shape_; }
  Cold& cold() { return cold_; }
  std::vector<Context>& contexts() { return contexts_; }
  const std::vector<std::size_t>& parked() const { return parked_; }
  const std::vector<std::size_t>& orphaned() const { return orphaned_; }
  const std::vector<std::size_t>& called() const { return called_; }
  const std::deque<std::size_t>& sent() const { return sent_; }
  const std::deque<std::size_t>& watched() const { return watched_; }
  Learner& learner() { return learner_; }
  std::uintptr_t arena() const { return arena_; }

 private:
  bool settle_v3(const Served& served, std::uintptr_t address, Owned& owned) {
    const Bin& bin = info(served.bin);
    const std::uintptr_t base = arena_ + served.page * shape_.unit;
    if (address < base || (address - base) % bin.block != 0) return false;
    owned.slot = (address - base) / bin.block;
    if (served.token >= 0) return owned.slot == static_cast<std::size_t>(served.token);
    return cold_.page(served.page).learn(bin, served.token, owned.slot);
  }

  std::uintptr_t arena_;
  std::size_t arena_bytes_;
};

}  // namespace hakmem::model
