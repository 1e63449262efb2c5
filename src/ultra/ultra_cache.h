// ULTRA: one context's magazines, one per bin, and how they are opened and closed.
//
// The hot path sees `front`. A bin that must not be cached (its class is on v1) has a closed front
// magazine. While every call must take the slow path (calls are being counted, or the context ebbs)
// all front magazines are closed and the real ones are in `hidden`: what the slow path does beyond
// the hot one costs nothing when it is off. The slow path always works on `active`.
#pragma once

#include <array>

#include "base/types.h"
#include "ultra/magazine.h"

namespace hakmem {

template <class C>
struct UltraCache {
  using Magazines = std::array<Magazine<C>, C::Sizes::kBins>;

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
    MagazinePlace<C>* place = storage;
    for (std::size_t b = 0; b < bin.value(); ++b) place += C::Sizes::kBinTable[b].magazine_capacity;
    magazine(bin) = {place, place, place + C::Sizes::info(bin).magazine_capacity};
  }
  // Requires: the magazine is empty.
  void close(BinIndex bin) noexcept { magazine(bin) = {}; }
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
