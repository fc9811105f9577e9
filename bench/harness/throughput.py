"""Workloads under load: names answered locally, names forwarded, and a steady rate."""

import functools

from . import names, rounds
from .meshdns import Meshdns
from .report import Table
from .servers import UPSTREAM_ZONE, Dnsdist, Dnsmasq, Echo, Knot, Nsd, Unbound, make_upstream
from .tables import SHARED_NOTE, ratio_text, rounds_note, saturated_table, steady_table

STEADY_RATE = 20_000
SLOW_RATE = 2_000
CACHED_NAMES = 10_000
SCATTERED_CLIENTS = 200
RECORDED_NAMES = 1_000
FLOOD_NAMES = 200_000  # more than any of the caches has room for, twice
FLOOD_SECONDS = 120


class Local:
    """`count` names from the server's own table (dnsdist: from its warm packet cache)."""

    SERVERS = ("echo", "meshdns", "unbound", "dnsdist", "nsd", "knot")

    def __init__(self, bench, count):
        self.bench, self.count = bench, count
        self.name_set = names.NameSet(count)
        self.zone_file = self.name_set.write_zone(bench.folder / f"{names.ZONE}-{count}.zone")
        self.expectations = {
            kind: self.name_set.write_expectations(bench.folder / f"names-{count}-{kind}", kind)
            for kind in ("exact", "any", "ipv4")}

    def expectations_for(self, server):
        return self.expectations["any" if server.addresses == "echo" else server.addresses]

    def make_servers(self):
        """The chosen servers, each made when it is its turn to be started; then other builds of meshdns."""
        for name in self.bench.options.servers:
            if name in self.SERVERS:
                yield self._make(name)
        for build in self.bench.options.beside:
            yield Meshdns(self.bench, self.name_set, build=build)

    def _make(self, name):
        bench = self.bench
        if name == "echo":
            return Echo(bench)
        if name == "meshdns":
            return Meshdns(bench, self.name_set)
        if name == "unbound":
            return Unbound(bench, self.name_set)
        if name == "nsd":
            return Nsd(bench, zone_file=self.zone_file)
        if name == "knot":
            return Knot(bench, self.zone_file)
        backend = Nsd(bench, zone_file=self.zone_file)
        backend.start()
        backend.wait_for(self.name_set.name(0))
        # Every name with three types, and the shards fill unevenly.
        return Dnsdist(bench, backend.port, max(10_000, self.count * 5))

    def start(self, server):
        server.start()
        seconds = server.wait_for(self.name_set.name(self.count // 2))
        server.wait_for_all()
        result = self.bench.check_complete(server, self.expectations_for(server))
        self.bench.say(f"{server.name}: {seconds * 1000:.0f} ms to its first answer, "
                       f"{result['answered']} answers checked")
        return server

    def start_all(self):
        return [self.start(server) for server in self.make_servers()]

    def run(self, shapes):
        """One table for each of `shapes`, of SHAPES' names."""
        self.bench.head(f"local answers, {self.count:,} names: starting")
        servers = self.start_all()
        tables = [self._shape(servers, shape) for shape in shapes]
        self.bench.processes.stop_all()
        return tables

    def _shape(self, servers, shape):
        self.bench.head(f"local answers, {self.count:,} names, {shape}")
        flags, make_table, notes = SHAPES[shape]
        measured = rounds.run(self.bench, servers, lambda server, number: [
            "--names", self.expectations_for(server), "--seed", number + 1, *flags], more=shape in NOISY_SHAPES)
        self.bench.findings.keep_rounds(f"local {self.count} {shape}", measured)
        return make_table(f"Local answers, {self.count:,} names, {shape}", measured, notes)


_MIX_NOTE = ("Names of 9 to 40 octets; A 70 %, AAAA 20 %, NXDOMAIN 5 %, NODATA 5 %. "
             "dnsdist answers from its warm packet cache, nsd behind it.")
# Shape -> (flags of the load generator, kind of table, notes).
SHAPES = {
    "uniform": ((), saturated_table, [_MIX_NOTE]),
    "zipf": (("--distribution", "zipf"), saturated_table, [_MIX_NOTE]),
    "scattered": (("--sockets", SCATTERED_CLIENTS, "--in-flight", 1), saturated_table, [
        f"{SCATTERED_CLIENTS} client sockets with one question in flight each, and a system call for each: no two answers "
        "of a batch are for one client, so nothing can be grouped."]),
    "single": (("--sockets", 1, "--in-flight", 1), steady_table, [
        "One client socket that asks its next question when it has the answer; it spins, so that its own wake-up is in no figure."]),
    "steady": (("--rate", STEADY_RATE), steady_table, [
        f"Open loop, {STEADY_RATE:,} queries/s: latency counts from the send of a query to when the kernel has the answer. The load "
        "generator spins, and its own pauses are not in it; what is left is the server's wake-up and its work."]),
}
NOISY_SHAPES = ("single", "steady")  # which have more rounds


def run_scattered(bench, counts):
    """Clients that know nothing of each other."""
    return [table for count in counts for table in Local(bench, count).run(["scattered"])]


def run_recorded(bench):
    """Local answers with and without a record of the questions."""
    bench.head("recorded questions: starting")
    name_set = names.NameSet(RECORDED_NAMES)
    expectations = name_set.write_expectations(bench.folder / "recorded", "any")
    flags = {"nothing recorded": (),
             "query log, 1 in 100": ("--query-log", "/dev/null", "--query-log-sample", "100"),
             "query log": ("--query-log", "/dev/null"),
             "dnstap": ("--dnstap", bench.folder / "recorded.tap")}
    servers = []
    for name, chosen in flags.items():
        server = Meshdns(bench, name_set, flags=chosen)
        server.start()
        server.name = name
        server.wait_for(name_set.name(0))
        bench.check_complete(server, expectations)
        servers.append(server)
    bench.head("recorded questions")
    measured = rounds.run(bench, servers, lambda _, number: ["--names", expectations, "--seed", number + 1])
    bench.processes.stop_all()
    table = Table("Recorded questions", ["recorded", "us/query", "lowest to highest", "x nothing"])
    for name, done in measured.items():
        low, high = rounds.spread(done, "us_per_query")
        table.rows.append([name, f"{rounds.median(done, 'us_per_query'):.2f}", f"{low:.2f} to {high:.2f}",
                           ratio_text(measured, name, "nothing recorded")])
    table.notes = [SHARED_NOTE, rounds_note(measured), f"Local answers, {RECORDED_NAMES:,} names. The threads that write are counted; what "
                   "they do not keep up with is dropped."]
    return [table]


def _start_forwarders(bench, upstream, meshdns_flags=(), dnsdist_entries=0, left_out=()):
    def make_meshdns(build=None):
        return Meshdns(bench, upstream_port=upstream.port, flags=meshdns_flags, build=build)

    made = {"echo": lambda: Echo(bench),
            "meshdns": make_meshdns,
            "unbound": lambda: Unbound(bench, upstream_port=upstream.port),
            "dnsmasq": lambda: Dnsmasq(bench, upstream.port),
            "dnsdist": lambda: Dnsdist(bench, upstream.port, dnsdist_entries)}
    chosen = [make for name, make in made.items() if name in bench.options.servers and name not in left_out]
    servers = []
    for make in [*chosen, *(functools.partial(make_meshdns, build) for build in bench.options.beside)]:
        server = make()
        server.start()
        server.wait_for(f"ready.w.{UPSTREAM_ZONE}")
        servers.append(server)
    return servers


def run_cached(bench):
    """Names of others that are kept, before and after a flood of names that are asked once."""
    name_set = names.NameSet(CACHED_NAMES, zone=UPSTREAM_ZONE)
    expectations = {kind: name_set.write_expectations(bench.folder / f"cached-{kind}", kind)
                    for kind in ("exact", "any")}
    bench.head(f"kept answers, {CACHED_NAMES:,} names: starting")
    upstream = make_upstream(bench, name_set)
    # dnsmasq's cache is for ten thousand names.
    servers = _start_forwarders(bench, upstream, ["--cache-size", "64MiB"], FLOOD_NAMES, ["dnsmasq"])

    def expected_of(server):
        return expectations["any" if server.addresses == "echo" else "exact"]

    def arguments(server, number):
        return ["--names", expected_of(server), "--seed", number + 1]

    tables = []
    for state in ("room left", "full"):
        if state == "full":
            bench.head(f"kept answers: {FLOOD_NAMES * 2:,} names that are asked once")
            for server in servers:
                bench.load(server, FLOOD_SECONDS, "--check", "shape" if server.addresses != "echo" else "echo",
                           "--unique", UPSTREAM_ZONE, "--queries", FLOOD_NAMES * 2, "--timeout", 5)
        for server in servers:
            for _ in range(2):  # once to fetch, once more to make each name one that comes again
                if server.addresses != "echo":
                    bench.load(server, FLOOD_SECONDS, "--names", expected_of(server), "--complete",
                               "--check", "shape", "--timeout", 5)
        bench.head(f"kept answers, {CACHED_NAMES:,} names, {state}")
        measured = rounds.run(bench, servers, arguments)
        bench.findings.keep_rounds(f"kept {state}", measured)
        tables.append(saturated_table(f"Kept answers, {CACHED_NAMES:,} names, {state}", measured, [
            "Names of others, from the cache: A 70 %, AAAA 20 %, NXDOMAIN 5 %, NODATA 5 %. Full: after "
            f"{FLOOD_NAMES * 2:,} names that were asked once; meshdns has 64 MiB for its cache, dnsdist room for "
            f"{FLOOD_NAMES:,} answers, unbound 384 MiB."]))
    bench.processes.stop_all()
    return tables


def run_forwarded(bench):
    """Names that nobody has asked before; the upstream shares the load generator's core."""
    bench.head("forwarded answers: starting")
    upstream = make_upstream(bench)
    servers = _start_forwarders(bench, upstream)
    bench.head("forwarded answers, every name new")

    def arguments(server, number):
        # No two runs share a name: the seed is the server's and the round's.
        seed = 1000 * (servers.index(server) + 1) + number
        return ["--unique", UPSTREAM_ZONE, "--seed", seed, "--timeout", 5]

    measured = rounds.run(bench, servers, arguments, more=True)
    bench.head(f"forwarded answers, {SLOW_RATE:,} queries/s")
    upstream.name = "upstream"

    def slowly(server, number):
        place = servers.index(server) if server in servers else len(servers)
        return ["--unique", UPSTREAM_ZONE, "--seed", 1000 * (place + 1) + 500 + number, "--timeout", 5,
                "--rate", SLOW_RATE]

    slow = rounds.run(bench, [upstream, *(one for one in servers if one.name != "echo")], slowly)
    bench.processes.stop_all()
    return [saturated_table("Forwarded answers, every name new", measured, [
        "Every query is a miss: meshdns, unbound and dnsmasq store the answer, dnsdist only relays it, from fixed ports.",
        "The upstream (nsd) and the load generator share the other core and limit queries/s where "
        "the server's core is not busy; the echo answers itself, without an upstream."]),
            steady_table(f"Forwarded answers, {SLOW_RATE:,} queries/s", slow, [
                "Open loop, every query a miss. The first row is the upstream itself: what a forwarder adds is its row "
                "less that one. The upstream shares its core with the load generator, which spins."])]
