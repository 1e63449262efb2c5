# python3's own tests of json, dict, re and other data types, with every object a malloc of its own.
# shellcheck shell=bash disable=SC2034
needs=(python3)
witness=(python3)

workload() {
  # PYTHONMALLOC=malloc switches off Python's own small object allocator.
  PYTHONMALLOC=malloc python3 "$PROGRAMS/python_tests.py" \
    test_json test_dict test_list test_set test_struct test_array test_deque test_ordered_dict
}
