// Threads as fibers, one of which runs at a time, and a scheduler that decides at every point where
// another may go on. The same seed gives the same run, to the last step.
//
//   point()            the running thread is about to do what others may see
//   wait, wake         a futex: compare and sleep in one step, wake one
//   system_call()      a point that may take for ever
//   end(why)           the run is over, wherever its threads stand; their stacks are dropped
//
// Strategies: a random walk, which changes the thread with a probability that differs from run to
// run; PCT (Burckhardt et al., ASPLOS 2010): random priorities, lowered at d - 1 random steps,
// which finds a bug of depth d with probability 1 / (n * k^(d-1)) for n threads and k steps; the
// switches of an earlier run; and what a Chooser says, who is told of every step.
#pragma once

#include <sys/mman.h>

#include <array>
#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "base/rng.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace hakmem::schedule {

struct Site {
  const char* file;
  int line;
};

// What a thread does between this point and its next one, as far as others can see. Two steps on
// different objects, or that only read, may change places.
struct Step {
  const void* object = nullptr;  // nullptr: nothing
  bool writes = false;
  Site site = {"", 0};
};

inline constexpr std::size_t kThreadsMax = 8;
inline constexpr std::size_t kNobody = ~std::size_t{0};

enum class Strategy : unsigned char { kRandomWalk, kPct, kGiven, kChosen };

// At its point number `point` the thread stopped, and `to` went on. Points are counted for each
// thread by itself, so that the others stay what they are when one switch is left out.
struct Switch {
  std::size_t thread;
  std::uint32_t point;
  std::size_t to;
  Site site;
};

class Chooser {
 public:
  virtual ~Chooser() = default;
  // Which thread goes on, of those whose bit is set; kNobody ends the run.
  virtual std::size_t choose(std::uint32_t ready, std::size_t current,
                             const std::array<Step, kThreadsMax>& steps) = 0;
};

// How a run may end but for its threads' own verdicts.
inline constexpr const char* kAllEnded = "";
inline constexpr const char* kCut = "cut";  // the Chooser had seen enough

struct Schedule {
  std::uint64_t seed = 1;
  Strategy strategy = Strategy::kRandomWalk;
  unsigned depth = 3;  // of PCT
  std::uint32_t for_ever =
      0;  // this system call, counted from 1, returns after all others have ended
  std::vector<Switch> switches{};  // kGiven
  Chooser* chooser = nullptr;      // kChosen
};

class Scheduler {
 public:
  static constexpr std::uint64_t kStepsMax = 200000;  // more: a wait without bound

  static Scheduler& instance() {
    static Scheduler scheduler;
    return scheduler;
  }

  // Begins a run. `steps`: about how many it takes.
  void begin(const Schedule& schedule, std::uint64_t steps) {
    rng_ = Rng(schedule.seed);
    schedule_ = &schedule;
    odds_ = 1u << (1 + rng_.below(6));
    count_ = 0;
    steps_ = 0;
    system_calls_ = 0;
    next_ = kNobody;
    made_.clear();
    lowered_at_.clear();
    for (unsigned d = 1; d < schedule.depth; ++d)
      lowered_at_.push_back(1 + rng_.below(static_cast<std::uint32_t>(steps)));
    verdict_ = kAllEnded;
    alone_ = false;
  }

  // After a run whose threads have all ended: more may be added, and the same run goes on.
  void go_on() { count_ = 0; }

  void add(std::function<void()> body) {
    Thread& thread = threads_[count_];
    thread.body = std::move(body);
    thread.state = State::kReady;
    thread.priority = (std::uint64_t{1} << 32) + rng_.below(1u << 30);
    thread.points = 0;
    steps_of_[count_] = {};
    if (stacks_[count_] == nullptr) stacks_[count_] = new_stack();
#ifdef __SANITIZE_ADDRESS__  // what the frames of a run that was cut short had closed
    __asan_unpoison_memory_region(stacks_[count_], kStackBytes);
#endif
    thread.context = boost::context::detail::make_fcontext(
        static_cast<char*>(stacks_[count_]) + kStackBytes, kStackBytes, &Scheduler::enter);
    ++count_;
  }

