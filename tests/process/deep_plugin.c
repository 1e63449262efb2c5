// Bound with RTLD_DEEPBIND, this plugin's calls go to its own dependencies first: libc.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char* make(void) { return strcpy(malloc(40), "made by the plugin"); }
void drop(char* p) { free(p); }
void own(void) {
  free(strdup("by libc"));
  char* text = NULL;
  size_t bytes = 0;
  FILE* const file = fopen("/proc/self/status", "r");
  if (file != NULL) {
    if (getline(&text, &bytes, file) < 0) abort();
    fclose(file);
  }
  free(text);
  struct dirent** names;
  const int n = scandir("/proc/self", &names, NULL, alphasort);
  for (int i = 0; i < n; ++i) free(names[i]);
  if (n >= 0) free(names);
}
