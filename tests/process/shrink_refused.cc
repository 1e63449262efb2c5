// The system refuses to cut off the tail of a large block that realloc makes smaller. The block is
// good all the same, and the size the program asked for is right at its sized free.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include <new>

#include "process.h"

namespace {
void refuse_to_unmap() {
  struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
  };
  const struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
  EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "%s", strerror(errno));
  EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "%s", strerror(errno));
}
}  // namespace

int main() {
  constexpr std::size_t kBlocks = 6;
  char* blocks[kBlocks];
  for (std::size_t i = 0; i < kBlocks; ++i)
    blocks[i] = static_cast<char*>(malloc(MIB(4) + i * 5000));
  refuse_to_unmap();
  for (std::size_t i = 0; i < kBlocks; ++i) {
    const std::size_t smaller = i % 2 == 0 ? MIB(1) : MIB(4) - KIB(64) * i;
    blocks[i][0] = static_cast<char>(i);
    auto* const p = static_cast<char*>(realloc(blocks[i], smaller));
    EXPECT(p != nullptr && p[0] == static_cast<char>(i), "realloc to %zu", smaller);
    EXPECT(malloc_usable_size(p) >= smaller, "usable %zu of %zu", malloc_usable_size(p), smaller);
    if (i < 3) {
      ::operator delete(static_cast<void*>(p), smaller);
    } else {
      p[smaller - 1] = 1;
      free(p);
    }
  }
  free(malloc(MIB(8)));
  return 0;
}
