// EXPECT: OK
// EXPECT-LINE: ^sized sweep: (\d{3,}) of \1 wrong sizes reported$
// ENV: HAKMEM_SIZED_DELETE=abort
// ROUTES: v3 counted v1
// Every bin, freed with a size of the bin before and of the bin after it, by every function that
// takes a size, each in a process of its own. Bins of one class differ as bins of two classes do.
#include <hakmem/hakmem.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

extern "C" {
void free_sized(void*, std::size_t);
void free_aligned_sized(void*, std::size_t, std::size_t);
}

namespace {

struct Way {
  const char* name;
  void* (*give)(std::size_t);
  void (*take)(void*, std::size_t);
};

constexpr std::align_val_t kWide{16};

const Way kWays[] = {
    {"free_sized(", std::malloc, free_sized},
    {"hak_free_sized(", hak_malloc, hak_free_sized},
    {"free_aligned_sized(", [](std::size_t n) { return std::aligned_alloc(16, n); },
     [](void* p, std::size_t n) { free_aligned_sized(p, 16, n); }},
    {"operator delete(", [](std::size_t n) { return operator new(n); },
     [](void* p, std::size_t n) { operator delete(p, n); }},
    {"operator delete[](", [](std::size_t n) { return operator new[](n); },
     [](void* p, std::size_t n) { operator delete[](p, n); }},
    {"operator delete(", [](std::size_t n) { return operator new(n, kWide); },
     [](void* p, std::size_t n) { operator delete(p, n, kWide); }},
};

bool reported(const Way& way, std::size_t allocated, std::size_t stated) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    way.take(way.give(allocated), stated);
    _exit(0);
  }
  close(ends[1]);
  char text[1024] = {};
  const ssize_t n = read(ends[0], text, sizeof text - 1);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  char wanted[100];
  std::snprintf(wanted, sizeof wanted, "hakmem: fatal: size-mismatch: %s", way.name);
  const bool right = n > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
                     std::strncmp(text, wanted, std::strlen(wanted)) == 0;
  if (!right) std::fprintf(stderr, "%s %zu freed as %zu: %s\n", way.name, allocated, stated, text);
  return right;
}

}  // namespace

int main() {
  std::vector<std::size_t> bins = {16};
  while (hak_size_class(bins.back() + 1) >= 0) bins.push_back(hak_good_size(bins.back() + 1));
  unsigned tried = 0, right = 0;
  for (const Way& way : kWays) {
    for (std::size_t i = 0; i < bins.size(); ++i) {
      if (i > 0) ++tried, right += reported(way, bins[i], bins[i - 1]);
      if (i + 1 < bins.size()) ++tried, right += reported(way, bins[i], bins[i] + 1);
    }
  }
  std::fprintf(stderr, "sized sweep: %u of %u wrong sizes reported\n", right, tried);
  return right == tried ? 0 : 1;
}
