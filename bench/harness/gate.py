"""The gate: user-space instructions per answer beside the figures that the repository keeps.

callgrind counts them in `meshdns-bench-server`, a worker whose datagrams come from a fixed series instead of a kernel, so
that neither the machine's clock nor what else it does is in the figure. The kernel's share, which is most of an answer, is
not in it either.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

from . import names

KEPT = pathlib.Path(__file__).resolve().parent.parent / "results" / "instructions.json"
TOLERANCE_PERCENT = 2.0
NAMES = 1_000
# Run with both: the difference is what the answers cost, without start and end.
FEW_QUERIES, MANY_QUERIES = 64_000, 192_000
RUN_SECONDS = 120
WORKLOADS = {"local answers, few clients": [],
             "local answers, scattered clients": ["--clients", "200", "--burst", "1"],
             "local answers, NXDOMAIN": ["--kind", "nxdomain"],
             "kept answers": ["--kept"]}
# glibc chooses memcpy() and its like by the processor; callgrind's counts would follow.
PORTABLE_GLIBC = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM,-RTM"


class GateFailed(Exception):
    """Nothing could be counted or compared."""


def judge(kept, measured):
    """(passed, lines to print) for instructions per answer by workload; `kept` may lack some."""
    passed, lines = True, []
    for name, figure in measured.items():
        before = kept.get(name)
        if before is None:
            passed = False
            lines.append(f"{name}: {figure:,.1f} instructions per answer; none are kept. Keep them: ./dev bench --gate --accept")
            continue
        percent = round((figure / before - 1) * 100, 2)
        line = f"{name}: {figure:,.1f} instructions per answer, kept {before:,.1f} ({percent:+.2f} %)"
        if percent > TOLERANCE_PERCENT:
            passed = False
            line += (f": ABOVE the tolerance of {TOLERANCE_PERCENT:g} %. Mend what the change made dearer, or, where it is "
                     "worth that, keep the new figure: ./dev bench --gate --accept")
        elif percent < -TOLERANCE_PERCENT:
            line += ": cheaper than what is kept; renew it, so that the gain is kept too: ./dev bench --gate --accept"
        lines.append(line)
    return passed, lines


def compiler_of(folder):
    """Kind and version of the compiler that CMake found for the build in `folder`."""
    text = "".join(path.read_text(encoding="utf-8")
                   for path in pathlib.Path(folder).glob("CMakeFiles/*/CMakeCXXCompiler.cmake"))
    found = dict(re.findall(r'^set\(CMAKE_CXX_COMPILER_(ID|VERSION) "(.+)"\)$', text, re.M))
    return f"{found['ID']} {found['VERSION']}" if len(found) == 2 else "an unknown compiler"


def _count(program, names_file, queries, arguments, folder):
    """Instructions of a whole run."""
    counts = folder / "callgrind.out"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}", str(program), "--names", str(names_file),
               "--queries", str(queries), *arguments]
    environment = {**os.environ, "GLIBC_TUNABLES": PORTABLE_GLIBC}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment,
                              timeout=RUN_SECONDS, check=False)
    except FileNotFoundError as error:
        raise GateFailed("valgrind is not installed; ./dev setup bench installs it") from error
    if done.returncode != 0:
        raise GateFailed(f"{program.name} under callgrind: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    if result["wrong"] or result["answered"] != queries:
        raise GateFailed(f"{program.name}: {result['wrong']} wrong answers, {result['answered']} answers to {queries} queries")
    return int(re.search(r"^totals: (\d+)", counts.read_text(encoding="ascii"), re.M)[1])


def _instructions_per_answer(program, names_file, arguments, folder):
    few, many = (_count(program, names_file, queries, arguments, folder) for queries in (FEW_QUERIES, MANY_QUERIES))
    return (many - few) / (MANY_QUERIES - FEW_QUERIES)


def _read_kept():
    if not KEPT.exists():
        return {"compiler": None, "instructions_per_answer": {}}
    return json.loads(KEPT.read_text(encoding="ascii"))


def run(bin_folder, folder, accept):
    """Counts, compares, and with `accept` keeps what was counted. True: within the tolerance, or kept."""
    program = pathlib.Path(bin_folder) / "meshdns-bench-server"
    if not program.exists():
        raise GateFailed(f"{program} is not built; ./dev bench --gate builds it first")
    names_file = names.NameSet(NAMES).write_expectations(pathlib.Path(folder) / "names", "any")
    measured = {}
    for name, arguments in WORKLOADS.items():
        print(f"   counting: {name}", file=sys.stderr, flush=True)
        measured[name] = round(_instructions_per_answer(program, names_file, arguments, pathlib.Path(folder)), 1)
    compiler = compiler_of(pathlib.Path(bin_folder).parent)
    kept = _read_kept()
    passed, lines = judge(kept["instructions_per_answer"], measured)
    print("\n".join(lines))
    if kept["compiler"] not in (None, compiler):
        print(f"The kept figures are of {kept['compiler']}, these of {compiler}: a difference may be the compilers'.")
    if not accept:
        return passed
    KEPT.write_text(json.dumps({"compiler": compiler, "instructions_per_answer": measured}, indent=2) + "\n",
                    encoding="ascii")
    print(f"kept: {KEPT}")
    return True
