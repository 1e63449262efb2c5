// A plugin is loaded with RTLD_DEEPBIND. Blocks go from libc to the plugin, from plugin to host,
// and back.
// RUN: @deep_plugin@ own
// RUN: @deep_plugin@ make
// RUN: @deep_plugin@ drop
// RUN: @deep_plugin@ realloc
#include <dlfcn.h>

#include "process.h"

int main(int argc, char** argv) {
  EXPECT(argc == 3, "usage: deep_binding PLUGIN own|make|drop|realloc");
  void* const plugin = dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND);
  EXPECT(plugin != NULL, "%s", dlerror());
  char* (*const make)(void) = (char* (*)(void))dlsym(plugin, "make");
  void (*const drop)(char*) = (void (*)(char*))dlsym(plugin, "drop");
  void (*const own)(void) = (void (*)(void))dlsym(plugin, "own");
  for (int i = 0; i < 300; ++i) {
    if (strcmp(argv[2], "own") == 0) own();
    if (strcmp(argv[2], "drop") == 0) drop(malloc((size_t)i * 300));
    if (strcmp(argv[2], "make") == 0) free(make());
    if (strcmp(argv[2], "realloc") == 0) {
      char* const p = realloc(make(), 1000);
      EXPECT(strcmp(p, "made by the plugin") == 0, "the contents");
      free(p);
    }
  }
  for (size_t i = 0; i < 1000; ++i) free(malloc(i));
  return 0;
}
