"""The mutated tree: a copy of the sources with all mutants in it, and the test programs compiled from it. That of the boxes entry
and pal, which are judged in the library as programs have it, is a tree of its own (whole.py).

build/mutate/tree/ is the working tree by symbolic links, but for src/, which is written anew. A mutant that does not compile is
dropped: each alternative stands on lines of its own (schemata.render), so the compiler's complaint names it.
"""
import hashlib
import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import schemata

ROOT = Path(__file__).resolve().parents[3]
HERE = 'tools/faults/mutation'
BOXES = ['page', 'hot', 'ultra', 'remote', 'limits', 'cold', 'policy', 'heap', 'inspect', 'entry', 'pal']
WHOLE = {'entry', 'pal'}  # judged in the whole library
ORACLES = {'src/inspect/audit.h', 'src/pal/fake.h', 'src/pal/fake_areas.h'}  # judges themselves; part of no library
LINKED = ['include', 'models', 'proptests', 'tests', 'fuzz', 'tools']
FLAGS = ['-std=c++20', '-g0', '-w', '-Wno-c++11-narrowing', '-ferror-limit=0', '-fconstexpr-steps=33554432',
         '-DHAKMEM_FLAVOUR_HARDENED=1', '-D_GLIBCXX_ASSERTIONS', '-pthread']
ERROR = re.compile(r'^(?:[^:\n]*/)?tree/(src/[^:\n]+):(\d+):\d+: (?:fatal )?error: ', re.M)
NAMED = re.compile(r'HAKMEM_MUTANT\((\d+)u\)')
PROBE = 'src/heap/production.cc'  # instantiates everything
LINK = {'unit': '-lgmock -lgtest_main -lgtest', 'property': '-lrapidcheck -lgtest_main -lgtest', 'trace': '', 'model': ''}
EXTRA = {'model': f'-O2 -DHAKMEM_SOURCE_DIR=\\"{ROOT}\\"'}  # Relacy visits every schedule


def arguments(root):
    return [f'-I{root}', f'-I{root}/src', f'-I{root}/include', '-DHAKMEM_FLAVOUR_HARDENED=1']


def text_of(path):
    """libclang counts bytes: whatever is not ASCII, in comments alone, becomes as many question marks."""
    return path.read_bytes().decode('ascii', 'replace').replace('\N{REPLACEMENT CHARACTER}', '?')


def find_points(root, boxes=BOXES):
    """{file: points} with every mutant numbered from 1."""
    files = [p for box in boxes for p in sorted((root / 'src' / box).glob('*')) if p.suffix in ('.h', '.cc')]
    found, number = {}, 0
    for path in files:
        name = str(path.relative_to(root))
        if name in ORACLES:
            continue
        found[name] = schemata.find(str(path), text_of(path), arguments(root))
        for mutant in mutants_of(found[name]):
            number += 1
            mutant.number, mutant.file = number, name
    return found


def all_points(root, memory):
    """find_points of all boxes; `memory`: file that spares the parsing when nothing has changed."""
    sources = [p for p in sorted((root / 'src').rglob('*')) if p.is_file()]
    sources += [root / HERE / f'{name}.py' for name in ('operators', 'schemata', 'tree')]
    state = hashlib.sha256(b''.join(str(p).encode() + p.read_bytes() for p in sources)).hexdigest()
    if memory.exists():
        before, found = pickle.loads(memory.read_bytes())
        if before == state:
            return found
    found = find_points(root)
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_bytes(pickle.dumps((state, found)))
    return found


def mutants_of(points):
    return [mutant for point in points for mutant, _ in point.alternatives]


def keep(found, mutants):
    """Forgets all other mutants."""
    numbers = {m.number for m in mutants}
    for points in found.values():
        for point in points:
            point.alternatives = [(m, text) for m, text in point.alternatives if m.number in numbers]


def blamed(text, line):
    """The mutants that an error on that line (from 1) of a rendered file is to be put down to."""
    lines = text.split('\n')
    for at in range(line - 1, -1, -1):  # the innermost alternative begun above; else what the line itself names
        if lines[at].startswith((' : ', '} }')):
            break
        if at < line - 1 and lines[at].endswith(' ?') and NAMED.search(lines[at]):
            return {int(NAMED.findall(lines[at])[-1])}
    return {int(n) for n in NAMED.findall(lines[line - 1])} or {int(n) for n in NAMED.findall('\n'.join(lines[line - 2:line + 1]))}


