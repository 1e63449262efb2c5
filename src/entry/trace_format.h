// The binary trace that HAKMEM_TRACE writes and hakmem-replay reads: a TraceHeader, then records, all
// of kRecordBytes, in this machine's byte order. The order of records is an order in which the
// calls may have been made one after the other: what gives a block up is written before the call,
// what obtains one after it. docs/TRACE.md describes the file for other readers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hakmem::trace {

inline constexpr char kMagic[8] = {'h', 'a', 'k', 't', 'r', 'a', 'c', 'e'};
inline constexpr std::uint32_t kVersion = 1;

enum class Kind : std::uint8_t {
  kMalloc = 1,   // size                  -> address (0: none)
  kCalloc,       // size                  -> address
  kAligned,      // size, alignment       -> address
  kFree,         // address
  kReallocFrom,  // address, size: given up; the thread's next kReallocTo belongs to it
  kReallocTo,    // size                  -> address; 0: the block stays where it was
  kThreadExit,
};
inline constexpr std::uint8_t kKindLast = static_cast<std::uint8_t>(Kind::kThreadExit);

struct Record {
  Kind kind;
  std::uint8_t alignment_log2;
  std::uint16_t reserved;  // 0
  std::uint32_t thread;    // as the kernel numbers it
  std::uint64_t size;      // bytes
  std::uint64_t address;
};
inline constexpr std::size_t kRecordBytes = sizeof(Record);
static_assert(kRecordBytes == 24);

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t record_bytes;
  std::uint64_t records;  // complete ones; the file may be longer
  std::uint32_t process;
  std::uint32_t forked;   // 1: the process has blocks from before its fork, which are not in here
};
inline constexpr std::size_t kHeaderBytes = 64;
static_assert(sizeof(Header) <= kHeaderBytes);

}  // namespace hakmem::trace
