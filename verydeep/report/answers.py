"""What the page of a run says of a classifier's answers: errors, mistakes, where it looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from verydeep.evaluation.chance import blind, no_better
from verydeep.evaluation.metrics import class_errors, confusion, interval, mistakes, wrong
from verydeep.nets.network import Network
from verydeep.report.html import card, section, table
from verydeep.report.tables import percent
from verydeep.report.thumbnails import data_uri, score_map_over
from verydeep.verbs.evaluate import Tested

MATRIX = 20
"""Classes up to which confusion is shown as a matrix; of more, the commonest mistakes."""
MISTAKES, MAPS = 12, 8


def errors_in_short(tests: Sequence[Tested]) -> Iterator[tuple[str, str]]:
    """Errors of the last test and what they are, for the head of a page."""
    dense = tests[-1]
    role = dense.scores.role
    low, high = interval(wrong(dense.scores.posteriors, dense.scores.labels))
    yield f"{dense.top1:.1f} %", f"top-1 {role} error, dense; 95 %: {low:.1f} to {high:.1f}"
    if len(dense.scores.classes) > 5:
        yield f"{dense.top5:.1f} %", f"top-5 {role} error, dense"


def sections_of_answers(network: Network, tested: Tested) -> list[str]:
    """What is said of each class and of single pictures."""
    return [
        section("Classes", _classes(tested)),
        section("What is taken for what", _confusion(tested)),
        section("Worst mistakes", _mistakes(network, tested)),
        section("Where the network looks", _maps(network, tested)),
    ]


def errors(tests: Sequence[Tested]) -> str:
    """The errors of every test, with what they are to be held against."""
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


def _mistakes(network: Network, tested: Tested) -> str:
    """The pictures that were most confidently taken for something else."""
    scores = tested.scores
    missed = np.flatnonzero(wrong(scores.posteriors, scores.labels))
    surest = missed[np.argsort(-scores.posteriors[missed].max(1), kind="stable")][:MISTAKES]
    cards = []
    for i in surest:
        taken_for = int(scores.posteriors[i].argmax())
        own, other = (escape(scores.classes[k]) for k in (scores.labels[i], taken_for))
        image = network.pixels.read(tested.part.source(int(i)), network.pixels.test_scale)
        caption = f"<b>{other}</b> {scores.posteriors[i, taken_for]:.0%}<br>is {own}"
        cards.append(card(data_uri(image), caption, scores.names[i]))
    return f'<div class="cards">{"".join(cards)}</div>' if cards else "<p>None at all.</p>"


def _maps(network: Network, tested: Tested) -> str:
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
        image = network.pixels.read(tested.part.source(i), network.pixels.test_scale)
        over = score_map_over(network, image, int(scores.labels[i]))
        both = f'<img src="{data_uri(image)}" alt=""><img src="{data_uri(over)}" alt="">'
        name = escape(scores.classes[scores.labels[i]])
        cards.append(f"<figure>{both}<figcaption><b>{name}</b> {own[i]:.0%}</figcaption></figure>")
    return (
        f'<div class="cards pairs">{"".join(cards)}</div>'
        "<p>The network run densely over each picture: bright where a crop about that place has a "
        "high posterior for the picture's own class, dim where it has a low one. The figure is the "
        "posterior of the whole picture.</p>"
    )