  // Runs the threads. kAllEnded, or why the run ended.
  const char* run() {
    running_ = true;
    next_ = choose_first();
    while (running_ && next_ != kNobody) {
      current_ = next_;
      const auto from = boost::context::detail::jump_fcontext(threads_[current_].context, this);
      threads_[current_].context = from.fctx;
    }
    if (running_ && left() != 0) verdict_ = "deadlock: every thread waits";
    running_ = false;
    return verdict_;
  }

  // ---- called by the threads

  bool active() const { return running_; }
  std::size_t current() const { return current_; }

  void point(const Step& step) {
    if (!begins(step) || alone_) return;
    go_on_with(decide());
  }

  void system_call(const Step& step) {
    if (!begins(step) || alone_) return;
    const bool for_ever = ++system_calls_ == schedule_->for_ever;
    if (for_ever) threads_[current_].state = State::kFrozen;
    go_on_with(for_ever ? of_others() : decide());
  }

  void wait(const std::uint32_t* word, std::uint32_t expected, const Site& site) {
    point({word, false, site});
    if (!running_ || *word != expected) return;
    if (alone_) end("deadlock: the only thread waits");
    threads_[current_].state = State::kWaiting;
    threads_[current_].word = word;
    go_on_with(of_others());
  }
  void wake(const std::uint32_t* word) {
    std::array<std::size_t, kThreadsMax> sleepers{};
    std::size_t n = 0;
    for (std::size_t i = 0; i < count_; ++i)
      if (threads_[i].state == State::kWaiting && threads_[i].word == word) sleepers[n++] = i;
    if (n == 0) return;
    const bool random = schedule_->strategy <= Strategy::kPct;
    const std::size_t woken =
        sleepers[random ? rng_.below(static_cast<std::uint32_t>(n)) : std::size_t{0}];
    threads_[woken].state = State::kReady;
    steps_of_[woken] = {};
  }

  // The others never run again: as the child of a fork has it.
  void go_on_alone() { alone_ = true; }
  bool alone() const { return alone_; }

  [[noreturn]] void end(const char* why) {
    verdict_ = why;
    running_ = false;
    leave();
    std::abort();  // nobody comes back
  }

  // ---- about the run

  std::uint64_t steps() const { return steps_; }
  std::uint32_t system_calls() const { return system_calls_; }
  const std::vector<Switch>& switches() const { return made_; }

 private:
  enum class State : unsigned char { kReady, kWaiting, kFrozen, kEnded };
  struct Thread {
    boost::context::detail::fcontext_t context = nullptr;
    std::function<void()> body;
    State state = State::kEnded;
    const std::uint32_t* word = nullptr;
    std::uint64_t priority = 0;
    std::uint32_t points = 0;
  };
  static constexpr std::size_t kStackBytes = std::size_t{256} << 10;

