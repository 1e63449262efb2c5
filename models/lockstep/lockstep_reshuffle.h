// The child of a fork hands its free blocks out in a new random order: magazines at once, pages when
// they are next taken from (page/reshuffle.h). Which order is nobody's promise; that it is the same
// blocks is. Of magazines the model takes the real order over, item by item, and finds a difference
// if one has no counterpart.
#pragma once

#include "models/lockstep/lockstep.h"

namespace hakmem::model {

// Brings `items` into the order of the real ones. is(i, item): the i-th real one may be `item`.
// False when there is none for some i.
template <class Item, class Is>
bool take_over_order(std::vector<Item>& items, Is&& is) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::size_t j = i;
    while (j < items.size() && !is(i, items[j])) ++j;
    if (j == items.size()) return false;
    std::swap(items[i], items[j]);
  }
  return true;
}

inline bool token_may_be(const Page& page, const Bin& info, Token token, std::size_t slot) {
  if (token >= 0) return slot == static_cast<std::size_t>(token);
  const auto first = static_cast<std::size_t>(-1 - token);
  return slot >= first && slot < first + info.carve && slot < page.carved && !page.seen[slot];
}

template <class C, class Rules>
void Lockstep<C, Rules>::follow_magazine(RealContext& real, Context& model, std::size_t bin) {
  const auto& m = real.ultra.magazine(BinIndex(static_cast<std::uint8_t>(bin)));
  std::vector<Cached>& blocks = model.magazines[bin].blocks;
  if (m.size() != blocks.size()) return expect(false, "a reshuffled magazine lost blocks");
  const bool same = take_over_order(blocks, [&](std::size_t i, const Cached& block) {
    const auto address = reinterpret_cast<std::uintptr_t>(m.base[i].block);
    if (block.page == kNone) return address == block.address;
    const Page& page = model_->cold().page(block.page);
    const Bin& info = model_->shape().bins[page.bin];
    const std::size_t offset = address - model_->arena() - block.page * model_->shape().unit;
    return offset % info.block == 0 && token_may_be(page, info, block.token, offset / info.block);
  });
  expect(same, "a reshuffled magazine holds other blocks");
}

// By the allocator's own shuffle, with the generator as it was when the step began: nothing else
// has asked it for a number by then.
template <class C, class Rules>
void Lockstep<C, Rules>::reorder(Page& page) {
  constexpr std::size_t kPiece = 256;
  std::vector<Token> slots(page.freelist.rbegin(), page.freelist.rend());  // front = next
  Rng rng = rng_before_;
  for (std::size_t at = 0; at < slots.size(); at += kPiece) {
    shuffle(std::span(slots).subspan(at, std::min(kPiece, slots.size() - at)), rng);
  }
  page.freelist.assign(slots.rbegin(), slots.rend());
}

}  // namespace hakmem::model
