"""Pictures with their true boxes and those of a test: the best, the worst, and what is merged."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Float, Float64
from PIL import Image, ImageOps

from verydeep.errors import PictureError
from verydeep.localisation.boxes_file import Localised
from verydeep.localisation.guesses import Guesses, guesses, own_truth
from verydeep.localisation.merging import RatedBoxes, merged
from verydeep.parts.dataset import Part
from verydeep.pictures.boxes import Boxes, into_window
from verydeep.pictures.reading import read_with_window
from verydeep.report.html import card
from verydeep.report.overlay import COLOURS, Colour, Mark, drawn
from verydeep.report.thumbnails import data_uri
from verydeep.verbs.measure_boxes import Located

SHOWN = 6
"""Of the best boxes, and of the worst."""
MERGED = 3
"""Pictures whose boxes are shown before and after merging."""
SIDE = 240
"""The larger one of a picture that is shown, in pixels."""
LINE = 3
"""Pixels of it that lines are wide; it is shown at about half of its size."""
TRUE, GUESS, OTHER = COLOURS[:3]
FAINT: Colour = (150, 150, 150)

Mine = tuple[Float[np.ndarray, "_ 4"], Colour, bool]
"""Boxes of one colour, and whether they are drawn lightly."""


def best_and_worst(located: Located) -> str:
    """The best box of some classes, and the worst boxes of all, each with the truth."""
    found, made = located.found, guesses(located.found)
    own = own_overlaps(made)
    groups = {"Best, of each class one": _best(found, own), "Worst": _worst(own)}
    cards = (
        f'<h3>{title}</h3><div class="cards whole">'
        + "".join(_compared(located, made, own, i) for i in which)
        + "</div>"
        for title, which in groups.items()
    )
    legend = legend_of({"where the object is": TRUE, "the guess": GUESS})
    beside = "" if found.is_given_class else (
        " Of what is taken for something else it is the box of its own class; pictures that have "
        "this class not among their guesses are left out."
    )  # fmt: skip
    return f"{legend}{''.join(cards)}<p>IoU is how far the two overlap.{beside}</p>"


def own_overlaps(made: Guesses) -> Float64[np.ndarray, " N"]:
    """The IoU of the guess of each picture's own class; NaN where there is none."""
    found = np.where(made.is_label, made.overlaps, -1).max(1)
    return np.where(made.is_label.any(1), found, np.nan)


def _best(found: Localised, own: Float64[np.ndarray, " N"]) -> list[int]:
    """The picture of each class whose box fits best, those first that fit better."""
    order = [int(i) for i in np.argsort(-own, kind="stable") if not np.isnan(own[i])]
    first: dict[int, int] = {}
    for i in order:
        first.setdefault(int(found.labels[i]), i)
    return list(first.values())[:SHOWN]


def _worst(own: Float64[np.ndarray, " N"]) -> list[int]:
    """Pictures whose boxes fit least."""
    order = np.argsort(own, kind="stable")  # NaN comes last
    return [int(i) for i in order[:SHOWN] if not np.isnan(own[i])]


def _compared(located: Located, made: Guesses, own: Float64[np.ndarray, " N"], i: int) -> str:
    """A picture with the true boxes and the guess of its class."""
    found = located.found
    guess = made.boxes[i, [int(made.is_label[i].argmax())]]
    name, first = found.classes[found.labels[i]], found.candidates[i, 0]
    taken = "" if first == found.labels[i] else f"<br>taken for {escape(found.classes[first])}"
    caption = f"<b>{escape(name)}</b> IoU {own[i]:.2f}{taken}"
    shown = shown_with(
        located.part, i, [(guess, GUESS, False), (true_boxes(found, i), TRUE, False)]
    )
    return card(shown, caption, found.names[i])


