#!/usr/bin/env python3
"""The mutator itself: each operator yields the mutants it should on sample.h, and a known mutant of src/ dies while the
unmutated build lives.

usage: mutation_test.py SCRATCH      a directory for the build
"""
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import equivalent
import programs
import schemata
import tree
import whole
from jury import Jury

SCRATCH = Path(sys.argv.pop(1)) if len(sys.argv) > 1 else tree.ROOT / 'build/mutate-test'
EXPECTED = {
    ('condition', 'if (HAKMEM_LIKELY(true)) return true;'), ('condition', 'if (HAKMEM_LIKELY(false)) return true;'),
    ('conjunct', 'if (HAKMEM_LIKELY(a < b)) return true;'), ('conjunct', 'if (HAKMEM_LIKELY(!full)) return true;'),
    ('logical', 'if (HAKMEM_LIKELY(a < b || !full)) return true;'),
    ('logical', 'if (HAKMEM_LIKELY(a < b && full)) return true;'),
    ('relational', 'if (HAKMEM_LIKELY(a <= b && !full)) return true;'),
    ('relational', 'if (HAKMEM_LIKELY(a >= b && !full)) return true;'),
    ('constant', 'if (HAKMEM_LIKELY(a < b && !full)) return false;'),
    ('return', 'return !(empty());'), ('return', 'return nullptr;'),
    ('deletion', 'if constexpr (kLeftOut > 3) ;'), ('increment', 'if constexpr (kLeftOut > 3) --count;'),
    ('deletion', ';'), ('arithmetic', 'count -= a;'), ('memory-order', 'return word.load_relaxed();'),
    ('condition', 'while (false) --count;'), ('relational', 'while (count >= 9) --count;'),
    ('relational', 'while (count <= 9) --count;'), ('constant', 'while (count > 10) --count;'),
    ('constant', 'while (count > 8) --count;'), ('deletion', 'while (count > 9) ;'), ('increment', 'while (count > 9) ++count;'),
    ('condition', 'return true ? nullptr : p;'), ('condition', 'return false ? nullptr : p;'),
    ('relational', 'return count != 0 ? nullptr : p;'), ('constant', 'return count == 1 ? nullptr : p;'),
    ('relational', 'constexpr bool empty() const { return count != 0; }'),
    ('constant', 'constexpr bool empty() const { return count == 1; }'),
    ('constant', 'int count = 4;'), ('constant', 'int count = 2;'), ('constant', 'bool full = true;'),
    ('constant', 'int load_acquire() const { return 1; }'), ('constant', 'int load_relaxed() const { return 1; }'),
}


def sample():
    path = HERE / 'sample.h'
    text = path.read_text()
    points = schemata.find(str(path), text, [])
    for number, mutant in enumerate(tree.mutants_of(points), 1):
        mutant.number, mutant.file = number, 'src/sample.h'
    return text, points


