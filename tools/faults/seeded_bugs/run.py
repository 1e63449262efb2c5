#!/usr/bin/env python3
"""Puts the bugs of BUGS into a copy of the sources and looks for them.

  --by traces      one bug at a time: hunt.cc runs random traces and makes the one that differs small (the default)
  --by properties  proptests/allocator_prop.cc as it is, 60 s for each bug
  --by fuzzer      fuzz/alloc_sequence_fuzz.cc as it is, from an empty corpus, 300 s for each bug
  --by schedules   the faults of schedules.py: schedule_model and race_model in turns, 60 s for each
  --check          only whether the place of each bug is still there

Properties and fuzzer are compiled once, with all bugs that are an expression or a statement (schema.py); which of them is there
is chosen when they are started. All bugs without a NUMBER; exits 1 if one is not found. A bug is (what, file, text, text
with the bug, configuration to hunt in). Results: docs/measured/seeded_bugs.md.
"""
import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import schedules
import schema

ROOT = Path(__file__).resolve().parents[3]
SMALL = 'SmallHardened'
BUGS = [
    ('remote drain forgets used--', 'src/heap/page_returns.h',
     '      Faults<C>::expect_mine(ctx, page, slot, kEntryRemote, "remote-drain");\n      give(ctx, page, slot);\n',
     '      if (give(ctx, page, slot) != GivePath::kRetire) ++page.used;\n', SMALL),
    ('a page with one block left is retired', 'src/hot/hot_box.h',
     'if (page.used == 0) return place_empty_page(of_bin, page);',
     'if (page.used <= 1) return place_empty_page(of_bin, page);', SMALL),
    ('hot path rounds sizes down at a class boundary', 'src/ultra/fast_path.h',
     'found = ctx->ultra.of_fine_size[C::Sizes::fine_index(n)];',
     'found = ctx->ultra.of_fine_size[n >> 3];', SMALL),
    ('max_partial off by one', 'src/hot/hot_box.h',
     'if (others < of_bin.max_partial)',
     'if (others <= of_bin.max_partial)', SMALL),
    ('stale snapshot: max_partial is not taken up', 'src/heap/maintenance.h',
     'policy.classes[Sizes::info(bin).size_class].max_partial',
     'ctx.so.bins[bin.value()].max_partial', SMALL),
    ('so_page_of misses the last byte in use', 'src/page/arena.h',
     'return in_use_.is_above_relaxed(p.address() - base);',
     'return in_use_.is_above_relaxed(p.address() - base + 1);', SMALL),
    ('last unit of a page keeps no owner', 'src/cold/page_records.h',
     'for (std::uint32_t u = page.head; u < page.head + units; ++u) {\n      arena_->page(u).magazine',
     'for (std::uint32_t u = page.head; u < page.head + units - (units > 1); ++u) {\n      arena_->page(u).magazine', SMALL),
    ('v1 block in a magazine is not given back', 'src/heap/page_returns.h',
     '        boxes_.v1.release_cached(block);\n',
     '', SMALL),
    ('refill counted twice', 'src/heap/allocation.h',
     'stats.alloc_refill.add();',
     'stats.alloc_refill.add(2);', SMALL),
    ('magazine flush drops one block', 'src/ultra/ultra_box.h',
     'for (std::size_t i = 0; i < count; ++i) release(',
     'for (std::size_t i = 1; i < count; ++i) release(', SMALL),
    ('remote post does not post the page', 'src/remote/remote_box.h',
     'if (head != kNoSlot) return false;',
     'if (head == kNoSlot) return false;', SMALL),
    ('DRAINING one page too late', 'src/cold/slab_table.h',
     'free * 4 >= slab.pages * 3u',
     'free * 4 > slab.pages * 3u', 'FourPagesHardened'),
    ('cold pages lent before warm ones', 'src/cold/slab_table.h',
     'std::countr_zero(warm != 0 ? warm : slab.free_pages)',
     'std::countr_zero(slab.free_pages)', SMALL),
    ('memory limit off by one charge', 'src/limits/memory_limit.h',
     'if (held > hard || bytes > hard - held) {',
     'if (held >= hard) {', SMALL),
    ('interior frees of the last slot pass as invalid', 'src/page/locate.h',
     'if (q.value >= slots_ever_out(unit, head))',
     'if (q.value + 1 >= slots_ever_out(unit, head))', SMALL),
    ('free_remote not counted', 'src/heap/freeing.h',
     '      ctx->stats.by_class[size_class].free_remote.add();\n',
     '', SMALL),
    ('front magazines stay open while counting', 'src/ultra/ultra_cache.h',
     '    *active = {};\n',
     '', SMALL),
    ('one parked context scavenged, not two', 'src/heap/maintenance.h',
     'kContextsPerVisit = 2',
     'kContextsPerVisit = 1', SMALL),
    ('park forgets to drain', 'src/heap/page_returns.h',
     '    flush_all(ctx);\n    drain(ctx);\n    ctx.release',
     '    flush_all(ctx);\n    ctx.release', SMALL),
    ('partial_count not lowered', 'src/hot/hot_box.h',
     '    --of_bin.partial_count;\n',
     '    if (of_bin.partial.empty()) --of_bin.partial_count;\n', SMALL),
    ('v1 blocks of C7 put into the front cache', 'src/heap/freeing.h',
     'view.size_class == 6',
     'view.size_class >= 6', SMALL),
    ('pages decay after one period', 'src/cold/slab_table.h',
     'static_cast<std::int32_t>(now - slab.warm_since) < 2',
     'static_cast<std::int32_t>(now - slab.warm_since) < 1', SMALL),
    ('realloc copies the new size', 'src/heap/reallocation.h',
     'std::memcpy(moved, p, n < old ? n : old);',
     'std::memcpy(moved, p, old);', SMALL),
    ('realloc stays in a block four times too large', 'src/heap/reallocation.h',
     'return n >= old / 2 ||',
     'return n >= old / 4 ||', SMALL),
    ('aligned ignores the alignment of the bin', 'src/heap/allocation.h',
     'Sizes::bin_of(Sizes::aligned_size(alignment, n))',
     'Sizes::bin_of(n < alignment ? alignment : n)', SMALL),
    ('freed slot left LIVE in the magazine', 'src/ultra/magazine.h',
     "      entry->store_relaxed(kEntryCached);  // relaxed: the owner's again\n",
     '', SMALL),
    ('a class put on v1 keeps its magazine', 'src/heap/maintenance.h',
     '        ctx.ultra.close(bin);\n',
     '', SMALL),
    ("adopted context keeps the dead thread's max_partial", 'src/heap/maintenance.h',
     '    take_up_policy(ctx);\n    returns_.drain(ctx);',
     '    returns_.drain(ctx);', SMALL),
    ('fast free ignores the owner', 'src/ultra/fast_path.h',
     'if (HAKMEM_UNLIKELY(page->owner.load_relaxed() != ctx)) return slow();',
     'if (HAKMEM_UNLIKELY(page->owner.load_relaxed() == nullptr)) return slow();', SMALL),
    ('large block forgotten by the registry', 'src/large/large_heap.h',
     '        map_.change_use(block, Use::kFree);\n        out',
     '        out', SMALL),
    ('memory of a block beside free slots is given back', 'src/page/unused.h',
     'begin = (slot + 1) * page.block_size;',
     'begin = slot * page.block_size;', SMALL),
    ('pages are at rest after one period', 'src/hot/hot_box.h',
     'now - page.taken_in < 2 ||',
     'now - page.taken_in < 1 ||', SMALL),
    ('contexts are idle after one period', 'src/heap/context_registry.h',
     'now - ctx.so.seen_period()) >= 2',
     'now - ctx.so.seen_period()) >= 1', SMALL),
    ('growth is counted twice', 'src/cold/idle_account.h',
     'grown_bytes_ += bytes;',
     'grown_bytes_ += 2 * bytes;', SMALL),
    ("frees of others' blocks do not count towards release mode", 'src/heap/freeing.h',
     'note_freed_elsewhere(*ctx, bytes);',
     'note_freed_elsewhere(*ctx, 0);', SMALL),
    ('an idle context is not drained before its memory is given back', 'src/heap/maintenance.h',
     '      returns_.drain(idle);\n',
     '', SMALL),
]


