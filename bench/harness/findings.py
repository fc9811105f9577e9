"""What was measured, by the work it was measured for, so that goals can be held against it."""

import statistics


class Findings:
    """Rounds of servers, and single figures. Whoever asks for what was not measured gets None."""

    def __init__(self):
        self._rounds = {}
        self._figures = {}

    def keep_rounds(self, work, measured):
        """`measured`: {server name: [Round]}, the rounds of all servers interleaved."""
        self._rounds[work] = measured

    def keep(self, what, figure):
        self._figures[what] = figure

    def figure(self, what):
        return self._figures.get(what)

    def servers(self, work):
        return list(self._rounds.get(work, {}))

    def cpu_ratio(self, work, name, other):
        """CPU time per answer of `name` as a multiple of `other`'s."""
        return self._compare(work, name, other, lambda a, b: a.us_per_query / b.us_per_query)

    def rate_ratio(self, work, name, other):
        return self._compare(work, name, other, lambda a, b: a.queries_per_second / b.queries_per_second)

    def latency_ratio(self, work, percentile, name, other):
        return self._compare(work, name, other, lambda a, b: a.latency_us[percentile] / b.latency_us[percentile])

    def latency_difference(self, work, percentile, name, other):
        """In microseconds."""
        return self._compare(work, name, other, lambda a, b: a.latency_us[percentile] - b.latency_us[percentile])

    def _compare(self, work, name, other, compare):
        """Median of what `compare` says of equal rounds: what moved both does not count."""
        measured = self._rounds.get(work, {})
        if name not in measured or other not in measured:
            return None
        try:
            return statistics.median(compare(a, b) for a, b in zip(measured[name], measured[other]))
        except (TypeError, ZeroDivisionError):  # a round without answers
            return None
