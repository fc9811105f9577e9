"""Tables of interleaved rounds: servers that are saturated, and servers at a steady rate."""

import statistics

from . import rounds
from .report import Table

SHARED_NOTE = "us/query: CPU time of the server, kernel included, by answered query; lower is better."
CALM_NOTE = ("Calm p99: the p99 of each thousand answers in a row, and of those the lower quartile. It leaves out pauses of the machine, "
             "which fall into some thousands, and has what happens in each.")
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


def _latency_text(done, key):
    values = [one.latency_us[key] for one in done if one.latency_us]
    return f"{statistics.median(values):.0f}" if values else "-"


def steady_table(title, measured, notes):
    table = Table(title, ["server", "us/query", "x echo", "p50 us", "p90 us", "p99 us", "p99 x echo", "calm p99 us",
                          "calm p99 x echo", "lost"])
    for name, done in measured.items():
        latency = {key: _latency_text(done, key) for key in ("p50", "p90", "p99", "calm_p99")}
        by_echo = {key: number_text(rounds.latency_ratio(measured, key, name, "echo")) for key in ("p99", "calm_p99")}
        table.rows.append([
            name, f"{rounds.median(done, 'us_per_query'):.2f}", ratio_text(measured, name, "echo"),
            latency["p50"], latency["p90"], latency["p99"], by_echo["p99"], latency["calm_p99"], by_echo["calm_p99"],
            sum(one.lost for one in done)])
    table.notes = [rounds_note(measured), CALM_NOTE, *notes]
    return table
