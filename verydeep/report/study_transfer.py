"""What a study of transfer came to: in a terminal, as Markdown, and as a page."""

from __future__ import annotations

from html import escape
from pathlib import Path

from verydeep.files import write_atomic
from verydeep.report.html import section, table, write_html
from verydeep.report.study_markdown import lines_of
from verydeep.report.study_rows import VERDICT_HEAD, cells_of, in_short, spread
from verydeep.report.tables import percent, text_table
from verydeep.studies.transfer import TABLE, places
from verydeep.verbs.study import Judged
from verydeep.verbs.study_transfer import StudiedTransfer

HEAD = ("features of", "", "ours", "each draw")


def in_terminal(found: StudiedTransfer) -> str:
    """The table and what was found, as lines."""
    rows = [[f"{TABLE}, {found.planned.figure}, %", *HEAD[1:3]], *(row[:3] for row in _rows(found))]
    lines = [text_table(rows, left=2), ""]
    for judged in found.judged:
        lines += [in_short(judged), *(f"   {verdict}" for verdict in judged.verdicts)]
    return "\n".join([*lines, *found.untested, "", how_it_was_judged(found)])


def write_markdown(found: StudiedTransfer) -> Path:
    """Writes study.md in the folder of a study; gives its path."""
    path, planned = found.planned.folder / "study.md", found.planned
    blocks = [
        f"`{planned.command}`. {how_it_was_judged(found)}",
        f"{TABLE}, features on other data: {planned.figure} in %.",
        lines_of(HEAD, _rows(found)),
    ]
    for judged in found.judged:
        verdicts = [cells_of(verdict) for verdict in judged.verdicts]
        reasons = "\n".join(f"- {reason}" for reason in _reasons(judged))
        blocks += [f"**{in_short(judged)}.**", lines_of(VERDICT_HEAD, verdicts), reasons]
    blocks += [f"{line}." for line in found.untested]
    write_atomic(path, ("\n\n".join(blocks) + "\n").encode())
    return path


def write_page(found: StudiedTransfer) -> Path:
    """Writes the page of a study in its folder; gives its path."""
    planned = found.planned
    title = f"The paper's study of transfer on {escape(Path(planned.dataset.where).name)}"
    rows = [tuple(map(escape, row)) for row in _rows(found)]
    sections = [
        f"<header><p>verydeep</p><h1>{title}</h1></header>",
        section(
            f"{TABLE}: {planned.figure}, %",
            table(HEAD, rows, "numbers") + f"<p>{escape(how_it_was_judged(found))}</p>",
        ),
        *(section(escape(in_short(judged)), _claims(judged)) for judged in found.judged),
        *(section("Not tested", f"<p>{escape(line)}.</p>") for line in found.untested),
        section("How to repeat it", f"<pre>{escape(planned.command)}</pre>"),
    ]
    return write_html(planned.folder / "report.html", title, sections)


def how_it_was_judged(found: StudiedTransfer) -> str:
    """What was learnt from and tested on, and what stands behind intervals and p, in words."""
    drawn, count = found.planned.drawn, sum(len(judged.verdicts) for judged in found.judged)
    tests = {len(scores.names) for of in found.tests.values() for scores in of}
    pictures = " or ".join(f"{each:,}" for each in sorted(tests))
    others = (
        "other pictures and other draws both"
        if drawn.shared and (found.planned.figure == "top-1 error")
        else "other draws of these pictures"
    )
    return (
        f"Linear SVMs of features, learnt from {drawn.how}, tested on {pictures} pictures; mean "
        f"and deviation over draws. Intervals (95 %) and p are of {others}, corrected for all "
        f"{count} claims together (Holm). The paper's effect is that of {found.planned.like.data}, "
        f"as a share of what ours lack."
    )


def _rows(found: StudiedTransfer) -> list[tuple[str, ...]]:
    return [
        (row, way, spread(figures), ", ".join(map(percent, figures)))
        for name, row, way in places(found.planned.nets)
        for figures in [found.figures((name, row, way))]
    ]


def _claims(judged: Judged) -> str:
    rows = [tuple(map(escape, cells_of(verdict))) for verdict in judged.verdicts]
    why = "".join(f"<li>{escape(reason)}</li>" for reason in _reasons(judged))
    return table(VERDICT_HEAD, rows, "numbers") + f"<ul>{why}</ul>"


def _reasons(judged: Judged) -> list[str]:
    return [f"{verdict.evidence.claim.name}: {verdict.reason}." for verdict in judged.verdicts]
