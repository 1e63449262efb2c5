// What the programs of this folder share. Each runs with libhakmem preloaded, attacks it the way a
// Linux program would, and ends in 0, or with one line about what did not hold.
#pragma once

#include <dlfcn.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <source_location>
#include <string>

namespace process {

// Ends the program at once: no handlers, no destructors, nothing that a broken heap could hang.
[[noreturn]] inline void fail(const char* what, std::source_location at) {
  char line[512];
  const int n = std::snprintf(line, sizeof line, "%s:%u: %s (errno %d)\n", at.file_name(),
                              at.line(), what, errno);
  if (n > 0 && write(STDERR_FILENO, line, static_cast<std::size_t>(n)) < 0) _exit(3);
  _exit(2);
}

inline void check(bool holds, const char* what,
                  std::source_location at = std::source_location::current()) {
  if (!holds) fail(what, at);
}

// A deadlock ends in SIGALRM. Far more than any of these programs needs on a busy machine.
inline void watchdog(unsigned seconds = 500) { alarm(seconds); }

inline bool is_preloaded() {
  Dl_info info{};
  const auto where = reinterpret_cast<void*>(&std::malloc);
  return dladdr(where, &info) != 0 && std::strstr(info.dli_fname, "libhakmem") != nullptr;
}

inline bool is_hardened() {
  const auto flavour = reinterpret_cast<const char* (*)()>(dlsym(RTLD_DEFAULT, "hak_flavour"));
  return flavour != nullptr && std::strcmp(flavour(), "hardened") == 0;
}

// Every program calls it first: a test of some other malloc would show nothing.
inline void start() {
  check(is_preloaded(), "the library is not preloaded");
  watchdog();
}

inline bool preloads(const char* library) {
  const char* const all = std::getenv("LD_PRELOAD");
  return all != nullptr && std::strstr(all, library) != nullptr;
}

inline long from_environment(const char* name, long fallback) {
  const char* const text = std::getenv(name);
  return text == nullptr ? fallback : std::atol(text);
}

inline std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(getpagesize());
}

inline std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t n = 0;
  for (std::string line; std::getline(maps, line);) ++n;
  return n;
}

// Bytes that the program holds, as the allocator counts them.
inline std::size_t live_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

inline void expect_exit_0(pid_t child, std::source_location at = std::source_location::current()) {
  int status = 0;
  check(waitpid(child, &status, 0) == child, "waitpid", at);
  check(!WIFSIGNALED(status), "a child died of a signal", at);
  check(WEXITSTATUS(status) == 0, "a child failed", at);
}

// A reproducible sequence (Numerical Recipes' generator).
class Sequence {
 public:
  explicit Sequence(std::uint32_t seed) : state_(seed * 2654435761u + 1) {}
  std::uint32_t below(std::uint32_t bound) {
    state_ = state_ * 1664525u + 1013904223u;
    return (state_ >> 8) % bound;
  }

 private:
  std::uint32_t state_;
};

// Mostly small, some mid, a few with mappings of their own: every path of an allocator.
inline std::size_t pick_size(Sequence& sequence) {
  const std::uint32_t kind = sequence.below(100);
  if (kind < 80) return 17 + sequence.below(1008);
  if (kind < 98) return 1025 + sequence.below(30000);
  return 262145 + sequence.below(100000);
}

// A block that knows its size and has a tag at both ends: one given to two holders shows.
struct Block {
  std::size_t bytes;
  unsigned char tag;
};

inline Block* make_block(std::size_t bytes, unsigned tag,
                         std::source_location at = std::source_location::current()) {
  auto* const block = static_cast<Block*>(std::malloc(bytes));
  check(block != nullptr, "malloc", at);
  *block = {bytes, static_cast<unsigned char>(tag)};
  reinterpret_cast<unsigned char*>(block)[bytes - 1] = block->tag;
  return block;
}

// Requires: made by make_block with more than sizeof(Block) bytes; nullptr is allowed.
inline void check_and_free(Block* block,
                           std::source_location at = std::source_location::current()) {
  if (block == nullptr) return;
  check(reinterpret_cast<unsigned char*>(block)[block->bytes - 1] == block->tag,
        "a block changed in other hands", at);
  std::free(block);
}

}  // namespace process
