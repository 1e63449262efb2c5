"""Which allocators are compared, and how a process is started on each of them.

Ours come from the build directory; the peers are whatever this machine has installed. A missing
peer is noted and left out, a missing library of ours is an error, unless --allocators names others.
"""

import glob
import os
from dataclasses import dataclass, field

OURS = ("hardened", "perf", "v1")
LOOP = "loop"

_PEER_PATTERNS = {
    "glibc": None,
    "mimalloc": "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2",
    "jemalloc": "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
    "tcmalloc": "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4",
    "scudo": "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-x86_64.so",
}


class BenchError(Exception):
    """Ends the run with one clear line."""


@dataclass(frozen=True)
class Allocator:
    name: str
    library: str | None  # None: what the C library itself provides
    extra_environment: dict = field(default_factory=dict)

    def environment(self):
        """The caller's environment, so that HAKMEM_* and MIMALLOC_* settings can be compared."""
        environment = dict(os.environ)
        environment.pop("LD_PRELOAD", None)
        environment.update(self.extra_environment)
        if self.library is not None:
            environment["LD_PRELOAD"] = self.library
        return environment

    def serves(self, malloc_library):
        """Whether the library the driver found its malloc in is the one meant to be measured."""
        if self.library is None:
            return os.path.basename(malloc_library).startswith("libc.so")
        return os.path.realpath(malloc_library) == os.path.realpath(self.library)


def _ours(build):
    hardened = os.path.join(build, "libhakmem.so")
    return [
        Allocator("hardened", hardened),
        Allocator("perf", os.path.join(build, "libhakmem-perf.so")),
        Allocator("v1", hardened, {"HAKMEM_SMALL_HEAP_V3_ENABLED": "0"}),
    ]


def _peers():
    found, missing = [], []
    for name, pattern in _PEER_PATTERNS.items():
        matches = sorted(glob.glob(pattern)) if pattern else [None]
        if matches:
            found.append(Allocator(name, matches[-1]))
        else:
            missing.append(name)
    return found, missing


def _extras():
    extras = []
    for part in filter(None, os.environ.get("HAKMEM_BENCH_EXTRA", "").split(",")):
        name, equals, path = part.partition("=")
        if not equals or not os.path.exists(path):
            raise BenchError(f'HAKMEM_BENCH_EXTRA: "{part}" is not name=path of an existing library')
        extras.append(Allocator(name, os.path.abspath(path)))
    return extras


def select(build, wanted, with_loop):
    """The allocators to compare, in table order. `wanted`: names, or None for all of them."""
    peers, missing = _peers()
    loop = [Allocator(LOOP, os.path.join(build, "bench", "libnull_alloc.so"))] if with_loop else []
    known = loop + _ours(build) + peers + _extras()
    if wanted is None:
        for name in missing:
            print(f"note: {name} is not installed and left out")
        chosen = known
    else:
        unknown = set(wanted) - {allocator.name for allocator in known}
        if unknown:
            raise BenchError(f"not an allocator here: {', '.join(sorted(unknown))} "
                             f"(known: {', '.join(a.name for a in known)})")
        chosen = [a for a in known if a.name in wanted or a.name == LOOP]
    for allocator in chosen:
        if allocator.library is not None and not os.path.exists(allocator.library):
            advice = "" if allocator.name == LOOP else (
                f", or leave {allocator.name} out with --allocators")
            raise BenchError(f"{allocator.library} does not exist: run ./hakmem build{advice}")
    return chosen


def is_peer(name):
    return name not in OURS and name != LOOP