def before_and_after(located: Located) -> str:
    """Boxes of the first guess of some pictures at all positions, and once they are merged."""
    found = located.found
    if found.threshold is None or found.members:
        return ""
    cards = "".join(_merging(located, i) for i in _some(found))
    legend = legend_of({
        "where the object is": TRUE, "surest boxes, and the guess": GUESS, "other boxes": FAINT,
    })  # fmt: skip
    return cards and (
        f'{legend}<div class="cards whole pairs">{cards}</div><p>On the left the boxes of the most '
        f"probable class at every position, the brighter the higher their rating; on the right "
        f"what is left of them once those that match are merged, up to {found.threshold:g}.</p>"
    )


def _some(found: Localised) -> list[int]:
    """Pictures that are taken for what they are, from those that fit well to those that do not."""
    made = guesses(found)
    right = np.flatnonzero(made.is_label[:, 0])
    order = right[np.argsort(-made.overlaps[right, 0], kind="stable")]
    places = np.linspace(0, len(order) - 1, MERGED + 2)[1:-1].round().astype(int)
    return [int(order[k]) for k in np.unique(places)] if len(order) else []


def _merging(located: Located, i: int) -> str:
    found = located.found
    rows = slice(int(found.ends[i] - found.counts[i]), int(found.ends[i]))
    boxes, ratings = found.boxes[rows, 0].astype(np.float64), found.ratings[rows, 0]
    given = RatedBoxes(boxes, ratings.astype(np.float64), np.array([len(boxes)]))
    left = merged(given, found.threshold or 0.0)
    true: Mine = (true_boxes(found, i), TRUE, False)
    order = np.argsort(-ratings, kind="stable")
    most = float(ratings.max()) or 1.0
    before = [(boxes[[k]], _between(float(ratings[k]) / most), True) for k in order]
    strongest = int(left.ratings.argmax())
    others = np.delete(left.boxes, strongest, 0)
    after: list[Mine] = [(left.boxes[[strongest]], GUESS, False), (others, FAINT, True)]
    pictures = (shown_with(located.part, i, [true, *marks]) for marks in (before, after))
    images = "".join(f'<img src="{uri}" alt="">' for uri in pictures if uri)
    name = escape(found.classes[found.labels[i]])
    said = f"<b>{name}</b> {_count(len(boxes))}, {len(left.boxes):,} once merged"
    return f"<figure><div>{images}</div><figcaption>{said}</figcaption></figure>"


def _count(boxes: int) -> str:
    return f"{boxes:,} box{'' if boxes == 1 else 'es'}"


def _between(share: float) -> Colour:
    """The colour of a box with such a share of the highest rating."""
    red, green, blue = (round(f + (g - f) * share) for f, g in zip(FAINT, GUESS, strict=True))
    return red, green, blue


def true_boxes(found: Localised, i: int) -> Boxes:
    """The boxes of the objects that a picture is to be found by."""
    picture, boxes = own_truth(found)
    return np.asarray(boxes[picture == i])


def shown_with(part: Part, i: int, boxes: Sequence[Mine]) -> str | None:
    """A picture with boxes on it, those first over the others; None where it cannot be read."""
    try:
        image, window = read_with_window(part.source(i), smaller_side=SIDE)
    except PictureError:
        return None
    small = ImageOps.contain(Image.fromarray(image), (SIDE, SIDE))
    window = part.of_original(i, window).rescaled((small.height, small.width))
    marks = [
        Mark(tuple(box), colour, is_light=is_light)
        for some, colour, is_light in boxes
        for box in into_window(some, window).tolist()
    ]
    return data_uri(np.asarray(drawn(np.asarray(small), marks, SIDE, LINE)), SIDE)


def legend_of(lines: dict[str, Colour]) -> str:
    """What the colours of lines stand for."""
    spans = "".join(
        f'<span><svg viewBox="0 0 26 16"><rect width="26" height="16" rx="3" fill="#222"/><rect '
        f'x="4" y="4" width="18" height="8" fill="none" stroke-width="2" stroke="rgb{colour}"/>'
        f"</svg>{what}</span>"
        for what, colour in lines.items()
    )
    return f'<div class="legend">{spans}</div>'
