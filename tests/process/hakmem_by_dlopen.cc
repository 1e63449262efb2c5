// A program that is not linked to hakmem loads it, uses hak_* through dlsym in several threads,
// and closes it while such threads are still there to end. Runs without the preload.
// Usage: hakmem_by_dlopen LIBRARY
#include <atomic>
#include <thread>
#include <vector>

#include "hakmem_process.h"

namespace {

using process::check;

struct Api {
  void* library;
  void* (*allocate)(std::size_t);
  void (*release)(void*);
  void* (*resize)(void*, std::size_t);
  std::size_t (*trim)();
};

template <class F>
void look_up(void* library, const char* name, F*& out) {
  out = reinterpret_cast<F*>(dlsym(library, name));
  check(out != nullptr, name);
}

Api open_library(const char* path) {
  Api api{};
  api.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (api.library == nullptr) std::fprintf(stderr, "%s\n", dlerror());
  check(api.library != nullptr, "dlopen");
  look_up(api.library, "hak_malloc", api.allocate);
  look_up(api.library, "hak_free", api.release);
  look_up(api.library, "hak_realloc", api.resize);
  look_up(api.library, "hak_trim", api.trim);
  return api;
}

void use(const Api& api) {
  std::vector<void*> blocks;
  for (std::size_t i = 1; i < 500; ++i) {
    auto* const p = static_cast<char*>(api.allocate(i * 40));
    check(p != nullptr, "hak_malloc");
    std::memset(p, 1, i * 40);
    blocks.push_back(i % 8 == 0 ? api.resize(p, i * 4000) : p);
  }
  for (void* p : blocks) api.release(p);
}

// Threads that have used the library end after it was closed.
void open_use_close(const char* path) {
  const Api api = open_library(path);
  std::atomic<unsigned> used{0};
  std::atomic<bool> closed{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      use(api);
      ++used;
      while (!closed.load()) usleep(100);
    });
  }
  use(api);
  while (used.load() < 4) usleep(100);
  api.trim();
  check(dlclose(api.library) == 0, "dlclose");
  closed.store(true);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main(int, char** arguments) {
  process::watchdog();
  check(!process::is_preloaded(), "to be run without the preload");
  check(arguments[1] != nullptr, "usage: hakmem_by_dlopen LIBRARY");
  open_use_close(arguments[1]);
  const std::size_t mappings = process::mappings();
  for (unsigned i = 0; i < 40; ++i) open_use_close(arguments[1]);
  std::printf("mappings: %zu after one round, %zu after 40 more\n", mappings, process::mappings());
  check(process::mappings() < mappings + 32, "each round leaves mappings behind");
  return 0;
}
