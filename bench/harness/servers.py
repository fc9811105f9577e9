"""The servers that meshdns is measured beside, each with the settings that serve it best."""

import pathlib

from . import dns, names
from .process import ProcessFailed
from .server import Server

UPSTREAM_ZONE = "bench.example"
TCP_CONNECTIONS = 1024  # that each server takes
TCP_IN_FLIGHT = 1000  # questions of one connection that are worked on at once


class Echo(Server):
    """Sets QR, nothing else: the price of the socket."""

    name = "echo"
    addresses = "echo"

    def execute(self):
        self.run([self.bench.program("meshdns-bench-echo"), f"127.0.0.1:{self.port}"])

    def wait_for(self, name):
        with dns.Client(self.port) as client:
            answered = client.wait_until(name, lambda *_: True, 10, alive=self.require_running)
        if answered is None:
            raise ProcessFailed("the echo server does not answer")
        return answered - self.processes[0].started


class Nsd(Server):
    name = "nsd"

    def __init__(self, bench, zone=names.ZONE, zone_file=None, core=None):
        super().__init__(bench)
        self.zone, self.zone_file, self.core = zone, zone_file, core

    def execute(self):
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

    def execute(self):
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

    def execute(self):
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

    def execute(self):
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

    def execute(self):
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

