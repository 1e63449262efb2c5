// The model's context: magazines, the pages of each bin, frees that others sent, its policy.
// `give` and `page_to_take_from` are the hot box, as SPEC S5-S7 states it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/reference/cold.h"
#include "stats/stats_v3.h"

namespace hakmem::model {

enum class Take : unsigned char { kCurrent, kPartial, kRefill, kNothing };
enum class Give : unsigned char { kCurrent, kPartial, kRetire };
enum class Life : unsigned char { kUnused, kActive, kParked, kOrphaned };

// A block in a magazine: a slot of a page, or (page kNone) a block of v1 at an address.
struct Cached {
  std::size_t page = kNone;  // head unit
  Token token = 0;
  std::uintptr_t address = 0;
};

struct Magazine {
  bool open = false;
  std::size_t capacity = 0;    // places, of no meaning while it is closed
  std::vector<Cached> blocks;  // back = newest
};

struct PagesOfBin {
  std::size_t current = kNone;       // head units, here and below
  std::vector<std::size_t> partial;  // back = next choice
  std::size_t max_partial = 0;
  std::size_t pages = 0;    // owned in all, full ones too
  std::size_t used_in = 0;  // decay period in which the magazine was last refilled or overflowed
  bool refilled = false;    // ever
};

struct Context {
  std::size_t number = 0;
  Life life = Life::kUnused;
  PolicySnapshot policy{};
  std::vector<Magazine> magazines;
  std::vector<PagesOfBin> bins;
  std::vector<std::size_t> pending;  // pages with posted frees, back = posted last
  // Who looks at it: the next free that is sent has to call for somebody; it was called, and is to
  // be collected or drained; it is on the queue of those to be visited once they are idle; its
  // thread was at work since it last was.
  bool out_of_view = true;
  bool called = false;
  bool watched = false;
  bool attended = false;
  // S14: many bytes flushed without a refill between, and the context is in release mode: it keeps
  // nothing for itself until it has allocated some times.
  std::size_t release_bytes = 0;
  std::size_t release_left = 0;   // allocations until it keeps again
  std::size_t thinned_bytes = 0;  // given to pages meanwhile, since these were looked at
  std::size_t period = 0;         // decay period in which its thread was last on a slow path
  std::size_t generation = 0;     // forks of which this is the child's side
  StatsV3 stats{};

  Context(std::size_t n, std::size_t bin_count)
      : number(n), magazines(bin_count), bins(bin_count) {}

  struct Source {
    Page* page;
    Take path;
  };
  // S5, S6: current; else the newest partial page; else one page from the cold box.
  Source page_to_take_from(Cold& cold, std::size_t bin, std::size_t capacity, bool commit_fails) {
    const Source source = choose_page(cold, bin, capacity, commit_fails);
    if (source.page != nullptr) source.page->note_taken(period);
    bins[bin].used_in = period;
    return source;
  }

  // S7: an empty page stays while there are fewer than max_partial others, else it is retired; a
  // page with blocks out becomes current if there is none, else it is at least partial.
  Give give(Cold& cold, Page& page, Token token) {
    PagesOfBin& own = bins[page.bin];
    page.give(token);
    const bool is_current = own.current == page.head;
    if (page.used == 0) {
      if (is_current) own.current = kNone;
      const std::size_t others = own.partial.size() - (page.place == Place::kPartial ? 1 : 0);
      if (others < own.max_partial) return make_partial(own, page);
      retire(cold, own, page);
      return Give::kRetire;
    }
    if (is_current) return Give::kCurrent;
    if (own.current != kNone) return make_partial(own, page);
    std::erase(own.partial, page.head);
    make_current(own, page);
    return Give::kCurrent;
  }

  // Returns how many pages of each bin went back, by the same order as they do.
  template <class Retired>
  void retire_empty_pages(Cold& cold, Retired&& retired) {
    for (PagesOfBin& own : bins) {
      if (own.current != kNone && cold.page(own.current).used == 0) {
        Page& page = cold.page(own.current);
        own.current = kNone;
        retire(cold, own, page);
        retired(page.bin);
      }
      retire_partial(cold, own, 0, retired);
    }
  }
  // What a lower max_partial would not have kept goes back when that is taken up.
  template <class Retired>
  void retire_beyond_max_partial(Cold& cold, Retired&& retired) {
    for (PagesOfBin& own : bins) retire_partial(cold, own, own.max_partial, retired);
  }

