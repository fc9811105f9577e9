#!/usr/bin/env python3
"""What the tables of rounds and the head of the report say."""

import pathlib
import sys
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from harness import report, tables  # noqa: E402  (found by the line above)
from harness.rounds import Round  # noqa: E402


def rounds_of(costs, latencies=None):
    latencies = latencies or [None] * len(costs)
    return [Round(cpu_ns=int(cost * 1000) * 1000, answered=1000, lost=0, wrong=0, seconds=1.0,
                  latency_us=latency and {"p50": latency / 2, "p90": latency, "p99": latency, "calm_p99": latency / 5})
            for cost, latency in zip(costs, latencies)]


def cell(table, server, column):
    row = next(row for row in table.rows if row[0] == server)
    return row[table.columns.index(column)]


class OfRounds(unittest.TestCase):
    # Of equal rounds meshdns takes 1, 2 and 3 times what the echo does; the median of its figures is 3 times the echo's.
    MEASURED = {"echo": rounds_of((1, 3, 2), (10, 30, 20)), "meshdns": rounds_of((1, 6, 6), (10, 60, 60))}

    def test_a_table_compares_equal_rounds_and_says_how_many_it_had(self):
        table = tables.saturated_table("title", self.MEASURED, ["note"])
        self.assertEqual(cell(table, "meshdns", "x echo"), "2.00")
        self.assertEqual(cell(table, "echo", "meshdns x this"), "2.00")
        self.assertIn("Medians of 3 interleaved rounds", " ".join(table.notes))
        self.assertEqual(table.notes[-1], "note")

    def test_latencies_are_compared_by_equal_rounds_too(self):
        table = tables.steady_table("title", self.MEASURED, ["note"])
        self.assertEqual(cell(table, "meshdns", "p99 us"), "60")
        self.assertEqual(cell(table, "meshdns", "p99 x echo"), "2.00")
        self.assertEqual(cell(table, "meshdns", "calm p99 us"), "12")
        self.assertEqual(cell(table, "meshdns", "calm p99 x echo"), "2.00")
        self.assertIn("Medians of 3 interleaved rounds", " ".join(table.notes))

    def test_one_round_is_no_median(self):
        self.assertEqual(tables.rounds_note({"echo": rounds_of((1,))}), "One round.")

    def test_without_an_echo_or_an_answer_there_is_no_figure(self):
        alone = tables.steady_table("title", {"meshdns": rounds_of((1,))}, [])
        self.assertEqual([cell(alone, "meshdns", column) for column in ("x echo", "p99 us", "p99 x echo", "calm p99 us")], ["-"] * 4)


class Head(unittest.TestCase):
    def written(self, only):
        with tempfile.TemporaryDirectory() as folder:
            bench = types.SimpleNamespace(folder=folder, options=types.SimpleNamespace(seconds=1.0, only=only))
            path = report.write(pathlib.Path(folder, "latest.md"), [], bench, ["nsd 4"], (0.5, 1.5))
            return path.read_text(encoding="utf-8")

    def test_a_report_of_a_part_says_of_which(self):
        self.assertIn("- of the workloads only: single, workers\n", self.written(["single", "workers"]))
        self.assertNotIn("of the workloads only", self.written(None))

    def test_the_number_of_rounds_is_left_to_the_tables(self):
        self.assertIn("- rounds of 1 s, interleaved: each table says how many;", self.written(None))


if __name__ == "__main__":
    unittest.main()
