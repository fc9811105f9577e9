"""The machine that measures: its cores, its free ports, and the facts a reader needs."""

import itertools
import os
import pathlib
import platform
import socket

FIRST_PORT, PORTS = 10_000, 22_000  # the kernel draws from 32768 on (net.ipv4.ip_local_port_range)
_ports = itertools.count(os.getpid() * 97)  # two runs begin elsewhere


class TooSmall(Exception):
    """The machine cannot measure what was asked for."""


def cores(may_share):
    """The core of the servers and the core of the load generator."""
    usable = sorted(os.sched_getaffinity(0))
    if may_share and len(usable) == 1:
        return usable[0], usable[0]
    if len(usable) < 2:
        raise TooSmall(
            "two cores are needed, one for the server and one for the load generator; this process "
            f"may use {len(usable)}. On one core both would take turns and nothing could be told "
            "of either.")
    return usable[0], usable[1]


def free_port():
    """A port that was free on 127.0.0.1 for UDP and TCP a moment ago, given out once a run: the server that it is for may take
    it much later. So it is none of those that the kernel draws for connections."""
    for number in itertools.islice(_ports, PORTS):
        port = FIRST_PORT + number % PORTS
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, \
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port from {FIRST_PORT} on is free for UDP and TCP on 127.0.0.1")


def _first(path, key):
    try:
        for line in pathlib.Path(path).read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(key):
                return line.split(":" if ":" in line else "=", 1)[1].strip().strip('"')
    except OSError:
        pass
    return "unknown"


def file_system_of(folder):
    """The kind of file system below `folder`, from /proc/mounts."""
    best, kind = "", "unknown"
    for line in pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, this_kind = line.split()[:3]
        inside = os.path.commonpath([mount, os.path.realpath(folder)]) == mount
        if inside and len(mount) >= len(best):
            best, kind = mount, this_kind
    return kind


def facts(folder):
    """Rows (what, value) that describe the machine, without host names or dates."""
    memory = int(_first("/proc/meminfo", "MemTotal").split()[0]) / 1048576
    virtual = "hypervisor" in _first("/proc/cpuinfo", "flags").split()
    return [
        ("processor", _first("/proc/cpuinfo", "model name") + (" (virtual machine)" if virtual else "")),
        ("cores", str(len(os.sched_getaffinity(0)))),
        ("memory", f"{memory:.0f} GiB"),
        ("kernel", platform.release()),
        ("system", _first("/etc/os-release", "PRETTY_NAME")),
        ("state folder on", file_system_of(folder)),
    ]


def load_average():
    """How busy the machine is besides the measuring: the average of the last minute."""
    return os.getloadavg()[0]
