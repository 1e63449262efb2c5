// Which accesses are ordered: a vector clock for each thread and each atomic word, by the memory
// order that the code states, and what each thread last did to each byte. Two accesses to one byte,
// one of them a write, neither ordered before the other, are a race, and the run is over.
//
// Plain accesses come from the compiler's instrumentation (watched.cc): no field of the allocator
// is marked for this. What is watched: the allocator itself and the memory that its platform gave
// it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/schedule/scheduler.h"

namespace hakmem::schedule {

// How the run ends then.
inline constexpr const char* kRace = "a race";

class Clocks {
 public:
  static Clocks& instance();

  void begin();  // of a run
  void watch(const void* at, std::size_t bytes);
  void leave_out(const void* at, std::size_t bytes);  // one part of what is watched

  // ---- threads. What is done while none runs is before all of them, and after all that ended.
  void join_all();

  // ---- atomic words
  void acquire(const void* word);
  void release(const void* word, bool continues);  // `continues`: a read-modify-write
  void relaxed_store(const void* word);            // ends a release sequence

  // ---- bytes
  void access(const void* at, std::size_t bytes, bool writes, const void* code);
  // The system wrote them; nobody knows of them any more.
  void renewed(const void* at, std::size_t bytes) { forget(at, bytes, true); }
  // They are new.
  void made(const void* at, std::size_t bytes) { forget(at, bytes, false); }

  // The two places of the race that ended the run.
  std::string race() const;

 private:
  static constexpr std::size_t kNone = kThreadsMax;  // no thread: before and after the run
  using Clock = std::array<std::uint32_t, kThreadsMax + 1>;
  struct Range {
    std::uintptr_t begin, end;
  };
  struct Seen {
    std::uint32_t at = 0;    // by its thread's own clock
    std::uint32_t code = 0;  // the program is not relocated
    std::uint8_t bytes = 0;  // of the eight, a bit each
    std::uint8_t thread = 0;
    bool writes = false;
  };
  struct Eight {
    std::uint32_t run = 0;
    std::uint8_t count = 0;
    std::array<Seen, 5> seen{};
  };
  struct Page {
    std::uintptr_t number = 0;
    std::uint32_t ranges = 0;  // number of ranges when `watched` was decided
    std::uint32_t run = 0;     // that it was last touched in
    bool watched = false;      // any of it
    std::array<Eight, 512> eights{};
  };

  static void join(Clock& into, const Clock& from) {
    for (std::size_t i = 0; i < into.size(); ++i)
      if (from[i] > into[i]) into[i] = from[i];
  }
  std::size_t me() const;
  Clock& mine() { return clock_[me()]; }
  void forget(const void* at, std::size_t bytes, bool look_first);
  Page* page_at(std::uintptr_t number, bool make);
  bool is_watched(std::uintptr_t at) const;
  void look(Eight& here, std::uint8_t bytes, bool writes, const void* code);
  [[noreturn]] void found(const Seen& before, bool writes, const void* code);

  std::uint32_t run_ = 0;
  std::array<Clock, kThreadsMax + 1> clock_{};
  std::unordered_map<const void*, Clock> released_;
  std::unordered_map<std::uintptr_t, std::unique_ptr<Page>> pages_;
  std::array<Page*, 4096> near_{};  // by the page's number
  std::vector<Range> ranges_;
  Range out_{};
  Seen first_{}, second_{};
};

}  // namespace hakmem::schedule
