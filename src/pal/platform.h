// What the allocator asks of the operating system. Two types satisfy the concept: LinuxPlatform
// (linux.h), and FakePlatform (fake.h), which counts calls and can make the k-th one fail.
// Every call leaves errno as it was, allocates nothing and never throws.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "config/memory_options.h"

namespace hakmem {

// reserve  address space without memory, inaccessible; nullptr when refused
// commit   make part of a reservation readable and writable; false when refused
// purge    give the memory back, keep the range; reads as zero afterwards
// reveal   let core dumps hold part of a reservation
// guard    make a range fault on access, at no cost in mappings; false when not supported;
//          `unguard` undoes it, false when it could not; the contents of its range may be lost
// map      zeroed readable and writable memory, `alignment` a power of two; nullptr when refused
// sparse   zeroed readable and writable memory for metadata: between inaccessible guard
//          pages and left out of core dumps; nullptr when refused. `unsparse` gives it back,
//          false when refused
// table    address space for metadata like sparse, but inaccessible until parts of it are opened;
//          given back by unsparse
// open     make part of a table readable and writable; false when refused
// remap    grow or shrink a mapping, moving it if need be; nullptr when refused (old one intact)
// protect  make a range inaccessible (costs a mapping); false when refused
// advise_huge  says whether huge pages are wanted in a range: advice only
// prefault give a readable and writable range its memory now; false when refused or not supported
// unmap    give a range back; false when refused: cutting a mapping in two takes one more
// mappings_max   mappings that the process may have; `mappings` counts those it has, slowly
template <class P>
concept Platform = requires(P p, void* at, std::size_t n, std::uint32_t* word, std::uint32_t v,
                            const char* text, HugeAdvice advice) {
  { p.reserve(n, n) } noexcept -> std::same_as<void*>;
  { p.commit(at, n) } noexcept -> std::same_as<bool>;
  { p.purge(at, n) } noexcept -> std::same_as<bool>;
  { p.reveal(at, n) } noexcept -> std::same_as<void>;
  { p.guard(at, n) } noexcept -> std::same_as<bool>;
  { p.unguard(at, n) } noexcept -> std::same_as<bool>;
  { p.map(n, n) } noexcept -> std::same_as<void*>;
  { p.sparse(n) } noexcept -> std::same_as<void*>;
  { p.table(n) } noexcept -> std::same_as<void*>;
  { p.open(at, n) } noexcept -> std::same_as<bool>;
  { p.unsparse(at, n) } noexcept -> std::same_as<bool>;
  { p.remap(at, n, n) } noexcept -> std::same_as<void*>;
  { p.protect(at, n) } noexcept -> std::same_as<bool>;
  { p.advise_huge(at, n, advice) } noexcept -> std::same_as<void>;
  { p.prefault(at, n) } noexcept -> std::same_as<bool>;
  { p.unmap(at, n) } noexcept -> std::same_as<bool>;
  { p.mappings_max() } noexcept -> std::same_as<std::size_t>;
  { p.mappings() } noexcept -> std::same_as<std::size_t>;
  { p.page_bytes() } noexcept -> std::same_as<std::size_t>;
  { p.random() } noexcept -> std::same_as<std::uint64_t>;
  { p.clock_ms() } noexcept -> std::same_as<std::uint64_t>;
  { P::futex_wait(word, v) } noexcept -> std::same_as<void>;
  { P::futex_wake(word) } noexcept -> std::same_as<void>;
  { P::write_error(text, n) } noexcept -> std::same_as<void>;
};

}  // namespace hakmem
