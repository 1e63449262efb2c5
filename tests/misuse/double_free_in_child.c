// EXPECT: SIGABRT "double-free: free("
// Freed before the fork, and again in the child.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  void* p = malloc(400);
  free(p);
  int status = 0;
  if (fork() == 0) free(p);
  wait(&status);
  if (WIFSIGNALED(status)) raise(WTERMSIG(status));
  return 0;
}
