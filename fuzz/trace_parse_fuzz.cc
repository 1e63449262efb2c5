// trace_parse: the text form of ops, as replayed files have it. Any text is either refused or read
// as an op whose own text reads back as the same op; the byte form goes round as well.
#include <algorithm>
#include <array>
#include <string>

#include "fuzz/check.h"
#include "models/ops.h"

namespace hakmem::fuzz {
namespace {

void check_line(const std::string& line) {
  model::Op op;
  op.size = 0xA5A5A5A5;
  const model::Op before = op;
  if (!model::parse_op(line.c_str(), op)) {
    require(op == before, "a refused line changed the op");
    return;
  }
  model::Op again;
  require(model::parse_op(model::text_of(op).c_str(), again), "an op's own text is refused");
  require(again == op, "an op's own text reads as another op");
  std::array<std::uint8_t, model::kOpBytes> bytes{};
  model::encode_op(op, bytes.data());
  require(model::decode_op(bytes.data()) == op, "an op's bytes read as another op");
  require(model::cpp_of({op}, "SmallHardened").size() > 100, "an op has no C++ form");
}

// Every byte string is ops; their text reads back as the same.
void check_bytes(const std::uint8_t* data, std::size_t size) {
  const model::Trace trace = model::decode_trace(data, size);
  require(trace.size() == size / model::kOpBytes, "how many ops the bytes hold");
  for (const model::Op& op : trace) {
    model::Op read;
    require(model::parse_op(model::text_of(op).c_str(), read) && read == op, "text of an op");
  }
}

}  // namespace
}  // namespace hakmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hakmem::fuzz;
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    check_line(text.substr(at, end - at));
    at = end + 1;
  }
  check_bytes(data, size);
  return 0;
}
