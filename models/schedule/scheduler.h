// Threads as fibers, one of which runs at a time, and a scheduler that decides at every point where
// another may go on. The same seed gives the same run, to the last step.
//
//   point()            the running thread is about to do what others may see
//   wait, wake         a futex: compare and sleep in one step, wake one
//   end(why)           the run is over, wherever its threads stand; their stacks are dropped
//
// Strategies: a random walk, which changes the thread with a probability that differs from run to
// run; and PCT (Burckhardt et al., ASPLOS 2010): random priorities, lowered at d - 1 random steps,
// which finds a bug of depth d with probability 1 / (n * k^(d-1)) for n threads and k steps.
#pragma once

#include <sys/mman.h>

#include <array>
#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"

namespace hakmem::schedule {

struct Site {
  const char* file;
  int line;
};

enum class Strategy : unsigned char { kRandomWalk, kPct };

// The run goes on by itself until all threads have ended.
inline constexpr const char* kAllEnded = "";

class Scheduler {
 public:
  static constexpr std::size_t kThreadsMax = 8;
  static constexpr std::uint64_t kStepsMax = 200000;  // more: a wait without bound

  static Scheduler& instance() {
    static Scheduler scheduler;
    return scheduler;
  }

  // Begins a run. `depth`: of PCT; `steps`: about how many a run takes.
  void begin(std::uint64_t seed, Strategy strategy, unsigned depth, std::uint64_t steps) {
    rng_ = Rng(seed);
    strategy_ = strategy;
    odds_ = 1u << (1 + rng_.below(6));
    count_ = 0;
    steps_ = 0;
    switches_.clear();
    lowered_at_.clear();
    for (unsigned d = 1; d < depth; ++d)
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
    if (stacks_[count_] == nullptr) stacks_[count_] = new_stack();
    thread.context = boost::context::detail::make_fcontext(
        static_cast<char*>(stacks_[count_]) + kStackBytes, kStackBytes, &Scheduler::enter);
    ++count_;
  }

  // Runs the threads. kAllEnded, or why the run ended.
  const char* run() {
    running_ = true;
    while (running_) {
      const std::size_t next = choose();
      if (next == kNobody) break;
      current_ = next;
      const auto from = boost::context::detail::jump_fcontext(threads_[next].context, this);
      threads_[current_].context = from.fctx;
    }
    if (running_ && left() != 0) verdict_ = "deadlock: every thread waits";
    running_ = false;
    return verdict_;
  }

  // ---- called by the threads

  bool active() const { return running_; }
  std::size_t current() const { return current_; }

  void point(const Site& site) {
    if (!running_) return;
    if (++steps_ > kStepsMax) end("a wait without bound");
    if (alone_ || !preempts()) return;
    if (remember_) switches_.push_back({current_, site});
    leave();
  }

  void wait(const std::uint32_t* word, std::uint32_t expected, const Site& site) {
    point(site);
    if (!running_ || *word != expected) return;
    if (alone_) end("deadlock: the only thread waits");
    threads_[current_].state = State::kWaiting;
    threads_[current_].word = word;
    if (remember_) switches_.push_back({current_, site});
    leave();
  }
  void wake(const std::uint32_t* word) {
    std::array<std::size_t, kThreadsMax> sleepers{};
    std::size_t n = 0;
    for (std::size_t i = 0; i < count_; ++i)
      if (threads_[i].state == State::kWaiting && threads_[i].word == word) sleepers[n++] = i;
    if (n == 0) return;
    threads_[sleepers[rng_.below(static_cast<std::uint32_t>(n))]].state = State::kReady;
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
  void remember(bool on) { remember_ = on; }
  struct Switch {
    std::size_t thread;
    Site site;
  };
  const std::vector<Switch>& switches() const { return switches_; }

 private:
  enum class State : unsigned char { kReady, kWaiting, kEnded };
  struct Thread {
    boost::context::detail::fcontext_t context = nullptr;
    std::function<void()> body;
    State state = State::kEnded;
    const std::uint32_t* word = nullptr;
    std::uint64_t priority = 0;
  };
  static constexpr std::size_t kNobody = ~std::size_t{0};
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
    if (self.alone_) self.running_ = false;  // what the others have left to do is nobody's
    self.leave();
    std::abort();  // an ended thread does not run
  }

  // To run(), and back when this thread is chosen again.
  void leave() { home_ = boost::context::detail::jump_fcontext(home_, nullptr).fctx; }

  std::size_t left() const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < count_; ++i) n += threads_[i].state != State::kEnded ? 1 : 0;
    return n;
  }

  bool preempts() {
    if (strategy_ == Strategy::kRandomWalk) return rng_.below(odds_) == 0;
    for (std::size_t i = 0; i < lowered_at_.size(); ++i) {
      if (lowered_at_[i] == steps_) threads_[current_].priority = lowered_at_.size() - i;
    }
    for (std::size_t i = 0; i < count_; ++i) {
      const Thread& other = threads_[i];
      if (other.state == State::kReady && other.priority > threads_[current_].priority) return true;
    }
    return false;
  }
  std::size_t choose() {
    std::array<std::size_t, kThreadsMax> ready{};
    std::size_t n = 0, best = kNobody;
    for (std::size_t i = 0; i < count_; ++i) {
      if (threads_[i].state != State::kReady) continue;
      ready[n++] = i;
      if (best == kNobody || threads_[i].priority > threads_[best].priority) best = i;
    }
    if (n == 0) return kNobody;
    return strategy_ == Strategy::kPct ? best : ready[rng_.below(static_cast<std::uint32_t>(n))];
  }

  Rng rng_{};
  Strategy strategy_ = Strategy::kRandomWalk;
  std::uint32_t odds_ = 2;
  std::vector<std::uint64_t> lowered_at_;
  std::array<Thread, kThreadsMax> threads_{};
  std::array<void*, kThreadsMax> stacks_{};
  std::size_t count_ = 0;
  std::size_t current_ = 0;
  boost::context::detail::fcontext_t home_ = nullptr;
  std::uint64_t steps_ = 0;
  std::vector<Switch> switches_;
  const char* verdict_ = kAllEnded;
  bool running_ = false;
  bool alone_ = false;
  bool remember_ = false;
};

}  // namespace hakmem::schedule
