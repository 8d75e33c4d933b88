"""What a page says of a classifier on descriptors: classes, curves, mistakes, and the map.

In come plain arrays: what was said of each picture for each class, posteriors or decision values,
and what is true. Where pictures may be of several classes, each class is a question of its own,
answered with yes above a threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int64

from verydeep.evaluation.average_precision import average_precision, precision_recall_curve
from verydeep.evaluation.per_class import ClassFigures, class_figures
from verydeep.report.answers import OPEN, confusions
from verydeep.report.descriptor_map import Labels, Thumbnail, descriptor_map, spread
from verydeep.report.html import CUE, card, section, table
from verydeep.report.plots import precision_curve
from verydeep.report.tables import percent
from verydeep.transfer.projections import by_principal_components, by_tsne

CURVES = 6
"""Classes whose curves are drawn."""
CARDS = 12
"""Pictures of each kind."""


@dataclass(frozen=True)
class Judged:
    """What a classifier said of pictures, what is true, and how they are shown.

    `truth` is the class of each picture, [N], or where there may be several, [N, K]: 1 it is of the
    class, -1 it is not, 0 nobody can tell. Of several, values above `threshold` say yes.
    """

    values: Float[np.ndarray, "N K"]
    truth: Int[np.ndarray, "N ..."]
    names: Sequence[str]
    classes: Sequence[str]
    picture: Thumbnail
    threshold: float = 0.0

    @property
    def several(self) -> bool:
        """Whether pictures may be of several classes."""
        return self.truth.ndim == 2

    @cached_property
    def signs(self) -> Int[np.ndarray, "N K"]:
        """1 where a picture is of a class, -1 where not, 0 where nobody can tell."""
        if self.several:
            return self.truth
        return np.where(self.truth[:, None] == np.arange(len(self.classes)), 1, -1)

    @cached_property
    def yes(self) -> Bool[np.ndarray, "N K"]:
        """What was said: the class of the largest value, or those above the threshold."""
        if self.several:
            return self.values > self.threshold
        return np.asarray(self.values.argmax(1)[:, None] == np.arange(len(self.classes)))


def sections_of_judged(judged: Judged) -> list[str]:
    """All that is said of classes and single pictures, as sections of a page."""
    taken = "" if judged.several else confusions(judged.values, judged.truth, judged.classes)
    answers = Answers.of(judged)
    return [
        section("Classes", class_table(judged)),
        section("Precision and recall", curves(judged)),
        section("What is taken for what", taken),
        section("Worst misses", cards(judged, answers, answers.least(wrong=True))),
        section("Right, but only just", cards(judged, answers, answers.least(wrong=False))),
    ]


def class_table(judged: Judged) -> str:
    """Precision, recall, F1 and average precision of each class, the worst first."""
    found = []
    for k, name in enumerate(judged.classes):
        figures, signs = _figures(judged, k), judged.signs[:, k]
        ap = average_precision(judged.values[:, k], signs, "area")
        bar = f'<i style="width:{figures.f1 or 0:.1f}%"></i>'
        numbers = [percent(n) for n in (figures.precision, figures.recall, figures.f1, ap)]
        row = (escape(name), f"{int((signs > 0).sum()):,}", *numbers, bar)
        found.append((-1.0 if figures.f1 is None else figures.f1, row))
    rows = [row for _, row in sorted(found, key=lambda one: one[0])]
    head = ("class", "pictures", "precision, %", "recall, %", "F1, %", "AP, %", "")
    kind, rest = "numbers bars good", rows[OPEN:]
    folded = (
        f"<details><summary>The other {len(rest):,} classes</summary>"
        f"{table(head, rest, kind)}</details>"
        if rest
        else ""
    )
    by = (
        f"a value above {judged.threshold:g} says that a picture is of the class"
        if judged.several
        else "a picture is taken for the class of its largest value"
    )
    said = (
        f"<p>The lowest F1 first, which the bar is of; {by}. AP is the average precision of the "
        f"ranking by value, the area under the curve made to fall (PASCAL VOC since 2010).</p>"
    )
    return f"{CUE}{table(head, rows[:OPEN], kind)}{folded}{said}"


def _figures(judged: Judged, k: int) -> ClassFigures:
    """Those of a class against all others, of the pictures of which somebody can tell."""
    told = judged.signs[:, k] != 0
    true, said = judged.signs[told, k] > 0, judged.yes[told, k]
    counts = np.bincount(2 * true + said, minlength=4).reshape(2, 2)
    return class_figures(counts)[1]


def curves(judged: Judged, most: int = CURVES) -> str:
    """Precision over recall of the classes with the least average precision."""
    ranked = []
    for k in range(len(judged.classes)):
        ap = average_precision(judged.values[:, k], judged.signs[:, k], "area")
        if ap is not None:
            ranked.append((ap, k))
    figures = []
    for ap, k in sorted(ranked)[:most]:
        curve = precision_recall_curve(judged.values[:, k], judged.signs[:, k])
        said = f"<b>{escape(judged.classes[k])}</b> AP {ap:.1f} %"
        plot = precision_curve(curve.precision, curve.recall)
        figures.append(f"<figure>{plot}<figcaption>{said}</figcaption></figure>")
    which = "every class" if len(ranked) <= most else f"the {most} classes with the least AP"
    return f'<div class="curves">{"".join(figures)}</div><p>Of {which}, in the order of AP.</p>'


@dataclass(frozen=True)
class Answers:
    """Answers one by one: of which picture and class, how far on the right side, and whether wrong.

    Where a picture has one class its margin is the value of that above the best of the others'.
    """

    places: Int64[np.ndarray, " A"]
    classes: Int64[np.ndarray, " A"]
    margins: Float[np.ndarray, " A"]
    wrong: Bool[np.ndarray, " A"]

    @classmethod
    def of(cls, judged: Judged) -> Answers:
        """All of a classifier's: of each picture, or of each class of each picture."""
        if judged.several:
            places, classes = np.nonzero(judged.signs)
            signs, values = judged.signs[places, classes], judged.values[places, classes]
            wrong = judged.yes[places, classes] != (signs > 0)
            return cls(places, classes, signs * (values - judged.threshold), wrong)
        places, own = np.arange(len(judged.truth)), judged.truth
        others = np.where(judged.signs > 0, -np.inf, judged.values)
        margins = judged.values[places, own] - others.max(1)
        return cls(places, judged.values.argmax(1), margins, ~judged.yes[places, own])

    def least(self, wrong: bool, most: int = CARDS) -> list[int]:
        """Those that are wrong, or right, of the least margin."""
        chosen = np.flatnonzero(self.wrong == wrong)
        return [int(i) for i in chosen[np.argsort(self.margins[chosen], kind="stable")][:most]]


