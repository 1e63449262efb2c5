// Filters for system calls (seccomp), put together from what they let through.
#pragma once

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "hakmem_process.h"

namespace process {

class Filter {
 public:
  // What becomes of calls that nobody let through.
  explicit Filter(std::uint32_t otherwise) : otherwise_(otherwise) {}

  Filter& allow(std::initializer_list<long> calls) {
    for (const long call : calls) answer(call, SECCOMP_RET_ALLOW);
    return *this;
  }
  Filter& answer(long call, std::uint32_t action) {
    return load(0).unless_equal(static_cast<std::uint32_t>(call), 1).ret(action);
  }
  // The call, if its argument number `arg` is one of `values`; else `otherwise`.
  Filter& allow_if(long call, unsigned arg, std::initializer_list<std::uint32_t> values) {
    return answer_if(call, arg, values, SECCOMP_RET_ALLOW);
  }
  // `action` for the call, if its argument number `arg` is one of `values`; else `otherwise`.
  Filter& answer_if(long call, unsigned arg, std::initializer_list<std::uint32_t> values,
                    std::uint32_t action) {
    load(0).unless_equal(static_cast<std::uint32_t>(call),
                         static_cast<std::uint8_t>(2 * values.size() + 2));
    load_argument(arg);
    for (const std::uint32_t value : values) unless_equal(value, 1).ret(action);
    return ret(otherwise_);
  }
  // The call, if its argument number `arg` has no other bits than `mask`'s; else `otherwise`.
  Filter& allow_masked(long call, unsigned arg, std::uint32_t mask) {
    load(0).unless_equal(static_cast<std::uint32_t>(call), 5);
    load_argument(arg);
    code_.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~mask));
    unless_equal(0, 1).ret(SECCOMP_RET_ALLOW);
    return ret(otherwise_);
  }

  // As most programs do it; or behind the back of whoever listens to prctl.
  enum class Door { kPrctl, kSilent };
  void install(Door door = Door::kPrctl, std::uint32_t rest = 0) {
    ret(rest != 0 ? rest : otherwise_);
    sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    if (door == Door::kPrctl) {
      check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
      check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "a filter");
    } else {
      check(syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
      check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0, "a filter");
    }
  }

 private:
  Filter& load(std::size_t offset) {
    code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
    return *this;
  }
  Filter& load_argument(unsigned n) {  // its lower half
    return load(offsetof(seccomp_data, args) + n * sizeof(std::uint64_t));
  }
  Filter& unless_equal(std::uint32_t value, std::uint8_t skip) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip));
    return *this;
  }
  Filter& ret(std::uint32_t action) {
    code_.push_back(BPF_STMT(BPF_RET | BPF_K, action));
    return *this;
  }

  std::uint32_t otherwise_;
  std::vector<sock_filter> code_;
};

}  // namespace process
