"""The programs that judge mutants, and how one is run: a program that fails, crashes, loops or hangs has killed the mutant."""
import math
import os
import re
import resource
import signal
import subprocess
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


def programs(root):
    """Every unit test and property that reaches the boxes, the random traces, and the models of concurrency."""
    elsewhere = {'model_ops', 'v1_churn', 'lock', 'types', 'rng', 'report', 'large_cache', 'large_heap', 'address_table',
                 'fake_platform', 'v1_chunk', 'v1_heap', 'stats', 'bits', 'cgroup'}
    found = [Program('traces', 'models/mutation/traces.cc', 'trace')]
    for path in sorted((root / 'tests/unit').glob('*_test.cc')):
        if path.stem[:-len('_test')] not in elsewhere and not ENTRY.search(path.read_text()):
            found.append(Program(path.stem, str(path.relative_to(root)), 'unit'))
    for path in sorted((root / 'proptests').glob('*_prop.cc')):
        if path.stem not in NOT_JUDGES:
            found.append(Program(path.stem, str(path.relative_to(root)), 'property'))
    for path in sorted((root / 'models/concurrency').glob('*_model.cc')):
        found.append(Program(path.stem, str(path.relative_to(root)), 'model', ['--plain']))
    return found


def environment(mutant, marks):
    found = dict(os.environ, HAKMEM_MUTANT=str(mutant), RC_PARAMS='seed=20261122 max_success=60 noshrink=1',
                 GTEST_FAIL_FAST='1', GTEST_BRIEF='1')
    return dict(found, HAKMEM_MUTANT_REACHED=marks) if marks else found


def limits(cpu_seconds):
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def session_cpu(session):
    """CPU ticks of all processes of a session, so that children that work count too."""
    ticks = 0
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as stat:
                fields = stat.read().rsplit(')', 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15])) + (fields[0] == 'R')  # runnable, if starved: not asleep
    return ticks


def kill_session(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(program, binary, mutant, marks=None):
    """How it ended: '' passed, else why the mutant is dead. `marks`: file for what it reached."""
    allowed = math.ceil(4 * program.cpu) + 1
    process = subprocess.Popen([binary, *program.arguments], env=environment(mutant, marks), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                               preexec_fn=lambda: limits(allowed))
    ticks, since = -1, time.monotonic()
    try:
        while True:
            try:
                status = process.wait(timeout=2)
                break
            except subprocess.TimeoutExpired:
                now = session_cpu(process.pid)
                if now != ticks:
                    ticks, since = now, time.monotonic()
                elif time.monotonic() - since > ASLEEP_SECONDS:
                    return 'hangs'
    finally:
        kill_session(process)
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return 'timeout'
    return '' if status == 0 else ('crash' if status < 0 else 'fails')


def measure(program, binary):
    """Runs it without a mutant: it must pass. Sets its CPU time and what it reached."""
    marks = f'{binary}.reached'
    open(marks, 'wb').close()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program.cpu = 120
    how = run(program, binary, 0, marks)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    program.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if how:
        raise SystemExit(f'mutate: {program.name} {how} without any mutant')
    with open(marks, 'rb') as file:
        program.reached = frozenset(number for number, mark in enumerate(file.read()) if mark)
