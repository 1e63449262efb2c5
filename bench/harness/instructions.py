"""Instructions per malloc+free pair: callgrind on two run lengths, the difference divided.

Start-up, filling and draining cancel. What the driver's own object executes is the loop and the
PLT stubs; everything else (the allocator and what it calls) is the pair itself.
"""

import os
import shutil
import tempfile

from .allocators import BenchError, select
from .callgrind import instructions_by_object
from .drivers import RunFailed, driver_path, run_process
from .rows import WORKLOADS
from .tables import format_table

_SHORT, _LONG = 20_000, 120_000


def _run(build, workload, allocator, ops, directory):
    out = os.path.join(directory, f"{workload}-{allocator.name}-{ops}")
    command = [shutil.which("valgrind"), "--tool=callgrind", f"--callgrind-out-file={out}",
               driver_path(build, "workload"), workload, "--ops", str(ops), "--ws", "400",
               "--reps", "1"]
    environment = allocator.environment()
    environment["LD_BIND_NOW"] = "1"  # the loader's symbol look-up is not part of a pair
    done = run_process(command, environment)
    fields = dict(part.split("=", 1) for part in done.stdout.split() if "=" in part)
    if not allocator.serves(fields.get("malloc", "")):
        raise RunFailed(f"malloc came from {fields.get('malloc')}")
    return instructions_by_object(out)


def pair(build, workload, allocator, directory):
    """(instructions outside the driver, all instructions) per pair."""
    driver = os.path.realpath(driver_path(build, "workload"))
    short = _run(build, workload, allocator, _SHORT, directory)
    long = _run(build, workload, allocator, _LONG, directory)
    steps = _LONG - _SHORT
    total = (sum(long.values()) - sum(short.values())) / steps
    loop = (long.get(driver, 0) - short.get(driver, 0)) / steps
    return total - loop, total


def count(build, wanted, only):
    if shutil.which("valgrind") is None:
        raise BenchError("valgrind is not installed: apt-get install valgrind")
    chosen = select(build, wanted.split(",") if wanted else None, with_loop=False)
    workloads = [name for name in WORKLOADS if not only or name in only.split(",")]
    if not workloads:
        raise BenchError(f"--only {only} matches no workload ({', '.join(WORKLOADS)})")
    cells, failures = {}, []
    with tempfile.TemporaryDirectory(prefix="hakmem-bench-") as directory:
        for workload in workloads:
            for allocator in chosen:
                try:
                    cells[workload, allocator.name] = pair(build, workload, allocator, directory)
                except RunFailed as error:
                    failures.append(f"{workload} on {allocator.name}: {error}")
    _print(workloads, [allocator.name for allocator in chosen], cells)
    for failure in failures:
        print(f"does not run under valgrind: {failure}")
    return 0


def _print(workloads, names, cells):
    titles = ("instr / pair", "with loop, PLT")
    for index, title in enumerate(titles):
        lines = []
        for workload in workloads:
            figures = [cells.get((workload, name)) for name in names]
            lines.append([workload, *("-" if f is None else f"{f[index]:.1f}" for f in figures)])
        print(format_table([title, *names], lines) + "\n")
