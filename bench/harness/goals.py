"""The project's goals, held against what one run has found."""

import dataclasses

from . import tables
from .report import Table
from .throughput import Local


@dataclasses.dataclass
class Check:
    """One figure and its bound. `stretch`: the bound of a goal beyond the goal, where there is one."""

    label: str
    figure: float | None  # None: not measured
    limit: float
    stretch: float | None = None
    at_least: bool = False
    unit: str = ""

    def keeps(self, limit):
        return self.figure >= limit if self.at_least else self.figure <= limit

    def text(self):
        if self.figure is None:
            return f"{self.label} not measured".strip()
        form = ".2f" if self.limit < 10 else ".0f"
        return f"{self.label} {self.figure:{form}}{self.unit}".strip()


@dataclasses.dataclass
class Goal:
    work: str
    goal: str
    stretch: str
    checks: list

    def measured(self):
        if all(check.figure is None for check in self.checks):
            return "not measured"
        return ", ".join(check.text() for check in self.checks)

    def met(self):
        """In a word; a goal of which a part was not measured is not said to be met."""
        known = [check for check in self.checks if check.figure is not None]
        if not known:
            return "-"
        if not all(check.keeps(check.limit) for check in known):
            return "NO"
        if len(known) < len(self.checks):
            return "as far as measured"
        beyond = [check for check in known if check.stretch is not None]
        return "yes, and the stretch" if beyond and all(check.keeps(check.stretch) for check in beyond) else "yes"


# With which the names of local answers are measured.
LOCAL_PEERS = [name for name in Local.SERVERS if tables.is_peer(name)]


def _best_peer(compare, work, label, limit, at_least=False):
    """meshdns against the peer that does best. One that was not measured might be that: then it is not known of all."""
    figures = {peer: compare(work, "meshdns", peer) for peer in LOCAL_PEERS}
    known = [figure for figure in figures.values() if figure is not None]
    worst = (min if at_least else max)(known, default=None)
    return [Check(label, worst, limit, at_least=at_least),
            *(Check(f"{peer}'s", None, limit) for peer, figure in figures.items() if figure is None and known)]


def _echo(findings, work, label, limit, stretch=None):
    return Check(label, findings.cpu_ratio(work, "meshdns", "echo"), limit, stretch, unit=" x echo")


def _local(findings):
    large = {"uniform": "local 100000 uniform", "zipf": "local 100000 zipf"}
    small, scattered = "local 1000 uniform", ["local 1000 scattered", "local 100000 scattered"]
    return [
        Goal("local, 100,000 names", "at most 1.18 times the echo", "1.08",
             [_echo(findings, work, shape, 1.18, 1.08) for shape, work in large.items()]),
        Goal("local, 100,000 names", "at most 0.70 times nsd, knot and dnsdist's warm cache", "",
             [Check(f"{shape} by {peer}'s", findings.cpu_ratio(work, "meshdns", peer), 0.70)
              for shape, work in large.items() for peer in ("nsd", "knot", "dnsdist")]),
        Goal("local, 1,000 names", "at most 1.12 times the echo", "1.05", [_echo(findings, small, "", 1.12, 1.05)]),
        Goal("local, 1,000 names", "at most 0.85 times the best peer", "",
             _best_peer(findings.cpu_ratio, small, "by the best peer's", 0.85)),
        Goal("several in flight from few sockets", "below the echo", "0.75 times",
             [_echo(findings, work, work.removeprefix("local "), 1.0, 0.75) for work in (small, large["uniform"])]),
        Goal("scattered clients", "no loss: at most 1.18 times the echo", "1.08",
             [_echo(findings, work, work.removeprefix("local "), 1.18, 1.08) for work in scattered]),
    ]


