"""Interleaved rounds: every server in turn, many times, so that what else the machine does meets
all of them alike. What is compared are medians."""

import dataclasses
import statistics


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


def run(bench, servers, arguments_of, measure_one=measure):
    """{server name: [Round]}; arguments_of(server, round number) are the load generator's, or whosever measure_one()
    takes."""
    rounds = {server.name: [] for server in servers}
    for number in range(bench.options.rounds):
        # Another one begins each time: nobody always follows the same neighbour.
        shift = number % len(servers)
        for server in servers[shift:] + servers[:shift]:
            rounds[server.name].append(measure_one(bench, server, arguments_of(server, number)))
        bench.say(f"round {number + 1} of {bench.options.rounds}: " + ", ".join(
            f"{name} {done[-1].us_per_query:.2f}" for name, done in rounds.items()) + " us/query")
    return rounds


def median(rounds, value):
    return statistics.median(getattr(one, value) for one in rounds)


def spread(rounds, value):
    """Lowest and highest."""
    values = [getattr(one, value) for one in rounds]
    return min(values), max(values)


def ratio(rounds, name, other):
    """Median of the quotients of the same round: what moved both does not count."""
    quotients = [a.us_per_query / b.us_per_query for a, b in zip(rounds[name], rounds[other])]
    return statistics.median(quotients)
