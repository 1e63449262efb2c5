#!/usr/bin/env python3
"""Checks that what comments and pages name exists: paths, commands of the front door, environment variables.

usage: ci/references.py [ROOT]     (default: the tree this script is in)

A path is looked up from the top of the tree and from src/; `*` matches, and the start of a name is enough
(docs/decisions/0001). Names that stand for any (x.h, X_test.cc, NN_x.sh, BOX/) are left out. Prints one line per
offence; exits 1 if there is any.
"""
import re
import subprocess
import sys
from pathlib import Path

TOP = 'src models tests proptests fuzz docs ci bench tools cmake include'
BOXES = 'base config pal policy stats report limits learn page laws remote cold hot ultra v1 large heap inspect entry'
PATH = re.compile(r'(?<![\w/.$}<"-])((?:' + '|'.join((TOP + ' ' + BOXES).split()) + r')/[\w./*-]*[\w*/])')
PLACEHOLDER = re.compile(r'(^|[/_])([xX][._]|NN_|BOX/|x/)')
COMMAND = re.compile(r'\./hakmem ([a-z][a-z-]*)')
VARIABLE = re.compile(r'(?<![\w])(HAKMEM_[A-Z0-9_]*[A-Z0-9])(?![\w*…])')
# What is compared: pages whole, of sources the comments.
COMMENT = {'.md': None, '.h': '//', '.hpp': '//', '.cc': '//', '.c': '//', '.py': '#', '.sh': '#', '.cmake': '#'}
LEFT_OUT = re.compile(r'^(fuzz/(corpus|regressions)/|ci/\w+_test\.py$|CHANGELOG\.md$)')


def tracked(root):
    """Every file of the tree, as git or else the file system has them."""
    listed = subprocess.run(['git', '-C', root, 'ls-files', '-co', '--exclude-standard'], capture_output=True, text=True)
    if listed.returncode == 0:
        return [name for name in listed.stdout.split('\n') if name and (root / name).is_file()]
    return [str(path.relative_to(root)) for path in root.rglob('*') if path.is_file()]


def words_of(text, mark):
    """Yields (line number, what is to be checked of the line)."""
    for number, line in enumerate(text.split('\n'), 1):
        if mark is None:
            yield number, line
        elif mark in line:
            yield number, line[line.index(mark):]


def exists(root, path):
    """Whether the path, or the start of a name, is there."""
    for base in (root, root / 'src'):
        if (base / path).exists() or next(base.glob(path.rstrip('/*') + '*'), None):
            return True
    return False


def offences(root):
    """Yields "file:line: what is named and is not there"."""
    files = tracked(root)
    texts = {name: (root / name).read_text(errors='replace') for name in files if not name.startswith('fuzz/corpus/')}
    door = texts.get('hakmem', '')
    commands = set(re.findall(r'^cmd_([a-z_]+)\(\)', door, re.M)) | {'help'}
    code = '\n'.join(text for name, text in texts.items() if not name.endswith('.md'))
    variables = set(VARIABLE.findall(code))
    for name, text in texts.items():
        mark = COMMENT.get(Path(name).suffix, '')
        if mark == '' or LEFT_OUT.match(name):
            continue
        for number, line in words_of(text, mark):
            for path in PATH.findall(line):
                if not PLACEHOLDER.search(path) and not exists(root, path):
                    yield f'{name}:{number}: no such path: {path}'
            for command in COMMAND.findall(line):
                if door and command.replace('-', '_') not in commands:
                    yield f'{name}:{number}: no such command: ./hakmem {command}'
            if mark is None:
                for variable in VARIABLE.findall(line):
                    if variable not in variables:
                        yield f'{name}:{number}: nothing reads {variable}'


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]).resolve()
    found = list(offences(root))
    print('\n'.join(found) if found else 'references: all there')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
