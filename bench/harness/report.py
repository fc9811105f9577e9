"""Tables, for the terminal and for bench/results/."""

import dataclasses
import pathlib

from . import machine


@dataclasses.dataclass
class Table:
    title: str
    columns: list
    rows: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    of_words: bool = False  # not of figures, which stand to the right

    def _widths(self):
        return [max(len(str(row[i])) for row in [self.columns, *self.rows])
                for i in range(len(self.columns))]

    def text(self):
        widths = self._widths()
        lines = [self.title, ""]
        for row in [self.columns, ["-" * width for width in widths], *self.rows]:
            cells = [str(row[0]).ljust(widths[0])]
            cells += [str(cell).ljust(width) if self.of_words else str(cell).rjust(width)
                      for cell, width in zip(row[1:], widths[1:])]
            lines.append("  " + "  ".join(cells).rstrip())
        lines += ["", *(f"  {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines) + "\n"

    def markdown(self):
        lines = [f"## {self.title}", "", "| " + " | ".join(self.columns) + " |",
                 "| --- |" + (" --- |" if self.of_words else " ---: |") * (len(self.columns) - 1)]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in self.rows]
        lines += ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines) + "\n"


def write(path, tables, bench, versions, load):
    """The whole report as Markdown. No dates and no host names: it is kept in the repository."""
    lines = ["# Measured figures", "",
             "Written by `./dev bench --report`; docs/PERFORMANCE.md says how to read it.", ""]
    lines += [f"- {what}: {value}" for what, value in machine.facts(bench.folder)]
    lines += [f"- servers: {', '.join(versions)}"]
    if bench.options.only:
        lines += [f"- of the workloads only: {', '.join(bench.options.only)}"]
    lines += [f"- rounds of {bench.options.seconds:g} s, interleaved: each table says how many; "
              f"load average of the machine {load[0]:.1f} before and {load[1]:.1f} after the run "
              "(the run itself makes up to 2)", ""]
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n" + "\n".join(table.markdown() for table in tables),
                    encoding="utf-8")
    return path
