#!/usr/bin/env python3
"""The table of environment variables, from src/config/variables.def.

usage: ci/environment.py            prints it as plain text (./hakmem --help-env)
       ci/environment.py --write    writes README.md's table and docs/ENVIRONMENT.md
       ci/environment.py --check    exits 1 and says which of them differ from what --write would write
"""
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENTRY = re.compile(r'^HAKMEM_(SWITCH|CHOICE|NUMBER|VALUE|FILE)\((\w+),((?:"(?:[^"\\]|\\.)*"|[^()"])*)\)', re.M)
PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s,"]+)')
MARKED = re.compile(r'(<!-- variables: .*? -->\n).*?(<!-- end -->\n)', re.S)
PAGE = """# Environment variables

{table}
A malformed value is reported in one line on stderr, with the value used instead; the program runs.
A variable `HAKMEM_…` that means nothing is named in one line, by the first process of a tree.
Programs that run with other rights than their caller's (set-user-id) do as if none of them were
set. Each is read once, when the process starts.

Written by `ci/environment.py --write` from `src/config/variables.def`.
"""


def variables(text):
    """[(name, values, meaning)] in the order of the file."""
    found = []
    for kind, name, rest in ENTRY.findall(text):
        parts = [re.sub(r'\\(.)', r'\1', quoted) or bare for quoted, bare in PART.findall(rest)]
        if kind == 'SWITCH':
            values = words('0 1', parts[0])
        elif kind == 'CHOICE':
            values = words(parts[0], parts[1])
        else:
            values = parts[1] if kind == 'NUMBER' else parts[0]
        found.append((f'HAKMEM_{name}', values, parts[-1]))
    return found


def words(all_of_them, fallback):
    return ' '.join(f'`{word}` (default)' if word == fallback else f'`{word}`' for word in all_of_them.split())


def table(found):
    rows = ''.join(f'| `{name}` | {values} | {meaning} |\n' for name, values, meaning in found)
    return '| variable | values | meaning |\n|---|---|---|\n' + rows


def pages(root):
    """{file: the text that it should have}"""
    found = variables((root / 'src/config/variables.def').read_text())
    readme = root / 'README.md'
    return {readme: MARKED.sub(lambda m: m[1] + table(found) + m[2], readme.read_text()),
            root / 'docs/ENVIRONMENT.md': PAGE.format(table=table(found))}


def plain_text(found):
    for name, values, meaning in found:
        print(f'{name}={values}'.replace('`', ''))
        print(textwrap.fill(meaning.replace('`', ''), 100, initial_indent='    ', subsequent_indent='    '))


def main(arguments):
    if arguments == ['--write']:
        for path, text in pages(ROOT).items():
            path.write_text(text)
        return 0
    if arguments == ['--check']:
        stale = [str(path.relative_to(ROOT)) for path, text in pages(ROOT).items()
                 if not path.exists() or path.read_text() != text]
        for name in stale:
            print(f'environment: {name} is not what src/config/variables.def says: run ci/environment.py --write')
        return 1 if stale else 0
    if arguments:
        sys.exit(__doc__)
    plain_text(variables((ROOT / 'src/config/variables.def').read_text()))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
