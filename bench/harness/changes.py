"""What a change costs: one service of many, and a thousand changes a second beside the questions."""

import collections
import pathlib
import statistics
import time
import types

from . import machine, names, rounds
from .meshdns import Meshdns
from .report import Table
from .servers import Echo
from .tables import CALM_NOTE, number_text, rounds_note
from .throughput import STEADY_RATE
from .told_program import ToldProgram

SERVICES = 100_000
SMOKE_SERVICES = 1_000
PAUSE_MS = 50  # between two changes, so that each meets a quiet resolver
SPACED_RATE = 20  # so that none is told together with the next
ONE_ROUNDS = 5
SPACED = 150  # changes of a round: fewer seconds than from one image of the table to the next
FOLLOWER_SECONDS = 30  # a bound: within a second it has all
BUSY_RATE = 1_000
ACK_PAUSE_MS = 40  # the resolver's: a stream that acknowledges each change at once costs several times as much
IMAGE_SECONDS = 34  # an image follows a publication by a second, the image before it by 15, and a start has two
MIB = 1024 * 1024

LATENCY_AIM_MS = 1
CPU_AIM_US = 50
THROUGHPUT_AIM = 0.95
P99_AIM = 1.5
MEMORY_AIM = 1.3

KINDS = {"worker": "worker", "table-files": "the table's files", "xds-stream": "gRPC",
         "grpc_global_tim": "gRPC", "timer_manager": "gRPC", "default-executo": "gRPC",
         "resolver-execut": "gRPC", "event_engine": "gRPC"}


class _Services(ToldProgram):
    """meshdns-bench-changes: a control plane whose services change. `client`: whose `xds_port` it serves, and whose `port` it
    asks."""

    def __init__(self, bench, name_set, client):
        services = bench.folder / "changing-services"
        services.write_text("\n".join(name_set.services) + "\n", encoding="ascii")
        super().__init__(bench, "meshdns-bench-changes", "--services", services, "--listen",
                         f"127.0.0.1:{client.xds_port}", "--server", f"127.0.0.1:{client.port}")

    def require_answered(self):
        """Every service that was changed is answered as it is now."""
        checked = self.tell("check")
        if checked["wrong"]:
            raise RuntimeError(f"{checked['wrong']} of {checked['checked']} changed services are not answered as they are")


class _Resolver(Meshdns):
    """meshdns alone: its control plane is meshdns-bench-changes."""

    def __init__(self, bench, name_set):
        super().__init__(bench, name_set)
        self.port = machine.free_port()

    def start(self):
        self.launch()

    def cpu_by_kind(self):
        """{kind of thread: CPU time so far in us} of the process that answers."""
        found = collections.Counter()
        pid = self.resolver_pid()
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            try:
                name = (task / "comm").read_text(encoding="ascii").strip()
                spent = int((task / "schedstat").read_text(encoding="ascii").split()[0])
            except OSError:
                continue
            kind = "control" if int(task.name) == pid else KINDS.get(name, "other")
            found[kind] += spent / 1000
        return found

    def changes_cpu_us(self):
        """Of all threads but those that answer, so far."""
        return sum(us for kind, us in self.cpu_by_kind().items() if kind != "worker")

    def image_written(self):
        """When the image of the table was, whatever the clock; None: never."""
        try:
            return (self.state / "table.image").stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def image_ms(self, services):
        """Changes one service, and waits for the image of the table that follows; what it took, in ms of CPU. None where none
        came: one that was slow is not followed by another so soon."""
        before, spent = self.image_written(), self.cpu_by_kind()
        services.tell("many 1 1")
        deadline = time.monotonic() + IMAGE_SECONDS
        while self.image_written() == before:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.1)
        time.sleep(0.1)  # its rename is not the last of it
        return _difference(self.cpu_by_kind(), spent)["the table's files"] / 1000

    def resident(self, field):
        """VmRSS or VmHWM of the process that answers, in bytes."""
        text = pathlib.Path(f"/proc/{self.resolver_pid()}/status").read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.startswith(field + ":"))
        return int(line.split()[1]) * 1024

    def forget_high_water(self):
        pathlib.Path(f"/proc/{self.resolver_pid()}/clear_refs").write_text("5", encoding="ascii")


