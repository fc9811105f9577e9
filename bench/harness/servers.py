"""The servers that are measured, each started on one core with the settings that serve it best; on
more cores with as many threads as the bench says.

A server has a `name`, a `port` once started, `processes` whose CPU time and memory are its own, and
`addresses`: whether its answers are known beforehand ("exact"), free ("any"), or echoes ("echo").
"""

import pathlib
import shutil
import tempfile
import time

from . import dns, machine, metrics, names
from .process import ProcessFailed, tree

UPSTREAM_ZONE = "bench.example"
TCP_CONNECTIONS = 1024  # that each server takes
TCP_IN_FLIGHT = 1000  # questions of one connection that are worked on at once


class Server:
    name = ""
    addresses = "exact"
    note = ""

    def __init__(self, bench):
        self.bench = bench
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=bench.folder))
        self.port = 0
        self.processes = []
        self.helpers = []  # started for it, but not counted as its own

    def start(self):
        """Starts it; returns when the command has been executed, not when it answers."""
        raise NotImplementedError

    def stop(self):
        for process in self.processes + self.helpers:
            self.bench.processes.stop(process)
        self.processes, self.helpers = [], []

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
        """Starts only the measured processes."""
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


class Echo(Server):
    name = "echo"
    addresses = "echo"
    note = "sets QR, nothing else: the price of the socket"

    def start(self):
        self.launch()

    def launch(self):
        self.port = self.port or machine.free_port()
        self.run([self.bench.program("meshdns-bench-echo"), f"127.0.0.1:{self.port}"])

    def wait_for(self, name):
        with dns.Client(self.port) as client:
            answered = client.wait_until(name, lambda *_: True, 10, alive=self.require_running)
        if answered is None:
            raise ProcessFailed("the echo server does not answer")
        return answered - self.processes[0].started


class Meshdns(Server):
    """The resolver, with the control plane that gives it its names beside it."""

    name = "meshdns"
    addresses = "any"

    def __init__(self, bench, name_set=None, upstream_port=None, per_file=names.DATAPLANES_PER_FILE,
                 flags=(), ipv6=True):
        super().__init__(bench)
        self.flags = flags
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

    def launch(self):
        self.port = self.port or machine.free_port()
        self.admin_port = self.admin_port or machine.free_port()
        self.run([self.bench.program("meshdns"), "run", "--listen", f"127.0.0.1:{self.port}",
                  "--admin", f"127.0.0.1:{self.admin_port}",
                  "--control-plane", f"127.0.0.1:{self.xds_port}",
                  "--state-dir", self.state, "--vip-ipv6", str(self.ipv6).lower(), "--log-level", "warn",
                  "--upstream", f"127.0.0.1:{self.upstream_port}", *self.flags])


class Nsd(Server):
    name = "nsd"

    def __init__(self, bench, zone=names.ZONE, zone_file=None, core=None):
        super().__init__(bench)
        self.zone, self.zone_file, self.core = zone, zone_file, core

    def start(self):
        self.launch()

    def launch(self):
        self.port = self.port or machine.free_port()
        config = self.write("nsd.conf", f"""server:
  ip-address: 127.0.0.1@{self.port}
  server-count: {self.bench.server_threads}
  reuseport: yes
  tcp-count: {TCP_CONNECTIONS}
  minimal-responses: yes
  rrl-ratelimit: 0
  send-buffer-size: 4194304
  receive-buffer-size: 4194304
  username: ""
  chroot: ""
  zonesdir: "{self.folder}"
  database: ""
  pidfile: "{self.folder}/nsd.pid"
  xfrdfile: "{self.folder}/xfrd.state"
  zonelistfile: "{self.folder}/zone.list"
  hide-version: yes
remote-control:
  control-enable: no
zone:
  name: "{self.zone}"
  zonefile: "{self.zone_file}"
""")
        self.run(["/usr/sbin/nsd", "-d", "-c", config], core=self.core)


class Knot(Server):
    name = "knot"

    def __init__(self, bench, zone_file):
        super().__init__(bench)
        self.zone_file = zone_file

    def start(self):
        self.launch()

    def launch(self):
        self.port = self.port or machine.free_port()
        config = self.write("knot.conf", f"""server:
  listen: 127.0.0.1@{self.port}
  rundir: "{self.folder}"
  udp-workers: {self.bench.server_threads}
  tcp-workers: {self.bench.server_threads}
  tcp-max-clients: {TCP_CONNECTIONS}
  background-workers: 1
database:
  storage: "{self.folder}"
zone:
  - domain: {names.ZONE}
    file: "{self.zone_file}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
log:
  - target: stderr
    any: warning
""")
        self.run(["/usr/sbin/knotd", "-c", config])


