"""Interleaved measurement: every round runs every allocator once on a row, starting with another
one each time, so that a slow stretch of the machine hits all of them and no one more than the rest.
"""

import statistics
import sys

from .drivers import RunFailed, run_row


class Measurements:
    """ops/s and peak RSS of every (row, allocator, round)."""

    def __init__(self):
        self.samples = {}    # (row, allocator) -> {round: fields}
        self.failures = {}   # (row, allocator) -> why

    def add(self, row, allocator, round_number, fields):
        self.samples.setdefault((row, allocator), {})[round_number] = fields

    def _values(self, row, allocator, field):
        rounds = self.samples.get((row, allocator), {})
        return {number: float(fields[field]) for number, fields in rounds.items()}

    def median(self, row, allocator, field="ops_per_sec"):
        values = self._values(row, allocator, field)
        return statistics.median(values.values()) if values else None

    def spread(self, row, allocator):
        """Half the middle half of the samples, relative to the median: how much to believe."""
        values = sorted(self._values(row, allocator, "ops_per_sec").values())
        if len(values) < 3:
            return None
        lower, _, upper = statistics.quantiles(values, n=4)
        return (upper - lower) / 2 / statistics.median(values)

    def paired_median(self, row, allocators, combine):
        """Median over rounds of combine(ops/s of each allocator in that round).

        Runs of one round lie next to each other in time, so a figure computed within a round
        holds when the machine's speed drifts from round to round.
        """
        columns = [self._values(row, name, "ops_per_sec") for name in allocators]
        common = set.intersection(*(set(column) for column in columns))
        figures = [combine(*(column[number] for column in columns)) for number in sorted(common)]
        figures = [figure for figure in figures if figure is not None]
        return statistics.median(figures) if figures else None

    def ratio(self, row, allocator, to):
        return self.paired_median(row, [allocator, to], lambda ours, theirs: ours / theirs)

    def ratio_without_loop(self, row, allocator, to, loop):
        """The same with the time of a do-nothing allocator's loop taken from both."""
        def combine(ours, theirs, empty):
            net_ours, net_theirs = 1 / ours - 1 / empty, 1 / theirs - 1 / empty
            return net_theirs / net_ours if net_ours > 0 and net_theirs > 0 else None
        return self.paired_median(row, [allocator, to, loop], combine)

    def best_of(self, row, allocators):
        rated = [(self.median(row, name) or 0, name) for name in allocators]
        return max(rated)[1] if rated else None

    def as_json(self):
        rows = [{"row": row, "allocator": allocator, "rounds": list(rounds.values())}
                for (row, allocator), rounds in self.samples.items()]
        failed = [{"row": row, "allocator": allocator, "why": why}
                  for (row, allocator), why in self.failures.items()]
        return {"results": rows, "failures": failed}


def measure(build, rows, allocators, rounds, extra_arguments=()):
    measurements = Measurements()
    for index, row in enumerate(rows):
        if sys.stderr.isatty():
            print(f"\r[{index + 1}/{len(rows)}] {row.name:<32}", end="", file=sys.stderr, flush=True)
        for number in range(rounds):
            first = number % len(allocators)
            for allocator in allocators[first:] + allocators[:first]:
                _run_once(measurements, build, row, allocator, number, extra_arguments)
    if sys.stderr.isatty():
        print("\r" + " " * 48 + "\r", end="", file=sys.stderr, flush=True)
    return measurements


def _run_once(measurements, build, row, allocator, number, extra_arguments):
    key = (row.name, allocator.name)
    if key in measurements.failures:
        return
    try:
        fields = run_row(build, row, allocator, extra_arguments)
        measurements.add(row.name, allocator.name, number, fields)
    except RunFailed as error:
        measurements.failures[key] = str(error)
