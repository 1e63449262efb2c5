#!/usr/bin/env python3
"""coverage.py and coverage_gaps.py on small exports and sources whose answer is known."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import coverage  # noqa: E402
import coverage_gaps  # noqa: E402

SOURCE = '''\
namespace hakmem {
template <class C>
class Box {
 public:
  Box() noexcept : a_(1), b_{2} {
    start();
  }
  // never(x) { is no function
  bool full() const noexcept { return a_ == b_; }
  static constexpr int kTable = [] {
    return 1;
  }();

 private:
  int a_ = 0, b_{0};
};
#define MAKE(x) \\
  void x() { }
HAKMEM_COLD void outside(const char* s) noexcept HAKMEM_REQUIRES(lock_) {
  if (s == "{") {
    each([&] { work(); });
  }
}
void* operator new[](std::size_t n) { return take(n); }
}  // namespace hakmem
'''


def file_with(lines=(), branches=()):
    """The lines and branches given are uncovered."""
    places = {(line, 3, line, 9, way): 0 for line, way in branches}
    return coverage.File({1: 5, **{line: 0 for line in lines}}, {(1, 1, 1, 2, True): 1, **places})


class Lines(unittest.TestCase):
    def test_a_line_counts_what_starts_in_it_else_what_it_is_inside_of(self):
        segments = [[1, 10, 4, True, True, False],   # the body: lines 1 to 5
                    [2, 12, 0, True, True, False], [3, 4, 4, True, False, False],
                    [5, 2, 0, False, False, False]]
        self.assertEqual(coverage.read_lines(segments), {1: 4, 2: 4, 3: 0, 4: 4, 5: 4})

    def test_several_regions_count_as_the_most_of_them(self):
        segments = [[1, 1, 0, True, True, False], [1, 5, 7, True, True, False], [1, 9, 0, False, False, False]]
        self.assertEqual(coverage.read_lines(segments), {1: 7})

    def test_gaps_and_skipped_code_are_no_lines(self):
        segments = [[1, 1, 3, True, True, False], [2, 1, 0, False, True, False], [4, 1, 3, True, False, False],
                    [6, 1, 0, False, False, False]]
        self.assertEqual(coverage.read_lines(segments), {1: 3, 5: 3, 6: 3})

    def test_nothing_is_nothing(self):
        self.assertEqual(coverage.read_lines([]), {})


class Branches(unittest.TestCase):
    SEGMENTS = [[1, 1, 5, True, True, False], [9, 1, 0, True, True, False], [20, 1, 0, False, False, False]]

    def test_instantiations_are_united(self):
        two = [[2, 3, 2, 9, 1, 0, 0, 0, 4], [2, 3, 2, 9, 0, 6, 0, 0, 4]]
        self.assertEqual(coverage.read_branches(two, self.SEGMENTS), {(2, 3, 2, 9, True): 1, (2, 3, 2, 9, False): 6})

    def test_a_way_never_taken_is_uncovered(self):
        found = coverage.read_branches([[2, 3, 2, 9, 1, 0, 0, 0, 4]], self.SEGMENTS)
        self.assertEqual(coverage.File({}, found).branch_score(), (1, 2))

    def test_a_constant_that_was_evaluated_is_no_branch(self):
        self.assertEqual(coverage.read_branches([[2, 3, 2, 9, 0, 0, 0, 0, 4]], self.SEGMENTS), {})

    def test_a_condition_never_reached_is_two_uncovered_branches(self):
        found = coverage.read_branches([[10, 3, 10, 9, 0, 0, 0, 0, 4]], self.SEGMENTS)
        self.assertEqual(coverage.File({}, found).branch_score(), (0, 2))


class Report(unittest.TestCase):
    FILES = {'hot/a.h': coverage.File({1: 2, 2: 0, 3: 1, 4: 1}, {(1, 1, 1, 2, True): 3, (1, 1, 1, 2, False): 0}),
             'hot/b.h': coverage.File({1: 1}, {}), 'ultra/c.h': coverage.File({1: 0}, {})}

    def test_boxes_and_totals(self):
        text, lines, branches = coverage.table(self.FILES)
        self.assertAlmostEqual(lines, 100 * 4 / 6)
        self.assertEqual(branches, 50)
        self.assertIn('4/5', text.splitlines()[1])
        self.assertIn('0/1', text.splitlines()[2])

    def test_lcov(self):
        with tempfile.TemporaryDirectory() as directory:
            out = Path(directory, 'lcov.info')
            coverage.write_lcov({'hot/a.h': self.FILES['hot/a.h']}, Path('/tree/src'), out)
            self.assertEqual(out.read_text(), 'SF:/tree/src/hot/a.h\nDA:1,2\nDA:2,0\nDA:3,1\nDA:4,1\nBRDA:1,0,0,3\n'
                             'BRDA:1,0,1,0\nLF:4\nLH:3\nBRF:2\nBRH:1\nend_of_record\n')

    def test_only_the_files_of_src_count(self):
        entry = {'segments': [[1, 1, 1, True, True, False], [1, 9, 0, False, False, False]], 'branches': []}
        export = {'data': [{'files': [{'filename': '/t/src/hot/a.h', **entry}, {'filename': '/t/tests/x.cc', **entry}]}]}
        self.assertEqual(list(coverage.read_export(export, Path('/t/src'))), ['hot/a.h'])


class Functions(unittest.TestCase):
    def test_lines_belong_to_functions(self):
        names = coverage_gaps.function_of_lines(SOURCE)
        due = {5: 'Box', 6: 'Box', 7: 'Box', 9: 'full', 19: 'outside', 20: 'outside', 21: 'outside', 22: 'outside',
               23: 'outside', 24: 'operator new[]'}
        self.assertEqual({line: names.get(line) for line in due}, due)
        self.assertFalse({1, 3, 8, 11, 15, 16, 18} & set(names))


class Gaps(unittest.TestCase):
    def judge(self, files, listed):
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            for path, text in {'src/box.h': SOURCE, 'ci/coverage_gaps.txt': listed}.items():
                (root / path).parent.mkdir(exist_ok=True)
                (root / path).write_text(text)
            return coverage_gaps.judge(root, files)

    def test_a_listed_gap_is_in_order(self):
        self.assertEqual(self.judge({'box.h': file_with([6])}, '# comment\nbox.h Box: a reason: with colon\n'), [])

    def test_an_uncovered_line_must_be_listed(self):
        self.assertEqual(self.judge({'box.h': file_with([6])}, ''), ['box.h Box: not covered and not listed: 6 line'])

    def test_an_uncovered_branch_must_be_listed(self):
        self.assertEqual(self.judge({'box.h': file_with([], [(20, False)])}, ''),
                         ['box.h outside: not covered and not listed: 20 column 3 never false'])

    def test_code_outside_of_functions_has_a_name_too(self):
        self.assertEqual(self.judge({'box.h': file_with([11])}, 'box.h -: why\n'), [])

    def test_a_closed_gap_must_go(self):
        self.assertEqual(self.judge({'box.h': file_with()}, 'box.h Box: why\n'), ['box.h Box: listed, but covered (or no more)'])

    def test_chance_may_cover_it(self):
        self.assertEqual(self.judge({'box.h': file_with()}, 'box.h Box: sometimes: a race\n'), [])


if __name__ == '__main__':
    unittest.main()
