"""Tests of the benchmark harness: that its checks fire and its figures are the right ones.

HAKMEM_BUILD names the build directory with the drivers, which are tested too.
"""

import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import allocators, callgrind, fragmentation, learner, rows, stats, tables  # noqa: E402
from harness.drivers import Row, RunFailed, parse_result, run_row  # noqa: E402
from harness.measure import Measurements  # noqa: E402

BUILD = os.environ["HAKMEM_BUILD"]

STATISTICS = """\
[SMALL_HEAP_V3_STATS] cls=6 route_hits=5 alloc_calls=5 alloc_refill=1 alloc_fb_v1=0 free_calls=5 \
free_fb_v1=0 page_of_fail=0
[ALLOC_DETAIL] cls=6 alloc_current_hit=4 alloc_partial_hit=0
[FREE_DETAIL] cls=6 free_current=5 free_partial=0 free_retire=0
[SMALL_HEAP_V3_STATS] cls=7 route_hits=1000400 alloc_calls=1000400 alloc_refill=7 alloc_fb_v1=0 \
free_calls=1000400 free_fb_v1=0 page_of_fail=0
[ALLOC_DETAIL] cls=7 alloc_current_hit=1000393 alloc_partial_hit=0
[FREE_DETAIL] cls=7 free_current=1000400 free_partial=0 free_retire=3
"""


class StatsTest(unittest.TestCase):
    def failing(self, **changes):
        _, sums = stats.parse_lines(STATISTICS)
        return [what for what, _, holds in stats.invariants({**sums, **changes}, 0.999) if not holds]

    def test_sums_all_classes(self):
        classes, sums = stats.parse_lines(STATISTICS)
        self.assertEqual(sums["alloc_calls"], 1000405)
        self.assertEqual(sums["free_retire"], 3)
        self.assertEqual(classes[7]["route_hits"], 1000400)

    def test_every_invariant_fires_on_its_own_counter(self):
        self.assertEqual(self.failing(), [])
        broken = {"alloc_current_hit": 998000, "alloc_refill": 20000, "free_retire": 2000,
                  "alloc_fb_v1": 1, "free_fb_v1": 1, "page_of_fail": 1, "free_calls": 999999}
        for counter, value in broken.items():
            self.assertEqual(len(self.failing(**{counter: value})), 1, counter)

    def test_no_calls_is_no_pass(self):
        zeroes = {name: 0 for name in stats.parse_lines(STATISTICS)[1]}
        self.assertEqual(len(self.failing(**zeroes)), 5)


class FragmentationTest(unittest.TestCase):
    @staticmethod
    def rows(ours):
        fields = {"worst": "1.5", "live_mib": "1", "resident_mib": "2", "peak_rss_kib": "2048", "rounds": "2"}
        ratios = {"hardened": ours, "mimalloc": 1.4, "jemalloc": 1.2}
        return {(4, name): {**fields, "ratio": str(ratio)} for name, ratio in ratios.items()}

    def test_the_mark_is_relative_to_the_best_peer(self):
        self.assertEqual(fragmentation.best_peer(self.rows(1.0), 4), 1.2)
        self.assertEqual(fragmentation.beyond_mark(self.rows(1.25)), [])
        self.assertEqual(fragmentation.beyond_mark(self.rows(1.27)), ["hardened 4t: 1.058 of the best peer"])
        self.assertIn("1.058", fragmentation.table(self.rows(1.27)))

    def test_without_peers_there_is_no_mark(self):
        rows = {key: fields for key, fields in self.rows(2.0).items() if key[1] == "hardened"}
        self.assertIsNone(fragmentation.best_peer(rows, 4))
        self.assertEqual(fragmentation.beyond_mark(rows), [])

    def test_the_driver_measures_what_it_holds(self):
        row = Row("1t", "fragmentation", ("server", "--seconds", "0", "--live-mib", "2"))
        fields = run_row(BUILD, row, next(a for a in allocators.select(BUILD, ["glibc"], False)))
        self.assertEqual(fields["rounds"], "2")
        self.assertGreater(float(fields["ratio"]), 1.0)
        self.assertGreater(float(fields["live_mib"]), 2.0)


class LearnerTest(unittest.TestCase):
    def test_refills_are_counted_per_allocation(self):
        self.assertAlmostEqual(learner.refills_per_million(STATISTICS), 8e6 / 1000405)
        self.assertIsNone(learner.refills_per_million("nothing was counted"))

    def test_only_half_of_something_is_a_gain(self):
        self.assertTrue(learner.gain_holds(10, 5))
        self.assertFalse(learner.gain_holds(10, 5.1))
        for nothing in ((0, 0), (None, None), (10, None)):
            self.assertFalse(learner.gain_holds(*nothing))