class Mutator(unittest.TestCase):
    def test_each_operator_yields_its_mutants(self):
        _, points = sample()
        self.assertEqual({(m.operator, m.after) for m in tree.mutants_of(points)}, EXPECTED)

    def test_all_mutants_are_in_one_file_that_compiles(self):
        text, points = sample()
        rendered = schemata.render(text, points)
        for mutant in tree.mutants_of(points):
            self.assertEqual(rendered.count(f'HAKMEM_MUTANT({mutant.number}u)'), 1)
        self.assertIn('static_assert(kLeftOut == 4);', rendered)
        program = ('#define HAKMEM_LIKELY(x) (x)\n' + rendered +
                   '\nstatic_assert(Sample{}.fits(1, 2) && !Sample{}.empty());\n'
                   'int main() { Sample s; return s.fits(1, 2) && !s.fits(2, 2) && *s.place(&s.count) == 3 ? 0 : 1; }\n')
        SCRATCH.mkdir(parents=True, exist_ok=True)
        (SCRATCH / 'sample.cc').write_text(program)
        subprocess.run(['clang++-19', '-std=c++20', '-w', '-DHAKMEM_FLAVOUR_HARDENED=1', '-include', HERE / 'mutant.h', SCRATCH / 'sample.cc',
                        HERE / 'mutant.cc', '-o', SCRATCH / 'sample'], check=True)
        self.assertEqual(self.fate(points, None), '')
        self.assertEqual(self.fate(points, 'if (HAKMEM_LIKELY(a <= b && !full)) return true;'), 'fails')
        self.assertEqual(self.fate(points, 'return true ? nullptr : p;'), 'crash')
        self.assertEqual(self.fate(points, 'while (count > 10) --count;'), '')
        self.assertEqual(self.fate(points, 'while (count <= 9) --count;'), 'timeout')
        self.marks_name_what_is_reached(points)

    def test_a_mutant_is_on_before_any_constructor(self):
        """As in the preloaded library, which the loader asks for memory before libc knows the environment."""
        text, points = sample()
        program = ('#include <unistd.h>\n#define HAKMEM_LIKELY(x) (x)\n' + schemata.render(text, points) +
                   '\n[[gnu::section(".preinit_array"), gnu::used]] static void (*g_early)() = [] { if (Sample{}.fits(2, 2)) _exit(5); };\n'
                   'int main() { return 0; }\n')
        SCRATCH.mkdir(parents=True, exist_ok=True)
        (SCRATCH / 'early.cc').write_text(program)
        subprocess.run(['clang++-19', '-std=c++20', '-w', '-DHAKMEM_FLAVOUR_HARDENED=1', '-include', HERE / 'mutant.h',
                        SCRATCH / 'early.cc', HERE / 'mutant.cc', '-o', SCRATCH / 'early'], check=True)
        judge = programs.Program('early', '', 'unit')
        number = next(m.number for m in tree.mutants_of(points) if m.after == 'if (HAKMEM_LIKELY(a <= b && !full)) return true;')
        self.assertEqual(programs.run(judge, SCRATCH / 'early', 0), '')
        self.assertEqual(programs.run(judge, SCRATCH / 'early', number), 'fails')
        programs.measure(judge, str(SCRATCH / 'early'))
        self.assertIn(number, judge.reached)

    def test_what_a_judge_has_started_ends_with_it(self):
        """Also in a session of its own; and a test that is skipped says nothing."""
        judge = programs.Program('sh', '', 'whole', ['-c', 'setsid sleep 1000 & wait'])
        self.assertEqual(programs.run(judge, '/bin/sh', 0), 'hangs')
        self.assertEqual(programs.run(programs.Program('sh', '', 'whole', ['-c', 'exit 77'], skips=77), '/bin/sh', 0), '')
        self.assertEqual(programs.run(programs.Program('sh', '', 'whole', ['-c', '[ "$A" = 1 ]'], environment={'A': '1'}), '/bin/sh', 0), '')

    def test_only_tests_of_the_hardened_library_judge_the_whole(self):
        for name in ('unit.lock_test', 'unit.malloc_test.hardened', 'unit.link.variables', 'process.fork_places.hardened',
                     'process.sandbox.hardened', 'replay.recorded.hakmem_shared', 'misuse.bad_env_thp', 'misuse.sized_delete_off'):
            self.assertTrue(whole.chosen(name), name)
        for name in ('unit.malloc_test.perf', 'unit.link.ways', 'unit.layers', 'unit.mutation_self_test', 'process.fork.hardened',
                     'process.sandbox.perf', 'programs.51_redis', 'misuse.sweep', 'concurrency.lock_model'):
            self.assertFalse(whole.chosen(name), name)

    def test_the_initialiser_of_an_if_stays_one(self):
        text = 'int f(int a) { if (const int b = a + 1; b != 0) return b; return 0; }\n'
        SCRATCH.mkdir(parents=True, exist_ok=True)
        (SCRATCH / 'init.cc').write_text(text)
        after = {m.after for m in tree.mutants_of(schemata.find(str(SCRATCH / 'init.cc'), text, []))}
        self.assertIn('int f(int a) { if (const int b = a - 1; b != 0) return b; return 0; }', after)
        self.assertIn('int f(int a) { if (const int b = a + 1; false) return b; return 0; }', after)

    def test_checks_are_left_alone(self):
        text = 'int f(int a) {\n  HAKMEM_CHECK(a < g(2), "law", a);\n  HAKMEM_DCHECK(a == 1 &&\n    a > 0, "law", 0);\n  return a + 1;\n}\n'
        SCRATCH.mkdir(parents=True, exist_ok=True)
        (SCRATCH / 'checked.cc').write_text(text)
        points = schemata.find(str(SCRATCH / 'checked.cc'), text, [])
        self.assertEqual({m.line for m in tree.mutants_of(points)}, {5})
        self.assertTrue(schemata.render(text, points).startswith(text[:text.index('return')]))

    def marks_name_what_is_reached(self, points):
        judge = programs.Program('sample', '', 'unit')
        programs.measure(judge, str(SCRATCH / 'sample'))
        functions = {m.function: m.number in judge.reached for m in tree.mutants_of(points)}
        self.assertEqual(functions, {'fits': True, 'empty': True, 'sum': False, 'place': True, 'count': True, 'full': True,
                                     'load_acquire': False, 'load_relaxed': False})
        memory = SCRATCH / 'killers.json'
        memory.unlink(missing_ok=True)
        jury = Jury([judge], SCRATCH, memory)
        by_text = {m.after: m for m in tree.mutants_of(points)}
        self.assertEqual(jury.verdict(by_text['count -= a;']), ('', 'not reached'))
        self.assertEqual(jury.verdict(by_text['while (count > 10) --count;']), ('', ''))
        self.assertEqual(jury.verdict(by_text['int count = 2;']), ('sample', 'fails'))
        jury.remember()
        other = programs.Program('other', '', 'unit', cpu=judge.cpu / 9, reached=judge.reached)
        names = lambda after: [j.name for j in Jury([judge, other], SCRATCH, memory).order(by_text[after])]
        self.assertEqual(names('int count = 2;'), ['sample', 'other'])
        self.assertEqual(names('int count = 4;'), ['other', 'sample'])

    def fate(self, points, after):
        number = next((m.number for m in tree.mutants_of(points) if m.after == after), 0)
        self.assertEqual(number == 0, after is None)
        return programs.run(programs.Program('sample', '', 'unit'), SCRATCH / 'sample', number)

    def test_the_compiler_names_mutants_that_do_not_compile(self):
        text = 'if (\n(HAKMEM_MUTANT(1u) ?\n(a <= b)\n : HAKMEM_MUTANT(2u) ?\n(a >= b)\n : ((a < b))))\n'
        self.assertEqual([tree.blamed(text, line) for line in (2, 3, 4, 5)], [{1}, {1}, {2}, {2}])

    def test_a_mutant_is_known_as_equivalent_by_its_text(self):
        _, points = sample()
        mutant = next(m for m in tree.mutants_of(points) if m.after == 'count -= a;')
        SCRATCH.mkdir(parents=True, exist_ok=True)
        path = SCRATCH / 'equivalent.txt'
        path.write_text('src/sample.h: in sum: arithmetic\n  - count += a;\n  + count -= a;\n  = for this test\n')
        self.assertEqual(equivalent.read(path, [mutant]), {mutant.key: 'for this test'})

    def test_a_known_mutant_of_src_dies_and_the_original_lives(self):
        found = tree.find_points(tree.ROOT, ['hot'])
        judge = programs.Program('hot', 'tests/unit/hot_test.cc', 'unit')
        built = tree.Tree(SCRATCH, [judge], found, 2, '-O0')
        built.build('bin/hot')
        programs.measure(judge, SCRATCH / 'bin/hot')
        known = next(m for points in found.values() for m in tree.mutants_of(points)
                     if m.after == 'if (others <= of_bin.max_partial) {')
        self.assertEqual(programs.run(judge, SCRATCH / 'bin/hot', known.number), 'fails')

    def test_a_model_of_concurrency_links_with_the_mutated_headers(self):
        found = tree.find_points(tree.ROOT, ['cold'])
        model = programs.Program('registry', 'models/concurrency/registry_model.cc', 'model', ['--plain'])
        tree.Tree(SCRATCH, [model], found, 2, '-O0').build('bin/registry')
        programs.measure(model, SCRATCH / 'bin/registry')
        self.assertTrue(model.reached)


if __name__ == '__main__':
    unittest.main()
