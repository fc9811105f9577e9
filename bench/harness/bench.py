"""One run of the benchmarks: its options, folder, processes, and the load generator."""

import json
import pathlib
import subprocess
import sys

from . import machine

SLACK_SECONDS = 60  # beyond what a load run was asked to take


class WrongAnswers(Exception):
    """A server answered something else than it was given."""


class Bench:
    def __init__(self, options, folder, processes):
        self.options = options
        self.folder = pathlib.Path(folder)
        self.processes = processes
        self.server_core, self.load_core = machine.cores(may_share=options.smoke)
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

    def load(self, server, seconds, *arguments):
        """Runs the load generator once against `server`; its result as a dictionary."""
        command = ["taskset", "-c", self.load_core, self.program("meshdns-bench-load"), "--server",
                   f"127.0.0.1:{server.port}", "--seconds", f"{seconds:.3f}", *arguments]
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=seconds + SLACK_SECONDS, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"load generator: {done.stderr.decode(errors='replace').strip()}")
        server.require_running()
        return json.loads(done.stdout)

    def check_complete(self, server, expectations, deadline_seconds=120):
        """Every name and type once, each answer in full. Raises when one is wrong."""
        depth = "echo" if server.addresses == "echo" else "full"
        result = self.load(server, deadline_seconds, "--names", expectations, "--complete",
                           "--check", depth, "--timeout", "2")
        wrong = result["wrong"] + result["lost"]
        if wrong or not result["complete"]:
            raise WrongAnswers(f"{server.name}: {result['wrong']} wrong and {result['lost']} lost of "
                               f"{result['sent']}: {result['mistakes']} {result['examples'][:3]}")
        return result
