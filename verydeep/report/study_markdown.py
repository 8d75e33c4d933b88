"""What a study came to as Markdown: its tables, and what was found of the paper's findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from verydeep.files import write_atomic
from verydeep.report.signal_tables import markdown as markdown_of_signals
from verydeep.report.study_costs import HEAD, costs_of
from verydeep.report.study_rows import (
    VERDICT_HEAD,
    cells_of,
    head_of,
    how_it_was_judged,
    in_short,
    notes_of,
    rows_of,
)
from verydeep.verbs.study import Studied


def write_markdown(found: Studied, path: Path | None = None) -> Path:
    """Writes study.md in the folder of a study; gives its path."""
    path = path or found.folder / "study.md"
    write_atomic(path, markdown(found).encode())
    return path


def markdown(found: Studied) -> str:
    """The whole study; the same for the same tests."""
    planned = found.planned
    blocks = [f"`{planned.command}`: {planned.size}. {how_it_was_judged(found)}"]
    for table in planned.tables:
        rows = [(r.net, r.how, r.paper, r.ours, ", ".join(r.seeds)) for r in rows_of(table, found)]
        blocks += [
            f"{table.name}, {table.title}: {table.figure} in %.",
            lines_of(head_of(found), rows),
        ]
        blocks += notes_of(table, found)
    for judged in found.judged:
        verdicts = [cells_of(verdict) for verdict in judged.verdicts]
        reasons = [f"- {v.evidence.claim.name}: {v.reason}." for v in judged.verdicts]
        blocks += [f"**{in_short(judged)}.**", lines_of(VERDICT_HEAD, verdicts), "\n".join(reasons)]
    blocks.append(lines_of(HEAD, [each.cells for each in costs_of(found)]))
    if found.beginnings is not None:
        blocks.append(markdown_of_signals(found.beginnings).rstrip())
    return "\n\n".join(blocks) + "\n"


def lines_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
