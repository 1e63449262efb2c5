// The library that plugins.cc loads and unloads: allocates in its constructor, in threads of its
// own, in their thread_local destructors, and in its destructor.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

std::vector<std::string>* words = nullptr;

struct Local {
  std::unique_ptr<char[]> text{new char[3000]};
  ~Local() {
    text.reset();
    std::free(std::calloc(100, 7));
  }
};

void run_thread() {
  thread_local Local local;
  std::memset(local.text.get(), 1, 3000);
  for (std::size_t i = 1; i < 100; ++i) std::free(std::malloc(i * 97));
}

[[gnu::constructor]] void load() { words = new std::vector<std::string>(50, std::string(90, 'x')); }

[[gnu::destructor]] void unload() {
  delete words;
  std::free(std::malloc(777));
}

}  // namespace

// The caller's to free, after the plugin is gone.
extern "C" [[gnu::visibility("default")]] void* plugin_run() {
  std::thread(run_thread).join();
  return std::malloc(words->size() * 20);
}