def _latency(findings):
    single = "local 1000 single"
    return [
        Goal("one client socket, one question at a time", "p50 within 4 us of the echo's", "",
             [Check("p50 less the echo's", findings.latency_difference(single, "p50", "meshdns", "echo"), 4, unit=" us")]),
        *(Goal(f"20,000 q/s steady, {count:,} names", "p50 within 4 us of the echo's, p99 at most 1.5 times, CPU at most 1.25 times",
               "", _steady(findings, f"local {count} steady")) for count in (1_000, 100_000)),
    ]


def _steady(findings, work):
    return [Check("p50 less the echo's", findings.latency_difference(work, "p50", "meshdns", "echo"), 4, unit=" us"),
            *(Check(label, findings.latency_ratio(work, key, "meshdns", "echo"), 1.5, unit=" x echo")
              for label, key in (("p99", "p99"), ("calm p99", "calm_p99"))),
            _echo(findings, work, "CPU", 1.25)]


def _other_servers(findings):
    return [
        Goal("cache hit, cache full", "at most 0.80 times dnsdist", "",
             [Check("by dnsdist's", findings.cpu_ratio("kept full", "meshdns", "dnsdist"), 0.80)]),
        Goal("two workers", "CPU per query at most 1.1 times one worker's", "",
             [Check("two by one", findings.cpu_ratio("workers", "meshdns, 2 workers", "meshdns"), 1.1)]),
        Goal("dnsperf", "at least nsd's q/s pinned", "",
             [Check("q/s by nsd's", findings.rate_ratio("dnsperf pinned", "meshdns", "nsd"), 1.0, at_least=True)]),
        Goal("dnsperf", "1.3 times every peer's q/s unpinned", "",
             _best_peer(findings.rate_ratio, "dnsperf unpinned", "q/s by the best peer's", 1.3, at_least=True)),
        Goal("TCP, pipelined, 1 and 100 connections", "ahead of unbound and dnsdist", "half their CPU",
             [Check(f"{connections} by {peer}'s", findings.cpu_ratio(f"tcp {connections}", "meshdns", peer), 1.0, 0.5)
              for connections in (1, 100) for peer in ("unbound", "dnsdist")]),
    ]


def _changes(findings):
    figure = findings.figure
    return [
        Goal("one service changed, 100,000 names", "accepted resource to changed answer at most 1 ms and 50 us of CPU", "",
             [Check("answer", figure("change ms"), 1, unit=" ms"), Check("CPU", figure("change cpu us"), 50, unit=" us")]),
        Goal("1,000 changes a second", "at least 0.95 of the quiet throughput, p99 within 1.5 times, memory at most "
             "1.3 times the table", "",
             [Check("throughput", figure("changes throughput"), 0.95, at_least=True),
              Check("p99", figure("changes p99"), 1.5), Check("calm p99", figure("changes calm p99"), 1.5),
              Check("memory", figure("changes memory"), 1.3)]),
    ]


def _size(findings):
    figure = findings.figure
    memory = ((1_000, 30, None), (100_000, 100, 60), (1_000_000, 700, 400))
    return [
        *(Goal(f"memory, {count:,} names", f"{limit} MiB, whole process", f"{stretch} MiB" if stretch else "",
               [Check("", figure(f"memory MiB {count}"), limit, stretch, unit=" MiB")])
          for count, limit, stretch in memory),
        Goal("snapshot", "at most 300 bytes per name", "",
             [Check(f"{count:,} names", figure(f"table octets {count}"), 300) for count in (1_000, 100_000)]),
        Goal("start, 100,000 names from disk", "exec to first answer at most 150 ms", "80 ms",
             [Check("", figure("start ms 100000"), 150, 80, unit=" ms")]),
    ]


def table(findings):
    """A row for each goal."""
    result = Table("Goals", ["work", "goal", "stretch", "measured", "met"], of_words=True)
    for goal in [*_local(findings), *_latency(findings), *_other_servers(findings), *_changes(findings), *_size(findings)]:
        result.rows.append([goal.work, goal.goal, goal.stretch, goal.measured(), goal.met()])
    result.notes = ["From this run's figures, which stand below: ratios and differences are medians of those of equal rounds."]
    return result
