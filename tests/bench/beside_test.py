#!/usr/bin/env python3
"""A meshdns of another build beside that of this tree: each row is of the program that it names."""

import pathlib
import stat
import subprocess
import sys
import tempfile
import types
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from harness import throughput  # noqa: E402  (found by the line above)


class Beside(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.started = []
        processes = types.SimpleNamespace(start=lambda name, command, *_: self.started.append((name, command[0])))
        self.bench = types.SimpleNamespace(
            folder=self.folder, processes=processes, server_cores={0}, load_core=1,
            program=lambda name: pathlib.Path("/this/tree", name),
            options=types.SimpleNamespace(servers=["meshdns"], beside=[pathlib.Path("/before"), pathlib.Path("/after")]))

    def test_each_build_is_a_server_by_itself_and_starts_its_own_program(self):
        for server in throughput.Local(self.bench, 3).make_servers():
            server.launch()
        self.assertEqual(self.started, [("meshdns", pathlib.Path("/this/tree/meshdns")),
                                        ("meshdns", pathlib.Path("/before/meshdns")),
                                        ("meshdns", pathlib.Path("/after/meshdns"))])
        names = [server.name for server in throughput.Local(self.bench, 3).make_servers()]
        self.assertEqual(names, ["meshdns", "meshdns of /before", "meshdns of /after"])

    def test_its_names_come_from_the_control_plane_of_this_tree(self):
        build = list(throughput.Local(self.bench, 3).make_servers())[1]
        build.start()
        self.assertEqual(self.started, [("meshdns-cp", pathlib.Path("/this/tree/meshdns-cp")),
                                        ("meshdns", pathlib.Path("/before/meshdns"))])


class CommandLine(unittest.TestCase):
    def bench(self, *arguments):
        done = subprocess.run([sys.executable, "-B", ROOT / "bench/run", *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_a_folder_without_a_program_that_can_be_started_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "meshdns").touch()
            self.assertIn(f"{pathlib.Path(folder).resolve()} has no program meshdns", self.bench("--beside", folder))

    def test_no_report_is_written_of_it(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "meshdns")
            program.touch()
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
            for other in ("--report", "--gate"):
                self.assertIn("--beside belongs to no report", self.bench("--beside", folder, other))


if __name__ == "__main__":
    unittest.main()