class _Follower:
    """meshdns-bench-follower, and the control plane that it has for itself: what a change costs gRPC alone."""

    def __init__(self, bench, name_set, ack_pause_ms):
        self._bench = bench
        client = types.SimpleNamespace(xds_port=machine.free_port(), port=machine.free_port())  # nobody is ever asked
        self.services = _Services(bench, name_set, client)
        self._command = [bench.program("meshdns-bench-follower"), f"127.0.0.1:{client.xds_port}",
                         "--ack-pause", ack_pause_ms]
        self._process = None

    def __enter__(self):
        self.services.__enter__()
        self.services.tell("check")  # it listens once it answers
        self._process = self._bench.processes.start("follower", self._command, self._bench.server_cores)
        deadline = time.monotonic() + FOLLOWER_SECONDS
        while b"following" not in self._process.log.read_bytes():
            self._process.require_running()
            if time.monotonic() > deadline:
                raise RuntimeError(f"meshdns-bench-follower has no services after {FOLLOWER_SECONDS} s")
            time.sleep(0.05)
        return self

    def __exit__(self, *exception):
        self._bench.processes.stop(self._process)
        self.services.__exit__(*exception)

    def cpu_us(self):
        """So far."""
        self._process.require_running()
        return self._process.cpu_ns() / 1000

    def spaced_cpu_us(self, changes):
        """Of each of so many changes."""
        before = self.cpu_us()
        self.services.tell(f"many {changes} {SPACED_RATE}")
        time.sleep(0.1)
        return (self.cpu_us() - before) / changes


