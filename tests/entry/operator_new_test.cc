// All 20 operator new and delete of libstdc++, in each override library.
#include <malloc.h>
#include <stdint.h>

#include <cstring>
#include <new>
#include <stdexcept>

#include "gtest/gtest.h"
#include "hakmem/hakmem.h"

namespace {

using std::align_val_t;
using std::nothrow;

constexpr size_t kTooLarge = size_t{1} << 62;
constexpr align_val_t kWide{256};

int g_handler_calls = 0;
void* volatile g_sink = nullptr;  // the compiler may leave out a new that nobody sees

// Puts a new_handler in place for one test.
class Handler {
 public:
  explicit Handler(std::new_handler handler) : before_(std::set_new_handler(handler)) {
    g_handler_calls = 0;
  }
  ~Handler() { std::set_new_handler(before_); }

 private:
  std::new_handler before_;
};

void give_up_at_third_call() {
  if (++g_handler_calls == 3) std::set_new_handler(nullptr);
}
void throw_other() { throw std::runtime_error("no memory"); }

void expect_block(void* p, size_t n, size_t alignment) {
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % alignment, 0u);
  EXPECT_GE(malloc_usable_size(p), n);
  EXPECT_NE(hak_page_of(p, nullptr), nullptr) << "not hakmem's";
  memset(p, 1, n);
}

template <class New>
void expect_bad_alloc(New&& call) {
  EXPECT_THROW(call(), std::bad_alloc);
  const Handler handler(give_up_at_third_call);
  EXPECT_THROW(call(), std::bad_alloc);
  EXPECT_EQ(g_handler_calls, 3);
}

template <class New>
void expect_null(New&& call) {
  EXPECT_EQ(call(), nullptr);
  {
    const Handler handler(give_up_at_third_call);
    EXPECT_EQ(call(), nullptr);
    EXPECT_EQ(g_handler_calls, 3);
  }
  const Handler handler(throw_other);
  EXPECT_EQ(call(), nullptr);
}

TEST(OperatorNew, PlainForms) {
  for (const size_t n : {size_t{0}, size_t{1}, size_t{100}, size_t{5000}, size_t{100000}}) {
    void* p = operator new(n);
    expect_block(p, n, 16);
    operator delete(p);
    p = operator new(n);
    operator delete(p, n);
    p = operator new[](n);
    expect_block(p, n, 16);
    operator delete[](p);
    p = operator new[](n);
    operator delete[](p, n);
    p = operator new(n, nothrow);
    expect_block(p, n, 16);
    operator delete(p, nothrow);
    p = operator new[](n, nothrow);
    expect_block(p, n, 16);
    operator delete[](p, nothrow);
  }
}

TEST(OperatorNew, AlignedForms) {
  for (const size_t n : {size_t{0}, size_t{1}, size_t{100}, size_t{5000}, size_t{100000}}) {
    void* p = operator new(n, kWide);
    expect_block(p, n, 256);
    operator delete(p, kWide);
    p = operator new(n, kWide);
    operator delete(p, n, kWide);
    p = operator new[](n, kWide);
    expect_block(p, n, 256);
    operator delete[](p, kWide);
    p = operator new[](n, kWide);
    operator delete[](p, n, kWide);
    p = operator new(n, kWide, nothrow);
    expect_block(p, n, 256);
    operator delete(p, kWide, nothrow);
    p = operator new[](n, kWide, nothrow);
    expect_block(p, n, 256);
    operator delete[](p, kWide, nothrow);
  }
}

TEST(OperatorNew, LargeBlocksGoBackWithTheirSize) {
  for (size_t n = 200000; n < size_t{64} << 20; n += n / 3) {
    operator delete(operator new(n), n);
    operator delete(operator new(n, kWide), n, kWide);
    operator delete(operator new(n, align_val_t{1 << 21}), n, align_val_t{1 << 21});
  }
}

size_t bytes_out() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

template <class New, class Delete>
void expect_given_back(New&& obtain, Delete&& give_back) {
  constexpr size_t n = size_t{40} << 20;
  const size_t before = bytes_out();
  g_sink = obtain(n);
  EXPECT_GE(bytes_out(), before + n);
  give_back(g_sink, n);
  EXPECT_LT(bytes_out(), before + n / 2);
}

