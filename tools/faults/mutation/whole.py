"""The whole build with mutants in the boxes entry and pal: what surrounds the allocator shows in programs only.

build/mutate/whole/tree/ is the working tree by symbolic links, but for src/. CMake builds it as any other, in build/mutate/whole/build/,
and the judges are its tests as ctest would run them: the library that they preload or link is the mutated one.
"""
import json
import re
import shutil
import subprocess
import sys

import programs
import tree

SECONDS = 4  # of CPU time: what takes longer does not judge, for every survivor stands before all
UNIT = '#include "(entry/|hakmem/|pal/[^f])'  # not those that know the fake platform alone
# Of the misuse programs those about what the boxes do: settings, operator delete, hak_*, and what a report says of the way in.
MISUSE = re.compile(r'^(bad_env_|sized_delete_|size_mismatch_|double_delete|counted_calls|invalid_environment|double_free_(hak|calloc|cfree|large)$'
                    r'|double_free_in_(atexit|child)|freed_re|misaligned_(1|realloc)$|invalid_(realloc|usable_size|wild)$)')
CHOSEN = [re.compile(text) for text in (
    r'^unit\.(?!link\.|nocompile\.|layers|references|coverage_|seeded_|mutation_)(?!.*\.perf$)', r'^unit\.link\.variables$',
    r'^process\..*\.hardened$', r'^replay\.recorded\.hakmem_shared$')]
LIBRARIES = ['libhakmem.so', 'libhakmem.a', 'libhakmem-perf.so']
ADDED = re.compile(r'^add_test\(\[=\[(.*?)\]=\] (.*)\)$', re.M)
# Not even measured: known to take longer than SECONDS, or to wait for what a mutant may never do, awake and without using time.
LONG = re.compile(r'^process\.(fork|fork_memory|fork_hooks|threads|refusal|scale_.*|memory_.*|stats_agree.*|limits_(hard_)?(128|256|\d{4,})'
                  r'|soft_limit|background|idle_(freed|thinned)_.*|mappings.*|hakmem_by_dlopen|(hard_)?limited_programs|tools|child_frees_all|early_fork_handlers'
                  r'|fork_generations)\.hardened$')


def chosen(test):
    kind, _, name = test.partition('.')
    if LONG.search(test):
        return False
    return bool(MISUSE.match(name)) if kind == 'misuse' else any(c.search(test) for c in CHOSEN)


class Whole(tree.Tree):
    linked = []

    def __init__(self, work, found, jobs):
        super().__init__(work, [], found, jobs)
        self.linked = [p.name for p in tree.ROOT.iterdir() if p.name not in ('src', 'build', '.git')]
        self.folder = work / 'build'
        self.probe = 'libhakmem.so'

    def ninja_folder(self):
        return self.folder

    def prepare(self):
        tree.put(self.path / 'src/base/mutant.cc', (tree.ROOT / tree.HERE / 'mutant.cc').read_text())
        if (self.folder / 'build.ninja').exists():
            return  # ninja starts CMake where it has to
        flags = f'-w -Wno-c++11-narrowing -ferror-limit=0 -include {self.path}/{tree.HERE}/mutant.h'
        launcher = ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache', '-DCMAKE_C_COMPILER_LAUNCHER=ccache'] if shutil.which('ccache') else []
        subprocess.run(['cmake', '-S', self.path, '-B', self.folder, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
                        '-DCMAKE_C_COMPILER=clang-19', '-DCMAKE_CXX_COMPILER=clang++-19', f'-DCMAKE_CXX_FLAGS={flags}',
                        '-DHAKMEM_PRESET=hardened', '-DHAKMEM_TEST_KINDS=unit', f'-DHAKMEM_TESTS_WITH={UNIT}', *launcher],
                       check=True, stdout=subprocess.DEVNULL)

    def tests(self, only=None):
        """{name: test} as ctest has them, the chosen ones. Of what is not built yet ctest gives no command."""
        listed = subprocess.run(['ctest', '--test-dir', self.folder, '--show-only=json-v1'], check=True, capture_output=True, text=True)
        tests = {test['name']: test for test in json.loads(listed.stdout)['tests']}
        return {name: test for name, test in tests.items() if chosen(name) and (only is None or name in only)}

    def targets(self, tests):
        """What ninja has to build for them: what their commands and environments name, and what tests/process finds by itself."""
        texts = [json.dumps(test) for test in tests.values()]
        for file in self.folder.rglob('CTestTestfile.cmake'):
            texts += [command for name, command in ADDED.findall(file.read_text()) if name in tests]
        named = {path for text in texts for path in re.findall(rf'{self.folder}/([^"\\;: ]+)', text)}
        rules = subprocess.run(['ninja', '-C', self.folder, '-t', 'targets', 'all'], check=True, capture_output=True, text=True)
        known = {line.rsplit(':', 1)[0] for line in rules.stdout.splitlines()}
        return [*LIBRARIES, *(['process_programs'] if any(name.startswith('process.') for name in tests) else []), *sorted(named & known)]

    def judges(self, only=None):
        """Builds the tests; those that pass in good time judge."""
        self.write()
        self.build(self.probe)
        self.build(*self.targets(self.tests(only)))
        return [judge for judge in map(self.judge, self.tests(only).values()) if self.measured(judge)]

    def judge(self, test):
        properties = {p['name']: p['value'] for p in test['properties']}
        command = test['command']
        return programs.Program(test['name'], '', 'whole', command[1:], binary=shutil.which(command[0]),
                                skips=properties.get('SKIP_RETURN_CODE', 0),
                                environment=dict(text.split('=', 1) for text in properties.get('ENVIRONMENT', [])))

    def measured(self, judge):
        how = programs.passes(judge, judge.binary, str(self.path.parent / f'{judge.name}.reached'))
        why = how or (f'takes {judge.cpu:.0f} s' if judge.cpu > SECONDS else '')
        if why:
            print(f'mutate: {judge.name} does not judge: {why}', file=sys.stderr, flush=True)
        return not why
