// A clock that a library sets for its program: fifteen days back, and at times a little further.
// Its first call sets up a table on the heap and reads its environment, as such libraries do;
// threads that come meanwhile wait.
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

static int (*real_clock)(clockid_t, struct timespec*);
static pthread_once_t once = PTHREAD_ONCE_INIT;
static __thread int inside;
static char* settings;
static long calls;

static void set_up(void) {
  dlerror();
  real_clock = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  dlsym(RTLD_NEXT, "a_function_that_nobody_has");
  dlerror();
  settings = calloc(1, 70000);
  char* const home = getenv("HOME");
  char* const copy = strdup(home == NULL ? "-15d" : home);
  settings[0] = copy == NULL ? 0 : copy[0];
  free(copy);
}

int clock_gettime(clockid_t clock, struct timespec* to) {
  if (inside) {
    memset(to, 0, sizeof *to);
    return 0;
  }
  inside = 1;
  pthread_once(&once, set_up);
  void* const scratch = malloc(300);
  const int result = real_clock(clock, to);
  free(scratch);
  to->tv_sec -= clock == CLOCK_REALTIME ? 15 * 86400 : 0;
  if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) % 16 == 15) to->tv_sec -= 2;
  inside = 0;
  return result;
}
time_t time(time_t* to) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (to != NULL) *to = now.tv_sec;
  return now.tv_sec;
}
