"""dnsperf, the program that others publish their figures of, over UDP and TCP."""

import pathlib
import re

from . import rounds
from .bench import SLACK_SECONDS
from .meshdns import Meshdns
from .tables import saturated_table
from .throughput import Local

PROGRAM = "/usr/bin/dnsperf"
NAMES = 100_000
TCP_NAMES = 1_000
QUESTIONS = 200_000  # in its file, which it reads again and again
SERVER_THREADS = 2  # where nothing is pinned
WARM_SECONDS = 30
UDP_CLIENTS, UDP_IN_FLIGHT = 6, 192
TCP_IN_FLIGHT_EACH = {1: 100, 100: 10}  # by the number of connections
EXPECTED_RCODES = ("NOERROR", "NXDOMAIN")  # any other one is counted as wrong


def _number(pattern, output):
    found = re.search(pattern, output)
    if not found:
        raise RuntimeError(f"dnsperf printed no {pattern}:\n{output[-1000:]}")
    return float(found[1])


def read_output(output):
    """(answered, lost, wrong, seconds) of what dnsperf prints at its end."""
    answered = int(_number(r"Queries completed:\s+(\d+)", output))
    lost = int(_number(r"Queries lost:\s+(\d+)", output))
    seconds = _number(r"Run time \(s\):\s+([\d.]+)", output)
    codes = dict(re.findall(r"([A-Z]+) (\d+) \(", re.search(r"Response codes:(.*)", output)[1])) if answered else {}
    expected = sum(int(codes.get(code, 0)) for code in EXPECTED_RCODES)
    return answered, lost, answered - expected, seconds


def measure(bench, server, arguments):
    """One round."""
    before = server.cpu_ns()
    output = bench.run_load([PROGRAM, "-s", "127.0.0.1", "-p", server.port, "-l", bench.options.seconds, *arguments],
                            bench.options.seconds + SLACK_SECONDS)
    server.require_running()
    answered, lost, wrong, seconds = read_output(output)
    return rounds.Round(server.cpu_ns() - before, answered, lost, wrong, seconds, None)


def _questions(bench, local):
    if not pathlib.Path(PROGRAM).exists():
        raise FileNotFoundError(f"{PROGRAM} is not installed; ./dev setup bench installs it")
    return local.name_set.write_questions(bench.folder / f"questions-{local.count}", QUESTIONS)


def _rounds(bench, servers, questions, flags, work, more=False):
    measured = rounds.run(bench, servers, lambda *_: ["-d", questions, *flags], measure, more)
    bench.findings.keep_rounds(work, measured)
    return measured


def run_udp(bench, count=NAMES):
    """Pinned, a core for each side; then nothing pinned, with two threads on each side."""
    local = Local(bench, count)
    questions = _questions(bench, local)
    flags = ["-c", UDP_CLIENTS, "-q", UDP_IN_FLIGHT]
    bench.head(f"dnsperf, {count:,} names, pinned: starting")
    servers = local.start_all()
    bench.head(f"dnsperf, {count:,} names, pinned")
    pinned = _rounds(bench, servers, questions, flags, "dnsperf pinned", more=True)
    bench.processes.stop_all()
    with bench.unpinned(SERVER_THREADS):
        bench.head(f"dnsperf, {count:,} names, nothing pinned: starting")
        servers = [server for server in local.start_all() if server.name != "echo"]
        if "meshdns" in bench.options.servers:
            two = Meshdns(bench, local.name_set, flags=("--workers", SERVER_THREADS))
            two.name = "meshdns, 2 workers"
            servers.append(local.start(two))
        bench.head(f"dnsperf, {count:,} names, nothing pinned")
        unpinned = _rounds(bench, servers, questions, [*flags, "-T", SERVER_THREADS], "dnsperf unpinned", more=True)
        bench.processes.stop_all()
    clients = f"dnsperf -c {UDP_CLIENTS} -q {UDP_IN_FLIGHT}"
    return [saturated_table(f"dnsperf, {count:,} names, server on one core, dnsperf on the other", pinned, [
                f"{clients}. It takes more of its core than the faster servers of theirs and then limits queries/s: see core busy."]),
            saturated_table(f"dnsperf -T {SERVER_THREADS}, {count:,} names, nothing pinned", unpinned, [
                f"{clients} -T {SERVER_THREADS} and the server share both cores, so that queries/s counts the cost of both. Each "
                f"peer has {SERVER_THREADS} threads, meshdns its default of one worker, and in a row of its own {SERVER_THREADS}."])]


def run_tcp(bench):
    """Questions one behind the other on one connection and on many."""
    bench.head(f"TCP, {TCP_NAMES:,} names: starting")
    local = Local(bench, TCP_NAMES)
    questions = _questions(bench, local)
    servers = [server for server in local.start_all() if server.name != "echo"]
    for server in servers:  # dnsdist keeps what it is asked over TCP by itself
        bench.run_load([PROGRAM, "-m", "tcp", "-s", "127.0.0.1", "-p", server.port, "-d", questions, "-n", 1, "-c", 10,
                        "-q", 1000, "-l", WARM_SECONDS], WARM_SECONDS + SLACK_SECONDS)
    tables = []
    for connections, each in TCP_IN_FLIGHT_EACH.items():
        bench.head(f"TCP, {connections} connections")
        measured = _rounds(bench, servers, questions, ["-m", "tcp", "-c", connections, "-q", connections * each],
                           f"tcp {connections}")
        tables.append(saturated_table(f"TCP, pipelined, {TCP_NAMES:,} names, connections: {connections}", measured, [
            f"dnsperf -m tcp -c {connections} -q {connections * each}; where the server's core is not busy, dnsperf, "
            "or waiting, limits queries/s."]))
    bench.processes.stop_all()
    return tables
