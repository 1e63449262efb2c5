// Publishes policy snapshots: one release store each (edge Y1: publish's release -> current's
// acquire). A published snapshot is never changed and never freed, so a reader needs no protection.
// Publishing one that equals an earlier one publishes that one again (a hash table finds it):
// flipping to and fro for ever takes no memory. The program may publish as many different ones as
// it likes; the learner, which does so unasked, gets kLearnedPoliciesMax (config/tuning.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "pal/lock.h"
#include "policy/policy_snapshot.h"

namespace hakmem {

enum class Published : std::uint8_t { kDone, kUnchanged, kNoMemory, kFull };

// `Snapshot` is PolicySnapshot, but for tests that watch its memory.
template <class C, class Snapshot = PolicySnapshot>
class PolicyBox {
 public:
  using Platform = typename C::Platform;

  constexpr PolicyBox() noexcept = default;

  void init(Platform& platform, const Snapshot& first) noexcept {
    const LockGuard<C> guard(lock_);
    platform_ = &platform;
    first_.snapshot = first;
    bucket(first) = &first_;
  }

  const Snapshot& current() const noexcept { return *current_.load_acquire(); }  // Y1

  // False when there is no memory for one more snapshot; the current one then stays.
  bool publish(const Snapshot& wanted) noexcept {
    const LockGuard<C> guard(lock_);
    return publish_locked(wanted);
  }

  // Changes the current policy by `edit(Snapshot&)`, atomically among writers; when that has
  // succeeded, then(current) is called before any other writer comes.
  template <class Edit, class Then>
  bool update(Edit&& edit, Then&& then) noexcept {
    const LockGuard<C> guard(lock_);
    Snapshot wanted = *current_.load_relaxed();  // relaxed: writers hold the lock
    edit(wanted);
    if (!publish_locked(wanted)) return false;
    then(wanted);
    return true;
  }
  // The same for the learner, who is refused (kFull) once it has made as many as it may.
  template <class Edit, class Then>
  Published update_learned(Edit&& edit, Then&& then) noexcept {
    const LockGuard<C> guard(lock_);
    const Snapshot& before = *current_.load_relaxed();  // relaxed: writers hold the lock
    Snapshot wanted = before;
    edit(wanted);
    if (wanted == before) return Published::kUnchanged;
    if (find(wanted) == nullptr) {
      if (learned_ == C::Tuning::kLearnedPoliciesMax) return Published::kFull;
      if (new_node(wanted) == nullptr) return Published::kNoMemory;
      ++learned_;
    }
    publish_locked(wanted);
    then(wanted);
    return Published::kDone;
  }

  // Bytes of the memory that snapshots are kept in.
  std::size_t bytes_mapped() const noexcept {
    return bytes_mapped_.load_relaxed();
  }  // counter only

  void lock_for_fork() noexcept HAKMEM_ACQUIRE(lock_) { lock_.lock(); }
  void unlock_after_fork() noexcept HAKMEM_RELEASE(lock_) { lock_.unlock(); }

 private:
  struct Node {
    Snapshot snapshot{};
    Node* older = nullptr;  // in its bucket
  };
  static constexpr unsigned kBucketShift = 56;  // the highest bits of a hash say the bucket
  static constexpr std::size_t kBuckets = std::size_t{1} << (64 - kBucketShift);
  static constexpr std::size_t kPerBlock = (65536 - 64) / sizeof(Node);
  struct alignas(65536) Block {
    std::size_t used = 0;
    Node nodes[kPerBlock];
  };

  bool publish_locked(const Snapshot& wanted) noexcept HAKMEM_REQUIRES(lock_) {
    Node* node = find(wanted);
    if (node == nullptr) node = new_node(wanted);
    if (node == nullptr) return false;
    current_.store_release(&node->snapshot);  // Y1
    return true;
  }

  // The newest node of those that hash as the snapshot does.
  Node*& bucket(const Snapshot& snapshot) noexcept HAKMEM_REQUIRES(lock_) {
    return newest_[snapshot.hash() >> kBucketShift];
  }
  Node* find(const Snapshot& wanted) noexcept HAKMEM_REQUIRES(lock_) {
    Node* node = bucket(wanted);
    while (node != nullptr && !(node->snapshot == wanted)) node = node->older;
    return node;
  }

  Node* new_node(const Snapshot& wanted) noexcept HAKMEM_REQUIRES(lock_) {
    if (blocks_ == nullptr || blocks_->used == kPerBlock) {
      auto* const block = static_cast<Block*>(platform_->map(sizeof(Block), alignof(Block)));
      if (block == nullptr) return nullptr;
      blocks_ = block;
      bytes_mapped_.store_relaxed(bytes_mapped_.load_relaxed() + sizeof(Block));
    }
    Node& node = blocks_->nodes[blocks_->used++];
    node.snapshot = wanted;
    node.older = bucket(wanted);
    bucket(wanted) = &node;
    return &node;
  }

  Node first_{default_policy(), nullptr};
  typename C::World::template atomic<const Snapshot*> current_{&first_.snapshot};
  typename C::World::template atomic<std::size_t> bytes_mapped_{0};
  Lock<C> lock_;
  Platform* platform_ = nullptr;
  Node* newest_[kBuckets] HAKMEM_GUARDED_BY(lock_) = {};
  Block* blocks_ HAKMEM_GUARDED_BY(lock_) = nullptr;
  std::uint32_t learned_ HAKMEM_GUARDED_BY(lock_) = 0;  // snapshots made by update_learned
};

}  // namespace hakmem
