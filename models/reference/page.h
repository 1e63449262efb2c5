// The model's page: which slot is what. Slots are tokens: a slot number once the model has seen the
// address, before that "some slot of carve batch k" (fresh slots come in random order, and which
// one comes is nobody's promise). A token is learned when its block is first handed out.
#pragma once

#include <algorithm>
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
  // System pages given back that no block lay on, since a slot was last taken. Where unseen slots
  // are is not known: at least and at most.
  std::size_t purged_min = 0, purged_max = 0;
  std::size_t used_at_purge = kNone;
  std::size_t taken_in = 0;  // decay period
  // Slots that nobody has written on since their memory came from the system. Of those not seen yet
  // all are fresh, or none is: none that is gets into a magazine.
  std::vector<bool> fresh;
  bool lent_fresh = false;
  std::size_t generation = 0;  // of its owner, when a slot was last taken

  void lend(std::size_t unit, std::size_t of_bin, const Bin& info, std::size_t context,
            bool is_fresh) {
    *this = Page{};
    head = unit;
    bin = of_bin;
    owner = context;
    slots.assign(info.capacity, Slot::kFree);
    seen.assign(info.capacity, false);
    fresh.assign(info.capacity, is_fresh);
    lent_fresh = is_fresh;
  }
  // Of the slot that is taken next.
  bool next_is_fresh() const {
    if (freelist.empty() || freelist.back() < 0) return lent_fresh;
    return fresh[static_cast<std::size_t>(freelist.back())];
  }

  // Requires: used < capacity. The token is the slot's new owner's; `to` says what it becomes.
  Token take(const Bin& info, bool randomize, Slot to) {
    if (freelist.empty()) carve(info, randomize);
    const Token token = freelist.back();
    freelist.pop_back();
    ++used;
    if (token >= 0) fresh[static_cast<std::size_t>(token)] = false;
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
    fresh[slot] = false;
    slots[slot] = Slot::kLive;
    return true;
  }

  // A slot is about to be taken, in that decay period: all memory may be needed again.
  void note_taken(std::size_t period) {
    taken_in = period;
    used_at_purge = kNone;
    purged_min = purged_max = 0;
  }
  // Every system page that no block reaches into is given back. `cached`: unseen slots in the
  // owner's magazine.
  void purge_unused(const Bin& info, std::size_t guard, const std::vector<Token>& cached) {
    std::vector<bool> surely(info.capacity, false), perhaps(info.capacity, false);
    for (std::size_t slot = 0; slot < info.capacity; ++slot)
      surely[slot] = perhaps[slot] = seen[slot] && slots[slot] != Slot::kFree;
    for (const Token token : cached) {
      const auto first = static_cast<std::size_t>(-1 - token);
      const std::size_t end = first + info.carve < carved ? first + info.carve : carved;
      for (std::size_t slot = first; slot < end; ++slot)
        perhaps[slot] = perhaps[slot] || !seen[slot];
      if (end - first == 1) surely[first] = true;
    }
    purged_max = untouched(info, guard, surely);
    purged_min = untouched(info, guard, perhaps);
  }

  std::size_t unseen() const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < carved; ++i) n += seen[i] ? 0 : 1;
    return n;
  }

 private:
  static constexpr std::size_t kSystemPage = 4096;

  static std::size_t untouched(const Bin& info, std::size_t guard, const std::vector<bool>& out) {
    std::vector<bool> touched((info.page - guard) / kSystemPage, false);
    for (std::size_t slot = 0; slot < info.capacity; ++slot) {
      if (!out[slot]) continue;
      const std::size_t last = ((slot + 1) * info.block - 1) / kSystemPage;
      for (std::size_t at = slot * info.block / kSystemPage; at <= last; ++at) touched[at] = true;
    }
    return static_cast<std::size_t>(std::count(touched.begin(), touched.end(), false));
  }

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
