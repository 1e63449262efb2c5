// A program replaces operator new(size_t) and operator delete(void*) alone, as was usual before
// C++14. The standard's other forms call these two, so they go through the replacement whatever
// malloc is preloaded.
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {
long news, deletes;
constexpr std::size_t kHeader = 16;

struct Sized {
  int values[10];
  ~Sized() { asm volatile("" ::: "memory"); }
};
Sized* volatile one;
char* volatile bytes;
bool good = true;

template <class Work>
void expect_a_pair(const char* what, Work work) {
  const long n = news, d = deletes;
  work();
  if (news == n + 1 && deletes == d + 1) return;
  std::printf("wrong: %s: %ld new, %ld delete went through the replacement\n", what, news - n,
              deletes - d);
  std::fflush(stdout);
  good = false;
}
}  // namespace

void* operator new(std::size_t n) {
  auto* const p = static_cast<char*>(std::malloc(n + kHeader));
  if (p == nullptr) throw std::bad_alloc();
  ++news;
  return p + kHeader;
}
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wsized-deallocation"  // that is the situation
#endif
void operator delete(void* p) noexcept {
  if (p == nullptr) return;
  ++deletes;
  std::free(static_cast<char*>(p) - kHeader);
}

int main() {
  expect_a_pair("new, delete", [] { one = new Sized, delete one; });
  expect_a_pair("new[], delete[]", [] { bytes = new char[100], delete[] bytes; });
  expect_a_pair("new[], sized delete[]", [] { one = new Sized[3], delete[] one; });
  expect_a_pair("new(nothrow), delete", [] { one = new (std::nothrow) Sized, delete one; });
  expect_a_pair("delete of a size", [] { ::operator delete(::operator new(40), std::size_t{40}); });
  expect_a_pair("delete[] of a size",
                [] { ::operator delete[](::operator new[](40), std::size_t{40}); });
  expect_a_pair("nothrow delete", [] { ::operator delete(::operator new(40), std::nothrow); });
  expect_a_pair("nothrow delete[]",
                [] { ::operator delete[](::operator new[](40, std::nothrow), std::nothrow); });
  return good ? 0 : 1;
}