class CallgrindTest(unittest.TestCase):
    def test_inclusive_cost_is_not_counted_and_callees_name_objects(self):
        text = ("events: Ir\nob=(1) /driver\nfn=(1) main\n10 5\ncob=(2) /heap.so\ncfn=(2) malloc\n"
                "calls=3 0\n+1 300\n+2 7\n\nob=(2)\nfn=(2)\n* 40\n")
        with tempfile.NamedTemporaryFile("w", suffix=".out") as out:
            out.write(text)
            out.flush()
            self.assertEqual(callgrind.instructions_by_object(out.name),
                             {"/driver": 12, "/heap.so": 40})


class MeasurementsTest(unittest.TestCase):
    def setUp(self):
        self.measured = Measurements()
        # The machine slows down; the ratio of the medians would be 3, that within rounds is 2.
        samples = {"perf": (100e6, 50e6, 90e6), "mimalloc": (50e6, 25e6, 30e6),
                   "loop": (400e6, 200e6, 360e6)}
        for name, speeds in samples.items():
            for number, speed in enumerate(speeds):
                self.measured.add("row", name, number, {"ops_per_sec": str(speed)})

    def test_ratio_is_taken_within_rounds(self):
        self.assertAlmostEqual(self.measured.ratio("row", "perf", "mimalloc"), 2.0)

    def test_loop_is_subtracted_from_both(self):
        net = self.measured.ratio_without_loop("row", "perf", "mimalloc", "loop")
        self.assertAlmostEqual(net, (2 - 0.25) / (1 - 0.25))

    def test_missing_samples_give_no_figure(self):
        self.assertIsNone(self.measured.median("row", "scudo"))
        self.assertIsNone(self.measured.ratio("row", "scudo", "mimalloc"))

    def test_tables_print_a_dash_for_them(self):
        table = tables.speed_table(self.measured, [Row("row", "", ())], ["perf", "scudo"])
        self.assertEqual(table.splitlines()[1].split()[:3], ["row", "90.00M", "-"])


class SelectionTest(unittest.TestCase):
    def test_rows_are_picked_by_their_parts(self):
        names = [row.name for row in rows.pick(rows.workload_rows(False), "mixed/2t,c7_only/1M/1t")]
        self.assertEqual(names, ["mixed/20k/2t", "mixed/1M/2t", "mixed/10M/2t", "c7_only/1M/1t"])
        with self.assertRaises(allocators.BenchError):
            rows.pick(rows.workload_rows(False), "nothing")

    def test_a_missing_library_of_ours_is_an_error_unless_left_out(self):
        with self.assertRaisesRegex(allocators.BenchError, "libhakmem.so does not exist"):
            allocators.select("/nonexistent", None, with_loop=False)
        chosen = allocators.select("/nonexistent", ["glibc"], with_loop=False)
        self.assertEqual([allocator.name for allocator in chosen], ["glibc"])

    def test_an_unknown_allocator_is_an_error(self):
        with self.assertRaisesRegex(allocators.BenchError, "not an allocator here: nomalloc"):
            allocators.select("/nonexistent", ["nomalloc"], with_loop=False)


class DriverTest(unittest.TestCase):
    def run_driver(self, *arguments, driver="workload", **environment):
        return subprocess.run([os.path.join(BUILD, "bench", driver), *arguments], text=True,
                              env={**os.environ, **environment}, capture_output=True, check=False)

    def test_bad_size_costs_one_line_and_the_default_is_used(self):
        done = self.run_driver("mixed", "--ops", "1000", HAKMEM_BENCH_MIN_SIZE="abc")
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn('HAKMEM_BENCH_MIN_SIZE="abc" is not a size', done.stderr)
        self.assertEqual(parse_result(done.stdout)["size_min"], "16")

    def test_size_bounds_are_taken(self):
        done = self.run_driver("mixed", "--ops", "1000", HAKMEM_BENCH_MAX_SIZE="64")
        self.assertEqual((done.stderr, parse_result(done.stdout)["size_max"]), ("", "64"))

    def test_a_run_on_another_library_is_refused(self):
        wrong = allocators.Allocator("wrong", os.path.join(BUILD, "bench", "absent.so"))
        row = Row("mixed", "workload", ("mixed", "--ops", "1000"))
        with self.assertRaisesRegex(RunFailed, "malloc came from"):
            run_row(BUILD, row, wrong)

    def test_every_row_has_its_workload_or_pattern(self):
        for row in rows.workload_rows(True) + rows.pattern_rows(True):
            done = self.run_driver(*row.arguments, "--reps", "1", driver=row.driver)
            self.assertEqual(done.returncode, 0, row.name + done.stderr)
            self.assertGreater(float(parse_result(done.stdout)["ops_per_sec"]), 0, row.name)


if __name__ == "__main__":
    unittest.main()
