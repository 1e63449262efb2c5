// Writes the seed corpora: make_seeds DIRECTORY gives DIRECTORY/TARGET/seed-N for every target. The
// same seeds each time. fuzz/corpus holds what libFuzzer's merge keeps of them (fuzz/README.md).
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/rng.h"
#include "fuzz/trace_input.h"
#include "models/lockstep/op_generator.h"

namespace hakmem::fuzz {
namespace {

using Input = std::vector<std::uint8_t>;

void write(const std::filesystem::path& directory, std::size_t number, const Input& input) {
  std::filesystem::create_directories(directory);
  std::ofstream file(directory / ("seed-" + std::to_string(number)), std::ios::binary);
  file.write(reinterpret_cast<const char*>(input.data()),
             static_cast<std::streamsize>(input.size()));
}

Input text(const std::string& s) { return {s.begin(), s.end()}; }

// Traces of every length, configuration and policy at start.
Input trace_seed(Rng& rng) {
  model::OpGenerator generator(rng.next(), rng.below(2) == 0 ? 10 : 16);
  TraceInput input;
  for (std::uint8_t& byte : input.header) byte = static_cast<std::uint8_t>(rng.next());
  input.ops = generator.trace(4 + rng.below(kOpsMax - 4));
  Input bytes(kInputMax);
  bytes.resize(encode_input(input, bytes.data(), bytes.size()));
  return bytes;
}

// Under a limit that is set, met and lifted again and again.
Input limit_seed(Rng& rng) {
  model::OpGenerator generator(rng.next(), rng.below(2) == 0 ? 10 : 16);
  TraceInput input;
  for (std::uint8_t& byte : input.header) byte = static_cast<std::uint8_t>(rng.next());
  input.ops = generator.trace(40 + rng.below(kOpsMax - 40));
  for (std::size_t i = 0; i < input.ops.size(); i += 4 + rng.below(16)) {
    input.ops[i].kind = model::OpKind::kLimit;
    input.ops[i].size = rng.below(8);
    input.ops[i].arg = rng.below(8);
  }
  Input bytes(kInputMax);
  bytes.resize(encode_input(input, bytes.data(), bytes.size()));
  return bytes;
}

Input random_bytes(Rng& rng, std::size_t most) {
  Input bytes(1 + rng.below(static_cast<std::uint32_t>(most)));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.next());
  return bytes;
}

std::string text_trace(Rng& rng) {
  model::OpGenerator generator(rng.next(), 16);
  return model::text_of(generator.trace(1 + rng.below(8)));
}

constexpr std::array kTraceTargets{"alloc_sequence", "policy_flip", "remote_free", "misuse",
                                   "differential"};
constexpr std::array kEnvironments{
    "1\n0x80\n1\nC7_SAFE\n0",
    "0\n65535\n0\nFULL\n1",
    "1\n0xFFFF\n1\nV1\n1",
    "yes\n0x10000\ntrue\nfull\n2",
    "\n\n\n\n",
    "1\n65536",
    "1\n0x",
    "1\n-1\n1\nC7_SAFE \n 1",
    "1\n0XfF\n0\nV2",
    "1\n00000000000255",
    "1\n0xFF\n0\nFULL\n0\n100M\n1G",
    "1\n0xFF\n0\nFULL\n0\ncgroup\ncgroup",
    "1\n0xFF\n0\nFULL\n0\n2g\n1024m",
    "1\n0xFF\n0\nFULL\n0\n16777216T\n16777215T",
    "1\n0xFF\n0\nFULL\n0\n18446744073709551616\n18446744073709551615",
    "1\n0xFF\n0\nFULL\n0\n0\n1KB",
    "1\n0xFF\n0\nFULL\n0\nK\n-1",
    "1\n0xFF\n0\nFULL\n0\n\n1.5G",
    "1\n0xFFFF\n0\nFULL\n0\n1G\n1G\n1",
    "1\n0xFFFF\n0\nFULL\n0\n1G\n1G\n0",
    "1\n0xFFFF\n0\nFULL\n0\n1G\n1G\non",
    "1\n0x80\n1\nC7_SAFE\n0\n1G\n2G\n1\njson\n/tmp/x.%p\nUSR2",
    "1\n1\n0\nV1\n1\n0\n0\n0\nprom\nfd:7\nSIGUSR1",
    "0\n1\n0\nV1\n1\n0\n0\n0\ntext\nfd:\n9",
    "1\n0\n0\nV1\n1\n0\n0\n0\nxml\n\n65",
    "0\n0\n0\nV1\n1\n0\n0\n0\ntext\nfd:2147483648\n12",
    "0\n0\n0\nV1\n1\n0\n0\n0\nprom\nx\n1\nalways\n1",
    "0\n0\n0\nV1\n1\n0\n0\n0\njson\nx\n1\nnever\n0",
    "0\n0\n0\nV1\n1\n0\n0\n0\njson\nx\n1\nmadvise\nyes",
    "0\n0\n0\nV1\n1\n0\n0\n0\njson\nx\n1\nALWAYS\n",
    ""};

void write_all(const std::filesystem::path& root, std::size_t count) {
  Rng rng(2026);
  for (const char* const target : kTraceTargets) {
    for (std::size_t i = 0; i < count; ++i) write(root / target, i, trace_seed(rng));
  }
  for (std::size_t i = 0; i < count; ++i) {
    write(root / "hot_page", i, random_bytes(rng, 128));
    write(root / "page_of", i, random_bytes(rng, 90));
    write(root / "entry_points", i, random_bytes(rng, 768));
    write(root / "alloc_sequence", count + i, limit_seed(rng));
    write(root / "policy_flip", count + i, limit_seed(rng));
    write(root / "trace_parse", i, i % 4 == 3 ? random_bytes(rng, 60) : text(text_trace(rng)));
  }
  for (std::size_t i = 0; i < kEnvironments.size(); ++i)
    write(root / "env_config", i, text(kEnvironments[i]));
}

}  // namespace
}  // namespace hakmem::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_seeds DIRECTORY\n", stderr);
    return 2;
  }
  hakmem::fuzz::write_all(argv[1], 150);
  return 0;
}
