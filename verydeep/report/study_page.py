"""The page of a study: the paper's tables with ours beside them, and what was found of each."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas

from verydeep.report.html import CUE, section, table, write_html
from verydeep.report.plots import FAINT, FIRST, INK, SECOND, STYLE, svg
from verydeep.report.signals import sections_of_initialisation
from verydeep.report.study_costs import HEAD, costs_of, nets_of
from verydeep.report.study_rows import (
    VERDICT_HEAD,
    cells_of,
    head_of,
    how_it_was_judged,
    notes_of,
    rows_of,
    runs_of,
    turn,
)
from verydeep.studies.claims import Outcome
from verydeep.studies.tables import Cell, Table
from verydeep.tasks.task import Figure
from verydeep.training.run import read_log
from verydeep.training.run_toml import RUN
from verydeep.verbs.plans import FAILED
from verydeep.verbs.study import Judged, Studied
from verydeep.verbs.study_plan import PAPERS

SIZE = (4.6, 3.2)
"""Inches of a plot, whose letters are as large as the others' on a phone."""
LETTERS = 34
"""Of all labels below a plot, for which it has room beside each other."""
CURVES = 8
"""Names of nets of which a plot has room for the curves."""
_SIGNS: dict[Outcome, str] = {"seen": "✓", "not seen": "✗", "undecided": "?"}


def write_study_page(found: Studied, path: Path | None = None) -> Path:
    """Writes the page of a study, by default `report.html` in its folder; gives its path."""
    path = path or found.folder / "report.html"
    planned = found.planned
    whose = "The paper's study" if {*planned.names} & {*PAPERS} else "A study"
    title = f"{whose} on {escape(Path(str(planned.work.data)).name)}"
    sections = [
        f"<header><p>verydeep</p><h1>{title}</h1><p>{escape(str(planned.size))}</p></header>",
        section("What was found", _findings(found)),
        *(section(f"{t.name}: {t.title}", _table(t, found)) for t in planned.tables),
        *(
            section(f"{j.finding.key}, {escape(j.finding.words)}: {j.outcome}", _claims(j))
            for j in found.judged
        ),
        *(sections_of_initialisation(found.beginnings) if found.beginnings else ()),
        section("Learning", _curves(found)),
        section("What the nets cost", CUE + table(HEAD, _costs(found), "numbers")),
        section("How to repeat it", f"<pre>{escape(planned.command)}</pre>"),
    ]
    return write_html(path, title, sections)


def _findings(found: Studied) -> str:
    """A line for each finding, and how all of them were judged."""
    rows = [
        (f"{_SIGNS[judged.outcome]} {judged.outcome}", judged.finding.key, judged.finding.words)
        for judged in found.judged
    ]
    words = [tuple(map(escape, row)) for row in rows]
    return table(("", "", "what was found in print"), words) + f"<p>{how_it_was_judged(found)}</p>"


def _table(one: Table, found: Studied) -> str:
    """A table of the paper's with ours beside it, and a plot of it; each seed leads to its run."""
    rows = []
    for cell, row in zip(one.cells, rows_of(one, found), strict=True):
        links = [
            _link(found, cell, seed, words)
            for seed, words in zip(found.planned.seeds, row.seeds, strict=True)
        ]
        net, how, *figures = map(escape, row[:-1])
        rows.append((f"{net}, {how}", *figures, ", ".join(links)))
    notes = "".join(f"<p>{escape(note)}</p>" for note in notes_of(one, found))
    shown = f'<div class="plots"><figure>{_plot(one, found)}</figure></div>'
    net, _, *others = head_of(found)
    return shown + CUE + table((net, *others), rows, "numbers") + notes


def _link(found: Studied, cell: Cell, seed: int, words: str) -> str:
    """The error with one seed, which leads to what its run is made of and is repeated by.

    Of several runs together each has a number of its own behind it.
    """
    runs = runs_of(cell, seed)
    whys = [FAILED if found.planned.work.failure(run) else RUN for run in runs]
    places = [f"{escape(run)}/{about}" for run, about in zip(runs, whys, strict=True)]
    if len(places) == 1:
        return f'<a href="{places[0]}">{words}</a>'
    numbers = (f'<a href="{place}">{i}</a>' for i, place in enumerate(places, 1))
    return f"{words} ({' '.join(numbers)})"


