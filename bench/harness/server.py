"""What every server that is measured has in common."""

import pathlib
import tempfile

from . import dns, machine
from .process import ProcessFailed


class Server:
    """Started on one core; on more cores with as many threads as the bench says. It has a `name`, a `port` once started,
    `processes` whose CPU time and memory are its own, and `addresses`: whether its answers are known beforehand ("exact"), free
    ("any", or of IPv4 alone: "ipv4"), or echoes ("echo")."""

    name = ""
    addresses = "exact"

    def __init__(self, bench):
        self.bench = bench
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=bench.folder))
        self.port = 0
        self.processes = []
        self.helpers = []  # started for it, but not counted as its own

    def start(self):
        """Starts it; returns when the command has been executed, not when it answers."""
        self.launch()

    def restart(self, forget=False):
        """Stops what is measured and starts it again; `forget`: without what it left on disk."""
        for process in self.processes:
            self.bench.processes.stop(process)
        self.processes = []
        if forget:
            self.forget()
        self.launch()

    def forget(self):
        """Removes what the server has written itself."""

    def launch(self):
        """Starts only the measured processes, on the port that they had before, if any."""
        self.port = self.port or machine.free_port()
        self.execute()

    def execute(self):
        """Executes the commands of the measured processes."""
        raise NotImplementedError

    def run(self, command, core=None, helper=False, name=None):
        core = self.bench.server_cores if core is None else core
        process = self.bench.processes.start(name or self.name, command, core, self.folder)
        (self.helpers if helper else self.processes).append(process)
        return process

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="ascii")
        return path

    def wait_for(self, name):
        """Waits until `name` has an address; seconds since the measured process was executed."""
        with dns.Client(self.port) as client:
            answered = client.wait_until(name, dns.has_address, self.bench.ready_seconds,
                                         alive=self.require_running)
        if answered is None:
            raise ProcessFailed(f"{self.name} has no answer for {name} after {self.bench.ready_seconds} s")
        return answered - self.processes[0].started

    def wait_for_all(self):
        """Waits until every name is there, where they come one after the other."""

    def require_running(self):
        for process in self.processes + self.helpers:
            process.require_running()

    def cpu_ns(self):
        return sum(process.cpu_ns() for process in self.processes)

    def memory(self):
        """(RSS, PSS) in bytes."""
        each = [process.memory() for process in self.processes]
        return sum(rss for rss, _ in each), sum(pss for _, pss in each)
