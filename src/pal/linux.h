// The platform of production: Linux system calls, raw (system_call.h). What it remembers is of the
// process: its filter (sandbox.h), its stderr (stderr.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "pal/platform.h"

namespace hakmem {

class LinuxPlatform {
 public:
  // Before anything else; harmless when repeated.
  static void start() noexcept;

  void* reserve(std::size_t bytes, std::size_t alignment) noexcept;
  bool commit(void* at, std::size_t bytes) noexcept;
  bool purge(void* at, std::size_t bytes) noexcept;
  void reveal(void* at, std::size_t bytes) noexcept;
  bool guard(void* at, std::size_t bytes) noexcept;
  bool unguard(void* at, std::size_t bytes) noexcept;
  void* map(std::size_t bytes, std::size_t alignment) noexcept;
  void* sparse(std::size_t bytes) noexcept;
  void* table(std::size_t bytes) noexcept;
  bool open(void* at, std::size_t bytes) noexcept { return commit(at, bytes); }
  bool unsparse(void* at, std::size_t bytes) noexcept;
  void* remap(void* at, std::size_t bytes, std::size_t new_bytes) noexcept;
  bool protect(void* at, std::size_t bytes) noexcept;
  void advise_huge(void* at, std::size_t bytes, HugeAdvice advice) noexcept;
  bool prefault(void* at, std::size_t bytes) noexcept;
  bool unmap(void* at, std::size_t bytes) noexcept;
  std::size_t mappings_max() noexcept;  // vm.max_map_count
  std::size_t mappings() noexcept;      // lines of /proc/self/maps; 0 when it cannot be read
  std::size_t page_bytes() noexcept;
  std::uint64_t random() noexcept;    // from the kernel's generator
  std::uint64_t clock_ms() noexcept;  // monotonic, coarse

  static void futex_wait(std::uint32_t* word, std::uint32_t expected) noexcept;
  static void futex_wake(std::uint32_t* word) noexcept;
  static std::uint32_t process() noexcept;
  static std::uint32_t thread() noexcept;
  // Where the line may go: stderr.h.
  static void write_error(const char* text, std::size_t bytes) noexcept;
  static void write_fatal(const char* text, std::size_t bytes) noexcept;
  [[noreturn]] static void abort() noexcept;

  // Value of an environment variable, also before libc has set `environ` up, and nullptr in a
  // set-user-id program. The text stays valid for the life of the process.
  static const char* environment(const char* name) noexcept;
};

static_assert(Platform<LinuxPlatform>);

}  // namespace hakmem
