"""Start-up, memory, and the way of one change from a Dataplane file to the answer."""

import os
import signal
import statistics
import time

from . import dns, names
from .meshdns import Meshdns
from .report import Table
from .throughput import Local

STARTS = 3
MILLION_READY_SECONDS = 900
CHANGE_SERVICES = 10_000
CHANGE_TARGET_MS = 50
QUIET_SECONDS = 0.05  # between two changes, so that each meets a quiet control plane
CHANGE_DEADLINE_SECONDS = 10
REST_SECONDS = 12  # a heap gives back what it does not use, within ten seconds in the case of meshdns where the core is fast
LOOK_SECONDS, LONGEST_REST_SECONDS = 6, 60  # and on a slow one until it has no more to give
FALLS = 0.99
MIB = 1024 * 1024


def _ms(seconds):
    return f"{statistics.median(seconds) * 1000:.0f}" if seconds else "-"


def run_start(bench, counts, starts=None):
    """Start-up to the first answer, and resident memory after every name was asked once."""
    starts = starts or bench.options.starts
    table = Table("Start-up and memory", ["server", "names", "first start ms", "later start ms",
                                          "from disk alone ms", "after a kill ms", "RSS MiB",
                                          "PSS MiB"])
    for count in counts:
        local = Local(bench, count)
        bench.head(f"start-up and memory, {count:,} names")
        for server in _servers(bench, local):
            table.rows.append(_start_row(bench, local, server, starts))
            bench.processes.stop_all()
    table.notes = [
        f"From executing the program to the first correct answer, median of {starts}. The first start "
        "of meshdns has nothing on disk, a later one has; its control plane runs already, and is gone "
        "where the table comes from disk alone, and where the resolver is killed: one question is asked at once "
        "after kill -9, and waits in the socket. "
        "dnsdist's backend runs already and its cache starts empty; the others read a file.",
        f"Memory after every name and type was asked once, the control plane gone, and {REST_SECONDS} s, or as many more as it went on "
        "falling. RSS counts shared libraries in "
        "full and in each process, PSS divides them among the processes that use them: the whole of a server that uses them "
        "alone. By default meshdns gives IPv4 virtual addresses alone."]
    return [table]


def _servers(bench, local):
    """meshdns as it is by default comes first: its goals are about that."""
    if "meshdns" in bench.options.servers:
        yield Meshdns(bench, local.name_set, ipv6=False)
    yield from local.make_servers()


def run_start_million(bench):
    """meshdns alone, once: some ten minutes, most of which its control plane takes to read the files."""
    bench.ready_seconds = MILLION_READY_SECONDS
    others, bench.options.servers = bench.options.servers, ["meshdns"]
    try:
        return run_start(bench, [1_000_000], starts=1)
    finally:
        bench.options.servers = others


