"""The programs that judge mutants, and how one is run: a program that fails, crashes, loops or hangs has killed the mutant."""
import math
import os
import re
import resource
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field

# Minutes long, and `traces` does the same without minimising; the last two are about v1 and large.
NOT_JUDGES = {'allocator_prop', 'exhaustive_prop', 'v1_prop', 'large_prop'}
ENTRY = re.compile(r'#include "(entry|hakmem)/')  # above the boxes that are mutated
ASLEEP_SECONDS = 8   # this long without any CPU time used: deadlock


@dataclass
class Program:
    name: str
    source: str
    kind: str
    arguments: list = field(default_factory=list)
    cpu: float = 0.0     # of a run without mutant
    reached: frozenset = frozenset()  # the mutants that such a run passes by
    binary: str = ''     # where it is not bin/NAME
    environment: dict = field(default_factory=dict)
    skips: int = 0       # exit status that says neither right nor wrong
    alone: threading.Lock = field(default_factory=threading.Lock, repr=False)  # two runs would share the files it writes


def programs(root):
    """Every unit test and property that reaches the boxes, the random traces, and the models of concurrency."""
    elsewhere = {'model_ops', 'v1_churn', 'lock', 'types', 'rng', 'report', 'large_cache', 'large_heap', 'address_table',
                 'fake_platform', 'v1_chunk', 'v1_heap', 'stats', 'bits', 'cgroup'}
    found = [Program('traces', 'tools/faults/mutation/traces.cc', 'trace')]
    for path in sorted((root / 'tests/unit').glob('*_test.cc')):
        if path.stem[:-len('_test')] not in elsewhere and not ENTRY.search(path.read_text()):
            found.append(Program(path.stem, str(path.relative_to(root)), 'unit'))
    for path in sorted((root / 'proptests').glob('*_prop.cc')):
        if path.stem not in NOT_JUDGES:
            found.append(Program(path.stem, str(path.relative_to(root)), 'property'))
    for path in sorted((root / 'models/concurrency').glob('*_model.cc')):
        found.append(Program(path.stem, str(path.relative_to(root)), 'model', ['--plain']))
    return found


def environment(mutant, marks, more):
    found = dict(os.environ, **more, MUTANT=str(mutant), RC_PARAMS='seed=20261122 max_success=60 noshrink=1',
                 GTEST_FAIL_FAST='1', GTEST_BRIEF='1')
    return dict(found, MUTANT_REACHED=marks) if marks else found


def limits(cpu_seconds):
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def family(root):
    """{pid: CPU ticks} of a process, of its session and of all that descends from either."""
    everybody = {}
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as stat:
                everybody[int(pid)] = stat.read().rsplit(')', 1)[1].split()
        except OSError:
            continue
    found, before = {root} | {pid for pid, fields in everybody.items() if int(fields[3]) == root}, set()
    while found != before:
        before = found
        found = found | {pid for pid, fields in everybody.items() if int(fields[1]) in found}
    return {pid: sum(map(int, everybody[pid][11:15])) + (everybody[pid][0] == 'R')  # runnable, if starved: not asleep
            for pid in found & everybody.keys()}


def end(process):
    """With all that it started: what tests start in sessions of their own, too."""
    for pid in family(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


def run(program, binary, mutant, marks=None):
    """How it ended: '' passed, else why the mutant is dead. `marks`: file for what it reached."""
    allowed = math.ceil(4 * program.cpu) + 1
    process = subprocess.Popen([binary, *program.arguments], env=environment(mutant, marks, program.environment), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                               preexec_fn=lambda: limits(allowed))
    ticks, since = {}, time.monotonic()
    try:
        while True:
            try:
                status = process.wait(timeout=2)
                break
            except subprocess.TimeoutExpired:
                now = family(process.pid)
                if now != ticks:
                    ticks, since = now, time.monotonic()
                elif time.monotonic() - since > ASLEEP_SECONDS:
                    return 'hangs'
    finally:
        end(process)
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return 'timeout'
    return '' if status in (0, program.skips) else ('crash' if status < 0 else 'fails')


def measure(program, binary, marks=None):
    """Runs it without a mutant: it must pass. Sets its CPU time and what it reached."""
    how = passes(program, binary, marks or f'{binary}.reached')
    if how:
        raise SystemExit(f'mutate: {program.name} {how} without any mutant')


def passes(program, binary, marks):
    """Why it does not pass without a mutant, or ''."""
    with open(marks, 'wb') as file:
        file.truncate(1 << 16)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program.cpu = 120
    how = run(program, binary, 0, marks)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    program.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with open(marks, 'rb') as file:
        program.reached = frozenset(number for number, mark in enumerate(file.read()) if mark)
    return how
