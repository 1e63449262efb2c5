// Prints the tables of the production geometry as JSON, for the proofs: they are about these
// numbers as the compiler has them, not about a copy. The functions that have no table
// (class_of_size, bin_of, aligned_bin's rule) are run for every size, and printed as runs.
#include <cinttypes>
#include <cstdio>

#include "config/config.h"
#include "config/geometry.h"
#include "config/mitigations.h"

namespace hakmem {
namespace {

using G = ProductionGeometry;

// `f(n)` for n = 0..kBlockMax as [value, last n] pairs.
template <class F>
void print_runs(const char* name, F&& f) {
  std::printf("\"%s\": [", name);
  for (std::size_t n = 0; n <= G::kBlockMax; ++n) {
    if (n != G::kBlockMax && f(n) == f(n + 1)) continue;
    std::printf("[%u, %zu]%s", static_cast<unsigned>(f(n)), n, n == G::kBlockMax ? "],\n" : ", ");
  }
}

template <class S>
void print_bins() {
  std::printf("\"bins\": [");
  for (std::size_t b = 0; b < S::kBins; ++b) {
    const BinInfo& i = S::kBinTable[b];
    std::printf("%s\n{\"block_size\": %" PRIu32
                ", \"size_class\": %u, \"page_shift\": %u, \"capacity\": %u,"
                " \"entry_stride\": %u, \"pages_per_superslab\": %u, \"reciprocal\": %" PRIu64 "}",
                b == 0 ? "" : ",", i.block_size, i.size_class, i.page_shift, i.capacity,
                i.entry_stride, i.pages_per_superslab, i.reciprocal);
  }
  std::printf("],\n\"lut\": [");
  for (std::size_t i = 0; i < S::kLutSize; ++i) {
    std::printf("%s%u", i == 0 ? "" : ", ", S::kBinOfSize[i]);
  }
  std::printf("],\n");
}

template <class S>
void print_flavour(const char* name) {
  std::printf("\"%s\": {\n", name);
  print_bins<S>();
  print_runs("class_runs", [](std::size_t n) { return class_of_size(n); });
  print_runs("bin_runs", [](std::size_t n) { return S::bin_of(n).value(); });
  std::printf("\"guard_bytes\": %zu, \"entries_per_superslab\": %zu,\n", S::kGuardBytes,
              S::kEntriesPerSuperslab);
  std::printf("\"fine_limit\": %zu, \"min_block\": %zu, \"block_max\": %zu,\n", kFineLimit,
              kMinBlock, G::kBlockMax);
  std::printf("\"unit_shift\": %u, \"superslab_shift\": %u,\n", G::kUnitShift, G::kSuperslabShift);
  std::printf("\"arena_bytes_max\": %zu, \"arena_bytes_min\": %zu\n}", G::kArenaBytesMax,
              G::kArenaBytesMin);
}

}  // namespace
}  // namespace hakmem

int main() {
  using namespace hakmem;
  std::printf("{\n");
  print_flavour<Sizes<G, G::kPageGuardBytes>>("hardened");
  std::printf(",\n");
  print_flavour<Sizes<G, 0>>("perf");
  std::printf("\n}\n");
}
