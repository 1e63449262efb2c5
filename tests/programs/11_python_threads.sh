# python3's own tests of threads, locks and queues.
# shellcheck shell=bash disable=SC2034
needs=(python3)
witness=(python3)

workload() {
  PYTHONMALLOC=malloc python3 "$PROGRAMS/python_tests.py" test_threading test_thread test_threading_local
}
