// What mutation_test.py mutates: each operator has a place here. Compiled by nobody else.
#pragma once

struct Word {
  int load_acquire() const { return 0; }
  int load_relaxed() const { return 0; }
};

struct Sample {
  int count = 3;
  static constexpr int kLeftOut = 4;

  constexpr bool fits(int a, int b) const {
    static_assert(kLeftOut == 4);
    if (HAKMEM_LIKELY(a < b && !full)) return true;
    return empty();
  }
  int sum(int a, const Word& word) {
    if constexpr (kLeftOut > 3) ++count;
    count += a;
    reset();
    return word.load_acquire();
  }
  int* place(int* p) {
    while (count > 9) --count;
    return count == 0 ? nullptr : p;
  }
  void reset() {}
  constexpr bool empty() const { return count == 0; }
  bool full = false;
};
