"""Localisation: the box of a picture's object, by the Euclidean loss (Appendix A of the paper).

The last layer gives a box for each class (per-class regression, PCR), of which that of the
picture's class counts, or one box for whatever class (single-class regression, SCR). Where nets
are to find all of the same few things in every picture, each has its box.

Boxes are (centre x, centre y, width, height) in shares of the crop that is shown. A crop that shows
less than half of the object's area counts nothing; of several objects it is asked for the one of
which it shows most. What it shows a part of is asked for whole. Of things that have a left and a
right one (`left ear`), the one is the other in a mirror image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32, Float64

from verydeep.localisation.guesses import OVERLAP
from verydeep.localisation.shares import boxes_in_shares, boxes_of_shares
from verydeep.localisation.sides import other_sides
from verydeep.nets.network import Network
from verydeep.nets.rows import NUMBERS, PlacesKind
from verydeep.parts.annotations import Labels, counts_of
from verydeep.parts.boxed import with_boxes
from verydeep.parts.dataset import Dataset, Part
from verydeep.pictures.boxes import Boxes, areas, clipped, into_window, iou
from verydeep.pictures.windows import Window
from verydeep.tasks.centre import by_centre
from verydeep.tasks.task import (
    Answers,
    ClassWeights,
    Figure,
    Judgement,
    Rates,
    Scores,
    Targets,
    Task,
)

SHOWN = 0.5
"""The share of an object's area from which on a crop counts."""
ANY = "object"
"""The name of the one box of a net that has one for whatever class."""
SIDES = NUMBERS["boxes"]
RATES = Rates(norms=5e-3, plain=1e-3)
"""docs/results.md has what was tried; the second is the paper's."""
FASTEST, OF_A_CLASS = 0.02, 2e-3
"""Where each class has a box, which learns of its own pictures alone, the rate may be the higher
the more classes there are: up to the first, which was best of ten, and so much for each."""
LEAST = 1e-6
"""What a guess loses at the least, that a loss may be held against it."""


def _target(part: Part, samples: Labels, names: Sequence[str], views: Sequence[Window]) -> Targets:
    """Boxes in shares of the views, 4 for each name, NaN for those that count nothing."""
    pairs = zip(samples.tolist(), views, strict=True)
    found = [_asked(part, i, len(names), view) for i, view in pairs]
    if not isinstance(part.truth, np.ndarray):  # of things, of which some are left or right
        others = other_sides(names)
        found = [
            asked[others] if view.mirrored else asked
            for asked, view in zip(found, views, strict=True)
        ]
    return torch.from_numpy(np.stack(found).reshape(len(samples), -1))


def _asked(part: Part, i: int, names: int, view: Window) -> Float32[np.ndarray, "K 4"]:
    """What is asked of each of so many names in a view of a picture."""
    found = np.full((names, SIDES), np.nan, np.float32)
    for name, boxes in _boxes(part, i, names):
        shown = _most_shown(boxes, view)
        if shown is not None:
            found[name] = shown
    return found


def _boxes(part: Part, i: int, names: int) -> Iterator[tuple[int, Boxes]]:
    """The boxes in a picture by the name that is to find one of them."""
    objects = part.objects and part.objects(i)
    if objects is None:
        return
    boxes, labels = objects.boxes[~objects.difficult], objects.labels[~objects.difficult]
    if isinstance(part.truth, np.ndarray):  # one class, whose objects are meant
        label = int(part.truth[i])
        yield (label if names > 1 else 0), boxes[labels == label]
        return
    for label in np.unique(labels).tolist():
        yield label, boxes[labels == label]


def _most_shown(boxes: Boxes, view: Window) -> Float64[np.ndarray, " 4"] | None:
    """The box of which a view shows most, in its shares; None where it shows too little of it."""
    if not len(boxes):
        return None
    inside = into_window(boxes, view)
    shown, whole = areas(clipped(inside, view.size)), areas(inside)
    chosen = int(shown.argmax())
    if not whole[chosen] or shown[chosen] < SHOWN * whole[chosen]:
        return None
    return np.asarray(boxes_in_shares(boxes[[chosen]], view)[0])


def distance(scores: Scores, targets: Targets, weights: ClassWeights | None) -> torch.Tensor:
    """Half of the squared distance of what is asked for (Caffe's Euclidean loss); else nothing."""
    return ((scores.float() - targets).nan_to_num(0) ** 2).sum(1) / 2


def _guess(network: Network, targets: Targets) -> float:
    """The loss of telling the mean box for whatever is asked for."""
    boxes = targets.view(len(targets), -1, SIDES)
    mean = boxes.flatten(0, 1).nanmean(0).expand_as(boxes).flatten(1)
    return max(float(distance(mean, targets, None).mean()), LEAST)


def _of_centre(found: Answers, crops: Sequence[Window], part: Part) -> Judgement:
    """Mean loss, the share of boxes that are wrong, and their mean overlap, by protocol 1.

    Asked is for the box of the class that is there, of which what lies in the picture counts, as in
    tests. Pictures that cannot be read are left out.
    """
    names = found.shape[1] // SIDES
    overlaps: list[float] = []
    losses = []
    for i in np.flatnonzero(~np.isnan(found[:, 0])).tolist():
        told = clipped(boxes_of_shares(found[i].reshape(names, SIDES), crops[i]), crops[i].picture)
        overlaps += [
            float(iou(told[[name]], boxes).max(initial=0))
            for name, boxes in _boxes(part, i, names)
            if len(boxes)
        ]
        target = torch.from_numpy(_asked(part, i, names, crops[i]).reshape(1, -1))
        losses.append(float(distance(torch.from_numpy(found[[i]]), target, None)))
    wrong = np.array(overlaps) <= OVERLAP
    figures = {"missed": 100 * float(wrong.mean()), "iou": 100 * float(np.mean(overlaps))}
    return Judgement(float(np.mean(losses)), figures)


def _outputs_of(dataset: Dataset) -> tuple[str, ...]:
    return dataset.classes


def _task(
    name: str,
    outputs: Callable[[Dataset], tuple[str, ...]],
    kind: PlacesKind = "boxes",
    several: bool = False,
    rates: Callable[[Part], Rates] = lambda part: RATES,
) -> Task:
    return Task(
        name=name,
        outputs=outputs,
        last_rows=lambda dataset: (f"FC-{SIDES * len(outputs(dataset))}", kind),
        target=_target,
        loss=distance,
        guess=_guess,
        judge=by_centre(_of_centre),
        of_centre=_of_centre,
        figures=(
            Figure("missed", "localisation error", "localisation error"),
            Figure("iou", "mean overlap (IoU)", "overlap", lower_is_better=False),
        ),
        judged_by="by the box of the true class in one centre crop, which is right above an "
        "overlap of one half",
        without_looking=lambda dataset, part: "",
        several=several,
        classes=1,
        by_window=True,
        fitting=with_boxes,
        rates=rates,
    )


def _of_classes(part: Part) -> Rates:
    classes = int((counts_of(part.truth, 1) > 0).sum())
    return replace(RATES, norms=min(FASTEST, max(RATES.norms, OF_A_CLASS * classes)))


LOCALISE = _task("localise", _outputs_of, rates=_of_classes)
LOCALISE_SINGLE = _task("localise-single", lambda dataset: (ANY,))
OBJECTS = _task("objects", _outputs_of, "objects", several=True)
