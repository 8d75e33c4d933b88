"""What the page of a transfer says beyond errors: precision and recall, the hardest, the map.

In come plain arrays: what was said of each picture for each class, posteriors or decision values,
and the class that each is of. Of pictures with several labels `tags.py` tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np
from jaxtyping import Float, Float32, Int64

from verydeep.descriptors.projections import by_principal_components, by_tsne
from verydeep.evaluation.average_precision import average_precisions, precision_recall_curve
from verydeep.evaluation.metrics import confusion, wrong
from verydeep.evaluation.per_class import class_figures
from verydeep.report.answers import OPEN
from verydeep.report.descriptor_map import Labels, Thumbnail, descriptor_map, spread
from verydeep.report.html import CUE, card, table
from verydeep.report.plots import precision_curve
from verydeep.report.tables import percent

CURVES = 6
"""Classes whose curves are drawn."""
CARDS = 12
"""Pictures that are shown."""


@dataclass(frozen=True)
class Judged:
    """What a classifier said of pictures, which class each is of, and how they are shown."""

    values: Float[np.ndarray, "N K"]
    labels: Labels
    names: Sequence[str]
    classes: Sequence[str]
    picture: Thumbnail

    @cached_property
    def signs(self) -> Int64[np.ndarray, "N K"]:
        """1 where a picture is of a class, and -1 elsewhere."""
        return np.where(self.labels[:, None] == np.arange(len(self.classes)), 1, -1)

    @cached_property
    def average_precisions(self) -> tuple[float | None, ...]:
        """The AP of each class in %, None of one without a picture."""
        return average_precisions(self.values, self.signs, "area").classes


def class_table(judged: Judged) -> str:
    """Precision, recall, F1 and average precision of each class, the lowest F1 first."""
    figures = class_figures(confusion(judged.values, judged.labels))
    counts = np.bincount(judged.labels, minlength=len(judged.classes)).tolist()
    worst_first = sorted(
        range(len(counts)), key=lambda k: (figures[k].f1 is None, figures[k].f1 or 0.0)
    )
    rows = []
    for k in worst_first:
        own = figures[k]
        numbers = (own.precision, own.recall, own.f1, judged.average_precisions[k])
        bar = f'<i style="width:{own.f1 or 0:.1f}%"></i>'
        rows.append((escape(judged.classes[k]), f"{counts[k]:,}", *map(percent, numbers), bar))
    head = ("class", "pictures", "precision, %", "recall, %", "F1, %", "AP, %", "")
    kind, rest = "numbers bars good", rows[OPEN:]
    folded = (
        f"<details><summary>The other {len(rest):,} classes</summary>"
        f"{table(head, rest, kind)}</details>"
        if rest
        else ""
    )
    return f"{CUE}{table(head, rows[:OPEN], kind)}{folded}" + (
        "<p>The lowest F1 first, which the bar is of. AP is the average precision of the ranking "
        "by what was said of the class, the area under the curve made to fall (PASCAL VOC since "
        "2010).</p>"
    )


def curves(judged: Judged, most: int = CURVES) -> str:
    """Precision over recall of the classes with the least average precision."""
    ranked = [(ap, k) for k, ap in enumerate(judged.average_precisions) if ap is not None]
    figures = []
    for ap, k in sorted(ranked)[:most]:
        curve = precision_recall_curve(judged.values[:, k], judged.signs[:, k])
        said = f"<b>{escape(judged.classes[k])}</b> AP {ap:.1f} %"
        plot = precision_curve(curve)
        figures.append(f"<figure>{plot}<figcaption>{said}</figcaption></figure>")
    which = "every class" if len(ranked) <= most else f"the {most} classes with the least AP"
    return f'<div class="curves">{"".join(figures)}</div><p>Of {which}, in the order of AP.</p>'


def hardest(judged: Judged, most: int = CARDS) -> str:
    """The pictures that are right by the least: the class said next is close behind."""
    right = np.flatnonzero(~wrong(judged.values, judged.labels))
    two = np.sort(judged.values[right], axis=1)[:, -2:]
    order = np.argsort(two[:, 1] - two[:, 0], kind="stable")[:most]
    cards = []
    for i in right[order].tolist():
        first, second = np.argsort(-judged.values[i], kind="stable")[:2].tolist()
        (own, value), (other, next_value) = (
            (escape(judged.classes[k]), judged.values[i, k]) for k in (first, second)
        )
        caption = f"<b>{own}</b> {value:.2f}<br>then {other} {next_value:.2f}"
        cards.append(card(judged.picture(i), caption, judged.names[i]))
    return f'<div class="cards">{"".join(cards)}</div>' if cards else "<p>None is right.</p>"


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
        + descriptor_map(
            projection, labels[chosen], named, classes, lambda i: picture(int(chosen[i]))
        )
        for projection in found
        if projection is not None
    )