class Tree:
    linked = LINKED
    probe = f'o/{PROBE}.o'  # shows as quickly what does not compile

    def __init__(self, work, programs, found, jobs, optimisation='-O1'):
        self.path, self.programs, self.found, self.jobs = work / 'tree', programs, found, jobs
        self.optimisation = optimisation
        self.dropped, self.memory = [], work / 'dropped.json'
        if self.memory.exists():  # of an earlier build; what has changed since is tried again
            before = {tuple(key) for key in json.loads(self.memory.read_text())}
            self.drop({m.number for points in found.values() for m in mutants_of(points) if m.key in before})

    def write(self):
        self.path.mkdir(parents=True, exist_ok=True)
        for name in self.linked:
            link = self.path / name
            if not link.is_symlink():
                link.symlink_to(ROOT / name)
        for source in sorted((ROOT / 'src').rglob('*')):
            if source.is_file():
                name = str(source.relative_to(ROOT))
                text = text_of(source)
                put(self.path / name, schemata.render(text, self.found[name]) if name in self.found else text)
        self.prepare()

    def prepare(self):
        put(self.path.parent / 'build.ninja', self.ninja())

    def ninja_folder(self):
        return self.path.parent

    def ninja(self):
        """One object per source; the programs share those of src/."""
        flags = ' '.join([*FLAGS, self.optimisation, f'-I{self.path}', f'-I{self.path}/src', f'-I{self.path}/include'])
        launcher = 'ccache ' if shutil.which('ccache') else ''
        out = [f'rule cc\n  command = {launcher}clang++-19 {flags} -include {self.path}/{HERE}/mutant.h $extra '
               '-MD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc',
               'rule link\n  command = clang++-19 -pthread $in $libraries -o $out']
        core = [f'{HERE}/mutant.cc', *sorted(str(p.relative_to(ROOT)) for box in ('pal', 'report')
                                             for p in (ROOT / 'src' / box).glob('*.cc'))]
        instances = sorted(str(p.relative_to(ROOT)) for p in (ROOT / 'tests/unit').glob('test_heap_*.cc'))
        for name in [*core, *instances, PROBE]:
            extra = '-fno-exceptions -fno-rtti' if name.startswith('src/') else ''
            out.append(f'build o/{name}.o: cc {self.path}/{name}\n  extra = {extra}')
        objects = ' '.join(f'o/{name}.o' for name in core)
        for program in self.programs:
            out.append(f'build o/{program.source}.o: cc {self.path}/{program.source}\n  extra = {EXTRA.get(program.kind, "")}')
            needed = f'o/{HERE}/mutant.cc.o' if program.kind == 'model' else objects  # models bring their own system
            if program.kind == 'unit':  # the allocator of tests/unit/test_heap.h is compiled once for all
                needed += ''.join(f' o/{name}.o' for name in instances)
            out.append(f'build bin/{program.name}: link o/{program.source}.o {needed}\n  libraries = {LINK[program.kind]}')
        return '\n'.join(out) + '\n'

    def build(self, *targets):
        """Compiles, and drops what does not compile, until all does."""
        probe = [] if targets else [self.probe]
        for _ in range(20):
            self.write()
            done = subprocess.run(['ninja', '-C', str(self.ninja_folder()), f'-j{self.jobs}', '-k0', *(probe or targets)],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode == 0:
                if not probe:
                    return
                probe = []  # most of what does not compile has shown itself: now all of it
                continue
            guilty = {n for name, line in set(ERROR.findall(done.stdout)) if name in self.found
                      for n in blamed((self.path / name).read_text(), int(line))}
            if not guilty:
                break
            print(f'mutate: {len(guilty)} mutants more do not compile: left out', file=sys.stderr, flush=True)
            self.drop(guilty)
        raise SystemExit('mutate: the mutated tree does not build:\n' + done.stdout[-6000:])

    def drop(self, guilty):
        for points in self.found.values():
            for point in points:
                self.dropped += [m.key for m, _ in point.alternatives if m.number in guilty]
                point.alternatives = [(m, text) for m, text in point.alternatives if m.number not in guilty]
        put(self.memory, json.dumps(self.dropped))


def put(path, text):
    """Writes what has changed only: the rest is not compiled again."""
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
