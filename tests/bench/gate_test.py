#!/usr/bin/env python3
"""How the gate judges instructions per answer. The counting itself is `./dev bench --gate`."""

import json
import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from harness import gate  # noqa: E402  (found by the line above)


class Judge(unittest.TestCase):
    def test_a_figure_within_the_tolerance_passes_either_way(self):
        for figure in (980.0, 1000.0, 1020.0):
            passed, lines = gate.judge({"local": 1000.0}, {"local": figure})
            self.assertTrue(passed, lines)
            self.assertNotIn("--accept", lines[0])

    def test_a_dearer_answer_fails_and_the_line_says_what_by_how_much_and_what_to_do(self):
        passed, lines = gate.judge({"local": 1000.0}, {"local": 1020.2})
        self.assertFalse(passed)
        for part in ("local", "1,020.2", "1,000.0", "+2.02 %", "Mend", "--accept"):
            self.assertIn(part, lines[0])

    def test_a_cheaper_answer_passes_and_asks_for_a_new_figure(self):
        passed, lines = gate.judge({"local": 1000.0}, {"local": 970.0})
        self.assertTrue(passed)
        self.assertIn("-3.00 %", lines[0])
        self.assertIn("--accept", lines[0])

    def test_one_dearer_workload_of_several_fails(self):
        passed, lines = gate.judge({"a": 1000.0, "b": 1000.0}, {"a": 900.0, "b": 1100.0})
        self.assertFalse(passed)
        self.assertEqual(len(lines), 2)

    def test_a_workload_without_a_kept_figure_fails(self):
        passed, lines = gate.judge({}, {"local": 1000.0})
        self.assertFalse(passed)
        self.assertIn("none are kept", lines[0])


class Kept(unittest.TestCase):
    def test_the_repository_keeps_a_figure_of_every_workload_and_its_compiler(self):
        kept = json.loads(gate.KEPT.read_text(encoding="ascii"))
        self.assertEqual(set(kept["instructions_per_answer"]), set(gate.WORKLOADS))
        self.assertTrue(kept["compiler"])


class Compiler(unittest.TestCase):
    def test_a_folder_that_is_no_build_has_an_unknown_compiler(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(gate.compiler_of(folder), "an unknown compiler")

    def test_a_build_is_asked_what_compiler_it_was_configured_with(self):
        with tempfile.TemporaryDirectory() as folder:
            found = pathlib.Path(folder, "CMakeFiles/3.25.1/CMakeCXXCompiler.cmake")
            found.parent.mkdir(parents=True)
            found.write_text('set(CMAKE_CXX_COMPILER_ID "GNU")\nset(CMAKE_CXX_COMPILER_VERSION "12.2.0")\n',
                             encoding="utf-8")
            self.assertEqual(gate.compiler_of(folder), "GNU 12.2.0")


if __name__ == "__main__":
    unittest.main()
