"""One run of the benchmarks: its options, folder, processes, and the load generator."""

import contextlib
import json
import pathlib
import subprocess
import sys

from . import machine
from .findings import Findings

SLACK_SECONDS = 60  # beyond what a load run was asked to take


class WrongAnswers(Exception):
    """A server answered something else than it was given."""


class Bench:
    def __init__(self, options, folder, processes):
        self.options = options
        self.folder = pathlib.Path(folder)
        self.processes = processes
        self.findings = Findings()
        self.failed = []  # names of workloads
        self.server_core, self.load_core = machine.cores(may_share=options.smoke)
        self.server_cores, self.load_cores = {self.server_core}, {self.load_core}
        self.ready_seconds = 180  # until a server has to answer
        self.server_threads = 1  # that answer, of each server that is started
        self.bin = pathlib.Path(options.bin)

    def program(self, name):
        path = self.bin / name
        if not path.exists():
            raise FileNotFoundError(f"{path} is not built; ./dev bench builds it first")
        return path

    def say(self, text):
        print(f"   {text}", file=sys.stderr, flush=True)

    def head(self, text):
        print(f"== {text}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def unpinned(self, server_threads):
        """Meanwhile servers are started on both cores, which the load generator has as well."""
        before = self.server_cores, self.load_cores, self.server_threads
        both = {self.server_core, self.load_core}
        self.server_cores, self.load_cores, self.server_threads = both, both, server_threads
        try:
            yield
        finally:
            self.server_cores, self.load_cores, self.server_threads = before

    def run_load(self, command, timeout):
        """Runs a generator of load on its cores to its end."""
        cores = ",".join(str(core) for core in sorted(self.load_cores))
        done = subprocess.run(["taskset", "-c", cores, *(str(word) for word in command)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def load(self, server, seconds, *arguments):
        """Runs the load generator once against `server`; its result as a dictionary."""
        output = self.run_load([self.program("meshdns-bench-load"), "--server", f"127.0.0.1:{server.port}", "--seconds",
                                f"{seconds:.3f}", *arguments], seconds + SLACK_SECONDS)
        server.require_running()
        return json.loads(output)

    def check_complete(self, server, expectations, deadline_seconds=120):
        """Every name and type once, each answer in full. Raises when one is wrong."""
        depth = "echo" if server.addresses == "echo" else "full"
        result = self.load(server, deadline_seconds, "--names", expectations, "--complete",
                           "--check", depth, "--timeout", "10")
        wrong = result["wrong"] + result["lost"]
        if wrong or not result["complete"]:
            raise WrongAnswers(f"{server.name}: {result['wrong']} wrong and {result['lost']} lost of "
                               f"{result['sent']}: {result['mistakes']} {result['examples'][:3]}")
        return result
