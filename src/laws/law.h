// Laws: the invariants of the structures, each written once, as a pure predicate over a plain view
// that the real structure (inspect/audit.h), the reference model and a test can all produce. Each
// has an id, listed in docs/INVARIANTS.md. They allocate nothing, call nothing of the boxes and
// bound every walk, so that they may look at a structure that is broken.
#pragma once

namespace hakmem::laws {

// The id of a broken law; nullptr when it holds.
using Broken = const char*;
inline constexpr Broken kHolds = nullptr;

constexpr Broken law(const char* id, bool holds) noexcept { return holds ? kHolds : id; }

// The first broken one of several, in the order given.
template <class... Rest>
constexpr Broken first_broken(Broken first, Rest... rest) noexcept {
  if constexpr (sizeof...(rest) == 0) {
    return first;
  } else {
    return first != kHolds ? first : first_broken(rest...);
  }
}

}  // namespace hakmem::laws
