#!/usr/bin/env python3
"""How goals are held against what a run has found."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from harness import goals  # noqa: E402  (found by the line above)
from harness.findings import Findings  # noqa: E402
from harness.rounds import Round  # noqa: E402


def one_round(us_per_query, p50=30.0):
    return Round(cpu_ns=int(us_per_query * 1000) * 1000, answered=1000, lost=0, wrong=0, seconds=1.0,
                 latency_us={"p50": p50, "p90": p50, "p99": 2 * p50, "calm_p99": 2 * p50})


def check(figure, limit=1.0, **more):
    return goals.Check("it", figure, limit, **more)


def met(*checks):
    return goals.Goal("work", "goal", "stretch", list(checks)).met()


class Met(unittest.TestCase):
    def test_a_figure_at_its_limit_is_met_and_one_beyond_is_not(self):
        self.assertEqual(met(check(1.0)), "yes")
        self.assertEqual(met(check(1.01)), "NO")
        self.assertEqual(met(check(1.0, at_least=True)), "yes")
        self.assertEqual(met(check(0.99, at_least=True)), "NO")

    def test_the_stretch_is_met_where_every_figure_that_has_one_keeps_it(self):
        self.assertEqual(met(check(0.5, stretch=0.5), check(1.0)), "yes, and the stretch")
        self.assertEqual(met(check(0.5, stretch=0.5), check(0.6, stretch=0.5)), "yes")

    def test_what_was_not_measured_is_neither_met_nor_missed(self):
        self.assertEqual(met(check(None)), "-")
        self.assertEqual(met(check(None), check(0.5)), "as far as measured")
        self.assertEqual(met(check(None), check(1.5)), "NO")

    def test_the_row_says_what_was_measured(self):
        goal = goals.Goal("work", "goal", "", [check(0.5, unit=" ms"), check(None)])
        self.assertEqual(goal.measured(), "it 0.50 ms, it not measured")
        self.assertEqual(goals.Goal("work", "goal", "", [check(None)]).measured(), "not measured")


class FindingsOfRounds(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_ratios_of_equal_rounds(self):
        findings = Findings()
        findings.keep_rounds("work", {"a": [one_round(1.0), one_round(20.0), one_round(3.0)],
                                      "b": [one_round(2.0), one_round(10.0), one_round(3.0)]})
        self.assertEqual(findings.cpu_ratio("work", "a", "b"), 1.0)

    def test_latencies_are_compared_as_ratio_and_difference(self):
        findings = Findings()
        findings.keep_rounds("work", {"a": [one_round(1, p50=33.0)], "b": [one_round(1, p50=30.0)]})
        self.assertAlmostEqual(findings.latency_difference("work", "p50", "a", "b"), 3.0)
        self.assertAlmostEqual(findings.latency_ratio("work", "p99", "a", "b"), 1.1)

    def test_what_was_not_measured_has_no_figure(self):
        findings = Findings()
        findings.keep_rounds("work", {"a": [one_round(1.0)]})
        self.assertIsNone(findings.cpu_ratio("work", "a", "b"))
        self.assertIsNone(findings.cpu_ratio("else", "a", "a"))
        self.assertIsNone(findings.figure("memory"))


class GoalsTable(unittest.TestCase):
    def test_a_run_that_measured_nothing_has_every_goal_and_none_met(self):
        rows = goals.table(Findings()).rows
        self.assertGreater(len(rows), 15)
        self.assertEqual({(row[3], row[4]) for row in rows}, {("not measured", "-")})

    def test_a_run_is_held_against_the_echo_and_each_peer(self):
        findings = Findings()
        measured = {name: [one_round(cost)] for name, cost in
                    (("echo", 2.0), ("meshdns", 2.1), ("nsd", 4.0), ("knot", 2.5), ("dnsdist", 4.0))}
        findings.keep_rounds("local 100000 uniform", measured)
        findings.keep_rounds("local 100000 zipf", measured)
        rows = {(row[0], row[1]): row[4] for row in goals.table(findings).rows}
        self.assertEqual(rows["local, 100,000 names", "at most 1.18 times the echo"], "yes, and the stretch")
        self.assertEqual(rows["local, 100,000 names", "at most 0.70 times nsd, knot and dnsdist's warm cache"], "NO")

    def test_the_best_peer_is_one_of_all_and_not_of_those_that_were_there(self):
        findings = Findings()
        measured = {name: [one_round(cost)] for name, cost in (("meshdns", 2.0), ("nsd", 4.0), ("knot", 5.0))}
        findings.keep_rounds("local 1000 uniform", measured)
        row = next(row for row in goals.table(findings).rows if row[1] == "at most 0.85 times the best peer")
        self.assertEqual(row[3:], ["by the best peer's 0.50, unbound's not measured, dnsdist's not measured",
                                   "as far as measured"])

        findings.keep_rounds("local 1000 uniform", measured | {"unbound": [one_round(8.0)], "dnsdist": [one_round(3.2)]})
        row = next(row for row in goals.table(findings).rows if row[1] == "at most 0.85 times the best peer")
        self.assertEqual(row[3:], ["by the best peer's 0.62", "yes"])


if __name__ == "__main__":
    unittest.main()
