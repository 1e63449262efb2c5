#!/usr/bin/env python3
"""What of src/ the tests reach: runs them in the coverage build, and reports lines and branches per box.

usage: ci/coverage.py --build DIR [--out DIR] [-j N] [--no-run]
                      [--at-least-lines PERCENT] [--at-least-branches PERCENT] [--all-listed]

DIR is a finished build of the preset `coverage`; `./hakmem coverage` makes it and calls this. Writes OUT/html/index.html
and OUT/lcov.info (default OUT: DIR-report). A template counts once, however often it is instantiated: a line or a branch
is covered when any instantiation of it is. What stays uncovered belongs into ci/coverage_gaps.txt, with the reason: what is
not listed there, and what is listed but covered, is printed, and with --all-listed a failure. Exits 1 then, when a test
fails, or when a mark is missed. --no-run: report the last run.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import coverage_gaps

ROOT = Path(__file__).resolve().parent.parent
SUFFIX = '-19'  # of LLVM's tools
# Fewer cases than the tests by themselves: what they reach at all, they reach soon.
PROPERTIES = 'seed=20261122 max_success=60'
# Tests of what the instrumentation changes: the size of stack frames, the calls to malloc and to the system that the
# profile's writer makes of its own, and so what is next to what in the heap.
CHANGED_BY_IT = ['small_stacks', 'sandbox_calls_exec', 'counted_calls', 'double_free_run_released', 'invalid_before_page']
# An object without coverage mapping makes llvm-cov give up.
MAPPED_SECTION = b'__llvm_covmap'


@dataclass
class File:
    """What is known of one source file, all instantiations together."""
    lines: dict = field(default_factory=dict)     # line -> times run
    branches: dict = field(default_factory=dict)  # (line, column, end line, end column, way) -> times taken

    def line_score(self):
        return sum(n > 0 for n in self.lines.values()), len(self.lines)

    def branch_score(self):
        return sum(n > 0 for n in self.branches.values()), len(self.branches)


# ---- reading llvm-cov's JSON ----------------------------------------------------------------------------------------

def read_lines(segments):
    """Line -> count, as llvm-cov itself derives it: a segment is (line, column, count, has count, entry, gap) and lasts
    until the next one; a line counts what the regions that start in it count, else what it is inside of."""
    starts = defaultdict(list)
    for segment in segments:
        starts[segment[0]].append(segment)
    lines, around = {}, None
    for line in range(segments[0][0], segments[-1][0] + 1) if segments else []:
        here = starts.get(line, [])
        entries = [s for s in here if s[3] and s[4] and not s[5]]
        skipped = bool(here) and not here[0][3] and here[0][4]
        inside = around is not None and around[3]
        if any(s[3] and s[4] for s in here) or (not skipped and (inside or entries)):
            lines[line] = max([s[2] for s in entries] + [around[2] if inside else 0])
        around = here[-1] if here else around
    return lines


def count_at(segments, line, column):
    """Times that the code at this place was run: the count of the last segment that starts no later."""
    found = None
    for segment in segments:
        if (segment[0], segment[1]) > (line, column):
            break
        found = segment
    return found[2] if found is not None and found[3] else 0


def read_branches(records, segments):
    """(place, way) -> count, summed over instantiations. A condition that was evaluated but took neither way is a constant
    of the template (`if (C::kChecks || ...)`): no branch."""
    branches = defaultdict(int)
    for line, column, end_line, end_column, taken, not_taken, *_ in records:
        branches[(line, column, end_line, end_column, True)] += taken
        branches[(line, column, end_line, end_column, False)] += not_taken
    for place in {key[:4] for key in branches}:
        both = branches[(*place, True)] + branches[(*place, False)]
        if both == 0 and count_at(segments, *place[:2]) > 0:
            del branches[(*place, True)], branches[(*place, False)]
    return dict(branches)


def read_export(export, src):
    """Path under SRC -> File, of llvm-cov's parsed JSON."""
    files = {}
    for entry in export['data'][0]['files']:
        path = Path(entry['filename'])
        if src in path.parents and entry['segments']:
            files[str(path.relative_to(src))] = File(read_lines(entry['segments']),
                                                     read_branches(entry['branches'], entry['segments']))
    return files


# ---- writing --------------------------------------------------------------------------------------------------------

def percent(part, whole):
    return 100.0 if whole == 0 else 100.0 * part / whole


def add_up(scores):
    return tuple(map(sum, zip(*scores))) if scores else (0, 0)


