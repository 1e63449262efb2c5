// Reads traces from bytes: recorded ones (entry/trace_format.h) and texts (one op a line, ops.h).
// Any bytes are allowed; what is no trace gives a message that says where and what.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "entry/trace_format.h"
#include "models/lockstep/ops.h"

namespace hakmem::model {

inline bool is_recorded_trace(std::string_view bytes) {
  return bytes.size() >= sizeof trace::kMagic &&
         std::memcmp(bytes.data(), trace::kMagic, sizeof trace::kMagic) == 0;
}

// Calls visit(record) for each until it says false. Returns what is wrong with the file, or "".
template <class Visit>
std::string read_recorded_trace(std::string_view bytes, trace::Header& header, Visit&& visit) {
  const auto at = [](std::size_t offset, const std::string& what) {
    return "byte " + std::to_string(offset) + ": " + what;
  };
  if (!is_recorded_trace(bytes)) return at(0, "not a recorded trace");
  if (bytes.size() < trace::kHeaderBytes) return at(bytes.size(), "the header is cut off");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != trace::kVersion) {
    return at(8, "version " + std::to_string(header.version) + " is not known");
  }
  if (header.record_bytes != trace::kRecordBytes || header.forked > 1) {
    return at(12, "the header makes no sense");
  }
  const std::size_t held = (bytes.size() - trace::kHeaderBytes) / trace::kRecordBytes;
  if (header.records > held) {
    return at(bytes.size(), "the file ends after " + std::to_string(held) + " of " +
                                std::to_string(header.records) + " records");
  }
  for (std::uint64_t i = 0; i < header.records; ++i) {
    const std::size_t offset = trace::kHeaderBytes + i * trace::kRecordBytes;
    const auto kind = static_cast<std::uint8_t>(bytes[offset]);
    if (kind == 0 || kind > trace::kKindLast) {
      return at(offset, "no kind of record has number " + std::to_string(kind));
    }
    trace::Record record;
    std::memcpy(&record, bytes.data() + offset, sizeof record);
    if (record.reserved != 0 || record.alignment_log2 > 63) {
      return at(offset, "the record makes no sense");
    }
    if (!visit(record)) break;
  }
  return "";
}

// Blank lines and lines that begin with # are skipped.
inline std::string read_text_trace(std::string_view text, Trace& trace) {
  std::size_t line = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string one(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line;
    if (one.empty() || one[0] == '#') continue;
    Op op;
    if (!parse_op(one, op)) {
      return "line " + std::to_string(line) + " is no operation";
    }
    trace.push_back(op);
  }
  return "";
}

}  // namespace hakmem::model
