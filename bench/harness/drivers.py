"""Starts one driver process on one allocator and reads its result line."""

import os
import subprocess
from dataclasses import dataclass

from .allocators import BenchError

RUN_SECONDS_MAX = 240


class RunFailed(Exception):
    """This one run gave no result: the table shows it as such, and the exit status says so."""


@dataclass(frozen=True)
class Row:
    name: str          # for the tables and --only: parts joined by "/"
    driver: str        # the program in the build directory's bench/
    arguments: tuple


def driver_path(build, driver):
    path = os.path.join(build, "bench", driver)
    if not os.access(path, os.X_OK):
        raise BenchError(f"{path} does not exist: run ./hakmem build")
    return path


def run_process(command, environment):
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True,
                              timeout=RUN_SECONDS_MAX, stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"no end within {RUN_SECONDS_MAX} s") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line and not line.startswith("==")]
        raise RunFailed(f"exit status {done.returncode}: {lines[-1] if lines else 'no message'}")
    return done


def parse_result(text):
    fields = dict(part.split("=", 1) for part in text.split() if "=" in part)
    if "ops_per_sec" not in fields:
        raise RunFailed("the driver printed no result line")
    return fields


def run_row(build, row, allocator, extra_arguments=()):
    """One process: its result fields, after checking whose malloc it really ran on."""
    command = [driver_path(build, row.driver), *row.arguments, *extra_arguments]
    fields = parse_result(run_process(command, allocator.environment()).stdout)
    if not allocator.serves(fields["malloc"]):
        raise RunFailed(f"malloc came from {fields['malloc']}, not from {allocator.library}")
    return fields
