"""What a study of transfer came to: in a terminal, as Markdown, and as a page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from textwrap import wrap
from urllib.parse import quote

from verydeep.files import write_atomic
from verydeep.report.html import CUE, section, table, write_html
from verydeep.report.study_markdown import lines_of
from verydeep.report.study_rows import VERDICT_HEAD, cells_of, in_short, spread
from verydeep.report.tables import percent, text_table
from verydeep.studies.findings import Place
from verydeep.studies.transfer import TABLE, places, printed
from verydeep.verbs.study import Judged
from verydeep.verbs.study_transfer import StudiedTransfer

WIDTH = 80
"""Of a terminal, in which long words are wrapped."""


def head_of(found: StudiedTransfer) -> tuple[str, ...]:
    """What stands over the rows of the table."""
    return ("features of", "", f"paper, {found.planned.like.data}", "ours", "each draw")


def in_terminal(found: StudiedTransfer) -> str:
    """The table and what was found, as lines."""
    head = [f"{TABLE}, {found.planned.figure}, %", *head_of(found)[1:4]]
    rows = [head, *([*row[:4]] for row in _rows(found))]
    lines = [text_table(rows, left=2), ""]
    for judged in found.judged:
        lines += [in_short(judged), *(f"   {verdict}" for verdict in judged.verdicts)]
    return "\n".join([*lines, *found.untested, "", *wrap(how_it_was_judged(found), WIDTH)])


def write_markdown(found: StudiedTransfer) -> Path:
    """Writes study.md in the folder of a study; gives its path."""
    path, planned = found.planned.folder / "study.md", found.planned
    blocks = [
        f"`{planned.command}`. {how_it_was_judged(found)}",
        f"{TABLE}, features on other data: {planned.figure} in %.",
        lines_of(head_of(found), _rows(found)),
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
    rows = [
        (escape(f"{net}, {way}"), *map(escape, rest), _linked(found, (TABLE, net, way)))
        for net, way, *rest, _ in _rows(found)
    ]
    first, _, *others = head_of(found)
    sections = [
        f"<header><p>verydeep</p><h1>{title}</h1></header>",
        section(
            f"{TABLE}: {planned.figure}, %",
            CUE
            + table((first, *others), rows, "numbers")
            + f"<p>{escape(how_it_was_judged(found))}</p>",
        ),
        *(section(escape(in_short(judged)), _claims(judged)) for judged in found.judged),
        *(section("Not tested", f"<p>{escape(line)}.</p>") for line in found.untested),
        section("How to repeat it", f"<pre>{escape(planned.command)}</pre>"),
    ]
    return write_html(planned.folder / "report.html", title, sections)


def how_it_was_judged(found: StudiedTransfer) -> str:
    """What was learnt from and tested on, and what stands behind intervals and p, in words."""
    drawn, like = found.planned.drawn, found.planned.like
    count = sum(len(judged.verdicts) for judged in found.judged)
    tests = {len(scores.names) for of in found.tests.values() for scores in of}
    pictures = " or ".join(f"{each:,}" for each in sorted(tests))
    others = (
        "other pictures and other draws both"
        if drawn.shared and (found.planned.figure == "top-1 error")
        else "other draws of these pictures"
    )
    return (
        f"Linear SVMs of features, learnt from {drawn.in_words}, tested on {pictures} pictures; "
        f"mean and deviation over draws. Intervals (95 %) and p are of {others}, corrected for all "
        f"{count} claims together (Holm). The paper's effect is that of {like.data}, as a share of "
        f"what ours lack. {_papers_figures(found)}"
    )


def _papers_figures(found: StudiedTransfer) -> str:
    """What the paper's column is of."""
    like, figure = found.planned.like, found.planned.figure
    lacks = f"what its {like.figure} lacks of 100" if figure == "top-1 error" else like.figure
    scales = ", ".join(map(str, like.scales))
    way = "stacked" if like.stacked else "averaged"
    return f"The paper's column is {lacks} on {like.data}, of features at Q = {scales}, {way}."


def _rows(found: StudiedTransfer) -> list[tuple[str, ...]]:
    planned = found.planned
    return [
        (
            place[1], place[2], "-" if paper is None else percent(paper), spread(figures),
            ", ".join(map(percent, figures)),
        )
        for place in places(planned.nets)
        for paper in [printed(planned.nets, planned.like, place, planned.figure)]
        for figures in [found.figures(place)]
    ]  # fmt: skip


def _linked(found: StudiedTransfer, place: Place) -> str:
    """The figure of each draw, which leads to the score file of its test."""
    paths = [found.planned.path(place, i) for i in range(len(found.planned.drawn.draws))]
    places = [escape(quote(path.relative_to(found.planned.folder).as_posix())) for path in paths]
    words = map(percent, found.figures(place))
    return ", ".join(f'<a href="{to}">{w}</a>' for to, w in zip(places, words, strict=True))


def _claims(judged: Judged) -> str:
    rows = [tuple(map(escape, cells_of(verdict))) for verdict in judged.verdicts]
    why = "".join(f"<li>{escape(reason)}</li>" for reason in _reasons(judged))
    return CUE + table(VERDICT_HEAD, rows, "numbers") + f"<ul>{why}</ul>"


def _reasons(judged: Judged) -> list[str]:
    return [f"{verdict.evidence.claim.name}: {verdict.reason}." for verdict in judged.verdicts]
