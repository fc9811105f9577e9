#!/usr/bin/env python3
"""How many rounds there are, who begins them, and how they are compared."""

import pathlib
import subprocess
import sys
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from harness import rounds  # noqa: E402  (found by the line above)
from harness.rounds import Round  # noqa: E402


def one_round(us_per_query=1.0, seconds=1.0, latency_us=None):
    return Round(cpu_ns=int(us_per_query * 1000) * 1000, answered=1000, lost=0, wrong=0, seconds=seconds, latency_us=latency_us)


def bench_of(number):
    return types.SimpleNamespace(options=types.SimpleNamespace(rounds=number), say=lambda _: None)


class Count(unittest.TestCase):
    def test_a_noisy_workload_has_fifteen_for_each_nine_and_one_where_there_is_one(self):
        for asked, more in ((9, 15), (25, 41), (2, 3), (1, 1)):
            options = types.SimpleNamespace(rounds=asked)
            self.assertEqual(rounds.count(options, more=False), asked)
            self.assertEqual(rounds.count(options, more=True), more)

    def test_the_help_says_so(self):
        text = subprocess.run([sys.executable, "-B", ROOT / "bench/run", "--help"], capture_output=True, text=True,
                              check=True).stdout
        self.assertIn("have 15 for each 9 of them", " ".join(text.split()))


class Run(unittest.TestCase):
    def run_with(self, number, more):
        asked = []

        def measure(_, server, arguments):
            asked.append((server.name, arguments))
            return one_round()

        servers = [types.SimpleNamespace(name=name) for name in ("a", "b")]
        measured = rounds.run(bench_of(number), servers, lambda server, round_number: round_number, measure, more)
        return measured, asked

    def test_every_server_has_each_round_and_another_begins_it(self):
        measured, asked = self.run_with(2, more=False)
        self.assertEqual(asked, [("a", 0), ("b", 0), ("b", 1), ("a", 1)])
        self.assertEqual({name: len(done) for name, done in measured.items()}, {"a": 2, "b": 2})

    def test_more_rounds_are_measured_where_they_are_asked_for(self):
        self.assertEqual(len(self.run_with(9, more=True)[0]["a"]), 15)

    def test_a_workload_without_servers_is_one_that_failed(self):
        with self.assertRaisesRegex(RuntimeError, "none of the chosen servers"):
            rounds.run(bench_of(1), [], lambda *_: [])


class Compare(unittest.TestCase):
    # By equal rounds a takes 1, 2 and 3 times as long as b, in a machine that is slower each time. Its median is 3 times b's.
    CPU = {"a": [one_round(1.0), one_round(6.0), one_round(6.0)], "b": [one_round(1.0), one_round(3.0), one_round(2.0)]}

    def test_of_equal_rounds_and_not_of_medians(self):
        self.assertEqual(rounds.cpu_ratio(self.CPU, "a", "b"), 2.0)
        self.assertEqual(rounds.median(self.CPU["a"], "us_per_query") / rounds.median(self.CPU["b"], "us_per_query"), 3.0)

    def test_rates_and_latencies_are_compared_so_too(self):
        def measured(a, b, make):
            return {"a": [make(value) for value in a], "b": [make(value) for value in b]}

        rate = measured((1, 6, 6), (1, 3, 2), lambda value: one_round(seconds=1 / value))
        self.assertAlmostEqual(rounds.rate_ratio(rate, "a", "b"), 2.0)
        latency = measured((1, 6, 6), (1, 3, 2), lambda value: one_round(latency_us={"p99": value}))
        self.assertEqual(rounds.latency_ratio(latency, "p99", "a", "b"), 2.0)
        self.assertEqual(rounds.latency_difference(latency, "p99", "a", "b"), 3.0)

    def test_there_is_no_figure_without_both_or_without_answers(self):
        self.assertIsNone(rounds.cpu_ratio(self.CPU, "a", "c"))
        self.assertIsNone(rounds.latency_ratio(self.CPU, "p99", "a", "b"))


if __name__ == "__main__":
    unittest.main()
