"""Answers without a socket: what our own code takes, and what the table of names takes in memory."""

import json

from . import names
from .report import Table

QUERIES = 2_000_000
TIMEOUT_SECONDS = 120


def run_table(bench, counts):
    table = Table("Answers without a socket", ["names", "ns an answer", "allocations", "table octets a name"])
    for count in counts:
        bench.head(f"answers without a socket, {count:,} names")
        names_file = names.NameSet(count).write_expectations(bench.folder / f"table-{count}", "any")
        result = json.loads(bench.run_load([bench.program("meshdns-bench-answer"), "--names", names_file, "--queries",
                                            QUERIES], TIMEOUT_SECONDS))
        if result["wrong"]:
            raise RuntimeError(f"meshdns-bench-answer: {result['wrong']} wrong answers")
        each = result["table_octets"] / count
        bench.findings.keep(f"table octets {count}", each)
        table.rows.append([f"{count:,}", f"{result['ns_per_answer']:.0f}", result["allocations"], f"{each:.0f}"])
    table.notes = ["One thread, in batches of 32, the mix as above; CPU time. Each name has an A and an AAAA record, whose addresses "
                   "lead back to it (PTR) as those of the default pools do. The table is the snapshot that answers are made from, with "
                   "all that it has allocated."]
    return [table]
