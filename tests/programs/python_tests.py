"""Runs modules of CPython's own test suite and prints each test's result, sorted, without times.

Usage: python_tests.py [-m PATTERN | -i PATTERN]... MODULE...   (arguments of `python3 -m test`)
The JUnit file is read instead of the printed report, because that one has durations and load averages
and is interleaved with what the tests themselves print.
"""
import importlib.util
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def result_of(case):
    outcome = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
    return outcome[0] if outcome else case.get("result")


def main():
    if importlib.util.find_spec("test.test_json") is None:
        sys.exit("python3's test suite is not installed (Debian package libpython3.11-testsuite)")
    command = [sys.executable, "-m", "test", "--tempdir=.", "--junit-xml=tests.xml", *sys.argv[1:]]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    cases = ElementTree.parse("tests.xml").iter("testcase")
    for line in sorted(f"{case.get('name')} {result_of(case)}" for case in cases):
        print(line)
    sys.exit(run.returncode)


main()
