#!/usr/bin/env python3
"""Every test of a GoogleTest program is run by some entry of CTest: a program whose suites have an entry each has one for
every suite.

Usage: every_suite_test.py BUILD_FOLDER
"""

import fnmatch
import json
import pathlib
import subprocess
import sys
import unittest

FILTER = "--gtest_filter="


def tests_of(program):
    """The full names of a program's tests."""
    listed = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, timeout=60, check=True).stdout
    suite, names = "", []
    for line in listed.splitlines():
        word = line.split("#")[0].strip()
        if line.startswith("  ") and suite:
            names.append(suite + word)
        elif word.endswith("."):
            suite = word
    return names


def filters_by_program(build):
    """{program: patterns} of the entries that choose among a program's tests."""
    told = json.loads(subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, capture_output=True, text=True, timeout=60,
                                     check=True).stdout)
    found = {}
    for entry in told["tests"]:
        program, *arguments = entry.get("command", [""])
        for argument in arguments:
            if argument.startswith(FILTER) and pathlib.Path(program).exists():
                found.setdefault(program, []).extend(argument.removeprefix(FILTER).split(":"))
    return found


class EverySuite(unittest.TestCase):
    """Asks CTest and the programs."""

    def test_is_run(self):
        filters = filters_by_program(sys.argv[-1])
        self.assertTrue(filters, "no entry has a filter: is this the folder of a build?")
        for program, patterns in filters.items():
            forgotten = [name for name in tests_of(program)
                         if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
            self.assertEqual(forgotten, [], f"{pathlib.Path(program).name}: no entry runs these; add their suite to its CMakeLists.txt")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
