// Loads and unloads a library 2,000 times that allocates in constructors, threads and thread_local
// destructors; memory and mappings stay bounded. CITIZEN_PLUGINS=10000 is the long run.
// Usage: plugins PLUGIN
#include "citizen.h"

namespace {

using citizen::check;

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
  citizen::start();
  check(arguments[1] != nullptr, "usage: plugins PLUGIN");
  const long count = citizen::from_environment("CITIZEN_PLUGINS", 2000);
  for (long i = 0; i < count / 10; ++i) load_run_unload(arguments[1]);
  const std::size_t early = citizen::resident_bytes();
  const std::size_t early_mappings = citizen::mappings();
  for (long i = count / 10; i < count; ++i) load_run_unload(arguments[1]);
  const std::size_t late = citizen::resident_bytes();
  std::printf("%ld times: RSS %zu KiB after a tenth, %zu KiB after all; mappings %zu, %zu\n", count,
              early >> 10, late >> 10, early_mappings, citizen::mappings());
  check(late < early + (4u << 20), "memory grows with every load");
  check(citizen::mappings() < early_mappings + 32, "mappings grow with every load");
  return 0;
}
