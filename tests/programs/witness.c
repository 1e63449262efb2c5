// Preloaded beside the allocator by run.sh: on start of each process it appends one line
// "<executable> <library that malloc and its family resolve to>" to the file named by
// PROGRAMS_WITNESS. Why: a workload that ran on glibc after all (library not found, environment
// dropped, a malloc of the program's own) would compare equal to glibc and prove nothing.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char* const kFamily[] = {"malloc",        "calloc",       "realloc",
                                      "free",          "reallocarray", "posix_memalign",
                                      "aligned_alloc", "memalign",     "malloc_usable_size"};

// An executable that takes the address of malloc and is not position independent has an undefined
// symbol with a value: its own jump stub. The definition it jumps to is then the next one after
// ours, because run.sh preloads this library first.
static const char* provider_of(const char* symbol) {
  Dl_info info;
  ElfW(Sym)* entry = NULL;
  void* address = dlsym(RTLD_DEFAULT, symbol);
  if (address == NULL) return "unknown";
  if (dladdr1(address, &info, (void**)&entry, RTLD_DL_SYMENT) == 0) return "unknown";
  if (entry == NULL || entry->st_shndx != SHN_UNDEF) return info.dli_fname;
  address = dlsym(RTLD_NEXT, symbol);
  if (address == NULL || dladdr(address, &info) == 0) return "unknown";
  return info.dli_fname;
}

// One provider for the whole family, or the first name that comes from elsewhere: blocks would mix.
static int describe_provider(char* line, size_t room, const char* executable) {
  const char* provider = provider_of(kFamily[0]);
  for (size_t i = 1; i < sizeof kFamily / sizeof kFamily[0]; ++i) {
    const char* other = provider_of(kFamily[i]);
    if (strcmp(provider, other) != 0) {
      return snprintf(line, room, "%s mixed:%s=%s\n", executable, kFamily[i], other);
    }
  }
  return snprintf(line, room, "%s %s\n", executable, provider);
}

__attribute__((constructor)) static void append_to_log(void) {
  const char* log = getenv("PROGRAMS_WITNESS");
  if (log == NULL) return;
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length < 0) return;
  path[length] = '\0';
  const char* slash = strrchr(path, '/');
  char line[2 * PATH_MAX];
  int bytes = describe_provider(line, sizeof line, slash != NULL ? slash + 1 : path);
  int fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  // A lost line shows as a missing witness in run.sh, so the result needs no handling here.
  ssize_t written = write(fd, line, (size_t)bytes);
  (void)written;
  close(fd);
}
