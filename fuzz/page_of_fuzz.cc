// page_of: any 64-bit value against a heap at rest. Looking up is total, and everything that is
// said about an address agrees with everything else and with what the program knows: so_page_of
// with the arena's bounds, locate with the live blocks, size_fits with the size asked for.
//
// Input: 9 bytes per address: how it is made, then a number. The heaps are built once, so a run is
// a pure function of its input.
#include <algorithm>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "fuzz/check.h"
#include "heap/allocator.h"
#include "heap/allocator_members.h"
#include "models/lockstep/lockstep_configs.h"

namespace hakmem::fuzz {
namespace {

struct Known {
  std::uintptr_t begin;
  std::size_t asked;
  std::size_t usable;
};

// Blocks of every bin on v3, v1 and large; a part freed at home, a part remotely, a part cached.
template <class C>
class Heap {
 public:
  Heap() {
    allocator_->init(default_policy());
    Context<C>* const mine = allocator_->attach_context();
    Context<C>* const other = allocator_->attach_context();
    fill(mine, other);
    PolicySnapshot v1 = default_policy();
    v1.set_v3_mask(0);
    allocator_->publish_policy(mine, v1);
    fill(mine, other);
    std::sort(live_.begin(), live_.end(),
              [](const Known& a, const Known& b) { return a.begin < b.begin; });
  }

  std::uintptr_t address(std::uint8_t how, std::uint64_t n) const {
    const std::uintptr_t arena = allocator_->boxes().arena.base();
    const Known& block = live_[n % live_.size()];
    const std::uint64_t more = n / live_.size();
    switch (how % 8) {
      case 0:
        return n;
      case 1:
        return arena + n % allocator_->boxes().arena.bytes();
      case 2:
        return arena + n % used_bytes();
      case 3:
        return arena + n % used_bytes() / kMinBlock * kMinBlock;
      case 4:
        return block.begin + more % (block.usable + 1);
      case 5:
        return block.begin - more % 64;
      case 6:
        return freed_[n % freed_.size()] + more % 32;
      default:
        return arena + allocator_->boxes().arena.bytes() + n % 8192 - 4096;
    }
  }

  void check(std::uintptr_t address) const {
    const auto* const pointer = reinterpret_cast<const void*>(address);
    const Known* const block = holder(address);
    const BlockView view = allocator_->locate(pointer);
    check_page(address, view);
    check_verdict(address, block, view);
    if (view.fault == Fault::kNone) check_sizes(*block, view);
  }

 private:
  using Page = SoPage<C>;

  void fill(Context<C>* mine, Context<C>* other) {
    Rng rng(11);
    for (std::size_t b = 0; b < C::Sizes::kBins; ++b) {
      for (int i = 0; i < 9; ++i)
        add(mine, other, C::Sizes::kBinTable[b].block_size - rng.below(8), i);
    }
    for (int i = 0; i < 9; ++i) add(mine, other, C::Geometry::kBlockMax + 1 + rng.below(100000), i);
  }
  void add(Context<C>* mine, Context<C>* other, std::size_t asked, int number) {
    void* const p = allocator_->allocate(mine, asked);
    const auto begin = reinterpret_cast<std::uintptr_t>(p);
    const std::size_t usable = allocator_->locate(p).block_size;
    if (number % 3 == 0) return live_.push_back({begin, asked, usable});
    freed_.push_back(begin);
    allocator_->deallocate(number % 3 == 1 ? mine : other, p);
    std::erase_if(live_, [&](const Known& k) { return k.begin == begin; });
  }

  std::size_t used_bytes() const {
    return allocator_->boxes().cold.superslabs_used() * C::Sizes::kSuperslabBytes +
           C::Sizes::kUnitBytes;
  }
  // The live block that the address lies in.
  const Known* holder(std::uintptr_t address) const {
    auto after = std::upper_bound(live_.begin(), live_.end(), address,
                                  [](std::uintptr_t a, const Known& k) { return a < k.begin; });
    if (after == live_.begin()) return nullptr;
    --after;
    return address - after->begin < after->usable ? &*after : nullptr;
  }

  void check_page(std::uintptr_t address, const BlockView& view) const {
    const Arena<C>& arena = allocator_->boxes().arena;
    const Page* const unit = arena.so_page_of(ClientPtr(address));
    const std::size_t used = allocator_->boxes().cold.superslabs_used() * C::Sizes::kSuperslabBytes;
    require((unit != nullptr) == (address - arena.base() < used), "so_page_of's range");
    require(arena.reserves(ClientPtr(address)) == (address - arena.base() < arena.bytes()),
            "range");
    require((unit != nullptr) == arena.contains(ClientPtr(address)), "so_page_of and contains");
    if (unit == nullptr) return;
    const std::uint32_t number = arena.unit_of(*unit);
    require(address - arena.unit_address(number) < C::Sizes::kUnitBytes, "so_page_of's unit");
    const Page& head = arena.head_of(*unit);
    if (unit->base == 0) return require(view.fault == Fault::kInvalidFree, "a unit never lent");
    require(unit->base == arena.unit_address(unit->head) && &head == &arena.page(unit->head),
            "head");
    require(view.page == unit->base && view.block_size == unit->block_size, "page and block size");
    require(view.page + view.slot * view.block_size + view.offset == address, "slot and offset");
    require(view.offset < view.block_size, "offset within the block");
  }

  void check_verdict(std::uintptr_t address, const Known* block, const BlockView& view) const {
    const bool start = block != nullptr && address == block->begin;
    require((view.fault == Fault::kNone) == start, "legal exactly at the start of a live block");
    if (block == nullptr || start) return;
    const Fault due = address % kMinBlock != 0 ? Fault::kMisalignedFree : Fault::kInteriorFree;
    require(view.fault == due, "inside a live block");
  }

  void check_sizes(const Known& block, const BlockView& view) const {
    require(view.block_size == block.usable && view.offset == 0, "the block that was handed out");
    require(allocator_->size_fits(view, 1, block.asked, SizeRule::kAllocated),
            "the size asked for");
    require(!allocator_->size_fits(view, 1, block.usable + 1, SizeRule::kMayBeShrunk),
            "a size beyond");
  }

  std::unique_ptr<Allocator<C>> allocator_ = std::make_unique<Allocator<C>>();
  std::vector<Known> live_;  // by address
  std::vector<std::uintptr_t> freed_;
};

template <class C>
const Heap<C>& heap() {
  static const auto* const built = new Heap<C>;
  return *built;
}

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem;
  fuzz::Bytes bytes(data, std::min<std::size_t>(size, 9 * 64));
  while (!bytes.empty()) {
    const std::uint8_t how = bytes.byte();
    const std::uint64_t number = bytes.number(8);
    if (how % 16 < 8) {
      const auto& heap = fuzz::heap<model::SmallHardened>();
      heap.check(heap.address(how, number));
    } else {
      const auto& heap = fuzz::heap<model::ProductionHardened>();
      heap.check(heap.address(how, number));
    }
  }
  return 0;
}
