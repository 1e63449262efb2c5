"""Instructions by object file, from callgrind's output format."""

import os
import re

_OBJECT = re.compile(r"^(c?)ob=\((\d+)\)(?: (.*))?$")


def instructions_by_object(path):
    """Self cost of every mapped object. A line after `calls=` is inclusive cost of the callee."""
    names, totals, current, skip = {}, {}, None, False
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = _OBJECT.match(line.rstrip("\n"))
            if match:
                callee, number, name = match.groups()
                if name is not None:
                    names[number] = os.path.realpath(name)
                if not callee:
                    current = names[number]
            elif line.startswith("calls="):
                skip = True
            elif line[:1].isdigit() or line[:1] in "+-*":
                parts = line.split()
                if not skip and len(parts) >= 2:
                    totals[current] = totals.get(current, 0) + int(parts[1])
                skip = False
    return totals