def copy_of_sources(scratch):
    tree = Path(scratch)
    for folder in ('src', 'models', 'include', 'proptests', 'fuzz', 'tools'):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns('corpus', '__pycache__'))
    return tree


def compile_in(tree, compiler, source, flags, libraries=()):
    """The program, or what the compiler says."""
    program = tree / Path(source).stem
    sources = [tree / source, tree / 'src/entry/report_file.cc',
               *(path for box in ('pal', 'report') for path in sorted((tree / 'src' / box).glob('*.cc')))]
    build = subprocess.run(
        [compiler, '-std=c++20', '-O1', '-DHAKMEM_FLAVOUR_HARDENED=1', f'-I{tree}', f'-I{tree}/src', f'-I{tree}/include',
         *flags, *map(str, sources), *libraries, '-o', str(program)], capture_output=True, text=True)
    if build.returncode:
        return None, next((line for line in build.stderr.splitlines() if 'error' in line), build.stderr[-500:])
    return program, ''


# ---- by traces: a build for each bug

def hunt(number):
    """Runs one bug; True when it is found."""
    what, file, text, bug, config = BUGS[number]
    with tempfile.TemporaryDirectory() as scratch:
        tree = copy_of_sources(scratch)
        path = tree / file
        before = path.read_text()
        if text not in before:
            print(f'{number}. {what}: its place in {file} is gone, bring the list up to date')
            return False
        path.write_text(before.replace(text, bug, 1))
        program, error = compile_in(tree, 'g++', 'tools/faults/seeded_bugs/hunt.cc', [f'-DHAKMEM_HUNT_CONFIG={config}'])
        said = f'found by the compiler: {error}' if 'static assertion' in error else f'NOT FOUND: it does not build: {error}'
        if program is not None:
            said = subprocess.run([str(program)], capture_output=True, text=True).stdout
    print(f'{number}. {what}: {said}', flush=True)
    return 'NOT FOUND' not in said


