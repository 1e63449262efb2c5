"""Plain text tables of a set of measurements."""

import math

from .allocators import LOOP, OURS, is_peer

BASELINE = "mimalloc"


def format_table(header, lines):
    cells = [header] + lines
    widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
    def render(line):
        rest = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))
        return "  ".join([line[0].ljust(widths[0]), *rest])
    return "\n".join(render(line) for line in cells)


def _number(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def _rate(value):
    """ops/s with three significant digits or so: from 71 for whole-block faults to 550M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value is not None and value >= size:
            return f"{value / size:.{2 if value < 100 * size else 1}f}{unit}"
    return "-" if value is None else f"{value:.0f}"


def _geometric_mean(values):
    values = [value for value in values if value]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def _with_mean(lines, columns):
    means = [_number(_geometric_mean(column)) for column in columns]
    return lines + [["geometric mean", *means]]


def speed_table(measurements, rows, names):
    lines = []
    for row in rows:
        medians = [measurements.median(row.name, name) for name in names]
        spreads = [measurements.spread(row.name, name) for name in names]
        known = [spread for spread in spreads if spread is not None]
        noise = f"{100 * max(known):.0f}%" if known else "-"
        lines.append([row.name, *map(_rate, medians), noise])
    return format_table(["ops/s", *names, "noise"], lines)


def ratio_table(measurements, rows, names):
    """Speed relative to mimalloc, every allocator, then who the best peer is."""
    columns = [name for name in names if name not in (LOOP, BASELINE)]
    values = [[measurements.ratio(row.name, name, BASELINE) for row in rows] for name in columns]
    lines = [[row.name, *(_number(column[i]) for column in values)] for i, row in enumerate(rows)]
    return format_table([f"speed / {BASELINE}", *columns], _with_mean(lines, values))


def _our_columns(measurements, row, names, ours):
    peers = [name for name in names if is_peer(name)]
    best = measurements.best_of(row.name, peers)
    figures = [measurements.ratio(row.name, name, best) for name in ours]
    if "v1" in names:
        figures += [measurements.ratio(row.name, name, "v1") for name in ours if name != "v1"]
    if LOOP in names and BASELINE in names:
        figures += [measurements.ratio_without_loop(row.name, name, BASELINE, LOOP)
                    for name in ours]
    return best, figures


def our_table(measurements, rows, names):
    """Ours against the best peer of each row, against v1, and against mimalloc less the loop."""
    ours = [name for name in names if name in OURS]
    header = [f"{name}/best" for name in ours]
    if "v1" in names:
        header += [f"{name}/v1" for name in ours if name != "v1"]
    if LOOP in names and BASELINE in names:
        header += [f"{name}/{BASELINE} net" for name in ours]
    found = [_our_columns(measurements, row, names, ours) for row in rows]
    lines = [[row.name, best, *map(_number, figures)]
             for row, (best, figures) in zip(rows, found)]
    means = [_number(_geometric_mean(column)) for column in zip(*(f for _, f in found))]
    return format_table(["speed", "best peer", *header],
                        lines + [["geometric mean", "", *means]])


def memory_table(measurements, rows, names):
    lines = []
    for row in rows:
        medians = [measurements.median(row.name, name, "peak_rss_kib") for name in names]
        lines.append([row.name, *(_number(m and m / 1024, 1) for m in medians)])
    return format_table(["peak RSS MiB", *names], lines)
