// The model's page: which slot is what. Slots are tokens: a slot number once the model has seen the
// address, before that "some slot of carve batch k" (fresh slots come in random order, and which
// one comes is nobody's promise). A token is learned when its block is first handed out.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "models/reference/shape.h"

namespace hakmem::model {

enum class Slot : unsigned char { kFree, kLive, kCached, kRemote };
enum class Place : unsigned char { kRetired, kCurrent, kPartial, kFull };

inline constexpr std::size_t kNone = ~std::size_t{0};

// >= 0: the slot of that number. < 0: an unseen slot of the batch that starts at slot -1 - token.
using Token = int;

struct Page {
  std::size_t head = 0;  // first unit, counted from the arena's start
  std::size_t bin = 0;
  std::size_t owner = kNone;  // context
  Place place = Place::kRetired;
  std::size_t used = 0;
  std::size_t carved = 0;
  std::vector<Token> freelist;      // back = next to be taken
  std::vector<std::size_t> remote;  // back = posted last
  std::vector<Slot> slots;          // what a seen slot is
  std::vector<bool> seen;
  std::size_t unseen_cached = 0;  // unseen slots in a magazine; the other unseen ones are free

  void lend(std::size_t unit, std::size_t of_bin, const Bin& info, std::size_t context) {
    *this = Page{};
    head = unit;
    bin = of_bin;
    owner = context;
    slots.assign(info.capacity, Slot::kFree);
    seen.assign(info.capacity, false);
  }

  // Requires: used < capacity. The token is the slot's new owner's; `to` says what it becomes.
  Token take(const Bin& info, bool randomize, Slot to) {
    if (freelist.empty()) carve(info, randomize);
    const Token token = freelist.back();
    freelist.pop_back();
    ++used;
    set(token, to);
    return token;
  }

  void give(Token token) {
    if (token < 0) --unseen_cached;  // only a magazine holds unseen slots
    if (token >= 0) slots[static_cast<std::size_t>(token)] = Slot::kFree;
    freelist.push_back(token);
    --used;
  }

  void set(Token token, Slot state) {
    if (token >= 0)
      slots[static_cast<std::size_t>(token)] = state;
    else if (state == Slot::kCached)
      ++unseen_cached;
  }

  // The slot that an unseen token turned out to be; false when it cannot be that one.
  // Requires: the token is LIVE now, for the first time.
  bool learn(const Bin& info, Token token, std::size_t slot) {
    const auto first = static_cast<std::size_t>(-1 - token);
    if (slot < first || slot >= first + info.carve || slot >= carved || seen[slot]) return false;
    seen[slot] = true;
    slots[slot] = Slot::kLive;
    return true;
  }

  std::size_t unseen() const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < carved; ++i) n += seen[i] ? 0 : 1;
    return n;
  }

 private:
  // The next batch goes onto the (empty) freelist; without shuffling, lowest slot on top.
  void carve(const Bin& info, bool randomize) {
    const std::size_t first = carved;
    while (carved < info.capacity && carved - first < info.carve) ++carved;
    for (std::size_t slot = carved; slot-- > first;) {
      freelist.push_back(randomize ? -1 - static_cast<Token>(first) : static_cast<Token>(slot));
      if (!randomize) seen[slot] = true;
    }
  }
};

}  // namespace hakmem::model
