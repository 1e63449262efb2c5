// Loads and unloads a library 2,000 times that allocates in constructors, threads and thread_local
// destructors; memory and mappings stay bounded. PROCESS_PLUGINS=10000 is the long run.
// Usage: plugins PLUGIN
#include "hakmem_process.h"

namespace {

using process::check;

void load_run_unload(const char* path) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  check(library != nullptr, "dlopen");
  const auto run = reinterpret_cast<void* (*)()>(dlsym(library, "plugin_run"));
  check(run != nullptr, "dlsym");
  void* const block = run();
  check(dlclose(library) == 0, "dlclose");
  check(dlopen(path, RTLD_NOW | RTLD_NOLOAD) == nullptr, "the plugin was unloaded");
  std::free(block);
}

}  // namespace

int main(int, char** arguments) {
  process::start();
  check(arguments[1] != nullptr, "usage: plugins PLUGIN");
  const long count = process::from_environment("PROCESS_PLUGINS", 2000);
  for (long i = 0; i < count / 10; ++i) load_run_unload(arguments[1]);
  const std::size_t early = process::resident_bytes();
  const std::size_t early_mappings = process::mappings();
  for (long i = count / 10; i < count; ++i) load_run_unload(arguments[1]);
  const std::size_t late = process::resident_bytes();
  std::printf("%ld times: RSS %zu KiB after a tenth, %zu KiB after all; mappings %zu, %zu\n", count,
              early >> 10, late >> 10, early_mappings, process::mappings());
  check(late < early + (4u << 20), "memory grows with every load");
  check(process::mappings() < early_mappings + 32, "mappings grow with every load");
  return 0;
}
