// Replaces what -DREPLACE_NEW, _DELETE, _NEW_ARRAY, ... say, and prints for each form of operator new
// and delete how often a replacement was called. -DCALLS leaves the calls alone: with -DREPLACE_...
// in a library, with -DCALLS in the program.
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <new>

extern long g_news, g_deletes;  // what replacements count

#ifndef CALLS
long g_news, g_deletes;
static void* give(std::size_t n, std::size_t alignment) {
  ++g_news;
  if (n > std::size_t{1} << 60) throw std::bad_alloc();
  char* const p = static_cast<char*>(std::aligned_alloc(alignment, n + alignment));
  return p + alignment;  // so that nobody else can free it
}
static void take(void* p, std::size_t alignment) {
  ++g_deletes;
  if (p != nullptr) std::free(static_cast<char*>(p) - alignment);
}
using Align = std::align_val_t;
static std::size_t bytes(Align a) { return static_cast<std::size_t>(a); }
#ifdef REPLACE_PLAIN
void* operator new(std::size_t n) { return give(n, 16); }
void operator delete(void* p) noexcept { take(p, 16); }
#endif
#ifdef REPLACE_ARRAY
void* operator new[](std::size_t n) { return give(n, 16); }
void operator delete[](void* p) noexcept { take(p, 16); }
#endif
#ifdef REPLACE_ALIGNED
void* operator new(std::size_t n, Align a) { return give(n, bytes(a)); }
void operator delete(void* p, Align a) noexcept { take(p, bytes(a)); }
#endif
#ifdef REPLACE_ARRAY_ALIGNED
void* operator new[](std::size_t n, Align a) { return give(n, bytes(a)); }
void operator delete[](void* p, Align a) noexcept { take(p, bytes(a)); }
#endif
#endif

#ifndef LIBRARY
static void* volatile g_block;

template <class Call>
static void step(const char* what, Call call) {
  const long news = g_news, deletes = g_deletes;
  call();
  std::printf("%s %ld %ld\n", what, g_news - news, g_deletes - deletes);
}

int main() {
  constexpr std::align_val_t a{256};
  for (const std::size_t n : {std::size_t{40}, std::size_t{5000}, std::size_t{1000000}}) {
    step("plain", [=] { operator delete(g_block = operator new(n)); });
    step("sized", [=] { operator delete(g_block = operator new(n), n); });
    step("nothrow", [=] { operator delete(g_block = operator new(n, std::nothrow), std::nothrow); });
    step("array", [=] { operator delete[](g_block = operator new[](n)); });
    step("array sized", [=] { operator delete[](g_block = operator new[](n), n); });
    step("array nothrow", [=] {
      operator delete[](g_block = operator new[](n, std::nothrow), std::nothrow);
    });
    step("aligned", [=] { operator delete(g_block = operator new(n, a), a); });
    step("aligned sized", [=] { operator delete(g_block = operator new(n, a), n, a); });
    step("aligned nothrow", [=] {
      operator delete(g_block = operator new(n, a, std::nothrow), a, std::nothrow);
    });
    step("aligned array", [=] { operator delete[](g_block = operator new[](n, a), a); });
    step("aligned array sized", [=] { operator delete[](g_block = operator new[](n, a), n, a); });
    step("aligned array nothrow", [=] {
      operator delete[](g_block = operator new[](n, a, std::nothrow), a, std::nothrow);
    });
  }
  volatile std::size_t too_much = ~std::size_t{0} >> 2;
  step("no memory", [&] {
    if (operator new(too_much, std::nothrow) != nullptr) std::abort();
    if (operator new[](too_much, std::nothrow) != nullptr) std::abort();
    if (operator new(too_much, a, std::nothrow) != nullptr) std::abort();
    if (operator new[](too_much, a, std::nothrow) != nullptr) std::abort();
  });
}
#endif
