"""What the page of a run says of answers with several labels a picture: each class by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from verydeep.evaluation.average_precision import precision_recall_curve
from verydeep.evaluation.several import answers, blind_map
from verydeep.insight.score_maps import score_maps
from verydeep.nets.network import HALF, Network
from verydeep.report.answers import CHOSE
from verydeep.report.html import card, section, table
from verydeep.report.plots import precision_curve
from verydeep.report.tables import percent
from verydeep.report.thumbnails import data_uri, lit
from verydeep.verbs.measure import Tested

CURVES = 24
"""Classes whose curves are shown, those with the lowest average precision first."""
SHOWN = 8
"""Pictures of each kind."""
NAMED = 4
"""Labels of a picture that are told, at most."""


def tags_in_short(tests: Sequence[Tested]) -> Iterator[tuple[str, str]]:
    """The mAP of the last test and what it is, for the head of a page."""
    scores = tests[-1].scores
    low, high = scores.interval
    yield f"{scores.map:.1f} %", f"{scores.role} mAP, dense; 95 %: {low:.1f} to {high:.1f}"


def precisions(tests: Sequence[Tested], chose: str = CHOSE) -> str:
    """The mAP of every test, with what it is to be held against, and what the parts chose."""
    rows = []
    for tested in tests:
        scores = tested.scores
        low, high = scores.interval
        label = escape(f"{scores.role}, {scores.protocol}")
        rows.append(
            (label, f"{len(scores.names):,}", percent(scores.map), f"{low:.1f} to {high:.1f}")
        )
    last = tests[-1].scores
    return table(("part, protocol", "pictures", "mAP, %", "95 % interval"), rows, "numbers") + (
        "<p>The mean over classes of average precision: the area under precision over recall, the "
        f"precision made to fall (PASCAL VOC since 2010). {chose} An interval is where the mAP "
        "lies with 95 % confidence for other pictures of the kind, by a bootstrap.</p>"
        f"<p>Without looking: any order of the pictures has a mAP of about "
        f"{blind_map(last.signs):.1f} %.</p>"
    )


def sections_of_tags(network: Network, tested: Tested) -> list[str]:
    """What is said of each class and of single pictures."""
    return [
        section("Classes", _classes(tested)),
        section("Precision over recall", _curves(tested)),
        section("Surest answers, and where the network looks", _surest(network, tested)),
        section("Named, and not there", _cards(network, tested, _wrongly_named(tested))),
        section("There, and least seen", _cards(network, tested, _least_seen(tested))),
    ]


def _classes(tested: Tested) -> str:
    """The figures of each class, the lowest average precision first."""
    scores = tested.scores
    found, counts = answers(scores.posteriors, scores.signs), (scores.signs > 0).sum(0)
    rows = []
    for k in _worst_first(tested):
        own, precision = found[k], scores.average_precisions[k]
        bar = f'<i style="width:{precision or 0:.1f}%"></i>'
        figures = map(percent, (precision, own.precision, own.recall, own.f1))
        rows.append((escape(scores.classes[k]), f"{counts[k]:,}", *figures, bar))
    head = ("class", "pictures", "average precision, %", "precision", "recall", "F1", "")
    return table(head, rows, "numbers bars") + (
        f"<p>The {scores.part} part; {escape(str(scores.protocol))}. Precision, recall and F1, in "
        f"%, are those of naming a class from a posterior of 0.5 on.</p>"
    )


def _worst_first(tested: Tested) -> list[int]:
    """Classes that have pictures, by their average precision; then those without."""
    found = tested.scores.average_precisions
    return sorted(range(len(found)), key=lambda k: (found[k] is None, found[k] or 0.0))


def _curves(tested: Tested) -> str:
    scores = tested.scores
    figures = []
    for k in _worst_first(tested)[:CURVES]:
        if (own := scores.average_precisions[k]) is None:
            continue
        curve = precision_recall_curve(scores.posteriors[:, k], scores.signs[:, k])
        plot = precision_curve(curve)
        name = escape(scores.classes[k])
        figures.append(f"<figure>{plot}<figcaption><b>{name}</b> {own:.1f} %</figcaption></figure>")
    return f'<div class="curves">{"".join(figures)}</div>'


def _surest(network: Network, tested: Tested) -> str:
    """The most probable of each class's own pictures, those first that are surest; score maps."""
    scores = tested.scores
    best = np.where(scores.signs > 0, scores.posteriors, -1).argmax(0)
    right = [(int(i), k) for k, i in enumerate(best) if scores.signs[i, k] > 0]
    cards = []
    for i, k in sorted(right, key=lambda one: -scores.posteriors[one])[:SHOWN]:
        image = network.pixels.read(tested.part.source(i), network.pixels.test_scale)
        (heat,) = score_maps(network, image, [k])
        pictures = (image, lit(image, heat))
        images = "".join(f'<img src="{data_uri(picture)}" alt="">' for picture in pictures)
        said = f"<b>{escape(scores.classes[k])}</b> {scores.posteriors[i, k]:.0%}"
        cards.append(f"<figure><div>{images}</div><figcaption>{said}</figcaption></figure>")
    return (
        f'<div class="cards maps">{"".join(cards)}</div>'
        "<p>Of each class the picture of it that has the highest posterior. The network is run "
        "densely over it: the brighter a place, the higher the posterior of a crop about it.</p>"
    )


def _wrongly_named(tested: Tested) -> list[tuple[int, int]]:
    """(picture, class) of the highest posteriors, from 0.5 on, of what a picture is not of."""
    scores = tested.scores
    named = (scores.signs < 0) & (scores.posteriors >= HALF)
    return _first(np.where(named, -scores.posteriors, np.inf))


def _least_seen(tested: Tested) -> list[tuple[int, int]]:
    """(picture, class) of the lowest posteriors of classes that the picture is of."""
    scores = tested.scores
    return _first(np.where(scores.signs > 0, scores.posteriors, np.inf))


def _first(costs: np.ndarray) -> list[tuple[int, int]]:
    """The (row, column) of the lowest, one a row."""
    columns = costs.argmin(1)
    lowest = costs.min(1)
    rows = [i for i in np.argsort(lowest, kind="stable")[:SHOWN] if np.isfinite(lowest[i])]
    return [(int(i), int(columns[i])) for i in rows]


def _cards(network: Network, tested: Tested, found: Sequence[tuple[int, int]]) -> str:
    scores = tested.scores
    cards = []
    for i, k in found:
        image = network.pixels.read(tested.part.source(i), network.pixels.test_scale)
        true = [escape(scores.classes[c]) for c in np.flatnonzero(scores.signs[i] > 0)]
        more = f" and {len(true) - NAMED} more" if len(true) > NAMED else ""
        shows = f"shows {', '.join(true[:NAMED])}{more}" if true else "shows none"
        caption = f"<b>{escape(scores.classes[k])}</b> {scores.posteriors[i, k]:.0%}<br>{shows}"
        cards.append(card(data_uri(image), caption, scores.names[i]))
    return f'<div class="cards">{"".join(cards)}</div>' if cards else "<p>None at all.</p>"
