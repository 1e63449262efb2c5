// What the misuse programs in C++ share.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <thread>
#include <utility>

// Runs `work` in a thread of its own and waits for it.
template <class Work>
void in_thread(Work&& work) {
  std::thread(std::forward<Work>(work)).join();
}
