#include "models/schedule/clocks.h"

#include <cstdio>

namespace hakmem::schedule {

namespace {
constexpr std::uintptr_t kPageBytes = 4096;
constexpr std::uintptr_t kEights = kPageBytes / 8;
}  // namespace

// Never destroyed: instrumented code runs until the very end.
Clocks& Clocks::instance() {
  static Clocks& clocks = *new Clocks;
  return clocks;
}

void Clocks::begin() {
  ++run_;
  clock_ = {};
  for (std::size_t i = 0; i < clock_.size(); ++i) clock_[i][i] = 1;
  released_.clear();
  ranges_.clear();
  out_ = {};
}

void Clocks::watch(const void* at, std::size_t bytes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  ranges_.push_back({begin, begin + bytes});
}
void Clocks::leave_out(const void* at, std::size_t bytes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  out_ = {begin, begin + bytes};
}

void Clocks::join_all() {
  for (const Clock& clock : clock_) join(clock_[kNone], clock);
  ++clock_[kNone][kNone];
  for (std::size_t i = 0; i < kThreadsMax; ++i) {
    join(clock_[i], clock_[kNone]);
    ++clock_[i][i];
  }
}

std::size_t Clocks::me() const {
  const Scheduler& scheduler = Scheduler::instance();
  return scheduler.active() ? scheduler.current() : kNone;
}

void Clocks::acquire(const void* word) {
  if (const auto at = released_.find(word); at != released_.end()) join(mine(), at->second);
}
void Clocks::release(const void* word, bool continues) {
  Clock& of_word = released_[word];
  if (!continues) of_word = {};
  join(of_word, mine());
  ++mine()[me()];
}
void Clocks::relaxed_store(const void* word) { released_.erase(word); }

Clocks::Page* Clocks::page_at(std::uintptr_t number, bool make) {
  Page*& near = near_[number % near_.size()];
  if (near != nullptr && near->number == number) return near;
  const auto at = pages_.find(number);
  if (at == pages_.end() && !make) return nullptr;
  std::unique_ptr<Page>& page = at == pages_.end() ? pages_[number] : at->second;
  if (page == nullptr) {
    page = std::make_unique<Page>();
    page->number = number;
  }
  return near = page.get();
}

bool Clocks::is_watched(std::uintptr_t number) const {
  for (const Range& range : ranges_)
    if (number >= range.begin / kPageBytes && number <= (range.end - 1) / kPageBytes) return true;
  return false;
}

void Clocks::access(const void* at, std::size_t bytes, bool writes, const void* code) {
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  if (begin >= out_.begin && begin < out_.end) return;
  const auto end = begin + bytes;
  for (std::uintptr_t eight = begin / 8; eight * 8 < end; ++eight) {
    Page& page = *page_at(eight / kEights, true);
    if (page.run != run_ || page.ranges != ranges_.size()) {
      page.watched = is_watched(page.number);
      page.run = run_;
      page.ranges = static_cast<std::uint32_t>(ranges_.size());
    }
    if (!page.watched) return;
    const std::uintptr_t first = eight * 8 < begin ? begin - eight * 8 : 0;
    const std::uintptr_t last = eight * 8 + 8 > end ? end - eight * 8 : 8;
    look(page.eights[eight % kEights],
         static_cast<std::uint8_t>((0xFFu >> (8 - (last - first))) << first), writes, code);
  }
}

void Clocks::look(Eight& here, std::uint8_t bytes, bool writes, const void* code) {
  if (here.run != run_) here.count = 0;
  here.run = run_;
  const std::size_t thread = me();
  const Clock& clock = clock_[thread];
  const auto at = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(code));
  if (Seen& last = here.seen[0]; here.count == 1 && last.thread == thread && last.bytes == bytes) {
    if (writes || !last.writes) last = {clock[thread], at, bytes, last.thread, writes};
    if (last.at == clock[thread]) return;
  }
  std::uint8_t kept = 0;
  for (std::uint8_t i = 0; i < here.count; ++i) {
    const Seen before = here.seen[i];
    const bool ordered = before.thread == thread || clock[before.thread] >= before.at;
    if ((before.bytes & bytes) != 0 && (before.writes || writes) && !ordered)
      found(before, writes, code);
    // What this access stands for from now on.
    const bool within = (before.bytes & ~bytes) == 0;
    if (within && ordered && (writes || !before.writes)) continue;
    here.seen[kept++] = before;
  }
  if (kept == here.seen.size()) {  // the oldest is forgotten
    for (std::size_t i = 1; i < kept; ++i) here.seen[i - 1] = here.seen[i];
    --kept;
  }
  here.seen[kept++] = {clock[thread], at, bytes, static_cast<std::uint8_t>(thread), writes};
  here.count = kept;
}

void Clocks::forget(const void* at, std::size_t bytes, bool look_first) {
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  for (std::uintptr_t number = begin / kPageBytes; number * kPageBytes < begin + bytes; ++number) {
    Page* const page = page_at(number, false);
    if (page == nullptr || page->run != run_) continue;
    for (std::size_t i = 0; i < kEights; ++i) {
      const std::uintptr_t here = number * kPageBytes + 8 * i;
      if (here < begin || here >= begin + bytes || page->eights[i].run != run_) continue;
      if (look_first && page->eights[i].count != 0) look(page->eights[i], 0xFF, true, nullptr);
      page->eights[i].count = 0;
    }
  }
}

void Clocks::found(const Seen& before, bool writes, const void* code) {
  first_ = before;
  const auto at = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(code));
  second_ = {0, at, 0, static_cast<std::uint8_t>(me()), writes};
  Scheduler::instance().end(kRace);
}

namespace {

std::string line_of(std::uint32_t code) {
  if (code == 0) return "the system";
  char command[128], text[512] = "";
  std::snprintf(command, sizeof command, "addr2line -Cs -e /proc/%d/exe %#x", int{getpid()}, code);
  if (std::FILE* const pipe = popen(command, "r"); pipe != nullptr) {
    if (std::fgets(text, sizeof text, pipe) == nullptr) text[0] = '\0';
    pclose(pipe);
  }
  std::string line = text;
  while (!line.empty() && line.back() == '\n') line.pop_back();
  return line;
}

}  // namespace

std::string Clocks::race() const {
  const auto tell = [](const Seen& seen) {
    return "thread " + std::to_string(seen.thread) + (seen.writes ? " writes at " : " reads at ") +
           line_of(seen.code);
  };
  return tell(first_) + ", " + tell(second_) + ", and nothing orders the two";
}

}  // namespace hakmem::schedule
