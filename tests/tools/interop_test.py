#!/usr/bin/env python3
"""docs/INTEROP.md is a promise: each edge of the protocols is driven by a program that we did not
write. Fails on an empty cell, on a test that does not exist, and on a program nobody starts."""

import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ["Edge", "Program", "Test"]
CPP_TEST = re.compile(r"\bTEST(?:_[FP])?\(\s*(\w+)\s*,\s*(\w+)\s*\)")
PYTHON_CLASS = re.compile(r"^class (\w+)\(unittest\.TestCase\):|^    def (test_\w+)\(", re.MULTILINE)


def rows_of(text):
    """The cells of every table row whose table starts with COLUMNS."""
    rows, inside = [], False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.lstrip().startswith("|"):
            inside = False
        elif cells == COLUMNS:
            inside = True
        elif inside and not set(line) <= set("|-: "):
            rows.append(cells)
    return rows


def tests_of(root):
    """Names of all tests, "Suite.Test", mapped to the file that holds them."""
    found = {}
    for path in sorted((root / "tests").rglob("*.cc")):
        for suite, name in CPP_TEST.findall(path.read_text(encoding="utf-8")):
            found[f"{suite}.{name}"] = path
    for path in sorted((root / "tests").rglob("*_test.py")):
        suite = ""
        for new_suite, name in PYTHON_CLASS.findall(path.read_text(encoding="utf-8")):
            suite = new_suite or suite
            if name:
                found[f"{suite}.{name}"] = path
    return found


def violations(root, text):
    rows, tests, found = rows_of(text), tests_of(root), []
    if not rows:
        return ["there is no table of " + ", ".join(COLUMNS)]
    for cells in rows:
        if len(cells) != len(COLUMNS) or not all(cells):
            found.append(f"empty cell: {' | '.join(cells)}")
            continue
        names = re.findall(r"`([^`]+)`", cells[2])
        if not names:
            found.append(f"no test: {cells[0]}")
        found += [f"no such test: {name}" for name in names if name not in tests]
    return found


class Interop(unittest.TestCase):
    def test_every_edge_has_a_program_and_a_test_that_exists(self):
        text = (ROOT / "docs/INTEROP.md").read_text(encoding="utf-8")
        self.assertEqual([], violations(ROOT, text))

    def test_each_kind_of_fault_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            tests = pathlib.Path(folder, "tests")
            tests.mkdir()
            (tests / "a_test.cc").write_text("TEST(Suite, Exists) {}\n", encoding="utf-8")
            head = "| Edge | Program | Test |\n| --- | --- | --- |\n"
            cases = {
                "": "there is no table",
                head + "| UDP |  | `Suite.Exists` |\n": "empty cell",
                head + "| UDP | dig |\n": "empty cell",
                head + "| UDP | dig | later |\n": "no test: UDP",
                head + "| UDP | dig | `Suite.Missing` |\n": "no such test: Suite.Missing",
            }
            for text, want in cases.items():
                found = violations(pathlib.Path(folder), text)
                self.assertTrue(found and found[0].startswith(want), (text, found))
            good = head + "| UDP | dig | `Suite.Exists` |\n"
            self.assertEqual([], violations(pathlib.Path(folder), good))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
