#!/usr/bin/env python3
"""Checks that every include under src/ obeys the layer order of src/README.md.

usage: ci/layers.py [ROOT]     (default: the tree this script is in)

A file may include its own layer and layers on earlier lines of the ```layers block. Operating-system headers are for
pal and entry; no file includes a .cc. Prints one line per offence; exits 1 if there is any.
"""
import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*(?:include|include_next)\s*([<"])([^>"]+)[>"]')
BLOCK = re.compile(r'^```layers\n(.*?)^```', re.M | re.S)
OS_HEADER = re.compile(
    r'^((sys|linux|asm|asm-generic|bits|arpa|net|netinet)/.*|'
    r'(unistd|pthread|sched|fcntl|signal|dlfcn|poll|semaphore|spawn|syscall|ucontext|execinfo|link|elf|features|malloc)\.h)$')
OS_LAYERS = {'pal', 'entry'}


def read_ranks(root):
    """Layer name -> line number in the order, lowest first."""
    block = BLOCK.search((root / 'src' / 'README.md').read_text())
    if not block:
        sys.exit('layers: src/README.md has no ```layers block')
    lines = [line.split() for line in block.group(1).splitlines() if line.strip()]
    return {layer: rank for rank, layers in enumerate(lines) for layer in layers}


def judge(ranks, layer, quote, target, src):
    """What is wrong with one include made by a file of LAYER, or None."""
    if target.endswith(('.cc', '.cpp', '.c')):
        return 'includes a source file'
    if OS_HEADER.match(target):
        return None if layer in OS_LAYERS else f'operating-system header in {layer} (only {", ".join(sorted(OS_LAYERS))})'
    if target.startswith('hakmem/') or (quote == '<' and not (src / target).exists()):
        return None  # the public header, or the standard library
    below = target.split('/')[0]
    if '/' not in target or below not in ranks:
        return 'not a path from src/ that starts with a layer'
    if not (src / target).exists():
        return 'no such file under src/'
    if below != layer and ranks[below] >= ranks[layer]:
        return f'layer {below} is not below {layer}'
    return None


def offences(root):
    """Yields "file:line: include: reason" for each offence."""
    ranks, src = read_ranks(root), root / 'src'
    for path in sorted(p for p in src.rglob('*') if p.suffix in ('.h', '.cc', '.hpp', '.inc')):
        layer, name = path.relative_to(src).parts[0], path.relative_to(root)
        if layer not in ranks:
            yield f'{name}:1: folder {layer} is not in the layer order'
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = INCLUDE.match(line)
            reason = include and judge(ranks, layer, *include.groups(), src)
            if reason:
                yield f'{name}:{number}: {include.group(2)}: {reason}'


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    found = list(offences(root))
    for line in found:
        print(line)
    print(f'layers: {len(found)} offences')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