class Unbound(Server):
    """With `name_set` it answers from local data; with `upstream_port` it forwards and caches."""

    name = "unbound"

    def __init__(self, bench, name_set=None, upstream_port=None):
        super().__init__(bench)
        self.name_set, self.upstream_port = name_set, upstream_port

    def start(self):
        self.launch()

    def launch(self):
        self.port = self.port or machine.free_port()
        config = self.write("unbound.conf", f"""server:
  interface: 127.0.0.1@{self.port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{self.folder}"
  pidfile: ""
  use-syslog: no
  num-threads: {self.bench.server_threads}
  incoming-num-tcp: {TCP_CONNECTIONS}
  so-reuseport: yes
  so-rcvbuf: 4m
  so-sndbuf: 4m
  module-config: "iterator"
  minimal-responses: yes
  rrset-roundrobin: no
  do-not-query-localhost: no
  outgoing-range: 8192
  num-queries-per-thread: 4096
  msg-cache-size: 128m
  rrset-cache-size: 256m
  access-control: 127.0.0.0/8 allow
  local-zone: "{UPSTREAM_ZONE}" transparent
""" + self._local() + self._forward())
        self.run(["/usr/sbin/unbound", "-d", "-p", "-c", config])

    def _local(self):
        if self.name_set is None:
            return ""
        lines = [f'  local-zone: "{names.ZONE}." static',
                 f'  local-data: "{names.ZONE}. 86400 SOA ns.{names.ZONE}. hostmaster.{names.ZONE}.'
                 ' 1 3600 600 86400 3600"']
        for index in range(len(self.name_set)):
            name = self.name_set.name(index)
            lines.append(f'  local-data: "{name}. 86400 A {names.ipv4(index)}"')
            lines.append(f'  local-data: "{name}. 86400 AAAA {names.ipv6(index)}"')
        return "\n".join(lines) + "\n"

    def _forward(self):
        if self.upstream_port is None:
            return ""
        return f"forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{self.upstream_port}\n"


class Dnsdist(Server):
    """With `cache` it answers from its packet cache, once warm; without, it relays."""

    name = "dnsdist"

    def __init__(self, bench, backend_port, cache_entries=0):
        super().__init__(bench)
        self.backend_port, self.cache_entries = backend_port, cache_entries

    def start(self):
        self.launch()

    def launch(self):
        self.port = self.port or machine.free_port()
        cache = ""
        if self.cache_entries:
            cache = (f"getPool(''):setCache(newPacketCache({self.cache_entries}, "
                     "{numberOfShards=8, maxTTL=86400}))\n")
        # One listener a thread.
        listeners = f"addLocal('127.0.0.1:{self.port}', {{reusePort=true, maxInFlight={TCP_IN_FLIGHT}}})\n"
        config = self.write("dnsdist.conf", f"""setSecurityPollSuffix('')
{listeners * self.bench.server_threads}setMaxTCPClientThreads({self.bench.server_threads})
setUDPMultipleMessagesVectorSize(32)
setMaxUDPOutstanding(65535)
newServer({{address='127.0.0.1:{self.backend_port}', sockets=8}}):setUp()
{cache}""")
        self.run(["/usr/bin/dnsdist", "--supervised", "--disable-syslog", "-C", config])


class Dnsmasq(Server):
    """Forwards and caches: with its own default of 150 names, as a larger cache makes it slower."""

    name = "dnsmasq"

    def __init__(self, bench, upstream_port):
        super().__init__(bench)
        self.upstream_port = upstream_port

    def start(self):
        self.launch()

    def launch(self):
        self.port = self.port or machine.free_port()
        config = self.write("dnsmasq.conf", f"""port={self.port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
no-poll
server=127.0.0.1#{self.upstream_port}
cache-size=150
dns-forward-max=600
pid-file={self.folder}/dnsmasq.pid
user=
""")
        self.run(["/usr/sbin/dnsmasq", "--keep-in-foreground", f"--conf-file={config}"])


def make_upstream(bench, name_set=None):
    """An nsd on the load generator's core that has an answer for every name below *.w, and those of `name_set`."""
    zone_file = pathlib.Path(bench.folder) / "upstream.zone"
    if name_set is None:
        zone_file.write_text(names.ZONE_HEAD.format(zone=UPSTREAM_ZONE), encoding="ascii")
    else:
        name_set.write_zone(zone_file)
    with open(zone_file, "a", encoding="ascii") as file:
        file.write("*.w A 192.0.2.1\n*.w AAAA 2001:db8::1\n")
    server = Nsd(bench, UPSTREAM_ZONE, zone_file, bench.load_core)
    server.start()
    server.wait_for(f"ready.w.{UPSTREAM_ZONE}")
    return server

