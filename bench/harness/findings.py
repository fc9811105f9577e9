"""What was measured, by the work it was measured for, so that goals can be held against it."""

from . import rounds


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

    def cpu_ratio(self, work, name, other):
        return rounds.cpu_ratio(self._rounds_of(work), name, other)

    def rate_ratio(self, work, name, other):
        return rounds.rate_ratio(self._rounds_of(work), name, other)

    def latency_ratio(self, work, percentile, name, other):
        return rounds.latency_ratio(self._rounds_of(work), percentile, name, other)

    def latency_difference(self, work, percentile, name, other):
        return rounds.latency_difference(self._rounds_of(work), percentile, name, other)

    def _rounds_of(self, work):
        return self._rounds.get(work, {})
