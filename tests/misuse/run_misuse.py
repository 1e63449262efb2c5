#!/usr/bin/env python3
"""Runs one misuse program, once for each route that blocks can take, and compares its ends with the
expectation in its source.

usage: run_misuse.py [--only ROUTE] SOURCE PROGRAM [ARG...]

The source holds, in // comments, one
  // EXPECT: SIGABRT "double-free: free("     killed by that signal, with the text after "hakmem: fatal: " on stderr
  // EXPECT: OK                               exits 0 without a fatal report
and any number of
  // EXPECT-LINE: regex                       must be found in stderr; on the first route only
  // ENV: NAME=VALUE                          set for the program on every route
  // ROUTES: v3 v1 ...                        only these; else all of them
  // REACHES: heap=large                      regex of what the report says of the block, when that is not the route's heap: a
                                              program whose block went another way shows nothing about its route
"""
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

TIMEOUT_SECONDS = 120  # the sweep starts 5000 processes
ROUTES = {
    'v3': {},
    'counted': {'HAKMEM_SO_V3_STATS': '1'},                  # every call takes the slow path
    'v1': {'HAKMEM_SMALL_HEAP_V3_ENABLED': '0'},
    'c6_hot': {'HAKMEM_SMALL_HEAP_V3_ENABLED': '0', 'HAKMEM_TINY_C6_HOT': '1'},  # v1's blocks in the front cache
}
REACHED = {'v3': 'heap=v3', 'counted': 'heap=v3', 'v1': 'heap=v1', 'c6_hot': 'heap=v1 .*class=C6'}


def notes(source, key):
    return re.findall(rf'^// {key}: (.*?)\s*$', Path(source).read_text(), re.M)


def expectation(source):
    """(signal number or 0, text or None) of the one EXPECT line."""
    lines = notes(source, 'EXPECT')
    if len(lines) != 1:
        sys.exit(f'{source}: {len(lines)} EXPECT lines, want one')
    if lines[0] == 'OK':
        return 0, None
    match = re.fullmatch(r'(SIG[A-Z]+) "(.+)"', lines[0])
    if not match:
        sys.exit(f'{source}: cannot read EXPECT: {lines[0]}')
    return getattr(signal, match.group(1)), match.group(2)


def run(command, environment):
    """Exit status as subprocess gives it (-signal), and stderr."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    clean = {name: value for name, value in os.environ.items() if not name.startswith('HAKMEM_')}
    done = subprocess.run(command, env={**clean, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=TIMEOUT_SECONDS)
    return done.returncode, done.stderr.decode(errors='replace')


def complaints(source, status, stderr, regexes):
    """What differs from the expectation, one text each."""
    wanted_signal, text = expectation(source)
    fatal = [line for line in stderr.splitlines() if line.startswith('hakmem: fatal: ')]
    if status != -wanted_signal:
        yield f'status {status}, want {-wanted_signal}'
    if text is None and fatal:
        yield 'a fatal report where none was due'
    if text is not None and [line.startswith('hakmem: fatal: ' + text) for line in fatal] != [True]:
        yield f'want exactly one report, and it to start with: hakmem: fatal: {text}'
    for regex in regexes:
        if not re.search(regex, stderr, re.M):
            yield f'not in stderr: {regex}'


def misses(source, route, stderr):
    """A text when the report is about a block that did not go the route."""
    wanted = (notes(source, 'REACHES') or [REACHED[route]])[0]
    lines = re.findall(r'^hakmem:   (heap=.*)$', stderr, re.M)
    if lines and not re.match(rf'(?:{wanted})\b', lines[0]):
        yield f'not reached: {wanted}; the report is about {lines[0]}'


def check_route(source, command, route, regexes):
    """Prints what is wrong; True when nothing is."""
    environment = {**ROUTES[route], **dict(note.split('=', 1) for note in notes(source, 'ENV'))}
    status, stderr = run(command, environment)
    found = [*complaints(source, status, stderr, regexes), *misses(source, route, stderr)]
    for complaint in found:
        print(f'{Path(source).name}, route {route}: {complaint}')
    if found:
        print(f'stderr was:\n{stderr}')
    return not found


def main():
    arguments, only = sys.argv[1:], list(ROUTES)
    if arguments[0] == '--only':
        only, arguments = arguments[1:2], arguments[2:]
    source, command = arguments[0], arguments[1:]
    routes = [route for note in notes(source, 'ROUTES') for route in note.split()] or list(ROUTES)
    routes = [route for route in routes if route in only]
    regexes = notes(source, 'EXPECT-LINE')
    good = [check_route(source, command, route, regexes if i == 0 else []) for i, route in enumerate(routes)]
    return 0 if good and all(good) else 1


if __name__ == '__main__':
    sys.exit(main())
