// Defaults of the sanitizers for the fuzz targets; the environment overrides them. Stacks of
// allocations are cut short, because the model allocates much and its stacks tell little.
#pragma once

extern "C" __attribute__((used, visibility("default"))) inline const char*
__asan_default_options() {
  return "malloc_context_size=4:detect_stack_use_after_return=0:allocator_release_to_os_interval_"
         "ms=-1";
}