def _plot(one: Table, found: Studied) -> str:
    """SVG of a table: a column of dots for each place, a dot a seed, with the mean."""
    with rc_context(STYLE):
        figure = Canvas(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        rows = one.rows
        for i, column in enumerate(one.columns):
            shift = 0.12 * (i - (len(one.columns) - 1) / 2)
            cells = [(x, one.cell(row, column)) for x, row in enumerate(rows)]
            there = [(x, found.filled[one.name, c.row, c.column].errors()) for x, c in cells if c]
            colour = (FIRST, SECOND, INK)[i % 3]
            for x, errors in there:
                axes.plot([x + shift] * len(errors), errors, "o", color=colour, alpha=0.4, ms=4)
            means = [statistics.mean(errors) for _, errors in there]
            axes.plot([x + shift for x, _ in there], means, "_", color=colour, ms=14, mew=2,
                      label=column)  # fmt: skip
        axes.set_xticks(range(len(rows)), rows)
        if sum(map(len, rows)) > LETTERS:
            axes.tick_params("x", labelrotation=20)
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.set_ylabel(f"{one.figure}, %")
        axes.grid(visible=False, axis="x")
        if len(one.columns) > 1:
            axes.legend(frameon=False)
        return svg(figure)


def _claims(judged: Judged) -> str:
    """The claims of a finding, with what was found of each and why."""
    rows = [tuple(map(escape, cells_of(verdict))) for verdict in judged.verdicts]
    why = "".join(
        f"<li>{escape(v.evidence.claim.name)}: {escape(v.reason)}.</li>" for v in judged.verdicts
    )
    return CUE + table(VERDICT_HEAD, rows, "numbers") + f"<ul>{why}</ul>"


def _costs(found: Studied) -> list[tuple[str, ...]]:
    """Parameters and multiply-adds of each net; how long it took is no two times the same."""
    return [tuple(map(escape, each.cells)) for each in costs_of(found)]


def _curves(found: Studied) -> str:
    """SVG of the error on the validation part, epoch by epoch, of the first seed of each net.

    Nets of one task stand together. What began with another net's layers has that one's epochs
    before its own.
    """
    seed, work = found.planned.seeds[0], found.planned.work
    names = [name for name in nets_of(found) if not work.failure(f"{name}-{seed}")]
    of = {name: work.plan.named(f"{name}-{seed}").task.watched for name in names}
    plots = []
    for watched, some in _by_figure(of):
        with rc_context(STYLE):
            figure = Canvas(figsize=SIZE, layout="constrained")
            axes = figure.add_subplot()
            for i, name in enumerate(some):
                values = _learning(f"{name}-{seed}", watched, found)
                style = ("-", "--", ":", "-.")[i // 2 % 4]
                axes.plot(range(1, len(values) + 1), values, style, label=name,
                          color=(FIRST, SECOND)[i % 2], linewidth=1.5)  # fmt: skip
            axes.set(xlabel="epoch", ylabel=f"validation {watched.called}, {watched.unit}")
            axes.legend(frameon=False, fontsize=9, ncols=2, labelcolor=INK, edgecolor=FAINT)
            plots.append(f"<figure>{svg(figure)}</figure>")
    return f'<p>With {turn(found)} {seed}.</p><div class="plots">{"".join(plots)}</div>'


def _learning(name: str, watched: Figure, found: Studied) -> list[float]:
    """What is watched after each epoch of a run, and before that of what it began with."""
    training = found.planned.work.plan.named(name)
    if training.task.watched != watched:
        return []
    own = [epoch.figures[watched.name] for epoch in read_log(found.folder / name)]
    return [*(_learning(training.after, watched, found) if training.after else []), *own]


def _by_figure(of: Mapping[str, Figure]) -> Iterator[tuple[Figure, Sequence[str]]]:
    """What is watched, with names of nets of which that is: as many as have room in a plot."""
    for watched in dict.fromkeys(of.values()):
        names = [name for name in of if of[name] == watched]
        for start in range(0, len(names), CURVES):
            yield watched, names[start : start + CURVES]
