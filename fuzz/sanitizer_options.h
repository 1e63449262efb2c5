// Defaults of the sanitizers for the fuzz targets; the environment overrides them. Stacks of
// allocations are cut short, because the model allocates much and its stacks tell little; and what
// it frees is not kept from use for long, for new pages are what takes the time.
#pragma once

extern "C" __attribute__((used, visibility("default"))) inline const char*
__asan_default_options() {
  return "malloc_context_size=2:quarantine_size_mb=8:thread_local_quarantine_size_kb=64:detect_"
         "stack_use_after_return=0:allocator_release_to_os_interval_"
         "ms=-1";
}
