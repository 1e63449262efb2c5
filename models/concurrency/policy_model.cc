// Publication of policy snapshots under the model checker: a reader sees a snapshot whole (Y1), and
// of one writer's snapshots never an older one after a newer one; writers do not lose each other's
// edits; what was published before is published again, not made again.
#include "models/concurrency/checked_platform.h"
#include "models/concurrency/explore.h"

#include "policy/policy_box.h"

namespace hakmem::checked {
namespace {

// A snapshot whose memory is watched. The allocator's own starts from default_policy().
struct Watched {
  Payload low, high;

  Watched() = default;
  Watched(const PolicySnapshot&) { set(0); }
  Watched(const Watched& other) { set(other.get()); }
  Watched& operator=(const Watched& other) {
    set(other.get());
    return *this;
  }
  bool operator==(const Watched& other) const { return get() == other.get(); }
  std::uint64_t hash() const { return static_cast<std::uint64_t>(get()) << 63; }  // two buckets

  void set(int value) {
    low.write(value);
    high.write(value);
  }
  int get() const {
    const int value = low.read();
    RL_ASSERT(high.read() == value);
    return value;
  }
};

using Box = PolicyBox<Tiny, Watched>;

// Two writers, each of which adds its own bit; `kReaders` readers.
template <unsigned kReaders>
struct Publish : rl::test_suite<Publish<kReaders>, 2 + kReaders> {
  Iteration iteration;
  CheckedPlatform platform;
  Box box;
  void before() { box.init(platform, Watched(PolicySnapshot{})); }
  void thread(unsigned index) {
    if (index < 2) {
      const bool published =
          box.update([&](Watched& w) { w.set(w.get() | 1 << index); }, [](const Watched&) {});
      RL_ASSERT(published);
      RL_ASSERT((box.current().get() & 1 << index) != 0);
      return;
    }
    const int first = box.current().get();
    const int second = box.current().get();
    RL_ASSERT((first & second) == first);
  }
  void after() { RL_ASSERT(box.current().get() == 3); }
};

// Flipping to and fro reuses the two snapshots while somebody reads them.
struct Flip : rl::test_suite<Flip, 2> {
  Iteration iteration;
  CheckedPlatform platform;
  Box box;
  const Watched* off = nullptr;
  void before() {
    box.init(platform, Watched(PolicySnapshot{}));
    off = &box.current();
  }
  void thread(unsigned index) {
    if (index == 1) {
      const int value = box.current().get();
      RL_ASSERT(value == 0 || value == 1);
      return;
    }
    for (const int value : {1, 0, 1, 0}) {
      RL_ASSERT(box.update([&](Watched& w) { w.set(value); }, [](const Watched&) {}));
      RL_ASSERT(box.current().get() == value);
    }
    RL_ASSERT(&box.current() == off);
  }
};

}  // namespace
}  // namespace hakmem::checked

int main(int argc, char** argv) {
  using namespace hakmem::checked;
  Runner run(argc, argv);
  run.every<Publish<1>>("2 writers, 1 reader", 3);
  run.every<Publish<2>>("2 writers, 2 readers", 2);
  run.every<Flip>("1 writer flips between two policies, 1 reader", 4);
  run.random<Publish<2>>("2 writers, 2 readers", 20000);
  run.needs<Publish<1>>("Y1", Side::kRelease, 2);
  run.needs<Publish<1>>("Y1", Side::kAcquire, 2);
  run.needs<Publish<1>>("L1", Side::kRelease, 2);
  run.needs<Publish<1>>("L1", Side::kAcquire, 2);
  return run.status();
}
