// The allocation history of a process, as HAKMEM_TRACE recorded it: is it one that a correct
// allocator can have served? And the same history as ops, for lockstep.
//
//   H1  no two live blocks share a byte that was asked for
//   H2  every block has the alignment that was asked for, at least 16
//   H3  what is freed or resized is a live block's start
//
// Broken laws 1 and 2 are the allocator's fault, a broken law 3 the program's. In the child of a
// fork blocks from before are not in the file: a pointer that was never seen is taken for one.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "entry/trace_format.h"
#include "models/lockstep/ops.h"

namespace hakmem::model {

class History {
 public:
  explicit History(bool forked) : forked_(forked) {}

  // False from the first broken law on.
  bool add(const trace::Record& r) {
    if (!broken_.empty()) return false;
    ++records_;
    switch (r.kind) {
      case trace::Kind::kMalloc: obtain(r, OpKind::kMalloc); break;
      case trace::Kind::kCalloc: obtain(r, OpKind::kCalloc); break;
      case trace::Kind::kAligned: obtain(r, OpKind::kAligned); break;
      case trace::Kind::kFree: release(r); break;
      case trace::Kind::kReallocFrom: resize_from(r); break;
      case trace::Kind::kReallocTo: resize_to(r); break;
      case trace::Kind::kThreadExit: exit_thread(r.thread); break;
    }
    return broken_.empty();
  }

  const Trace& ops() const { return ops_; }
  const std::string& broken() const { return broken_; }
  std::size_t threads() const { return threads_seen_; }
  std::uint64_t live_bytes() const { return live_bytes_; }
  std::uint64_t peak_bytes() const { return peak_bytes_; }
  std::uint64_t refused() const { return refused_; }      // calls that got nullptr
  std::uint64_t inherited() const { return inherited_; }  // calls on blocks from before a fork
  std::uint64_t clipped() const { return clipped_; }      // sizes of 4 GiB and more, replayed as less

 private:
  struct Live {
    std::uint64_t bytes = 0;
    std::uint32_t name = 0;
  };

  void breaks(const char* law, const trace::Record& r, const std::string& what) {
    std::array<char, 160> text{};
    std::snprintf(text.data(), text.size(), "record %llu (thread %u, address 0x%llx, size %llu): ",
                  static_cast<unsigned long long>(records_), r.thread,
                  static_cast<unsigned long long>(r.address),
                  static_cast<unsigned long long>(r.size));
    broken_ = text.data() + what + " (law " + law + ")";
  }

  void op(OpKind kind, std::uint32_t thread, std::uint32_t name, std::uint64_t size,
          std::uint32_t arg) {
    constexpr std::uint64_t kMost = 0xFFFFFFFF;
    clipped_ += size > kMost ? 1 : 0;
    ops_.push_back({kind, slot_of(thread), name,
                    static_cast<std::uint32_t>(size > kMost ? kMost : size), arg});
  }

  // The kernel's numbers are mapped to small ones, used again after a thread's exit.
  std::uint16_t slot_of(std::uint32_t thread) {
    const auto known = slots_.find(thread);
    if (known != slots_.end()) return known->second;
    ++threads_seen_;
    std::uint16_t slot = static_cast<std::uint16_t>(slots_used_);
    if (free_slots_.empty()) {
      ++slots_used_;
    } else {
      slot = free_slots_.back();
      free_slots_.pop_back();
    }
    slots_.emplace(thread, slot);
    return slot;
  }
  void exit_thread(std::uint32_t thread) {
    const auto known = slots_.find(thread);
    if (known == slots_.end()) return;
    op(OpKind::kThreadExit, thread, 0, 0, 0);
    free_slots_.push_back(known->second);
    slots_.erase(known);
  }

  void obtain(const trace::Record& r, OpKind kind) {
    if (r.address == 0) {
      ++refused_;
      return;
    }
    const std::uint32_t name = next_name_++;
    if (!enter(r, name, kind == OpKind::kAligned ? r.alignment_log2 : 0)) return;
    op(kind, r.thread, name, r.size, r.alignment_log2);
  }

  bool enter(const trace::Record& r, std::uint32_t name, unsigned alignment_log2) {
    const std::uint64_t bytes = r.size == 0 ? 1 : r.size;
    const unsigned log2 = alignment_log2 < 4 ? 4 : alignment_log2;
    if (log2 > 63 || (r.address & ((std::uint64_t{1} << log2) - 1)) != 0) {
      breaks("H2", r, "the block is not aligned as asked");
      return false;
    }
    const auto after = live_.lower_bound(r.address);
    const bool next_is_inside = after != live_.end() && after->first - r.address < bytes;
    const bool inside_other = after != live_.begin() && r.address - std::prev(after)->first <
                                                            std::prev(after)->second.bytes;
    if (next_is_inside || inside_other || r.address + bytes < r.address) {
      breaks("H1", r, "the block overlaps a live one");
      return false;
    }
    live_.emplace_hint(after, r.address, Live{bytes, name});
    live_bytes_ += bytes;
    peak_bytes_ = live_bytes_ > peak_bytes_ ? live_bytes_ : peak_bytes_;
    return true;
  }

  // False: it was none of ours. Requires of the program: law H3.
  bool leave(const trace::Record& r, Live& gone) {
    const auto at = live_.find(r.address);
    if (at == live_.end()) {
      ++inherited_;
      if (!forked_) breaks("H3", r, "the program gives up what is no live block");
      return false;
    }
    gone = at->second;
    live_bytes_ -= gone.bytes;
    live_.erase(at);
    return true;
  }

  void release(const trace::Record& r) {
    Live gone;
    if (leave(r, gone)) op(OpKind::kFree, r.thread, gone.name, 0, 0);
  }

  struct Moving {
    trace::Record from{};
    Live block;
    bool ours = false;
  };
  void resize_from(const trace::Record& r) {
    Moving moving{r, {}, false};
    moving.ours = leave(r, moving.block);
    moving_[r.thread] = moving;
  }
  void resize_to(const trace::Record& r) {
    const auto at = moving_.find(r.thread);
    if (at == moving_.end()) return breaks("H3", r, "a resize ends that never began");
    const Moving moving = at->second;
    moving_.erase(at);
    trace::Record now = r;
    if (r.address == 0) {  // the block is as it was
      ++refused_;
      now.address = moving.from.address;
      now.size = moving.block.bytes;
    }
    const std::uint32_t name = moving.ours ? moving.block.name : next_name_++;
    if ((r.address == 0 && !moving.ours) || !enter(now, name, 0)) return;
    if (r.address == 0) return;
    op(moving.ours ? OpKind::kRealloc : OpKind::kMalloc, r.thread, name, r.size, 0);
  }

  bool forked_;
  std::string broken_;
  Trace ops_;
  std::map<std::uint64_t, Live> live_;  // by address
  std::unordered_map<std::uint32_t, Moving> moving_;
  std::unordered_map<std::uint32_t, std::uint16_t> slots_;
  std::vector<std::uint16_t> free_slots_;
  std::size_t slots_used_ = 0, threads_seen_ = 0;
  std::uint32_t next_name_ = 0;
  std::uint64_t records_ = 0, live_bytes_ = 0, peak_bytes_ = 0;
  std::uint64_t refused_ = 0, inherited_ = 0, clipped_ = 0;
};

}  // namespace hakmem::model
