"""The rows of the tables: which driver runs with which arguments."""

from .allocators import BenchError
from .drivers import Row

WORKLOADS = ("mixed", "c6_heavy", "c7_only", "mid_large")

# The source design's lengths: short is 20k steps on 64 slots, long 1M and 10M steps on 400.
_LENGTHS = {"20k": (20_000, 64), "1M": (1_000_000, 400), "10M": (10_000_000, 400)}


def workload_rows(quick):
    lengths = ("20k", "1M") if quick else tuple(_LENGTHS)
    return [_workload_row(name, length, threads)
            for name in WORKLOADS for length in lengths for threads in (1, 2)]


def _workload_row(name, length, threads):
    ops, working_set = _LENGTHS[length]
    return Row(f"{name}/{length}/{threads}t", "workload",
               (name, "--ops", str(ops), "--ws", str(working_set), "--threads", str(threads)))


# name -> threads. The meaning of each, and of its op, stands at its function in bench/patterns*.
_PATTERNS = {
    "larson": (1, 2),
    "handover": (2,),
    "exchange": (2,),
    "sh6": (1, 2),
    "sh8": (2,),
    "page_churn": (1, 2),
    "mstress": (1, 2),
    "cache_scratch": (2,),
    "cache_thrash": (2,),
    "simple": (1, 2),
    "tree": (1, 2),
    "server": (1, 2),
    "strings": (1, 2),
    "realloc_growth": (1,),
    "calloc_small": (1,),
    "calloc_large": (1,),
    "aligned": (1,),
    "large_edge": (1,),
    "large_touch": (1,),
}


def pattern_rows(quick):
    return [Row(f"{name}/{threads}t", "patterns", (name, "--threads", str(threads)))
            for name, counts in _PATTERNS.items()
            for threads in (counts[-1:] if quick else counts)]


def pick(rows, only):
    """`only`: comma-separated; each entry keeps the rows that have all of its "/" parts."""
    if not only:
        return rows
    wanted = [set(entry.split("/")) for entry in only.split(",") if entry]
    picked = [row for row in rows if any(entry <= set(row.name.split("/")) for entry in wanted)]
    if not picked:
        raise BenchError(f"--only {only} matches no row ({', '.join(row.name for row in rows)})")
    return picked
