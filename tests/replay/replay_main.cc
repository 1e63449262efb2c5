// Runs a fuzz target over files, without libFuzzer: the corpus and every past crash, in any build.
//
// usage: X_fuzz_replay FILE_OR_DIRECTORY...
//
// A directory is walked in name order; one that does not exist is an empty one (a target without
// regressions yet). The name is printed before each run, so that a crash's last line is the input
// that made it. No inputs at all is a failure.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> inputs_of(const fs::path& place) {
  std::vector<fs::path> found;
  if (fs::is_regular_file(place)) found.push_back(place);
  if (!fs::is_directory(place)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(place)) {
    if (entry.is_regular_file()) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void run(const fs::path& input) {
  std::printf("%s\n", input.c_str());
  std::fflush(stdout);
  std::ifstream stream(input, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  // Its own exact block, so that ASan sees a target read past the end.
  const std::vector<uint8_t> data(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(data.data(), data.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  size_t runs = 0;
  for (int i = 1; i < argc; ++i) {
    for (const fs::path& input : inputs_of(argv[i])) {
      run(input);
      ++runs;
    }
  }
  std::printf("Done %zu runs\n", runs);
  return runs == 0 ? 1 : 0;
}
