// ULTRA: one context's magazines, one per bin, and how they are opened and closed.
//
// The hot path sees `front`. A bin that must not be cached (its class is on v1) has a closed front
// magazine. While every call must take the slow path (calls are being counted, or the context is in
// release mode) all front magazines are closed and the real ones are in `hidden`: what the slow
// path does beyond the hot one costs nothing when it is off. The slow path always works on
// `active`.
//
// A magazine begins with a few places, next to those of other bins, and grows when it has run empty
// a second time, or full: a thread that uses many sizes a little touches little memory.
#pragma once

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/types.h"
#include "ultra/magazine.h"

namespace hakmem {

template <class C>
struct UltraCache {
  using Magazines = std::array<Magazine<C>, C::Sizes::kBins>;
  static constexpr std::size_t kGrowth = 4;

  // For sizes up to kFineLimit: straight from size to magazine, one load on the hot path.
  std::array<Magazine<C>*, kFineLimit / 8 + 1> of_fine_size{};
  Magazines front{};
  Magazines hidden{};
  Magazines* active = &front;
  MagazinePlace<C>* storage = nullptr;  // kMagazineEntries places

  constexpr UltraCache() noexcept {
    for (std::size_t i = 0; i < of_fine_size.size(); ++i) {
      of_fine_size[i] = &front[C::Sizes::kBinOfSize[i]];
    }
  }
  UltraCache(const UltraCache&) = delete;
  UltraCache& operator=(const UltraCache&) = delete;

  Magazine<C>& magazine(BinIndex bin) noexcept { return (*active)[bin.value()]; }

  // Requires: the magazine is closed. Ensures: it is open and empty.
  void open(BinIndex bin) noexcept {
    HAKMEM_DCHECK(!is_open(bin), "magazine", bin.value());
    MagazinePlace<C>* const place = storage + C::Sizes::first_place(bin);
    magazine(bin) = {place, place, place + C::Sizes::first_capacity(bin)};
  }
  // Four times the places, or as many as there may be. Requires: the magazine is open.
  void grow(BinIndex bin) noexcept {
    Magazine<C>& m = magazine(bin);
    const std::size_t most = C::Sizes::info(bin).magazine_capacity;
    const std::size_t capacity = m.capacity();
    if (capacity == most) return;
    MagazinePlace<C>* const place = storage + C::Sizes::grown_place(bin);
    const std::size_t size = m.size();
    if (m.base != place) {
      for (std::size_t i = 0; i < size; ++i) place[i] = m.base[i];
    }
    m = {place + size, place, place + std::min(kGrowth * capacity, most)};
  }
  // Requires: the magazine is empty.
  void close(BinIndex bin) noexcept {
    HAKMEM_DCHECK(magazine(bin).empty(), "magazine", bin.value());
    magazine(bin) = {};
  }
  bool is_open(BinIndex bin) noexcept { return magazine(bin).limit != nullptr; }

  // Moves the magazines out of, or back into, the hot path's sight.
  void set_hidden(bool on) noexcept {
    Magazines* const wanted = on ? &hidden : &front;
    if (wanted == active) return;
    *wanted = *active;
    *active = {};
    active = wanted;
  }
};

}  // namespace hakmem