def _start_row(bench, local, server, starts):
    name = local.name_set.name(local.count // 2)
    server.start()
    server.wait_for(name)  # meshdns-cp has read its files by now
    first, later, alone, killed = [], [], [], []
    for _ in range(starts):
        server.restart(forget=True)
        first.append(server.wait_for(name))
        server.wait_for_all()
        bench.check_complete(server, local.expectations_for(server))
        server.restart()
        later.append(server.wait_for(name))
    bench.check_complete(server, local.expectations_for(server))
    if isinstance(server, Meshdns):
        server.stop_control_plane()
    rss, pss = server.memory() if bench.options.smoke else _memory_at_rest(server)
    if isinstance(server, Meshdns):
        alone, killed = _without_control_plane(bench, local, server, name, starts)
        if not server.ipv6:
            bench.findings.keep(f"start ms {local.count}", statistics.median(alone) * 1000)
            bench.findings.keep(f"memory MiB {local.count}", pss / MIB)
    bench.say(f"{server.name}: {_ms(first)} ms, from disk alone {_ms(alone)} ms, after a kill {_ms(killed)} ms, "
              f"{pss / MIB:.1f} MiB")
    return [server.name, f"{local.count:,}", _ms(first), _ms(later), _ms(alone), _ms(killed), f"{rss / MIB:.1f}",
            f"{pss / MIB:.1f}"]


def _memory_at_rest(server):
    """(RSS, PSS) in bytes, once it falls no more."""
    time.sleep(REST_SECONDS)
    deadline = time.monotonic() + LONGEST_REST_SECONDS
    memory = server.memory()
    while True:
        time.sleep(LOOK_SECONDS)
        before, memory = memory, server.memory()
        if memory[1] > FALLS * before[1] or time.monotonic() > deadline:
            return memory


def _without_control_plane(bench, local, server, name, starts):
    """Seconds of starts from disk alone, and of a question's answer that comes when the resolver was just killed and its
    supervisor has to start another one."""
    alone, killed = [], []
    for _ in range(starts):
        server.restart()
        alone.append(server.wait_for(name))
        bench.check_complete(server, local.expectations_for(server))
        os.kill(server.resolver_pid(), signal.SIGKILL)
        killed.append(server.wait_for_one_answer(name))
    return alone, killed


class _Changes:
    """Replaces Dataplane files one at a time and times the answers."""

    def __init__(self, bench, server, client):
        self.bench, self.server, self.client = bench, server, client

    def _replace(self, index, service):
        path = names.dataplane_file(self.server.dataplanes, index)
        # Beside the folder: the control plane sees one rename and no half-written file.
        draft = self.server.folder / "draft.yaml"
        draft.write_text(names.dataplane(index, service), encoding="ascii")
        time.sleep(QUIET_SECONDS)
        begin = time.monotonic()
        os.replace(draft, path)
        return begin

    def _wait(self, begin, service, wanted):
        answered = self.client.wait_until(f"{service}.{names.ZONE}", wanted, CHANGE_DEADLINE_SECONDS,
                                          alive=self.server.require_running)
        if answered is None:
            raise RuntimeError(f"{service} did not change within {CHANGE_DEADLINE_SECONDS} s")
        return answered - begin

    def rename(self, index, new, old):
        """(until `new` is answered, until `old` is gone), both from the file's replacement."""
        begin = self._replace(index, new)
        return (self._wait(begin, new, dns.has_address), self._wait(begin, old, dns.is_absent))


def run_change(bench):
    """One service of 10,000 appears, disappears and returns, each by one changed file."""
    count = bench.options.change_services
    bench.head(f"one changed file of {count:,}: starting")
    name_set = names.NameSet(count)
    server = Meshdns(bench, name_set, per_file=1)
    server.start()
    server.wait_for(name_set.name(count - 1))
    appear, disappear, back = [], [], []
    with dns.Client(server.port) as client:
        changes = _Changes(bench, server, client)
        total = bench.options.changes
        for number in range(total):
            index = number * max(1, count // total) % count
            fresh, usual = f"changed-{number}", name_set.services[index]
            here, gone = changes.rename(index, fresh, usual)
            appear.append(here)
            disappear.append(gone)
            back.append(changes.rename(index, usual, fresh)[0])
            if (number + 1) % max(1, total // 4) == 0:
                bench.say(f"{number + 1} of {total}: median {statistics.median(appear) * 1000:.1f} ms")
    flush = _flush_seconds(bench)
    bench.processes.stop_all()
    table = Table(f"From a changed Dataplane file to the changed answer, {count:,} services in as "
                  "many files", ["change", "median ms", "p99 ms", "highest ms", "changes"])
    for what, seconds in (("a new service is answered", appear),
                          ("a removed service is NXDOMAIN", disappear),
                          ("a service that returns is answered", back)):
        ordered = sorted(seconds)
        table.rows.append([what, f"{statistics.median(ordered) * 1000:.1f}",
                           f"{ordered[int(0.99 * (len(ordered) - 1))] * 1000:.1f}",
                           f"{ordered[-1] * 1000:.1f}", len(ordered)])
    table.notes = [
        f"Target: {CHANGE_TARGET_MS} ms. From the rename of the file, through meshdns-cp and xDS, to "
        "the answer over UDP (asked every 0.3 ms).",
        "A new service's address is on disk before it is answered; one small append with fsync takes "
        f"{flush * 1000:.1f} ms here (median)."]
    return [table]


def _flush_seconds(bench):
    samples = []
    with open(bench.folder / "flush", "ab", buffering=0) as file:
        for _ in range(50):
            begin = time.monotonic()
            file.write(b"x" * 64)
            os.fsync(file.fileno())
            samples.append(time.monotonic() - begin)
    return statistics.median(samples)
