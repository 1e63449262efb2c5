"""What a long-running server holds for each byte it uses: resident set / live bytes, 1 and 4 threads.

One process per allocator and number of threads, one after the other: the figure is a mean over many
phases, not a time, so it needs no interleaving. 1.05 of the best peer is the mark for ours.
"""

from .allocators import OURS, is_peer, select
from .drivers import Row, RunFailed, run_row
from .tables import format_table

MARK = 1.05
THREADS = (1, 4)


def _measure(build, chosen, arguments):
    rows, failures = {}, []
    for threads in THREADS:
        row = Row(f"{threads}t", "fragmentation", ("server", "--threads", str(threads), *arguments))
        for allocator in chosen:
            try:
                rows[threads, allocator.name] = run_row(build, row, allocator)
            except RunFailed as error:
                failures.append(f"{row.name} on {allocator.name}: {error}")
    return rows, failures


def best_peer(rows, threads):
    """The smallest ratio that a peer reached with so many threads, None without peers."""
    ratios = [float(fields["ratio"]) for (t, name), fields in rows.items()
              if t == threads and is_peer(name)]
    return min(ratios) if ratios else None


def table(rows):
    lines = []
    for (threads, name), fields in rows.items():
        best = best_peer(rows, threads)
        ratio = float(fields["ratio"])
        lines.append([f"{name} {threads}t", f"{ratio:.3f}", f"{float(fields['worst']):.3f}",
                      fields["live_mib"], fields["resident_mib"],
                      str(int(fields["peak_rss_kib"]) >> 10),
                      "-" if best is None else f"{ratio / best:.3f}", fields["rounds"]])
    header = ["allocator", "rss/live", "worst", "live MiB", "rss MiB", "peak MiB", "/best peer", "rounds"]
    return format_table(header, lines)


def beyond_mark(rows):
    """Ours that hold more than the mark allows, as text."""
    found = []
    for (threads, name), fields in rows.items():
        best = best_peer(rows, threads)
        if name in OURS and best is not None and float(fields["ratio"]) > MARK * best:
            found.append(f"{name} {threads}t: {float(fields['ratio']) / best:.3f} of the best peer")
    return found


def compare(build, wanted, seconds, live_mib):
    chosen = [a for a in select(build, wanted.split(",") if wanted else None, with_loop=False)
              if wanted or a.name != "v1"]
    rows, failures = _measure(build, chosen, ["--seconds", str(seconds), "--live-mib", str(live_mib)])
    print("Resident set / bytes in use, the mean over all phases but those of the first round; worst: "
          "of one phase;\n/best peer: relative to the smallest ratio of a peer, mark 1.05.\n")
    print(table(rows))
    for line in beyond_mark(rows):
        print(f"beyond the mark: {line}")
    for failure in failures:
        print(f"failed: {failure}")
    return 1 if failures else 0