def cards(judged: Judged, answers: Answers, chosen: Sequence[int]) -> str:
    """Pictures with what was said of them."""
    shown = []
    for n in chosen:
        place, k = int(answers.places[n]), int(answers.classes[n])
        caption = _caption(judged, place, k)
        shown.append(card(judged.picture(place), caption, judged.names[place]))
    return f'<div class="cards">{"".join(shown)}</div>' if shown else "<p>None at all.</p>"


def _caption(judged: Judged, place: int, k: int) -> str:
    """What was said of a picture, and what is true."""
    said, value = escape(judged.classes[k]), judged.values[place]
    if judged.several:
        is_it = "it is" if judged.signs[place, k] > 0 else "it is not"
        return f"<b>{said}</b> {value[k]:.2f}<br>{is_it}"
    own = int(judged.truth[place])
    if own == k:
        second = int(np.where(np.arange(len(value)) == k, -np.inf, value).argmax())
        then = f"then {escape(judged.classes[second])} {value[second]:.2f}"
        return f"<b>{said}</b> {value[k]:.2f}<br>{then}"
    return f"<b>{said}</b> {value[k]:.2f}<br>is {escape(judged.classes[own])} {value[own]:.2f}"


def maps(
    rows: Float32[np.ndarray, "N D"],
    labels: Labels,
    names: Sequence[str],
    classes: Sequence[str],
    picture: Thumbnail,
) -> str:
    """Descriptors in a plane, by principal components and, where openTSNE is installed, t-SNE.

    A label of -1 is of a picture without a class, or with several. Of some thousands and more, a
    choice spread over all is shown.
    """
    chosen = spread(len(rows))
    named = [names[i] for i in chosen.tolist()]
    found = [by_principal_components(rows[chosen]), by_tsne(rows[chosen])]
    return "".join(
        f"<h3>{projection.name}</h3>"
        + descriptor_map(projection, labels[chosen], named, classes, lambda i: picture(chosen[i]))
        for projection in found
        if projection is not None
    )