# ---- by properties, by the fuzzer: one build

def run_with_bug(number, command, seconds, tree):
    """Exit status, output and processor time of a program with bug NUMBER in it (-1: none)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = dict(os.environ, HAKMEM_SEEDED_BUG=str(number), GTEST_FAIL_FAST='1')
    try:
        done = subprocess.run(command, capture_output=True, env=environment, cwd=tree, timeout=20 * seconds)
        status, said = done.returncode, (done.stdout + done.stderr).decode(errors='replace')
    except subprocess.TimeoutExpired:
        status, said = 0, 'timed out'
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return status, said, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def how_far(judge, said):
    """How much was run until the bug was found, and the first line that says what it is."""
    if judge == 'fuzzer':
        counts = re.findall(r'^#(\d+)', said, re.MULTILINE) or ['0']
        found = re.search(r'^(.*(?:the allocator has|law .* is broken|differs|deadly signal|Sanitizer).*)$', said, re.MULTILINE)
        return f'about {counts[-1]} executions', found[1].strip() if found else said.strip()[-200:]
    counts = re.search(r'Falsifiable after (\d+)', said)
    found = re.search(r'(.*)\nafter:|(signal \d+) in this trace', said)
    return (f'case {counts[1]}' if counts else 'a crash'), (found[1] or found[2] or '').strip() if found else ''


def look(judge, numbers):
    seconds = 300 if judge == 'fuzzer' else 60
    with tempfile.TemporaryDirectory() as scratch:
        tree = copy_of_sources(scratch)
        there = schema.put_into(tree, BUGS)
        if judge == 'fuzzer':
            program, error = compile_in(tree, 'clang++-19', 'fuzz/alloc_sequence_fuzz.cc',
                                        ['-fsanitize=fuzzer', f'-fsanitize-coverage-ignorelist={ROOT}/fuzz/coverage_ignore.txt',
                                         '-fconstexpr-steps=33554432'])
        else:
            program, error = compile_in(tree, 'g++', 'proptests/allocator_prop.cc', [],
                                        ['-lrapidcheck', '-lgtest', '-lgtest_main'])
        if program is None:
            sys.exit(f'the program with all bugs does not compile: {error}')
        options = ['-seed=1', f'-max_total_time={seconds}', '-max_len=1924', f'-artifact_prefix={tree}/'] if judge == 'fuzzer' else []
        if run_with_bug(-1, [str(program), *(['-seed=1', '-runs=500', '-max_len=1924'] if options else [])], seconds, tree)[0] != 0:
            sys.exit('without any bug there is a finding')
        all_found = True
        for number in numbers:
            what = BUGS[number][0]
            if number not in there:
                print(f'{number}. {what}: neither an expression nor a statement, left out', flush=True)
                continue
            status, said, used = run_with_bug(number, [str(program), *options], seconds, tree)
            found = status != 0 and used <= seconds
            all_found = all_found and found
            amount, first = how_far(judge, said)
            print(f'{number}. {what}: ' + (f'{used:.1f} s, {amount}: {first}' if found else 'NOT FOUND'), flush=True)
    return all_found


# ---- by schedules: one build, of faults of their own

def compile_models(tree):
    """schedule_model and race_model in the copy."""
    flags = ['-std=c++20', '-O1', '-g1', f'-I{tree}', f'-I{tree}/src', f'-I{tree}/include']
    watched = ['-DHAKMEM_WATCH_RACES=1', '-fno-pie']
    shared = [*sorted((tree / 'src/pal').glob('*.cc')), tree / 'models/schedule/clocks.cc']
    model = tree / 'models/concurrency/schedule_model.cc'
    for command in (
            ['g++', *flags, model, *shared, '-lboost_context', '-o', tree / 'schedule_model'],
            ['g++', *flags, *watched, '-fsanitize=thread', '-fno-threadsafe-statics', '-c', model, '-o', tree / 'watched.o'],
            ['g++', *flags, *watched, '-no-pie', tree / 'watched.o', tree / 'models/schedule/watched.cc', *shared, '-lboost_context',
             '-o', tree / 'race_model']):
        subprocess.run(command, check=True)


def schedule(numbers):
    with tempfile.TemporaryDirectory() as scratch:
        tree = copy_of_sources(scratch)
        schedules.put_into(tree, schema.CHOICE)
        compile_models(tree)
        all_found = True
        for number in [-1, *numbers]:
            used, found = 0, ''
            for program, seconds in (('schedule_model', 15), ('race_model', 15), ('schedule_model', 45), ('race_model', 45)):
                status, said, more = run_with_bug(number, [str(tree / program), '--seconds', str(seconds), '--seed', str(1 + int(used * 1e6))],
                                                  seconds, tree)
                used += more
                if status != 0:
                    how = re.search(r'^FAILED: (.*)$', said, re.MULTILINE)
                    found = f'{used:.1f} s, {program}: {how[1] if how else said.strip()[-200:]}'
                if found or number < 0 and program == 'race_model':
                    break
            if number < 0:
                if found:
                    sys.exit(f'without any fault there is a finding: {found}')
                continue
            all_found = all_found and bool(found)
            print(f'{number}. {schedules.FAULTS[number][0]}: {found or "NOT FOUND"}', flush=True)
    return all_found


def check():
    """Each text must be there, once: a list that has grown old would find nothing."""
    bad = [f'{number}. {what}: its place in {file} is gone, or not the only one'
           for number, (what, file, text, _, _) in enumerate(BUGS) if (ROOT / file).read_text().count(text) != 1]
    bad += [f'schedules, {number}. {what}: its place in {file} is gone, or not the only one'
            for number, (what, edits) in enumerate(schedules.FAULTS) for file, text, _ in edits
            if (ROOT / file).read_text().count(text) != 1]
    print('\n'.join(bad) or f'{len(BUGS) + len(schedules.FAULTS)} bugs have their places')
    return not bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--by', choices=('traces', 'properties', 'fuzzer', 'schedules'), default='traces')
    parser.add_argument('--check', action='store_true')
    parser.add_argument('numbers', type=int, nargs='*', metavar='NUMBER')
    arguments = parser.parse_args()
    if arguments.check:
        return 0 if check() else 1
    numbers = arguments.numbers or range(len(schedules.FAULTS if arguments.by == 'schedules' else BUGS))
    if arguments.by == 'schedules':
        return 0 if schedule(numbers) else 1
    found = all([hunt(n) for n in numbers]) if arguments.by == 'traces' else look(arguments.by, numbers)
    return 0 if found else 1


if __name__ == '__main__':
    sys.exit(main())
