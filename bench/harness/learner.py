"""What the learner (HAKMEM_LEARN=1) gains on a churning program, and what it costs on another one.

Gain: pages borrowed per million allocations on the pattern `page_churn`, with and without it, from
the StatsV3 counters. Cost: instructions per pair on `mixed`, and an interleaved ratio of speed.
"""

import os
import shutil
import tempfile

from .allocators import Allocator, BenchError
from .drivers import Row, RunFailed, driver_path, run_process
from .instructions import pair
from .measure import measure
from .stats import parse_lines

_CHURN_MS = 4000           # sixteen periods: the learner needs a few of them
_COST_MAX = 0.01
_FLAVOURS = (("hardened", "libhakmem.so"), ("perf", "libhakmem-perf.so"))


def _allocator(build, library, learn, **environment):
    path = os.path.join(build, library)
    if not os.path.exists(path):
        raise BenchError(f"{path} does not exist: run ./hakmem build")
    return Allocator(f"learn={learn}", path, {"HAKMEM_LEARN": str(learn), **environment})


def refills_per_million(text):
    """From the lines at exit; None when nothing was counted."""
    _, sums = parse_lines(text)
    calls = sums.get("alloc_calls", 0)
    return sums["alloc_refill"] * 1e6 / calls if calls else None


def gain_holds(without, with_learner):
    """Half the refills or fewer. A program that borrows no page shows nothing."""
    return bool(without) and with_learner is not None and with_learner <= without / 2


def _refills(build, learn):
    allocator = _allocator(build, _FLAVOURS[0][1], learn, HAKMEM_SO_V3_STATS="1")
    command = [driver_path(build, "patterns"), "page_churn", "--min-time-ms", str(_CHURN_MS)]
    try:
        return refills_per_million(run_process(command, allocator.environment()).stderr)
    except RunFailed as error:
        raise BenchError(f"page_churn: {error}") from error


def _check_gain(build):
    without, with_learner = _refills(build, 0), _refills(build, 1)
    holds = gain_holds(without, with_learner)
    print(f"{'pass' if holds else 'FAIL'}  page_churn: pages borrowed per million allocations: "
          f"{without or 0:.1f} without, {with_learner or 0:.1f} with the learner (at most half)")
    return holds


def _check_instructions(build, flavour, library, directory):
    counts = [pair(build, "mixed", _allocator(build, library, learn), directory)[0]
              for learn in (0, 1)]
    added = counts[1] / counts[0] - 1
    holds = added <= _COST_MAX
    print(f"{'pass' if holds else 'FAIL'}  mixed, {flavour}: instructions per pair: "
          f"{counts[0]:.2f} without, {counts[1]:.2f} with: {added:+.3%} (at most {_COST_MAX:.0%})")
    return holds


def _print_speed(build, rounds):
    row = Row("mixed/1M/1t", "workload", ("mixed", "--ops", "1000000", "--ws", "400"))
    both = [_allocator(build, _FLAVOURS[0][1], learn) for learn in (0, 1)]
    measured = measure(build, [row], both, rounds, ["--min-time-ms", "60"])
    ratio = measured.ratio(row.name, both[1].name, both[0].name)
    if ratio is None:
        raise BenchError("; ".join(measured.failures.values()))
    print(f"note  mixed, hardened: speed with the learner / without: {ratio:.3f} "
          f"({rounds} interleaved rounds)")


def check(build, rounds):
    results = [_check_gain(build)]
    if shutil.which("valgrind") is None:
        raise BenchError("valgrind is not installed: apt-get install valgrind")
    with tempfile.TemporaryDirectory(prefix="hakmem-bench-") as directory:
        for flavour, library in _FLAVOURS:
            try:
                results.append(_check_instructions(build, flavour, library, directory))
            except RunFailed as error:
                raise BenchError(f"mixed under valgrind: {error}") from error
    _print_speed(build, rounds)
    return 0 if all(results) else 1
