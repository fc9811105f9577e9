"""Processes that are started, pinned, measured and always stopped, by their ids."""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
STOP_SECONDS = 10
TICKS = os.sysconf("SC_CLK_TCK")

_libc = ctypes.CDLL(None, use_errno=True)


class ProcessFailed(Exception):
    """A program ended or did not do what it was started for."""


def _read(path):
    try:
        return pathlib.Path(path).read_text(encoding="ascii", errors="replace")
    except (OSError, ProcessLookupError):
        return ""


def _parent_of(pid):
    # The command in parentheses may hold spaces; the state and the parent follow the last ")".
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def tree(pid):
    """`pid` and its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            children.setdefault(_parent_of(entry), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        current = todo.pop()
        found.append(current)
        todo += children.get(current, [])
    return found


def _cpu_ns_of(pid):
    total = 0
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return 0
    for task in tasks:
        text = _read(f"/proc/{pid}/task/{task}/schedstat").split()
        if text:
            total += int(text[0])
    if total:
        return total
    # No scheduler statistics in this kernel: utime and stime, in ticks.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // TICKS if fields else 0


class Process:
    """One program and whatever it starts. Its output goes to a file. `core`: one, several in a set, or None for all."""

    def __init__(self, name, command, folder, core=None):
        self.name = name
        self.log = pathlib.Path(folder) / f"{name}.log"
        self._tree = []
        parent = os.getpid()

        def prepare():
            # Ends with this program even if that is killed.
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)
            if core is not None:
                os.sched_setaffinity(0, core if isinstance(core, set) else {core})

        self.started = time.monotonic()
        with open(self.log, "ab") as log:
            self._popen = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=folder, start_new_session=True, preexec_fn=prepare)

    @property
    def pid(self):
        return self._popen.pid

    def ended(self):
        return self._popen.poll() is not None

    def require_running(self):
        if self.ended():
            tail = "\n".join(_read(self.log).splitlines()[-8:])
            raise ProcessFailed(f"{self.name} ended with {self._popen.returncode}:\n{tail}")

    def cpu_ns(self):
        """CPU time of the whole tree so far."""
        self._tree = tree(self.pid)
        return sum(_cpu_ns_of(pid) for pid in self._tree)

    def cpu_ns_of_threads(self, name):
        """CPU time so far of each thread of the tree that is called so."""
        return [int(_read(f"{task}/schedstat").split()[0])
                for pid in tree(self.pid) for task in sorted(pathlib.Path(f"/proc/{pid}/task").glob("*"))
                if _read(f"{task}/comm").strip() == name]

    def memory(self):
        """Resident memory of the whole tree in bytes: (sum of RSS, sum of PSS). PSS divides what
        several processes share."""
        rss = pss = 0
        for pid in tree(self.pid):
            for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
                words = line.split()
                rss += int(words[1]) * 1024 if words[0] == "Rss:" else 0
                pss += int(words[1]) * 1024 if words[0] == "Pss:" else 0
        return rss, pss

    def stop(self):
        """SIGTERM, then SIGKILL, to this process; then to what it left behind."""
        members = tree(self.pid) if not self.ended() else []
        if not self.ended():
            self._popen.terminate()
            try:
                self._popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        for pid in members[1:]:
            self._end_orphan(pid)

    def _end_orphan(self, pid):
        """What a server left behind became a child of this process; it is killed and reaped."""
        try:
            # Still there, and still of the session that was started here?
            if os.getsid(pid) == self.pid:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


class Processes:
    """Everything that runs; leaving the block stops all of it, newest first."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._running = []
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_all()

    def start(self, name, command, core=None, folder=None):
        process = Process(name, command, folder or self.folder, core)
        self._running.append(process)
        return process

    def stop(self, process):
        process.stop()
        self._running.remove(process)

    def stop_all(self):
        while self._running:
            self._running.pop().stop()
