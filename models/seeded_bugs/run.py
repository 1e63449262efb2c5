#!/usr/bin/env python3
"""Puts each bug of BUGS into a copy of the sources, one at a time, and lets hunt.cc look for it.

usage: models/seeded_bugs/run.py [NUMBER...]     all without a number; exits 1 if one is not found

A bug is (what, file, text, text with the bug, configuration to hunt in). Results: docs/VERIFICATION.md.
"""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = 'SmallHardened'
BUGS = [
    ('remote drain forgets used--', 'src/front/allocator_slow.h',
     '  const GivePath path = hot(ctx).give(page, slot);\n  if (ctx.counting()) count_given_back',
     '  const GivePath path = hot(ctx).give(page, slot);\n  if (path != GivePath::kRetire) ++page.used;\n  if (ctx.counting()) count_given_back', SMALL),
    ('a page with one block left is retired', 'src/hot/hot_box.h',
     'if (page.used == 0) return place_empty_page(cls, page);',
     'if (page.used <= 1) return place_empty_page(cls, page);', SMALL),
    ('hot path rounds sizes down at a class boundary', 'src/front/fast_path.h',
     'found = ctx->ultra.of_fine_size[C::Sizes::fine_index(n)];',
     'found = ctx->ultra.of_fine_size[n >> 3];', SMALL),
    ('max_partial off by one', 'src/hot/hot_box.h',
     'if (others < cls.max_partial)',
     'if (others <= cls.max_partial)', SMALL),
    ('stale snapshot: max_partial is not taken up', 'src/front/allocator_cold.h',
     '    ctx.so.classes[b].max_partial = policy.classes[size_class.value()].max_partial;\n',
     '    if (ctx.so.classes[b].max_partial == 0) ctx.so.classes[b].max_partial = policy.classes[size_class.value()].max_partial;\n', SMALL),
    ("so_page_of misses the arena's last unit", 'src/page/arena.h',
     'return p.address() - base_ < bytes_;',
     'return p.address() - base_ + 1 < bytes_;', SMALL),
    ('last unit of a page keeps no owner', 'src/cold/cold_box.h',
     'for (std::uint32_t u = page.head; u < page.head + units; ++u) {\n      arena_->page(u).magazine',
     'for (std::uint32_t u = page.head; u < page.head + units - (units > 1); ++u) {\n      arena_->page(u).magazine', SMALL),
    ('v1 block in a magazine is not given back', 'src/front/allocator_slow.h',
     '      v1_.release_cached(block);\n',
     '', SMALL),
    ('refill counted twice', 'src/front/allocator_slow.h',
     'stats.alloc_refill.add();',
     'stats.alloc_refill.add(2);', SMALL),
    ('magazine flush drops one block', 'src/ultra/ultra_box.h',
     'for (std::size_t i = 0; i < count; ++i) release(',
     'for (std::size_t i = 1; i < count; ++i) release(', SMALL),
    ('remote post does not post the page', 'src/remote/remote_box.h',
     'if (head != kNoSlot) return;',
     'if (head == kNoSlot) return;', SMALL),
    ('DRAINING one page too late', 'src/cold/slab_table.h',
     'free * 4 >= slab.pages * 3u',
     'free * 4 > slab.pages * 3u', 'FourPagesHardened'),
    ('cold pages lent before warm ones', 'src/cold/slab_table.h',
     'std::countr_zero(warm != 0 ? warm : slab.free_pages)',
     'std::countr_zero(slab.free_pages)', SMALL),
    ('budget off by one page', 'src/cold/cold_box.h',
     'totals_.lent_bytes + page_bytes(bin) > budget_',
     'totals_.lent_bytes > budget_', SMALL),
    ('interior frees of the last slot pass as invalid', 'src/page/locate.h',
     'if (q.value >= slots_ever_out(unit, head))',
     'if (q.value + 1 >= slots_ever_out(unit, head))', SMALL),
    ('free_remote not counted', 'src/front/allocator_slow.h',
     '    ctx->stats.by_class[size_class].free_remote.add();\n',
     '', SMALL),
    ('front magazines stay open while counting', 'src/ultra/ultra_cache.h',
     '    *active = {};\n',
     '', SMALL),
    ('one parked context scavenged, not two', 'src/front/allocator_cold.h',
     'kContextsPerVisit = 2',
     'kContextsPerVisit = 1', SMALL),
    ('park forgets to drain', 'src/front/allocator_cold.h',
     '  flush_all(ctx);\n  drain(ctx);',
     '  flush_all(ctx);', SMALL),
    ('partial_count not lowered', 'src/hot/hot_box.h',
     '    --cls.partial_count;\n',
     '    if (cls.partial == Page::kNoPage) --cls.partial_count;\n', SMALL),
    ('v1 blocks of C7 put into the front cache', 'src/front/allocator_slow.h',
     'view.size_class == 6',
     'view.size_class >= 6', SMALL),
    ('pages decay after one period', 'src/cold/slab_table.h',
     'now - slab.warm_since < 2',
     'now - slab.warm_since < 1', SMALL),
    ('realloc copies the new size', 'src/front/allocator_slow.h',
     'std::memcpy(moved, p, n < old ? n : old);',
     'std::memcpy(moved, p, old);', SMALL),
    ('realloc stays in a block four times too large', 'src/front/allocator_slow.h',
     'return n >= old / 2 ||',
     'return n >= old / 4 ||', SMALL),
    ('aligned ignores the alignment of the bin', 'src/front/allocator_slow.h',
     'block_size % alignment != 0) ++b',
     'block_size < alignment) ++b', SMALL),
    ('freed slot left LIVE in the magazine', 'src/front/fast_path.h',
     "    entry->store_relaxed(kEntryCached);  // relaxed: the owner's again\n",
     '', SMALL),
    ('a class put on v1 keeps its magazine', 'src/front/allocator_cold.h',
     '      ctx.ultra.close(bin);\n',
     '', SMALL),
    ("adopted context keeps the dead thread's max_partial", 'src/front/allocator_cold.h',
     '    take_up_policy(*ctx);\n    drain(*ctx);',
     '    drain(*ctx);', SMALL),
    ('fast free ignores the owner', 'src/front/fast_path.h',
     'if (HAKMEM_UNLIKELY(page->owner.load_relaxed() != ctx)) return slow();',
     'if (HAKMEM_UNLIKELY(page->owner.load_relaxed() == nullptr)) return slow();', SMALL),
    ('large block forgotten by the registry', 'src/large/large_heap.h',
     '    table_.erase(record);\n    bytes_live_',
     '    bytes_live_', SMALL),
]