  // S10: what no block lies on goes back, of every page at rest: nothing was taken from it in
  // period `now` and the one before. Again only when more than a quarter of the blocks that it
  // had then are gone, and `in_turns` of bins with many pages not in every period.
  void purge_at_rest(Cold& cold, const Shape& shape, std::size_t now, bool in_turns) {
    for (std::size_t bin = 0; bin < bins.size(); ++bin) {
      const std::size_t turns = 1 + bins[bin].partial.size() / shape.rest_pages;
      if (in_turns && (now + bin) % turns != 0) continue;
      for (Page* const page : with_free_slot(cold, bin, shape.bins[bin].capacity))
        if (now >= page->taken_in + 2) purge_unused(shape, *page, 4);
    }
  }
  // The same of every page that has lost a good part of its blocks.
  void purge_thinned(Cold& cold, const Shape& shape) {
    for (std::size_t bin = 0; bin < bins.size(); ++bin)
      for (Page* const page : with_free_slot(cold, bin, shape.bins[bin].capacity))
        purge_unused(shape, *page, 4);
  }
  // The same of every page. Returns the system pages of which that is sure.
  std::size_t purge_all(Cold& cold, const Shape& shape) {
    std::size_t pages = 0;
    for (std::size_t bin = 0; bin < bins.size(); ++bin)
      for (Page* const page : with_free_slot(cold, bin, shape.bins[bin].capacity))
        pages += purge_unused(shape, *page, kNone);
    return pages;
  }

 private:
  std::vector<Page*> with_free_slot(Cold& cold, std::size_t bin, std::size_t capacity) {
    std::vector<std::size_t> heads = bins[bin].partial;
    if (bins[bin].current != kNone) heads.push_back(bins[bin].current);
    std::vector<Page*> pages;
    for (const std::size_t head : heads)
      if (cold.page(head).used < capacity) pages.push_back(&cold.page(head));
    return pages;
  }
  // `part`: more than one in so many blocks are gone; kNone: any.
  std::size_t purge_unused(const Shape& shape, Page& page, std::size_t part) {
    const std::size_t before = page.used_at_purge;
    if (before != kNone && before - page.used <= before / part) return 0;
    const std::size_t had = page.purged_max;
    page.used_at_purge = page.used;
    page.purge_unused(shape.bins[page.bin], shape.guard, unseen_in_magazine(page));
    return page.purged_min > had ? page.purged_min - had : 0;
  }
  std::vector<Token> unseen_in_magazine(const Page& page) const {
    std::vector<Token> unseen;
    for (const Cached& block : magazines[page.bin].blocks)
      if (block.page == page.head && block.token < 0) unseen.push_back(block.token);
    return unseen;
  }

  Source choose_page(Cold& cold, std::size_t bin, std::size_t capacity, bool commit_fails) {
    PagesOfBin& own = bins[bin];
    if (own.current != kNone) {
      Page& page = cold.page(own.current);
      if (page.used < capacity) return {&page, Take::kCurrent};
      page.place = Place::kFull;
      own.current = kNone;
    }
    if (!own.partial.empty()) {
      Page& page = cold.page(own.partial.back());
      own.partial.pop_back();
      make_current(own, page);
      return {&page, Take::kPartial};
    }
    Page* const page = cold.refill(bin, number, commit_fails);
    if (page == nullptr) return {nullptr, Take::kNothing};
    ++own.pages;
    make_current(own, *page);
    return {page, Take::kRefill};
  }

  // Empty pages, the newest first, while more than `keep` pages are partial.
  template <class Retired>
  void retire_partial(Cold& cold, PagesOfBin& own, std::size_t keep, Retired& retired) const {
    const std::vector<std::size_t> heads = own.partial;
    for (std::size_t at = heads.size(); at-- > 0 && own.partial.size() > keep;) {
      Page& page = cold.page(heads[at]);
      if (page.used != 0) continue;
      retire(cold, own, page);
      retired(page.bin);
    }
  }
  static void make_current(PagesOfBin& own, Page& page) {
    page.place = Place::kCurrent;
    own.current = page.head;
  }
  static Give make_partial(PagesOfBin& own, Page& page) {
    if (page.place != Place::kPartial) own.partial.push_back(page.head);
    page.place = Place::kPartial;
    return Give::kPartial;
  }
  void retire(Cold& cold, PagesOfBin& own, Page& page) const {
    std::erase(own.partial, page.head);
    --own.pages;
    cold.retire(page, period);
  }
};

}  // namespace hakmem::model
