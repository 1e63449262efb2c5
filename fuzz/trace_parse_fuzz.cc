// trace_parse: the files that hakmem-replay reads. Any text is either refused or read as an op
// whose own text reads back as the same op; the byte form goes round as well. Any bytes are a
// recorded trace or refused, and a history is judged without harm whatever it says.
#include <algorithm>
#include <array>
#include <string>

#include "fuzz/check.h"
#include "models/lockstep/history.h"
#include "models/lockstep/ops.h"
#include "models/lockstep/trace_file.h"

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
  if (op.thread > 0xFF || op.block > 0xFFFF) return;  // more than the byte form holds
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

// As it is, and with a header that promises as many records as there are bytes for.
void check_recorded(std::string bytes) {
  for (const bool headed : {false, true}) {
    if (headed) {
      trace::Header header{};
      std::memcpy(header.magic, trace::kMagic, sizeof header.magic);
      header.version = trace::kVersion;
      header.record_bytes = trace::kRecordBytes;
      header.records = bytes.size() / trace::kRecordBytes;
      bytes.insert(0, trace::kHeaderBytes, '\0');
      std::memcpy(bytes.data(), &header, sizeof header);
    }
    trace::Header header{};
    model::History history(false);
    const std::string wrong = model::read_recorded_trace(
        bytes, header, [&](const trace::Record& record) { return history.add(record); });
    if (!wrong.empty()) require(wrong.starts_with("byte "), "where a file is wrong");
    require(history.live_bytes() <= history.peak_bytes(), "the peak is the most");
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
  check_recorded(text);
  return 0;
}
