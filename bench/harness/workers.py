"""What an answer costs with two workers, beside one."""

from . import rounds
from .bench import WrongAnswers
from .meshdns import Meshdns
from .tables import saturated_table
from .throughput import Local

NAMES = 1_000
CLIENTS, IN_FLIGHT = 32, 512
WORKERS = {"meshdns": 1, "meshdns, 2 workers": 2}
LEAST_SHARE = 0.1  # of the answering threads' CPU time that each of them has


def run_workers(bench):
    """Both on the two cores that the load generator has as well."""
    bench.head("workers: starting")
    local = Local(bench, NAMES)
    with bench.unpinned(max(WORKERS.values())):
        servers = []
        for name, workers in WORKERS.items():
            server = Meshdns(bench, local.name_set, flags=("--workers", workers))
            server.name = name
            servers.append(local.start(server))
        bench.head("workers")
        measured = rounds.run(bench, servers, lambda server, number: [
            "--names", local.expectations_for(server), "--seed", number + 1, "--sockets", CLIENTS,
            "--outstanding", IN_FLIGHT], more=True)
        shares = {server.name: _shares(server) for server in servers}
        bench.processes.stop_all()
    for name, workers in WORKERS.items():
        if len(shares[name]) != workers or min(shares[name]) < LEAST_SHARE:
            raise WrongAnswers(f"{name}: the threads that answer had {shares[name]} of the CPU time")
    bench.findings.keep_rounds("workers", measured)
    both = " and ".join(f"{share:.0%}" for share in shares["meshdns, 2 workers"])
    return [saturated_table(f"Workers, {NAMES:,} names", measured, [
        f"Nothing is pinned: the load generator ({CLIENTS} sockets, {IN_FLIGHT} in flight) shares both cores with the threads that "
        f"answer. The kernel spreads sockets over workers by SO_REUSEPORT: of their CPU time the two workers had {both}."])]


def _shares(server):
    """Of the CPU time of all threads that answer, each one's."""
    each = [cpu for process in server.processes for cpu in process.cpu_ns_of_threads("worker")]
    return [round(cpu / max(sum(each), 1), 3) for cpu in each]
