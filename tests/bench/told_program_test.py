#!/usr/bin/env python3
"""How a measuring program is told what to do."""

import os
import pathlib
import stat
import sys
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from harness.told_program import ToldProgram  # noqa: E402  (found by the line above)

# Counts what it is told; ends with 3 at "end".
PROGRAM = """#!/usr/bin/env python3
import json, sys
for number, line in enumerate(sys.stdin):
    if line == "end\\n":
        sys.exit(3)
    print(json.dumps({"number": number, "line": line.strip(), "arguments": sys.argv[1:]}), flush=True)
"""


class Told(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = pathlib.Path(folder.name, "counts")
        program.write_text(PROGRAM, encoding="ascii")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.bench = types.SimpleNamespace(load_core=min(os.sched_getaffinity(0)),
                                           program=lambda name: pathlib.Path(folder.name, name))

    def test_each_line_is_answered_in_turn(self):
        with ToldProgram(self.bench, "counts", "--streams", 7) as program:
            self.assertEqual(program.tell("one"), {"number": 0, "line": "one", "arguments": ["--streams", "7"]})
            program.begin("two")
            program.begin("three")
            self.assertEqual([program.answer()["line"], program.answer()["line"]], ["two", "three"])

    def test_one_that_ended_is_an_error_that_names_it_and_how_it_ended(self):
        with ToldProgram(self.bench, "counts") as program:
            for _ in range(2):  # at its end, and told something else after that
                with self.assertRaisesRegex(RuntimeError, "counts ended with 3"):
                    program.tell("end")

    def test_it_has_ended_when_the_block_is_left_though_nobody_took_its_answer(self):
        with ToldProgram(self.bench, "counts") as program:
            program.begin("one")
            found = program.pid
        self.assertFalse(os.path.exists(f"/proc/{found}"))


if __name__ == "__main__":
    unittest.main()
