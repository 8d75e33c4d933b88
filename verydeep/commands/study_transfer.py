"""`verydeep study transfer`: what the paper found of features on other data, tested again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verydeep.runtime.runtime import Runtime
    from verydeep.verbs.study_transfer import StudiedTransfer
    from verydeep.verbs.study_transfer_plan import PlannedTransfer


def said(
    weights: Sequence[str],
    data: str,
    out: Path | None,
    runtime: Runtime,
    asked: dict[str, Any],
    dry_run: bool,
    json: bool,
) -> str:
    """What is printed of the study, which is done first; or of what would be done."""
    from verydeep.verbs.study_transfer import study_transfer
    from verydeep.verbs.study_transfer_plan import planned_transfer

    if dry_run:
        return dry(planned_transfer(weights, data, out, runtime, **asked), runtime, json)
    return answer(study_transfer(weights, data, out, runtime, **asked), json)


def dry(planned: PlannedTransfer, runtime: Runtime, json: bool) -> str:
    """What would be done, and how long it takes to describe the pictures."""
    from json import dumps

    from verydeep.report.tables import short, text_table

    left, takes = len(planned.left), planned.estimates(runtime)
    on_cpu = runtime.machine.device == "cpu"
    if json:
        unknown = {} if on_cpu else {"seconds": None}
        steps = [{"name": name, **each._asdict(), **unknown} for name, each in takes.items()]
        return dumps({"folder": str(planned.folder), "tests": left, "steps": steps}, indent=1)
    rows = [["", "minutes", "disk"]]
    for name, each in takes.items():
        time = f"{each.seconds / 60:.1f}" if on_cpu else "-"
        rows.append([name, time, f"{short(each.bytes)}B"])
    pictures = len(planned.drawn.part)
    return "\n".join(
        [
            f"learning from {planned.drawn.in_words}",
            text_table(rows),
            f"{left} tests left, in {planned.folder}/; {pictures:,} pictures are described first, "
            f"in as long at the most: what was described before is kept",
        ]
    )


def answer(found: StudiedTransfer, json: bool) -> str:
    """Writes the page and the Markdown of a study; what is printed of it."""
    from verydeep.commands.study import findings_for_programs
    from verydeep.report.study_transfer import in_terminal, write_markdown, write_page

    page, text = write_page(found), write_markdown(found)
    if not json:
        return f"{in_terminal(found)}\npage   {page}\ntext   {text}"
    from json import dumps

    figure = found.planned.figure
    places = [
        {"table": table, "row": row, "column": column, figure: found.figures((table, row, column))}
        for table, row, column in found.tests
    ]
    about = {"folder": str(found.planned.folder), "page": str(page)}
    findings = findings_for_programs(found.judged)
    untested = list(found.untested)
    return dumps({**about, "tables": places, "findings": findings, "untested": untested}, indent=1)
