"""Giving services their virtual addresses, and loading them at a start."""

import json
import shutil
import statistics
import subprocess

from .report import Table

TIMEOUT_SECONDS = 300


def run_leases(bench, counts):
    table = Table("Virtual addresses", ["services", "allocate s", "on disk s", "load s",
                                        "us per allocation", "journal MiB"])
    for count in counts:
        bench.head(f"virtual addresses, {count:,} services")
        runs = [_run_once(bench, count) for _ in range(bench.options.starts)]
        allocate, durable, load = (statistics.median(run[key] for run in runs)
                                   for key in ("allocate_s", "durable_s", "load_s"))
        bench.say(f"{count:,}: allocated in {allocate:.2f} s, loaded in {load:.2f} s")
        table.rows.append([f"{count:,}", f"{allocate:.2f}", f"{durable:.2f}", f"{load:.2f}",
                           f"{allocate / count * 1e6:.2f}",
                           f"{runs[0]['journal_bytes'] / 2**20:.0f}"])
    table.notes = [f"Median of {bench.options.starts} runs on a state folder of its own. \"On disk\" counts from the "
                   "first allocation until the last lease is written and synced, and may be answered. "
                   "Load: from opening the folder until every lease is known."]
    return [table]


def _run_once(bench, count):
    folder = bench.folder / "leases"
    try:
        done = subprocess.run([str(bench.program("meshdns-bench-leases")), "--folder", str(folder),
                               "--leases", str(count)], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=TIMEOUT_SECONDS, check=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode != 0:
        raise RuntimeError(f"leases: {done.stderr.decode(errors='replace').strip()}")
    return json.loads(done.stdout)
