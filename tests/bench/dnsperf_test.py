#!/usr/bin/env python3
"""What is read of dnsperf's output."""

import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from harness import dnsperf  # noqa: E402  (found by the line above)

OUTPUT = """Statistics:

  Queries sent:         1000
  Queries completed:    990 (99.00%)
  Queries lost:         10 (1.00%)

  Response codes:       NOERROR 900 (90.91%), SERVFAIL 40 (4.04%), NXDOMAIN 50 (5.05%)
  Average packet size:  request 40, response 70
  Run time (s):         2.000123
  Queries per second:   494.9
"""
NOTHING = """Statistics:

  Queries sent:         100
  Queries completed:    0 (0.00%)
  Queries lost:         100 (100.00%)

  Run time (s):         2.5
"""


class ReadOutput(unittest.TestCase):
    def test_answers_losses_and_time_are_read_and_other_rcodes_are_wrong(self):
        self.assertEqual(dnsperf.read_output(OUTPUT), (990, 10, 40, 2.000123))

    def test_a_run_without_answers_is_all_lost(self):
        self.assertEqual(dnsperf.read_output(NOTHING), (0, 100, 0, 2.5))

    def test_an_output_without_figures_is_an_error_that_shows_it(self):
        with self.assertRaisesRegex(RuntimeError, "no route"):
            dnsperf.read_output("Error: no route to host")


if __name__ == "__main__":
    unittest.main()