def hunt(tree, config):
    """Builds hunt.cc in TREE and runs it; returns what it says."""
    program = tree / 'hunt'
    sources = [tree / 'models/seeded_bugs/hunt.cc', tree / 'src/pal/linux.cc', *sorted((tree / 'src/report').glob('*.cc'))]
    build = subprocess.run(
        ['g++', '-std=c++20', '-O1', f'-DHAKMEM_HUNT_CONFIG={config}', '-DHAKMEM_FLAVOUR_HARDENED=1', f'-I{tree}',
         f'-I{tree}/src', f'-I{tree}/include', *map(str, sources), '-o', str(program)], capture_output=True, text=True)
    if build.returncode:
        return 'found by the compiler: ' + next((l for l in build.stderr.splitlines() if 'error' in l), '?')
    return subprocess.run([str(program)], capture_output=True, text=True).stdout


def seed(number):
    """Runs one bug; True when it is found."""
    what, file, text, bug, config = BUGS[number]
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        for folder in ('src', 'models', 'include'):
            shutil.copytree(ROOT / folder, tree / folder)
        path = tree / file
        before = path.read_text()
        if text not in before:
            print(f'{number}. {what}: its place in {file} is gone, bring the list up to date')
            return False
        path.write_text(before.replace(text, bug, 1))
        said = hunt(tree, config)
    print(f'{number}. {what}: {said}', flush=True)
    return 'NOT FOUND' not in said


if __name__ == '__main__':
    numbers = [int(a) for a in sys.argv[1:]] or range(len(BUGS))
    sys.exit(0 if all([seed(n) for n in numbers]) else 1)
