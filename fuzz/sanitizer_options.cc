// Defaults of ASan for the fuzz targets; the environment overrides them. Stacks of allocations are
// cut short, because the model allocates much and its stacks tell little; and what it frees is not
// kept from use for long, for new pages are what takes the time. Blocks of the allocator under test
// are none of ASan's: what must stay away from those is poisoned by poison_world.h.
//
// A definition of its own, not inline: the weak one in ASan's library would win.
extern "C" __attribute__((used, visibility("default"))) const char* __asan_default_options() {
  return "malloc_context_size=1:quarantine_size_mb=1:thread_local_quarantine_size_kb=16:"
         "detect_stack_use_after_return=0:allocator_release_to_os_interval_ms=-1";
}
