# python3's own tests of threads, locks and queues.
# shellcheck shell=bash disable=SC2034
needs=(python3)
witness=(python3)

workload() {
  # Left out: Python 3.11's drop_gil() reads the interpreter state after releasing the lock, when a
  # subinterpreter may be gone (CPython gh-104341): a crash with any allocator that unmaps large blocks,
  # glibc's with MALLOC_MMAP_THRESHOLD_=65536 too. test_4_daemon_threads: likewise (gh-110052).
  PYTHONMALLOC=malloc python3 "$PROGRAMS/python_tests.py" -i '*.SubinterpThreadingTests.*' \
    -i '*.test_4_daemon_threads' test_threading test_thread test_threading_local
}
