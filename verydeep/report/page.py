"""The page of a run: one HTML file without outside links, for any screen, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

import numpy as np

from verydeep.evaluation.chance import blind, no_better
from verydeep.evaluation.metrics import class_errors, confusion, interval, mistakes, wrong
from verydeep.nets.cost import MAKERS, cost
from verydeep.report.html import card, section, table, write_html
from verydeep.report.plots import error_curve, loss_curves
from verydeep.report.tables import percent, short
from verydeep.report.thumbnails import data_uri, score_map_over
from verydeep.training.settings import scale_text
from verydeep.training.state import tuned_layers
from verydeep.verbs.evaluate import Tested
from verydeep.verbs.train import Run

MATRIX = 20
"""Classes up to which confusion is shown as a matrix; of more, the commonest mistakes."""
MISTAKES, MAPS = 12, 8


def write_page(run: Run, path: Path | None = None) -> Path:
    """Writes the page of a finished run, by default `report.html` in its folder; gives its path."""
    path = path or run.folder / "report.html"
    tested = run.tests[-1]
    title = f"Configuration {run.settings.net} on {Path(run.dataset.where).name}"
    sections = [
        _head(run, title),
        section("Errors", _errors(run.tests)),
        section("Training", _curves(run)),
        section("Classes", _classes(tested)),
        section("What is taken for what", _confusion(tested)),
        section("Worst mistakes", _mistakes(run, tested)),
        section("Where the network looks", _maps(run, tested)),
        section("The network", _network(run)),
        section("How to repeat it", _repeat(run)),
    ]
    return write_html(path, title, sections)


def _head(run: Run, title: str) -> str:
    dense = run.tests[-1]
    role = dense.scores.role
    low, high = interval(wrong(dense.scores.posteriors, dense.scores.labels))
    parts = {name: f"{len(part):,}" for name, part in run.dataset.parts.items()}
    figures = [
        (f"{dense.top1:.1f} %", f"top-1 {role} error, dense; 95 %: {low:.1f} to {high:.1f}"),
        (f"{dense.top5:.1f} %", f"top-5 {role} error, dense"),
        (f"{len(run.dataset.classes):,}", "classes"),
        (parts["train"], "pictures to train on"),
        (parts["validation"], "pictures that chose the weights"),
        (parts.get("test", "none"), "pictures to test on"),
        (_minutes(sum(e.seconds for e in run.epochs)), f"of training, {len(run.epochs)} epochs"),
    ]
    if len(run.dataset.classes) <= 5:
        del figures[1]
    tiles = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in figures)
    return (
        f"<header><p>verydeep</p><h1>{escape(title)}</h1>"
        f"<p>Simonyan &amp; Zisserman's network (2015) at {_scaled(run)}, trained on "
        f"{escape(run.dataset.where)}; the run is in {escape(str(run.folder))}.</p></header>"
        f'<div class="figures">{tiles}</div>'
    )


def _scaled(run: Run) -> str:
    settings = run.settings
    share = "" if settings.width == 1 else f"{settings.width:g} of "
    scale = scale_text(settings.scale)
    return f"{share}the paper's width, crops of {settings.crop} at S&nbsp;=&nbsp;{scale}"


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _errors(tests: Sequence[Tested]) -> str:
    scores = tests[-1].scores
    blindly = str(blind(scores.labels, scores.classes))
    warning = no_better(scores.posteriors, scores.labels, scores.classes)
    more = f" This network is {warning}." if warning else ""
    rows = []
    for t in tests:
        low, high = interval(wrong(t.scores.posteriors, t.scores.labels))
        label = escape(f"{t.scores.role}, {t.scores.protocol}")
        errors = percent(t.top1), f"{low:.1f} to {high:.1f}", percent(t.top5)
        rows.append((label, f"{len(t.scores.labels):,}", *errors))
    head = ("part, protocol", "pictures", "top-1 error, %", "95 % interval", "top-5 error, %")
    last = tests[-1].scores.role
    none = "" if last == "test" else " This data has none."
    return table(head, rows, "numbers") + (
        f"<p>The validation part chose the weights that were kept, so its error flatters; the test "
        f"part is tested once, at the end.{none} An interval is where the error lies with 95 % "
        f"confidence for other pictures of the kind; another seed is another network.</p>"
        "<p>Q is the smaller side that pictures are rescaled to, in pixels. Dense runs the network "
        "over the whole picture and its mirror image; the scores are averaged over space before "
        "the soft-max, the posteriors over both (Sect. 3.2 of the paper).</p>"
        f"<p>{escape(blindly[0].upper() + blindly[1:] + '.' + more)}</p>"
    )


def _curves(run: Run) -> str:
    best = run.best
    text = (
        f"<p>The weights of epoch {best.epoch} were kept: the lowest error on the validation part, "
        f"by one centre crop ({best.top1:.1f} %). Dotted lines mark where the rate was divided by "
        f"10.</p>"
    )
    plots = (loss_curves(run.epochs), error_curve(run.epochs, best))
    figures = "".join(f"<figure>{plot}</figure>" for plot in plots)
    return f'<div class="plots">{figures}</div>{text}'


def _classes(tested: Tested) -> str:
    scores = tested.scores
    errors = class_errors(scores.posteriors, scores.labels)
    rows = []
    for i in sorted(range(len(errors)), key=lambda i: -(errors[i] or 0)):
        error = errors[i]
        bar = f'<i style="width:{error or 0:.1f}%"></i>'
        count = int((scores.labels == i).sum())
        rows.append((escape(scores.classes[i]), f"{count:,}", percent(error), bar))
    return table(("class", "pictures", "top-1 error, %", ""), rows, "numbers bars") + (
        f"<p>The {scores.part} part; {escape(str(scores.protocol))}.</p>"
    )


def _confusion(tested: Tested) -> str:
    posteriors, labels = tested.scores.posteriors, tested.scores.labels
    classes = [escape(name) for name in tested.scores.classes]
    if len(classes) > MATRIX:
        return _commonest(mistakes(posteriors, labels), classes)
    counts = confusion(posteriors, labels)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    head = "".join(f"<th><span>{name}</span></th>" for name in classes)
    body = "".join(
        f"<tr><th>{name}</th>"
        + "".join(
            f'<td class="{"right" if i == j else "mistake"}" style="--share:{shares[i, j]:.3f}" '
            f'title="{name} taken for {classes[j]}: {counts[i, j]}">{counts[i, j] or ""}</td>'
            for j in range(len(classes))
        )
        + "</tr>"
        for i, name in enumerate(classes)
    )
    return (
        f'<div class="scroll"><table class="matrix"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
        "<p>A row is what the picture shows, a column what it was taken for.</p>"
    )


def _commonest(
    found: Sequence[tuple[int, int, int]], classes: Sequence[str], most: int = 20
) -> str:
    rows = [(classes[i], classes[j], f"{n}") for n, i, j in found[:most]]
    return table(("shows", "taken for", "pictures"), rows, "numbers")


def _mistakes(run: Run, tested: Tested) -> str:
    """The pictures that were most confidently taken for something else."""
    scores = tested.scores
    missed = np.flatnonzero(wrong(scores.posteriors, scores.labels))
    surest = missed[np.argsort(-scores.posteriors[missed].max(1), kind="stable")][:MISTAKES]
    cards = []
    for i in surest:
        taken_for = int(scores.posteriors[i].argmax())
        own, other = (escape(scores.classes[k]) for k in (scores.labels[i], taken_for))
        image = run.network.pixels.read(tested.part.source(int(i)), run.network.pixels.test_scale)
        caption = f"<b>{other}</b> {scores.posteriors[i, taken_for]:.0%}<br>is {own}"
        cards.append(card(data_uri(image), caption, scores.names[i]))
    return f'<div class="cards">{"".join(cards)}</div>' if cards else "<p>None at all.</p>"


def _maps(run: Run, tested: Tested) -> str:
    """Score maps of pictures of different classes, those first that are surely right."""
    scores = tested.scores
    own = scores.posteriors[np.arange(len(scores.labels)), scores.labels]
    chosen = []
    for label in np.unique(scores.labels):
        members = np.flatnonzero(scores.labels == label)
        chosen.append(int(members[np.argsort(own[members])[-(len(members) // 4 + 1)]]))
    chosen = sorted(chosen, key=lambda i: -own[i])[:MAPS]
    cards = []
    for i in chosen:
        image = run.network.pixels.read(tested.part.source(i), run.network.pixels.test_scale)
        over = score_map_over(run.network, image, int(scores.labels[i]))
        both = f'<img src="{data_uri(image)}" alt=""><img src="{data_uri(over)}" alt="">'
        name = escape(scores.classes[scores.labels[i]])
        cards.append(f"<figure>{both}<figcaption><b>{name}</b> {own[i]:.0%}</figcaption></figure>")
    return (
        f'<div class="cards pairs">{"".join(cards)}</div>'
        "<p>The network run densely over each picture: bright where a crop about that place has a "
        "high posterior for the picture's own class, dim where it has a low one. The figure is the "
        "posterior of the whole picture.</p>"
    )


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
    new = ", ".join(run.started["new"]) or "nothing, its classes being the same"
    tuned = tuned_layers(run.network, run.settings.tune)
    trained = "every layer" if run.settings.tune == "all" else f"{', '.join(tuned)} alone"
    return (
        f"<p>Started from {escape(str(run.settings.start))}, with {len(run.started['layers'])} of "
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
