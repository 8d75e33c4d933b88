"""The page of a run: one HTML file without outside links, for any screen, light or dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape
from itertools import pairwise
from pathlib import Path

from verydeep.nets.cost import MAKERS, cost
from verydeep.report.answers import errors, errors_in_short, sections_of_answers
from verydeep.report.boxes import (
    Judged,
    boxes_in_short,
    errors_of_boxes,
    judged,
    sections_of_boxes,
)
from verydeep.report.html import section, table, write_html
from verydeep.report.plots import figure_curve, loss_curves
from verydeep.report.tables import short
from verydeep.report.tags import precisions, sections_of_tags, tags_in_short
from verydeep.training.settings import scale_text
from verydeep.training.state import tuned_layers
from verydeep.verbs.run import Run


def write_page(run: Run, path: Path | None = None) -> Path:
    """Writes the page of a finished run, by default `report.html` in its folder; gives its path.

    Of a task that is not tested by posteriors it has the figures that each part set aside came to.
    """
    path = path or run.folder / "report.html"
    boxes = judged(run.located)
    title = f"Configuration {run.settings.net} on {Path(run.dataset.where).name}"
    sections = [
        _head(run, title, boxes),
        _results(run, boxes),
        section("Training", _curves(run)),
        *_answers(run, boxes),
        section("The network", _network(run)),
        section("How to repeat it", _repeat(run)),
    ]
    return write_html(path, title, sections)


def _has_several(run: Run) -> bool:
    """Whether it was tested with several labels a picture."""
    return bool(run.tests) and run.tests[-1].scores.has_several


def _results(run: Run, boxes: Sequence[Judged]) -> str:
    if boxes:
        return section("Localisation errors", errors_of_boxes(boxes))
    if not run.tests:
        return section("Figures", _figures(run))
    if _has_several(run):
        return section("Average precision", precisions(run.tests))
    return section("Errors", errors(run.tests))


def _answers(run: Run, boxes: Sequence[Judged]) -> list[str]:
    if boxes:
        return sections_of_boxes(boxes)
    if not run.tests:
        return []
    said_of = sections_of_tags if _has_several(run) else sections_of_answers
    return said_of(run.network, run.tests[-1])


def _head(run: Run, title: str, boxes: Sequence[Judged]) -> str:
    parts = {role: f"{count:,}" for role, count in run.pictures.items()}
    epochs = f"{len(run.epochs):,} epoch{'' if len(run.epochs) == 1 else 's'}"
    figures = [
        *_in_short(run, boxes),
        (f"{len(run.dataset.classes):,}", "classes"),
        (parts["train"], "pictures to train on"),
        (parts["validation"], "pictures that chose the weights"),
        (parts.get("test", "none"), "pictures to test on"),
        (_minutes(sum(e.seconds for e in run.epochs)), f"of training, {epochs}"),
    ]
    tiles = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in figures)
    return (
        f"<header><p>verydeep</p><h1>{escape(title)}</h1>"
        f"<p>Simonyan &amp; Zisserman's network (2015) at {_scaled(run)}, trained on "
        f"{escape(run.dataset.where)}; the run is in {escape(str(run.folder))}.</p></header>"
        f'<div class="figures">{tiles}</div>'
    )


def _in_short(run: Run, boxes: Sequence[Judged]) -> Iterator[tuple[str, str]]:
    """Figures of the part that says most, and what they are."""
    if boxes:
        yield from boxes_in_short(boxes)
        return
    if run.tests:
        yield from (tags_in_short if _has_several(run) else errors_in_short)(run.tests)
        return
    *_, (role, came_to) = run.judged.items()
    for figure in run.task.figures:
        yield figure.told(came_to.figures[figure.name]), escape(f"{role} {figure.label}")


def _scaled(run: Run) -> str:
    settings = run.settings
    share = "" if settings.width == 1 else f"{settings.width:g} of "
    scale = scale_text(settings.scale)
    return f"{share}the paper's width, crops of {settings.crop} at S&nbsp;=&nbsp;{scale}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _figures(run: Run) -> str:
    """What each part that was set aside came to."""
    figures = run.task.figures
    rows = [
        (role, *(figure.number(came_to.figures[figure.name]) for figure in figures))
        for role, came_to in run.judged.items()
    ]
    return table(("part", *(escape(figure.heading) for figure in figures)), rows, "numbers") + (
        f"<p>Judged {escape(run.task.judged_by)}. The validation part chose the weights that were "
        f"kept, so that it flatters; the test part is judged once, at the end.</p>"
    )


def _curves(run: Run) -> str:
    best, watched = run.best, run.task.watched
    text = (
        f"<p>The weights of epoch {best.epoch} were kept: the {watched.best} "
        f"{escape(watched.called)} on the validation part, {escape(run.task.judged_by)} "
        f"({escape(watched.told(best.figures[watched.name]))}). {_fall(run)}</p>"
    )
    cuts = _cuts(run)
    plots = (loss_curves(run.epochs, cuts), figure_curve(run.epochs, best, watched, cuts))
    figures = "".join(f"<figure>{plot}</figure>" for plot in plots)
    return f'<div class="plots">{figures}</div>{text}'


def _cuts(run: Run) -> list[int]:
    """The epochs after which the rate was cut."""
    if run.settings.fall != "plateau":
        return []
    return [one.epoch for one, after in pairwise(run.epochs) if after.rate < one.rate]


def _fall(run: Run) -> str:
    """How the rate fell."""
    if run.settings.fall == "plateau":
        return "Dotted lines mark where the rate was divided by 10." if _cuts(run) else ""
    return f"The rate rose to {run.settings.rate:g} and fell along half a cosine."


def _network(run: Run) -> str:
    costs = cost(run.network.table)
    rows = [
        (
            row.name,
            " × ".join(map(str, row.shape)),
            short(row.values),
            short(row.weights) if row.weights else "",
            short(row.multiply_adds) if row.multiply_adds else "",
            f"{row.receptive_field}",
        )
        for row in costs.rows
        if row.kind in MAKERS
    ]
    head = ("layer", "map", "values", "weights", "multiply-adds", "sees, pixels")
    text = (
        f"<p>{costs.weight_layers} weight layers, {costs.parameters:,} parameters, "
        f"{short(costs.multiply_adds)} multiply-adds for one crop.</p>"
    )
    text += _started(run)
    return (
        text + f"<details><summary>Layer by layer</summary>{table(head, rows, 'numbers')}</details>"
    )


def _started(run: Run) -> str:
    """What of the network is another's."""
    if not run.started:
        return ""
    new = ", ".join(run.started.new) or "nothing, its classes being the same"
    tuned = tuned_layers(run.network.table, run.settings.tune)
    trained = "every layer" if run.settings.tune == "all" else f"{', '.join(tuned)} alone"
    return (
        f"<p>Started from {escape(str(run.settings.start))}, with {len(run.started.layers)} of "
        f"its layers and its pixels. New: {new}. Trained: {trained}.</p>"
    )


def _repeat(run: Run) -> str:
    settings = {k: v for k, v in asdict(run.settings).items() if v is not None}
    rows = [
        (
            name,
            escape(str(value)),
            escape(run.reasons.get(name, "the paper's, or ours where it is silent")),
        )
        for name, value in settings.items()
    ]
    every = table(("setting", "value", "why"), rows)
    notes = "".join(f"<li>{escape(note)}</li>" for note in run.notes)
    return (
        f"<pre>{escape(run.command)}</pre><p>The same command on the same data trains the same "
        f"weights, bit for bit, on the same kind of machine. The data's fingerprint is "
        f"<code>{escape(run.dataset.fingerprint)}</code>.</p><ul>{notes}</ul>"
        f"<details><summary>Every setting</summary>{every}</details>"
    )
