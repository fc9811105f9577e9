"""Many streams of a control plane: what one changed endpoint costs it, and how soon all know."""

import json
import os
import statistics
import subprocess
import time

from . import metrics
from .report import Table
from .told_program import ToldProgram

SERVICES = 10_000
ENDPOINTS_EACH = 10
PER_FILE = 1_000
STREAMS = 1_000
SILENT = 100
PAUSE_SECONDS = 0.05  # between two changes, so that each meets a quiet control plane
START_SECONDS = 300
ANSWER_SECONDS = 900
MIB = 1024 * 1024


def _dataplane(name, service, address):
    return (f"type: Dataplane\nmesh: default\nname: {name}\nnetworking:\n  address: {address}\n"
            f"  inbound:\n    - port: 8080\n      tags:\n        kuma.io/service: {service}\n"
            "        kuma.io/protocol: http\n---\n")


def _write_mesh(folder, services):
    folder.mkdir()
    for first in range(0, services, PER_FILE):
        text = []
        for service in range(first, min(first + PER_FILE, services)):
            for number in range(ENDPOINTS_EACH):
                index = service * ENDPOINTS_EACH + number
                address = f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"
                text.append(_dataplane(f"d-{index}", f"service-{service}", address))
        (folder / f"{first:06}.yaml").write_text("".join(text), encoding="ascii")


class _ControlPlane:
    """meshdns-cp on one core, with a mesh; over TLS where a certificate and key are given."""

    def __init__(self, bench, mesh, tls=()):
        self.mesh = mesh
        self.ports = bench.folder / "streams.ports"
        self.ports.unlink(missing_ok=True)
        flags = ["--tls-cert-file", tls[0], "--tls-key-file", tls[1], "--auth", "none"] if tls else []
        self.process = bench.processes.start(
            "meshdns-cp", [bench.program("meshdns-cp"), "run", "--dataplanes", self.mesh, "--listen", "127.0.0.1:0",
                           "--admin", "127.0.0.1:0", "--api", "off", "--port-file", self.ports, *flags], core=bench.server_core)
        self.tls = bool(tls)
        end = time.monotonic() + START_SECONDS
        while not self.ports.exists():
            self.process.require_running()
            if time.monotonic() > end:
                raise RuntimeError(f"meshdns-cp does not serve within {START_SECONDS} s")
            time.sleep(0.05)
        self.port = json.loads(self.ports.read_text(encoding="ascii"))

    def metric(self, name):
        return metrics.read(self.port["admin"], name)


def _clients(bench, control_plane, streams, silent=0):
    return ToldProgram(bench, "meshdns-bench-streams", "--server", f"127.0.0.1:{control_plane.port['xds']}", "--streams",
                       streams, "--silent", silent, *(["--tls"] if control_plane.tls else []))


class _Change:
    """One endpoint of one service that moves to and fro."""

    def __init__(self, bench, control_plane):
        self.draft = bench.folder / "draft.yaml"
        self.file = control_plane.mesh / "changing.yaml"
        self.count = 0
        self.write()
        os.replace(self.draft, self.file)

    def write(self):
        self.count += 1
        self.draft.write_text(_dataplane("changing", "service-0", f"192.0.2.{1 + self.count % 200}"),
                              encoding="ascii")

    def make(self, clients):
        self.write()
        time.sleep(PAUSE_SECONDS)
        return clients.tell(f"replace {self.draft} {self.file}")