TEST(OperatorNew, EveryFormOfDeleteGivesLargeBlocksBack) {
  const auto one = [](size_t n) { return operator new(n); };
  const auto many = [](size_t n) { return operator new[](n); };
  const auto wide = [](size_t n) { return operator new(n, kWide); };
  const auto many_wide = [](size_t n) { return operator new[](n, kWide); };
  expect_given_back(one, [](void* p, size_t) { operator delete(p); });
  expect_given_back(one, [](void* p, size_t n) { operator delete(p, n); });
  expect_given_back(one, [](void* p, size_t) { operator delete(p, nothrow); });
  expect_given_back(many, [](void* p, size_t) { operator delete[](p); });
  expect_given_back(many, [](void* p, size_t n) { operator delete[](p, n); });
  expect_given_back(many, [](void* p, size_t) { operator delete[](p, nothrow); });
  expect_given_back(wide, [](void* p, size_t) { operator delete(p, kWide); });
  expect_given_back(wide, [](void* p, size_t n) { operator delete(p, n, kWide); });
  expect_given_back(wide, [](void* p, size_t) { operator delete(p, kWide, nothrow); });
  expect_given_back(many_wide, [](void* p, size_t) { operator delete[](p, kWide); });
  expect_given_back(many_wide, [](void* p, size_t n) { operator delete[](p, n, kWide); });
  expect_given_back(many_wide, [](void* p, size_t) { operator delete[](p, kWide, nothrow); });
}

TEST(OperatorNew, EverySmallSizeGoesBackWithItsSize) {
  for (size_t n = 0; n <= 300000; n += 1 + n / 50) {
    operator delete(operator new(n), n);
    for (size_t alignment = 32; alignment <= 1 << 17; alignment *= 4) {
      const align_val_t a{alignment};
      operator delete(operator new(n, a), n, a);
    }
  }
}

TEST(OperatorNew, DeleteOfNull) {
  void* const null = nullptr;
  operator delete(null);
  operator delete[](null);
  operator delete(null, size_t{10});
  operator delete[](null, size_t{10});
  operator delete(null, kWide);
  operator delete(null, size_t{10}, kWide);
  operator delete[](null, size_t{10}, kWide);
  operator delete(null, nothrow);
}

TEST(OperatorNew, OutOfMemoryThrows) {
  expect_bad_alloc([] { return operator new(kTooLarge); });
  expect_bad_alloc([] { return operator new[](kTooLarge); });
  expect_bad_alloc([] { return operator new(kTooLarge, kWide); });
  expect_bad_alloc([] { return operator new[](kTooLarge, kWide); });
  expect_bad_alloc([] { return operator new(SIZE_MAX); });
}

TEST(OperatorNew, OutOfMemoryGivesNullWithNothrow) {
  expect_null([] { return operator new(kTooLarge, nothrow); });
  expect_null([] { return operator new[](kTooLarge, nothrow); });
  expect_null([] { return operator new(kTooLarge, kWide, nothrow); });
  expect_null([] { return operator new[](kTooLarge, kWide, nothrow); });
}

TEST(OperatorNew, WhatTheHandlerThrowsPassesThrough) {
  const Handler handler(throw_other);
  EXPECT_THROW(static_cast<void>(operator new(kTooLarge)), std::runtime_error);
  EXPECT_THROW(static_cast<void>(operator new(kTooLarge, kWide)), std::runtime_error);
}

TEST(OperatorNew, ImpossibleAlignment) {
  volatile std::size_t not_a_power = 48;
  const align_val_t odd{not_a_power};
  EXPECT_THROW(static_cast<void>(operator new(10, odd)), std::bad_alloc);
  EXPECT_EQ(operator new(10, odd, nothrow), nullptr);
}

TEST(OperatorNew, TypesOfTheLanguage) {
  struct alignas(128) Wide {
    char bytes[200];
  };
  Wide* const one = new Wide;
  Wide* const many = new Wide[7];
  EXPECT_EQ(reinterpret_cast<uintptr_t>(one) % 128, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(many) % 128, 0u);
  delete one;
  delete[] many;
  volatile size_t n = kTooLarge;
  EXPECT_THROW(g_sink = new char[n], std::bad_alloc);
  delete new std::string(1000, 'x');
}

}  // namespace