  static void* new_stack() {
    void* const at = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) std::abort();
    return at;
  }

  static void enter(boost::context::detail::transfer_t from) {
    auto& self = *static_cast<Scheduler*>(from.data);
    self.home_ = from.fctx;
    self.threads_[self.current_].body();
    self.threads_[self.current_].state = State::kEnded;
    self.steps_of_[self.current_] = {};
    if (self.alone_) self.running_ = false;  // what the others have left to do is nobody's
    if (self.running_) self.go_on_with(self.of_others());
    self.leave();
    std::abort();  // an ended thread does not run
  }

  // To run(), and back when this thread is chosen again.
  void leave() { home_ = boost::context::detail::jump_fcontext(home_, nullptr).fctx; }

  bool begins(const Step& step) {
    if (!running_) return false;
    if (++steps_ > kStepsMax) end("a wait without bound");
    ++threads_[current_].points;
    steps_of_[current_] = step;
    return true;
  }
  void go_on_with(std::size_t next) {
    next_ = next;
    if (next == current_) return;
    record();
    leave();
  }
  void record() {
    if (next_ == kNobody) return;
    made_.push_back({current_, threads_[current_].points, next_, steps_of_[current_].site});
  }

  std::size_t left() const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < count_; ++i) n += threads_[i].state != State::kEnded ? 1 : 0;
    return n;
  }
  std::uint32_t ready() const {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < count_; ++i)
      if (threads_[i].state == State::kReady) bits |= 1u << i;
    return bits;
  }
  std::size_t any_of(std::uint32_t bits) {
    std::uint32_t skip = rng_.below(static_cast<std::uint32_t>(__builtin_popcount(bits)));
    while (skip-- != 0) bits &= bits - 1;
    return first_of(bits);
  }
  static std::size_t first_of(std::uint32_t bits) {
    return static_cast<std::size_t>(__builtin_ctz(bits));
  }
  std::size_t highest_of(std::uint32_t bits) const {
    std::size_t best = kNobody;
    for (; bits != 0; bits &= bits - 1) {
      const std::size_t i = first_of(bits);
      if (best == kNobody || threads_[i].priority > threads_[best].priority) best = i;
    }
    return best;
  }

  // At a point of the running thread.
  std::size_t decide() {
    switch (schedule_->strategy) {
      case Strategy::kRandomWalk:
        return rng_.below(odds_) == 0 ? any_of(ready()) : current_;
      case Strategy::kPct:
        for (std::size_t i = 0; i < lowered_at_.size(); ++i)
          if (lowered_at_[i] == steps_) threads_[current_].priority = lowered_at_.size() - i;
        return highest_of(ready());
      case Strategy::kGiven:
        return given(current_);
      case Strategy::kChosen:
        return chosen();
    }
    return current_;
  }
  // When it cannot go on.
  std::size_t of_others() {
    std::uint32_t bits = ready();
    if (bits == 0) {
      bits = thaw();
      if (bits == 0) return kNobody;
    }
    switch (schedule_->strategy) {
      case Strategy::kRandomWalk:
        return any_of(bits);
      case Strategy::kPct:
        return highest_of(bits);
      case Strategy::kGiven:
        return given(first_of(bits));
      case Strategy::kChosen:
        return chosen();
    }
    return kNobody;
  }
  // Nobody but the frozen thread is left. Whoever waits, waits for it.
  std::uint32_t thaw() {
    std::uint32_t frozen = 0;
    bool waits = false;
    for (std::size_t i = 0; i < count_; ++i) {
      waits |= threads_[i].state == State::kWaiting;
      if (threads_[i].state == State::kFrozen) frozen |= 1u << i;
    }
    if (frozen == 0) return 0;
    if (waits && !may_be_waited_for(steps_of_[first_of(frozen)].site)) {
      verdict_ = "a thread waits for another's system call";
      running_ = false;
      return 0;
    }
    threads_[first_of(frozen)].state = State::kReady;
    return frozen;
  }
  // The one exception: whoever purges what is unused of another's page holds the owner's lock for
  // the time of one call about one page (heap/maintenance.h).
  static bool may_be_waited_for(const Site& site) {
    return std::strstr(site.file, "cold/purger.h") != nullptr;
  }
  std::size_t given(std::size_t otherwise) const {
    for (const Switch& at : schedule_->switches) {
      const bool here = at.thread == current_ && at.point == threads_[current_].points;
      if (here && at.to < count_ && threads_[at.to].state == State::kReady) return at.to;
    }
    return otherwise;
  }
  std::size_t chosen() {
    if (count_ == 1) return ready() != 0 ? 0 : kNobody;  // nothing to choose
    const std::size_t next = schedule_->chooser->choose(ready(), current_, steps_of_);
    if (next == kNobody) {
      verdict_ = kCut;
      running_ = false;
    }
    return next;
  }
  std::size_t choose_first() {
    current_ = 0;
    if (schedule_->strategy == Strategy::kGiven || schedule_->strategy == Strategy::kChosen)
      return 0;
    return of_others();
  }

  Rng rng_{};
  const Schedule* schedule_ = nullptr;
  std::uint32_t odds_ = 2;
  std::vector<std::uint64_t> lowered_at_;
  std::array<Thread, kThreadsMax> threads_{};
  std::array<Step, kThreadsMax> steps_of_{};
  std::array<void*, kThreadsMax> stacks_{};
  std::size_t count_ = 0;
  std::size_t current_ = 0;
  std::size_t next_ = kNobody;
  boost::context::detail::fcontext_t home_ = nullptr;
  std::uint64_t steps_ = 0;
  std::uint32_t system_calls_ = 0;
  std::vector<Switch> made_;
  const char* verdict_ = kAllEnded;
  bool running_ = false;
  bool alone_ = false;
};

}  // namespace hakmem::schedule
