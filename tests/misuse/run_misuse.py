#!/usr/bin/env python3
"""Runs one misuse program and compares its end with the expectation in its source.

usage: run_misuse.py SOURCE PROGRAM [ARG...]

The source holds, in // comments, one
  // EXPECT: SIGABRT "double-free: free("     killed by that signal, with the text after "hakmem: fatal: " on stderr
  // EXPECT: OK                               exits 0 and says nothing as hakmem
and any number of
  // EXPECT-LINE: regex                       must be found in stderr
  // ENV: NAME=VALUE                          set for the program
"""
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

TIMEOUT_SECONDS = 50


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
    done = subprocess.run(command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=TIMEOUT_SECONDS)
    return done.returncode, done.stderr.decode(errors='replace')


def complaints(source, status, stderr):
    """What differs from the expectation, one text each."""
    wanted_signal, text = expectation(source)
    fatal = [line for line in stderr.splitlines() if line.startswith('hakmem: fatal: ')]
    if status != -wanted_signal:
        yield f'status {status}, want {-wanted_signal}'
    if text is None and fatal:
        yield 'a fatal report where none was due'
    if text is not None and [line.startswith('hakmem: fatal: ' + text) for line in fatal] != [True]:
        yield f'want exactly one report, and it to start with: hakmem: fatal: {text}'
    for regex in notes(source, 'EXPECT-LINE'):
        if not re.search(regex, stderr, re.M):
            yield f'not in stderr: {regex}'


def main():
    source, command = sys.argv[1], sys.argv[2:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    environment = dict(note.split('=', 1) for note in notes(source, 'ENV'))
    status, stderr = run(command, environment)
    found = list(complaints(source, status, stderr))
    for complaint in found:
        print(f'{Path(source).name}: {complaint}')
    if found:
        print(f'stderr was:\n{stderr}')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
