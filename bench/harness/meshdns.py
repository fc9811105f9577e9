"""meshdns as a server that is measured."""

import shutil
import time

from . import dns, machine, metrics, names
from .process import ProcessFailed, tree
from .server import Server


class Meshdns(Server):
    """The resolver, with the control plane that gives it its names beside it."""

    name = "meshdns"
    addresses = "any"

    def __init__(self, bench, name_set=None, upstream_port=None, per_file=names.DATAPLANES_PER_FILE,
                 flags=(), ipv6=True, build=None):
        super().__init__(bench)
        self.flags = flags
        # Of which build the resolver is (a folder of programs); the control plane is always that of this tree.
        self.resolver = bench.program("meshdns") if build is None else build / "meshdns"
        if build is not None:
            self.name = f"meshdns of {build}"
        # IPv6 virtual addresses, so that AAAA has answers as it has with the other servers. By default there are none.
        self.ipv6 = ipv6
        if not ipv6:
            self.name, self.addresses = "meshdns, IPv4 alone", "ipv4"
        self.name_set = name_set
        self.upstream_port = upstream_port or machine.free_port()
        self.per_file = per_file
        self.dataplanes = self.folder / "dataplanes"
        self.admin_port = 0
        self.xds_port = machine.free_port()
        self.state = self.folder / "state"

    def start(self):
        if self.name_set is not None:
            self.name_set.write_dataplanes(self.dataplanes, self.per_file)
        else:
            self.dataplanes.mkdir(exist_ok=True)
        self.run([self.bench.program("meshdns-cp"), "run", "--dataplanes", self.dataplanes,
                  "--listen", f"127.0.0.1:{self.xds_port}",
                  "--admin", f"127.0.0.1:{machine.free_port()}", "--api", "off",
                  "--state-dir", self.folder / "control-state", "--log-level", "warn"],
                 core=self.bench.load_core, helper=True, name="meshdns-cp")
        self.launch()

    def stop_control_plane(self):
        for process in self.helpers:
            self.bench.processes.stop(process)
        self.helpers = []

    def forget(self):
        shutil.rmtree(self.state, ignore_errors=True)

    def resolver_pid(self):
        """The process that answers; its parent only watches."""
        supervisor = self.processes[0].pid
        return next(pid for pid in tree(supervisor) if pid != supervisor)

    def wait_for_one_answer(self, name):
        """Asks once and never again; seconds to the answer, which has to have an address."""
        begin = time.monotonic()
        with dns.Client(self.port) as client:
            reply = client.ask(name, timeout=self.bench.ready_seconds)
        if reply is None or not dns.has_address(*reply):
            raise ProcessFailed(f"{self.name} has no answer for {name}, asked once: {reply}")
        return time.monotonic() - begin

    def wait_for_all(self):
        deadline = time.monotonic() + self.bench.ready_seconds
        while metrics.read(self.admin_port, "meshdns_table_services") < len(self.name_set):
            self.require_running()
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{self.name} has not all its names after {self.bench.ready_seconds} s")
            time.sleep(0.05)

    def execute(self):
        self.admin_port = self.admin_port or machine.free_port()
        self.run([self.resolver, "run", "--listen", f"127.0.0.1:{self.port}",
                  "--admin", f"127.0.0.1:{self.admin_port}",
                  "--control-plane", f"127.0.0.1:{self.xds_port}",
                  "--state-dir", self.state, "--vip-ipv6", str(self.ipv6).lower(), "--log-level", "warn",
                  "--upstream", f"127.0.0.1:{self.upstream_port}", *self.flags],
                 name="meshdns")  # of its log: the name in the tables may be a path