def run_changes(bench):
    """One service of 100,000 changes; then a thousand a second do, beside the questions."""
    smoke = bench.options.smoke
    count = SMOKE_SERVICES if smoke else SERVICES
    bench.head(f"changes: {count:,} services")
    name_set = names.NameSet(count)
    resolver = _Resolver(bench, name_set)
    with _Services(bench, name_set, resolver) as services:
        services.tell("check")  # it listens once it answers
        resolver.start()
        resolver.wait_for(name_set.name(count // 2))
        expectations = name_set.write_expectations(bench.folder / "changing-names", "any")
        bench.check_complete(resolver, expectations)
        with _Follower(bench, name_set, ack_pause_ms=0) as follower:
            one = _measure_one(bench, resolver, services, follower)
        echo = Echo(bench)
        echo.start()
        echo.wait_for(name_set.name(0))
        with _Follower(bench, name_set, ACK_PAUSE_MS) as follower:
            many = _Subject(resolver, services, resolver.changes_cpu_us)
            bare = _Subject(echo, follower.services, follower.cpu_us)
            memory = _measure_many(bench, [many, bare], resolver, expectations)
        services.require_answered()
    bench.processes.stop_all()
    if not smoke:
        _keep(bench.findings, one, many, memory)
    return [_one_table(count, one), _many_table(count, many, bare, memory)]


def _rate(one):
    return one.queries_per_second


def _p99(one):
    return one.latency_us["p99"]


def _calm_p99(one):
    return one.latency_us["calm_p99"]


class _Subject:
    """A server that answers questions while services change for a stream on its core. `changes_cpu_us`: tells what all but the
    questions has taken there so far."""

    def __init__(self, server, services, changes_cpu_us):
        self._server, self._services, self._changes_cpu_us = server, services, changes_cpu_us
        self.rounds = {phase: {"saturated": [], "steady": []} for phase in ("quiet", "changing")}
        self.late_ms = 0
        self._spent_us = self._changes = 0

    def measure(self, bench, number, arguments):
        """One round of each phase and load."""
        for phase in ["quiet", "changing"] if number % 2 == 0 else ["changing", "quiet"]:
            for load, more in (("saturated", []), ("steady", ["--rate", STEADY_RATE])):
                changes = max(1, round(bench.options.seconds * BUSY_RATE * 1.1))  # longer than the questions
                before = self._changes_cpu_us()
                if phase == "changing":
                    self._services.begin(f"many {changes} {BUSY_RATE}")
                self.rounds[phase][load].append(rounds.measure(bench, self._server, arguments + more))
                if phase == "changing":
                    self.late_ms = max(self.late_ms, self._services.answer()["late_ms"])
                    if load == "saturated":
                        self._spent_us += self._changes_cpu_us() - before
                        self._changes += changes

    def last(self):
        return f"{self._server.name} " + ", ".join(
            f"{phase} {done['saturated'][-1].queries_per_second:,.0f} queries/s" for phase, done in self.rounds.items())

    def middle(self, phase, load, value):
        return statistics.median(value(one) for one in self.rounds[phase][load])

    def ratio(self, load, value):
        """Changing by quiet: the median of the ratios of equal rounds."""
        measured = {phase: done[load] for phase, done in self.rounds.items()}
        return rounds.compare(measured, "changing", "quiet", lambda a, b: value(a) / value(b))

    def cpu_of_a_change_us(self):
        """Saturated."""
        return self._spent_us / self._changes


def _keep(findings, one, many, memory):
    findings.keep("change ms", one["p50_ms"])
    findings.keep("change cpu us", one["total_us"])
    findings.keep("change cpu by a bare stream's", one["by_follower"])
    findings.keep("changes throughput", many.ratio("saturated", _rate))
    findings.keep("changes p99", many.ratio("steady", _p99))
    findings.keep("changes calm p99", many.ratio("steady", _calm_p99))
    rss, high_water = memory
    findings.keep("changes memory", high_water / rss)


def _difference(after, before):
    return {kind: after[kind] - before[kind] for kind in after}


def _spaced_cpu(resolver, services, changes):
    """{kind of thread: us} of each of so many changes, with no image of the table among them."""
    while True:  # at most twice: from one image to the next is longer
        image, before = resolver.image_written(), resolver.cpu_by_kind()
        services.tell(f"many {changes} {SPACED_RATE}")
        time.sleep(0.1)
        spent = _difference(resolver.cpu_by_kind(), before)
        if resolver.image_written() == image:
            return {kind: us / changes for kind, us in spent.items()}


def _measure_one(bench, resolver, services, follower):
    smoke = bench.options.smoke
    if not smoke:
        time.sleep(IMAGE_SECONDS)  # what a start leaves behind is not a change's
    image_ms = None if smoke else resolver.image_ms(services)
    spaced = bench.options.changes if smoke else SPACED
    each, bare = [], []
    for number in range(1 if smoke else ONE_ROUNDS):
        each.append(_spaced_cpu(resolver, services, spaced))
        bare.append(follower.spaced_cpu_us(spaced))
        bench.say(f"round {number + 1}: one change {sum(each[-1].values()):.0f} us of CPU, a bare stream's {bare[-1]:.0f}")
    services.require_answered()
    figures = services.tell(f"one {bench.options.changes if smoke else max(bench.options.changes, 200)} {PAUSE_MS}")
    totals = [sum(kinds.values()) for kinds in each]
    figures |= {"cpu_us": {kind: statistics.median(kinds[kind] for kinds in each) for kind in each[0]},
                "total_us": statistics.median(totals), "follower_us": statistics.median(bare),
                "by_follower": statistics.median(a / b for a, b in zip(totals, bare)),
                "image_ms": image_ms, "rounds": len(each)}
    bench.say(f"one change: answered after {figures['p50_ms']:.2f} ms, {figures['total_us']:.0f} us of CPU, "
              f"{figures['by_follower']:.2f} times a bare stream's")
    return figures


def _measure_many(bench, subjects, resolver, expectations):
    """Questions to each subject, quiet and changing, saturated and steady; and the resolver's memory."""
    rss = resolver.resident("VmRSS")
    resolver.forget_high_water()
    total = rounds.count(bench.options, more=True)
    for number in range(total):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            subject.measure(bench, number, ["--names", expectations, "--seed", number + 1])
        bench.say(f"round {number + 1} of {total}: " + ", ".join(subject.last() for subject in subjects))
    return rss, resolver.resident("VmHWM")


def _one_table(count, one):
    table = Table(f"One service of {count:,} changes", ["what", "measured", "aim"])
    table.rows = [["handed to the stream to the changed answer, median ms", f"{one['p50_ms']:.2f}", LATENCY_AIM_MS],
                  ["the same, p99 ms", f"{one['p99_ms']:.2f}", "-"],
                  ["the same, highest ms", f"{one['highest_ms']:.2f}", "-"],
                  ["the resolver's CPU a change, us", f"{one['total_us']:.0f}", CPU_AIM_US]]
    for kind, us in sorted(one["cpu_us"].items(), key=lambda item: -item[1]):
        table.rows.append([f"of which {kind}", f"{us:.0f}", "-"])
    table.rows += [["a bare gRPC stream's CPU a change, us", f"{one['follower_us']:.0f}", "-"],
                   ["the resolver's by that", f"{one['by_follower']:.2f}", "-"]]
    image = "-" if one["image_ms"] is None else f"{one['image_ms']:.0f}"
    table.rows.append(["the image of the whole table, 15 s apart at least, ms of CPU", image, "-"])
    table.notes = [f"Medians of {one['changes']:.0f} changes: a service that has its addresses gets another port, which SRV "
                   f"shows. Each after {PAUSE_MS} ms of quiet; asked one question after the other, "
                   f"{one['asked'] / one['changes']:.0f} for each change, on the core of the server. CPU: {SPACED_RATE} changes a "
                   "second and no questions, no image of the table among them; the bare stream acknowledges each and does nothing "
                   f"else, on the same core and with a control plane of its own. Medians of {one['rounds']} interleaved rounds."]
    return table


def _many_table(count, many, bare, memory):
    table = Table(f"{BUSY_RATE:,} changes a second of {count:,} services",
                  ["what", "quiet", "changing", "ratio", "aim", "bare ratio"])
    for what, load, value, form, aim in (
            ("queries/s, saturated", "saturated", _rate, ",.0f", f"at least {THROUGHPUT_AIM}"),
            (f"p50 us, {STEADY_RATE:,} queries/s", "steady", lambda one: one.latency_us["p50"], ".0f", "-"),
            (f"p99 us, {STEADY_RATE:,} queries/s", "steady", _p99, ".0f", f"at most {P99_AIM}"),
            ("calm p99 us", "steady", _calm_p99, ".0f", f"at most {P99_AIM}")):
        row = [what, *(format(many.middle(phase, load, value), form) for phase in ("quiet", "changing"))]
        table.rows.append([*row, number_text(many.ratio(load, value)), aim, number_text(bare.ratio(load, value))])
    lost = [f"{many.middle(phase, 'steady', lambda one: one.lost):.0f}" for phase in ("quiet", "changing")]
    table.rows.append(["lost, steady", *lost, "-", "-", "-"])
    rss, high_water = memory
    table.rows.append(["memory, MiB (before, and most)", f"{rss / MIB:.0f}", f"{high_water / MIB:.0f}",
                       f"{high_water / rss:.2f}", f"at most {MEMORY_AIM}", "-"])
    table.rows.append(["CPU a change besides the questions', us, saturated", "-", f"{many.cpu_of_a_change_us():.0f}",
                       "-", "-", f"{bare.cpu_of_a_change_us():.0f} us"])
    table.notes = ["Everything of the resolver on one core, its control thread and gRPC's included. Every service that changed "
                   f"is asked for after the rounds. The control plane was late by {many.late_ms:.0f} ms at most.",
                   "Bare: an echo server, and on its core a gRPC stream that takes the same changes, acknowledges them "
                   f"{ACK_PAUSE_MS} ms apart as the resolver does, and does nothing else; in the same rounds. {CALM_NOTE}",
                   rounds_note(many.rounds["quiet"]),
                   "Memory: resident of the process that answers."]
    return table
