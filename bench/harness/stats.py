"""Checks what SPEC asks of the StatsV3 counters: 1M steps, working set 400, one thread.

The counters come from the lines the allocator prints on stderr at exit with HAKMEM_SO_V3_STATS=1.
Each class has its own lines; what is judged are the sums over all of them.
"""

import os
import re

from .allocators import Allocator, BenchError
from .drivers import Row, RunFailed, driver_path, run_process

OPS = 1_000_000
_TAGS = re.compile(r"^\[(SMALL_HEAP_V3_STATS|ALLOC_DETAIL|FREE_DETAIL)\]\s+(.*)$", re.MULTILINE)
_NEEDED = ("route_hits", "alloc_calls", "alloc_refill", "alloc_fb_v1", "free_calls", "free_fb_v1",
           "page_of_fail", "alloc_current_hit", "alloc_partial_hit", "free_current", "free_partial",
           "free_retire")


def parse_lines(text):
    """The counters of each class line, and the sums over all lines."""
    classes, sums = {}, {}
    for tag, rest in _TAGS.findall(text):
        fields = dict(part.split("=", 1) for part in rest.split() if "=" in part)
        name = fields.pop("cls", None)
        if name is not None and not name.isdigit():
            continue  # a line of totals: the sums are computed here
        counters = {key: int(value) for key, value in fields.items() if value.isdigit()}
        if tag == "SMALL_HEAP_V3_STATS" and name is not None:
            classes[int(name)] = counters
        for key, value in counters.items():
            # One counter of the whole allocator, which every class line repeats.
            whole = key == "page_of_fail"
            sums[key] = max(sums.get(key, 0), value) if whole else sums.get(key, 0) + value
    return classes, sums


def _share(part, whole):
    return part / whole if whole else float("nan")


def invariants(sums, current_hits_min):
    """(what, figure, whether it holds). A comparison with nan is false: no calls, no pass."""
    hits = _share(sums["alloc_current_hit"], sums["alloc_calls"])
    refills = _share(sums["alloc_refill"], sums["alloc_calls"])
    retires = _share(sums["free_retire"], sums["free_calls"])
    fallbacks = sums["alloc_fb_v1"] + sums["free_fb_v1"]
    return [
        (f"allocations counted >= {OPS}", str(sums["alloc_calls"]), sums["alloc_calls"] >= OPS),
        (f"frees counted >= {OPS}", str(sums["free_calls"]), sums["free_calls"] >= OPS),
        (f"current hits >= {current_hits_min:.1%} of allocations", f"{hits:.3%}",
         hits >= current_hits_min),
        ("refills <= 1% of allocations", f"{refills:.4%}", refills <= 0.01),
        ("retires <= 0.1% of frees", f"{retires:.4%}", retires <= 0.001),
        ("v1 fallbacks = 0", str(fallbacks), fallbacks == 0),
        ("page_of misses = 0", str(sums["page_of_fail"]), sums["page_of_fail"] == 0),
    ]


def _counters(build, workload):
    library = os.path.join(build, "libhakmem.so")
    if not os.path.exists(library):
        raise BenchError(f"{library} does not exist: run ./hakmem build")
    allocator = Allocator("hardened", library, {"HAKMEM_SO_V3_STATS": "1"})
    row = Row(workload, "workload", (workload, "--ops", str(OPS), "--ws", "400", "--reps", "1"))
    command = [driver_path(build, row.driver), *row.arguments]
    try:
        return parse_lines(run_process(command, allocator.environment()).stderr)
    except RunFailed as error:
        raise BenchError(f"{workload}: {error}") from error


def _check_workload(build, workload, current_hits_min):
    classes, sums = _counters(build, workload)
    missing = [name for name in _NEEDED if name not in sums]
    if missing:
        print(f"FAIL  {workload}: no counters {', '.join(missing)} in the statistics on stderr")
        return False
    checks = invariants(sums, current_hits_min)
    if workload == "c7_only":
        routed = classes.get(7, {}).get("route_hits", 0)
        checks.append((f"C7 route hits >= {OPS}", str(routed), routed >= OPS))
    for what, figure, holds in checks:
        print(f"{'pass' if holds else 'FAIL'}  {workload}: {what}: {figure}")
    return all(holds for _, _, holds in checks)


def check(build):
    # "about 100 %" of the mixed workload is read as rounding to 100 %.
    results = [_check_workload(build, "c7_only", 0.999), _check_workload(build, "mixed", 0.995)]
    return 0 if all(results) else 1
