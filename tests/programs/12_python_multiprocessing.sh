# python3's own tests of multiprocessing: fork with live threads, pools, queues, shared memory.
# shellcheck shell=bash disable=SC2034
needs=(python3)
witness=(python3)

workload() {
  local class patterns=()
  # Classes that mostly allocate, fork and pass objects. Left out are those whose tests measure time
  # (TestWait, TestTimeouts, ...TestPoll, ...TestBarrier, ...TestCondition) and TestResourceTracker, which
  # waits fixed times for another process: they fail on a loaded machine under any allocator.
  for class in WithProcessesTestProcess WithProcessesTestQueue WithThreadsTestPool WithManagerTestContainers \
    WithProcessesTestValue WithProcessesTestArray WithProcessesTestHeap WithProcessesTestConnection; do
    patterns+=(-m "test.test_multiprocessing_fork.$class.*")
  done
  python3 "$PROGRAMS/python_tests.py" "${patterns[@]}" test_multiprocessing_fork
}
