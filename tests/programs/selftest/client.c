// The program that selftest.sh's workloads run: grows a block by realloc and prints a sum of its
// bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  size_t bytes = 2000;
  unsigned char* block = malloc(bytes);
  if (block == NULL) return 2;
  memset(block, 1, bytes);
  for (; bytes < 64000; bytes *= 2) {
    block = realloc(block, bytes * 2);
    if (block == NULL) return 2;
    memset(block + bytes, 1, bytes);
  }
  unsigned long sum = 0;
  for (size_t i = 0; i < bytes; ++i) sum += block[i];
  void* volatile unusual = malloc(77777);  // the size at which some defects show
  printf("%lu %d\n", sum, unusual != NULL);
  free(unusual);
  free(block);
  return 0;
}
