"""The report at the end: tables of medians with their spread, the targets, and the same as a JSON document."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from eval.bench import rows
from eval.bench.disk import Footprint
from eval.bench.rounds import Results
from eval.bench.rows import ROWS, TARGETS, Row

BASELINE = "uv"
SUBJECT = "pepip"
_ROWS_OF_WORK = (rows.NEW, rows.NOTHING, rows.ADD, rows.UPGRADE, rows.COLD, rows.NETWORK)


@dataclass(frozen=True)
class Outcome:
    """All results of a run. `other` and `network` complete titles of rows; `facts` are the conditions of the run."""

    tools: Sequence[str]
    set_name: str
    other: str
    facts: Mapping[str, object]
    results: Results
    footprints: Sequence[Footprint]
    network: str = "a network"

    def title(self, row: Row) -> str:
        """Return a row's title."""
        return row.title.format(other=self.other, network=self.network)

    def ratio(self, row: Row, tool: str) -> float | None:
        """Return a tool's figure divided by uv's, None if one of the two is missing."""
        if row in {rows.BYTES, rows.INODES}:
            return self._disk_ratio(row, tool)
        own, baseline = (
            self.results.processor_seconds(rows.COLD, name)
            if row is rows.COLD_WORK
            else self.results.seconds(row, name)
            for name in (tool, BASELINE)
        )
        return statistics.median(own) / statistics.median(baseline) if own and baseline else None

    def _disk_ratio(self, row: Row, tool: str) -> float | None:
        added = {item.tool: item.last_after_import for item in self.footprints}
        if tool not in added or BASELINE not in added:
            return None
        own, baseline = added[tool], added[BASELINE]
        return own.allocated_bytes / baseline.allocated_bytes if row is rows.BYTES else own.inodes / baseline.inodes


class Spread(NamedTuple):
    """The median of some samples, and the quartiles around it."""

    median: float
    low: float
    high: float


class Verdict(NamedTuple):
    """A target, and the ratio that was measured for it; None if this run did not measure it."""

    title: str
    at_most: float
    measured: float | None

    @property
    def word(self) -> str:
        """Return in words whether the target is met."""
        if self.measured is None:
            return "not measured"
        return "met" if self.measured <= self.at_most else "NOT MET"


def spread(samples: Sequence[float]) -> Spread:
    """Return the median and the quartiles of at least one sample."""
    if len(samples) == 1:
        return Spread(samples[0], samples[0], samples[0])
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Spread(median, low, high)


def verdicts(outcome: Outcome) -> list[Verdict]:
    """Return the targets for the set, with the measured ratios."""
    return [
        Verdict(outcome.title(target.row), target.ratio, outcome.ratio(target.row, SUBJECT))
        for target in TARGETS
        if target.set_name in {"", outcome.set_name}
    ]


def text(outcome: Outcome) -> str:
    """Return the report for people: conditions, tables, targets, and the failures of tools."""
    parts = ["\n".join(f"{name}: {_words(value)}" for name, value in outcome.facts.items() if value != [])]
    parts += [_times(outcome), _processors(outcome), _memory(outcome), _disk(outcome), _targets(verdicts(outcome))]
    parts += [
        f"{tool} has no figure for '{outcome.title(row)}': {why}"
        for (row, tool), why in outcome.results.troubles.items()
    ]
    parts += [
        f"{tool}'s environments lack the programs {', '.join(names)}: its figures are those of less work"
        for tool, names in outcome.results.missing_programs.items()
    ]
    return "\n\n".join(parts)


def document(outcome: Outcome) -> dict[str, object]:
    """Return every sample, for a JSON file."""
    by_row: dict[str, dict[str, object]] = {}
    for row in ROWS:
        for tool in outcome.tools:
            seconds = outcome.results.seconds(row, tool)
            if seconds:
                peak = outcome.results.peak_kilobytes(row, tool)
                by_row.setdefault(row.key, {})[tool] = {
                    "seconds": seconds,
                    "processor_seconds": outcome.results.processor_seconds(row, tool),
                    "peak_rss_kilobytes": peak,
                }
    troubles = [{"row": row.key, "tool": tool, "why": why} for (row, tool), why in outcome.results.troubles.items()]
    return {
        **outcome.facts,
        "rows": by_row,
        "disk": [asdict(item) for item in outcome.footprints],
        "targets": [{**item._asdict(), "verdict": item.word} for item in verdicts(outcome)],
        "troubles": troubles,
        "missing_programs": outcome.results.missing_programs,
    }


def _times(outcome: Outcome) -> str:
    lines = [["seconds: median (quartiles), ratio to uv", *outcome.tools]]
    for row in ROWS:
        cells = [_cell(outcome, row, tool) for tool in outcome.tools]
        if any(cells):
            lines.append([outcome.title(row), *(cell or "-" for cell in cells)])
    return table(lines)


def _cell(outcome: Outcome, row: Row, tool: str) -> str:
    seconds = outcome.results.seconds(row, tool)
    if not seconds:
        return ""
    middle = spread(seconds)
    ratio = outcome.ratio(row, tool)
    compared = "" if ratio is None else f"  {ratio:.2f}x"
    return f"{middle.median:.3f} ({middle.low:.3f}-{middle.high:.3f}){compared}"


def _processors(outcome: Outcome) -> str:
    def cell(row: Row, tool: str) -> str:
        seconds = outcome.results.processor_seconds(row, tool)
        return f"{spread(seconds).median:.3f}" if seconds else "-"

    return _work(outcome, "seconds of processors, user and system: median", cell)


def _memory(outcome: Outcome) -> str:
    def cell(row: Row, tool: str) -> str:
        peak = outcome.results.peak_kilobytes(row, tool)
        return f"{peak / 1000:.0f}" if peak else "-"

    return _work(outcome, "memory of the largest process, at most, MB", cell)


def _work(outcome: Outcome, title: str, cell: Callable[[Row, str], str]) -> str:
    """Return a table of the rows that show how much a tool works, with the text of `cell` for each tool."""
    rows_of_table = [[outcome.title(row), *(cell(row, tool) for tool in outcome.tools)] for row in _ROWS_OF_WORK]
    return table([[title, *outcome.tools], *rows_of_table])


def _disk(outcome: Outcome) -> str:
    """Return the table of the projects' disk usage, each inode counted once."""
    baseline = next((item for item in outcome.footprints if item.tool == BASELINE), None)
    count = max((item.projects for item in outcome.footprints), default=0)
    lines = [["disk: MB, inodes", f"caches, stores, {count} projects", "the last project alone", "after its import"]]
    for item in outcome.footprints:
        cells = []
        for part in ("whole", "last_before_import", "last_after_import"):
            own = getattr(item, part)
            cell = f"{own.allocated_bytes / 1e6:.2f}, {own.inodes}"
            if baseline:
                base = getattr(baseline, part)
                cell += f"  {own.allocated_bytes / base.allocated_bytes:.3f}x, {own.inodes / base.inodes:.3f}x"
            cells.append(cell)
        lines.append([item.tool, *cells])
    return table(lines)


def _targets(found: Sequence[Verdict]) -> str:
    lines = [["target, against uv", "at most", "measured", ""]]
    for verdict in found:
        measured = "-" if verdict.measured is None else f"{verdict.measured:.3f}x"
        lines.append([verdict.title, f"{verdict.at_most:.2f}x", measured, verdict.word])
    return table(lines)


def table(lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, its columns aligned; the first line is the head."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    shown = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    return "\n".join([shown[0], rule, *shown[1:]])


def _words(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} {part}" for name, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