def run_streams(bench):
    services, streams = (200, 50) if bench.options.smoke else (SERVICES, STREAMS)
    changes = bench.options.changes
    bench.head(f"streams: {services:,} services, {services * ENDPOINTS_EACH:,} endpoints, {streams:,} delta streams")
    mesh = bench.folder / "streams"
    _write_mesh(mesh, services)
    plain = _measure(bench, _ControlPlane(bench, mesh), streams)
    bench.processes.stop_all()
    tls = _measure(bench, _ControlPlane(bench, mesh, _certificate(bench.folder)), streams)
    bench.processes.stop_all()
    table = Table("One endpoint changes, and all streams hear of it", ["what", "plaintext", "TLS", "aim"])
    for what, key, form, aim in (
            ("first stream, ms from the file's rename", "first_ms", ".1f", "-"),
            ("half of the streams, ms", "p50_ms", ".1f", "-"),
            ("99 % of the streams, ms", "p99_ms", ".1f", "100"),
            ("the last stream, ms", "last_ms", ".1f", "-"),
            ("the last stream, ms, worst change", "worst_ms", ".1f", "-"),
            ("control plane's CPU a stream, us", "cpu_us", ".1f", "60"),
            ("octets a stream", "octets", ".0f", "1024"),
            ("resources serialised a change", "serialised", ".1f", "-"),
            ("resources", "resources", ",.0f", "-"),
            ("resources serialised before the first change", "serialised_first", ",.0f", "as many"),
            ("all streams know all, s from their beginning", "all_s", ".1f", "-"),
            ("memory a stream, gRPC's included, KiB", "stream_kib", ".0f", "-"),
            (f"growth by {changes} changes with {SILENT} streams that never read, MiB", "grown_mib", ".1f", "0")):
        table.rows.append([what, format(plain[key], form), format(tls[key], form), aim])
    table.notes = [f"{services:,} services, {services * ENDPOINTS_EACH:,} endpoints, {streams:,} delta streams with a "
                   "connection each, all subscribed to all services and endpoints; the control plane on one core, the "
                   f"clients on the other. Medians of {changes} changes, {PAUSE_SECONDS:g} s apart. What the control plane "
                   "holds itself for a stream that rests is counted by a test (IdleStream)."]
    return [table]


def _measure(bench, control_plane, streams):
    change = _Change(bench, control_plane)
    time.sleep(1)
    memory = control_plane.process.memory()[0]
    figures = {"resources": control_plane.metric("meshdns_control_resources"),
               "serialised_first": control_plane.metric("meshdns_control_serialisations_total")}
    with _clients(bench, control_plane, streams) as clients:
        first = clients.tell("wait")
        bench.say(f"all know all: {first['bytes'] / MIB:,.0f} MiB in {first['responses']:,} responses and "
                  f"{first['seconds']:.1f} s")
        figures["all_s"] = first["seconds"]
        figures["stream_kib"] = (control_plane.process.memory()[0] - memory) / streams / 1024
        change.make(clients)
        serialised = control_plane.metric("meshdns_control_serialisations_total")
        cpu = control_plane.process.cpu_ns()
        results = [change.make(clients) for _ in range(bench.options.changes)]
        cpu = control_plane.process.cpu_ns() - cpu
        serialised = control_plane.metric("meshdns_control_serialisations_total") - serialised
    for key in ("first_ms", "p50_ms", "p99_ms", "last_ms"):
        figures[key] = statistics.median(result[key] for result in results)
    figures["worst_ms"] = max(result["last_ms"] for result in results)
    figures["cpu_us"] = cpu / 1000 / len(results) / streams
    figures["octets"] = sum(result["bytes"] for result in results) / len(results) / streams
    figures["serialised"] = serialised / len(results)
    figures["grown_mib"] = _growth_with_silent(bench, control_plane, change) / MIB
    bench.say(f"99 % know after {figures['p99_ms']:.1f} ms, {figures['cpu_us']:.1f} us of CPU a stream")
    return figures


def _growth_with_silent(bench, control_plane, change):
    """By how much the control plane grows while streams that never read stand open."""
    with _clients(bench, control_plane, 10, SILENT) as clients:
        clients.tell("wait")
        change.make(clients)
        before = control_plane.process.memory()[0]
        for _ in range(bench.options.changes):
            change.make(clients)
        return control_plane.process.memory()[0] - before


def _certificate(folder):
    """(certificate, key), signed by itself."""
    pair = folder / "streams.crt", folder / "streams.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=meshdns-cp", "-keyout", pair[1], "-out", pair[0]], check=True,
                   capture_output=True)
    return pair
