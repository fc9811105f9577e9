"""Interleaved rounds: every server in turn, many times, so that what else the machine does meets
all of them alike. What is compared are medians."""

import dataclasses
import statistics

# Of a workload whose ratios stand near their goals and differ much from round to round: so many for each BASE of the others.
MORE, BASE = 15, 9


@dataclasses.dataclass
class Round:
    """What one server did in one round."""

    cpu_ns: int
    answered: int
    lost: int
    wrong: int
    seconds: float
    latency_us: dict | None

    @property
    def us_per_query(self):
        return self.cpu_ns / 1000 / max(self.answered, 1)

    @property
    def queries_per_second(self):
        return self.answered / self.seconds

    @property
    def busy(self):
        return self.cpu_ns / 1e9 / self.seconds


def measure(bench, server, arguments):
    """One round."""
    depth = "echo" if server.addresses == "echo" else "shape"
    before = server.cpu_ns()
    result = bench.load(server, bench.options.seconds, "--check", depth, *arguments)
    return Round(server.cpu_ns() - before, result["answered"], result["lost"], result["wrong"],
                 result["elapsed_seconds"], result["latency_us"])


def count(options, more):
    """How many a workload has; `more`: one that is noisy."""
    return options.rounds * MORE // BASE if more else options.rounds


def run(bench, servers, arguments_of, measure_one=measure, more=False):
    """{server name: [Round]}; arguments_of(server, round number) are the load generator's, or whosever measure_one()
    takes. `more`: as in count()."""
    if not servers:
        raise RuntimeError("none of the chosen servers takes part in it")
    rounds = {server.name: [] for server in servers}
    total = count(bench.options, more)
    for number in range(total):
        # Another one begins each time: nobody always follows the same neighbour.
        shift = number % len(servers)
        for server in servers[shift:] + servers[:shift]:
            rounds[server.name].append(measure_one(bench, server, arguments_of(server, number)))
        bench.say(f"round {number + 1} of {total}: " + ", ".join(
            f"{name} {done[-1].us_per_query:.2f}" for name, done in rounds.items()) + " us/query")
    return rounds


def median(rounds, value):
    return statistics.median(getattr(one, value) for one in rounds)


def spread(rounds, value):
    """Lowest and highest."""
    values = [getattr(one, value) for one in rounds]
    return min(values), max(values)


def compare(rounds, name, other, how):
    """Median of how(a, b) over equal rounds of the two: what moved both does not count. None where one of them was not
    measured, or had a round without answers."""
    if name not in rounds or other not in rounds:
        return None
    try:
        return statistics.median(how(a, b) for a, b in zip(rounds[name], rounds[other]))
    except (TypeError, ZeroDivisionError):  # a round without answers
        return None


def cpu_ratio(rounds, name, other):
    """CPU time per answer of `name` as a multiple of `other`'s."""
    return compare(rounds, name, other, lambda a, b: a.us_per_query / b.us_per_query)


def rate_ratio(rounds, name, other):
    return compare(rounds, name, other, lambda a, b: a.queries_per_second / b.queries_per_second)


def latency_ratio(rounds, percentile, name, other):
    return compare(rounds, name, other, lambda a, b: a.latency_us[percentile] / b.latency_us[percentile])


def latency_difference(rounds, percentile, name, other):
    """In microseconds."""
    return compare(rounds, name, other, lambda a, b: a.latency_us[percentile] - b.latency_us[percentile])
