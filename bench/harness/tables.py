"""Tables of interleaved rounds: servers that are saturated, and servers at a steady rate."""

import statistics

from . import rounds
from .report import Table

SHARED_NOTE = "us/query: CPU time of the server, kernel included, by answered query; lower is better."
NOT_PEERS = ("echo", "upstream")


def number_text(ratio):
    return f"{ratio:.2f}" if ratio is not None else "-"


def ratio_text(measured, name, other):
    return number_text(rounds.cpu_ratio(measured, name, other))


def rounds_note(measured):
    """What every table of rounds says, as not all have the same number."""
    number = max((len(done) for done in measured.values()), default=0)
    if number == 1:
        return "One round."
    return f"Medians of {number} interleaved rounds; a ratio is the median of the ratios of equal rounds."


def is_peer(name):
    return name not in NOT_PEERS and not name.startswith("meshdns")


def saturated_table(title, measured, notes):
    table = Table(title, ["server", "us/query", "lowest to highest", "queries/s", "core busy", "x echo",
                          "meshdns x this", "lost", "wrong"])
    for name, done in measured.items():
        low, high = rounds.spread(done, "us_per_query")
        table.rows.append([
            name, f"{rounds.median(done, 'us_per_query'):.2f}", f"{low:.2f} to {high:.2f}",
            f"{rounds.median(done, 'queries_per_second'):,.0f}",
            f"{100 * rounds.median(done, 'busy'):.0f} %", ratio_text(measured, name, "echo"),
            ratio_text(measured, "meshdns", name), sum(one.lost for one in done),
            sum(one.wrong for one in done)])
    table.notes = [SHARED_NOTE, rounds_note(measured), *notes]
    return table


def _median_latency(done, key):
    values = [one.latency_us[key] for one in done if one.latency_us]
    return statistics.median(values) if values else None


def steady_table(title, measured, notes):
    table = Table(title, ["server", "us/query", "x echo", "p50 us", "p90 us", "p99 us", "p99 x echo", "lost"])
    for name, done in measured.items():
        latency = {key: _median_latency(done, key) for key in ("p50", "p90", "p99")}
        table.rows.append([
            name, f"{rounds.median(done, 'us_per_query'):.2f}", ratio_text(measured, name, "echo"),
            *(f"{value:.0f}" if value is not None else "-" for value in latency.values()),
            number_text(rounds.latency_ratio(measured, "p99", name, "echo")), sum(one.lost for one in done)])
    table.notes = [rounds_note(measured), *notes]
    return table