def table(files):
    """One line per box and the totals; also the two percentages."""
    boxes = defaultdict(list)
    for path, file in files.items():
        boxes[path.split('/')[0]].append(file)
    rows = [(box, add_up([f.line_score() for f in held]), add_up([f.branch_score() for f in held]))
            for box, held in sorted(boxes.items())]
    rows.append(('total', add_up([row[1] for row in rows]), add_up([row[2] for row in rows])))
    text = [f'{"box":10}{"lines":>14}{"":>9}{"branches":>14}{"":>9}']
    for box, lines, branches in rows:
        text.append(f'{box:10}{lines[0]:>7}/{lines[1]:<6}{percent(*lines):>8.2f} %{branches[0]:>7}/{branches[1]:<6}'
                    f'{percent(*branches):>7.2f} %')
    return '\n'.join(text), percent(*rows[-1][1]), percent(*rows[-1][2])


def write_lcov(files, src, out):
    with open(out, 'w', encoding='utf-8') as lcov:
        for path, file in sorted(files.items()):
            print(f'SF:{src / path}', file=lcov)
            for line, count in sorted(file.lines.items()):
                print(f'DA:{line},{count}', file=lcov)
            for number, (place, count) in enumerate(sorted(file.branches.items(), key=lambda b: (b[0][:4], not b[0][4]))):
                print(f'BRDA:{place[0]},{number // 2},{int(not place[4])},{count}', file=lcov)
            for kind, (hit, found) in (('L', file.line_score()), ('BR', file.branch_score())):
                print(f'{kind}F:{found}\n{kind}H:{hit}', file=lcov)
            print('end_of_record', file=lcov)


# ---- running --------------------------------------------------------------------------------------------------------

def run_tests(build, jobs):
    """True when all pass. Where each leaves its profiles: cmake/HakmemTests.cmake."""
    profiles = build / 'profiles'
    shutil.rmtree(profiles, ignore_errors=True)
    profiles.mkdir()
    left_out = f'[.]({"|".join(CHANGED_BY_IT)})([.]|$)'
    return subprocess.run(['ctest', '--test-dir', build, '-j', str(jobs), '--output-on-failure', '--no-tests=error', '-E', left_out],
                          env=dict(os.environ, RC_PARAMS=PROPERTIES)).returncode == 0


def objects(build):
    """Everything that was instrumented and linked."""
    ends = [path for path in build.rglob('*') if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK)
            and 'CMakeFiles' not in path.parts]
    return sorted(path for path in ends if MAPPED_SECTION in path.read_bytes())


def llvm_cov(command, found, profile, *options):
    """Standard output of one llvm-cov command over all objects."""
    rest = [f'-object={path}' for path in found[1:]]
    return subprocess.run([f'llvm-cov{SUFFIX}', command, found[0], *rest, f'-instr-profile={profile}', *options,
                           str(ROOT / 'src')], check=True, stdout=subprocess.PIPE).stdout


def report(build, out):
    """The files of src/ as the profiles have them; HTML and lcov are written."""
    found = objects(build)
    profile = build / 'merged.profdata'
    raw = sorted((build / 'profiles').glob('*.profraw'))
    if not raw or not found:
        sys.exit(f'coverage: nothing was run in {build}')
    subprocess.run([f'llvm-profdata{SUFFIX}', 'merge', '-sparse', '-o', profile, *raw], check=True)
    files = read_export(json.loads(llvm_cov('export', found, profile, '-skip-functions', '-skip-expansions')), ROOT / 'src')
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    write_lcov(files, ROOT / 'src', out / 'lcov.info')
    llvm_cov('show', found, profile, '-format=html', f'-output-dir={out}/html', '-show-branches=count',
             '-show-instantiations=false', '-show-line-counts-or-regions')
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--build', type=Path, required=True)
    parser.add_argument('--out', type=Path)
    parser.add_argument('--no-run', action='store_true')
    parser.add_argument('--all-listed', action='store_true', help='fail on a gap that is not in ci/coverage_gaps.txt')
    parser.add_argument('--check', action='store_true', help='only whether the options are in order')
    parser.add_argument('-j', type=int, default=os.cpu_count())
    parser.add_argument('--at-least-lines', type=float, default=0, metavar='PERCENT')
    parser.add_argument('--at-least-branches', type=float, default=0, metavar='PERCENT')
    options = parser.parse_args()
    if options.check:
        return
    build = options.build.resolve()
    passed = options.no_run or run_tests(build, options.j)
    out = options.out or build.with_name(build.name + '-report')
    files = report(build, out)
    text, lines, branches = table(files)
    print(text)
    gaps = coverage_gaps.judge(ROOT, files)
    print('\n'.join(gaps))
    complaints = gaps if options.all_listed else []
    print(f'coverage: {out}/html/index.html {out}/lcov.info')
    if lines < options.at_least_lines:
        complaints.append(f'lines: {lines:.2f} % of {options.at_least_lines:g} %')
    if branches < options.at_least_branches:
        complaints.append(f'branches: {branches:.2f} % of {options.at_least_branches:g} %')
    if not passed:
        complaints.append('a test failed')
    if complaints:
        sys.exit(f'coverage: {len(complaints)} complaints, the last: {complaints[-1]}')


if __name__ == '__main__':
    main()
