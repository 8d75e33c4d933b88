"""Points of the same few things in every picture, as the joints of a body, by the Euclidean loss.

The last layer gives x and y of each, in shares of the crop that is shown (Toshev & Szegedy, 2014).
A point that is not told of, or lies outside of the crop, counts nothing. In a mirror image what is
on the left is what is on the right (`left wrist`). A point is found where it
is no farther away than a fifth of the larger side of what the picture's points span (PCK at 0.2),
or, where that is nothing, as of one point, of the picture's larger side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32

from verydeep.errors import UserError, one_line
from verydeep.localisation.shares import points_in_shares, points_of_shares
from verydeep.localisation.sides import other_sides
from verydeep.nets.network import Network
from verydeep.nets.rows import NUMBERS
from verydeep.parts.annotations import Labels, Points
from verydeep.parts.dataset import Dataset, Part
from verydeep.parts.fingerprints import marked
from verydeep.pictures.windows import Window
from verydeep.tasks.centre import by_centre
from verydeep.tasks.localise import LEAST, RATES, distance
from verydeep.tasks.task import Answers, Figure, Judgement, Targets, Task

AXES = NUMBERS["points"]
NEAR = 0.2
"""How far from its place a point is found, of what its picture's points span."""


def _target(part: Part, samples: Labels, names: Sequence[str], views: Sequence[Window]) -> Targets:
    """Points in shares of the views, x and y for each name, NaN for those that count nothing."""
    found, others = [], other_sides(names)
    for i, view in zip(samples.tolist(), views, strict=True):
        asked = _asked(part, i, len(names), view)
        found.append(asked[others] if view.mirrored else asked)
    return torch.from_numpy(np.stack(found).reshape(len(samples), -1))


def _asked(part: Part, i: int, names: int, view: Window) -> Float32[np.ndarray, "K 2"]:
    """What is asked of each of so many names in a view of a picture."""
    found = np.full((names, AXES), np.nan, np.float32)
    points = _points(part, i)
    shares = points_in_shares(points.places, view)
    inside = ((shares >= 0) & (shares <= 1)).all(1)
    found[points.labels[inside]] = shares[inside]
    return found


def _points(part: Part, i: int) -> Points:
    """The points of a picture; none where nothing is said of them."""
    found = part.points and part.points(i)
    return found or Points(np.zeros((0, AXES)), np.zeros(0, np.int64))


def _guess(network: Network, targets: Targets) -> float:
    """The loss of telling the mean place of each."""
    mean = targets.nanmean(0).nan_to_num(0).expand_as(targets)
    return max(float(distance(mean, targets, None).mean()), LEAST)


def _of_centre(found: Answers, crops: Sequence[Window], part: Part) -> Judgement:
    """Mean loss, the share of points that are not found, and how far away they are on average.

    That is in % of what a picture's points span. Pictures that cannot be read are left out.
    """
    names = found.shape[1] // AXES
    off: list[float] = []
    losses = []
    for i in np.flatnonzero(~np.isnan(found[:, 0])).tolist():
        points = _points(part, i)
        told = points_of_shares(found[i].reshape(names, AXES), crops[i])[points.labels]
        off += (np.linalg.norm(told - points.places, axis=1) / _span(points, crops[i])).tolist()
        target = torch.from_numpy(_asked(part, i, names, crops[i]).reshape(1, -1))
        losses.append(float(distance(torch.from_numpy(found[[i]]), target, None)))
    missed = 100 * float((np.array(off) > NEAR).mean()) if off else 100.0
    figures = {"missed": missed, "off": 100 * float(np.mean(off)) if off else 100.0}
    return Judgement(float(np.mean(losses)), figures)


def _span(points: Points, crop: Window) -> float:
    """The larger side of what a picture's points span, or of the picture where that is nothing."""
    if not len(points):
        return float(max(crop.picture))
    return float(np.ptp(points.places, axis=0).max()) or float(max(crop.picture))


def _with_points(dataset: Dataset) -> Dataset:
    """The pictures of which points are told; UserError where there are none.

    The fingerprint has those points in it.
    """
    parts, kept, left_out = {}, list[Points](), 0
    for name, part in dataset.parts.items():
        each = [_points(part, i) for i in range(len(part))]
        told = [i for i, points in enumerate(each) if len(points)]
        parts[name], left_out = part.only(told), left_out + len(part) - len(told)
        kept += [each[i] for i in told]
    if not any(map(len, parts.values())):
        raise UserError(
            f"{one_line(dataset.where)} tells of no points; give a table with a line "
            f"`file,name,x,y` for each, in pixels"
        )
    note = [f"left out, pictures of which no point is told: {left_out:,}"] if left_out else []
    fitted = replace(dataset, parts=parts, notes=(*dataset.notes, *note))
    ends = np.cumsum([len(points) for points in kept], dtype=np.int64)
    rows = [np.concatenate([getattr(one, name) for one in kept]) for name in ("places", "labels")]
    return replace(fitted, fingerprint=marked(fitted, ends, rows))


POINTS = Task(
    name="points",
    outputs=lambda dataset: dataset.classes,
    last_rows=lambda dataset: (f"FC-{AXES * len(dataset.classes)}", "points"),
    target=_target,
    loss=distance,
    guess=_guess,
    judge=by_centre(_of_centre),
    of_centre=_of_centre,
    figures=(
        Figure("missed", "points missed", "points missed"),
        Figure("off", "mean distance", "distance", "% of the points' span"),
    ),
    judged_by="by one centre crop; a point is found within a fifth of what the points span, or "
    "of the picture's side where that is nothing",
    without_looking=lambda dataset, part: "",
    several=True,
    classes=1,
    by_window=True,
    fitting=_with_points,
    rates=lambda part: RATES,
)
