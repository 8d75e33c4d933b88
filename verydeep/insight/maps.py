"""Maps of a picture: where the score of a class comes from, by one method or several.

In come a view of a picture, a class and the names of methods; out come maps, which lie on the
pixels of the view, and with that on those of the original picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from verydeep.engines.engine import Engine
from verydeep.insight.attribution import gradcam, integrated, telling, usual_row
from verydeep.insight.naming import METHODS
from verydeep.insight.occlusion import occluded
from verydeep.insight.score_maps import score_maps, spread
from verydeep.insight.signals import DECONVNET, GRADIENT, GUIDED, of_class, of_value, signal
from verydeep.insight.view import Values, View, on_picture, per_grey_level
from verydeep.nets.table import SCORES
from verydeep.pictures.windows import Window
from verydeep.runtime.progress import SILENT, Progress

_RULES = {"gradient": GRADIENT, "guided": GUIDED}


@dataclass(frozen=True)
class Map:
    """Numbers for the pixels of a view by one method, in a unit, and what is said of them.

    "guided" and "deconvnet" have one for each colour, all others one; those of
    "occlusion-classes" are numbers of classes.
    """

    method: str
    values: Values
    window: Window
    unit: str
    said: str = ""

    def on_picture(self) -> Values:
        """The same for the pixels of the upright original picture."""
        if self.method != "occlusion-classes":
            return on_picture(self.values, self.window)
        places = [_nearest(self.window, axis) for axis in (0, 1)]
        return np.ascontiguousarray(self.values[np.ix_(*places)])


def _nearest(window: Window, axis: int) -> np.ndarray:
    """The pixel of a view that each pixel of its picture is nearest to, along an axis."""
    middles = np.arange(window.picture[axis]) + 0.5
    places = np.floor(middles * window.scale[axis] + window.offset[axis]).astype(np.int64)
    return np.asarray(places.clip(0, window.size[axis] - 1))


def maps_of(
    view: View,
    label: int,
    methods: Sequence[str],
    engine: Engine,
    row: str | None = None,
    progress: Progress = SILENT,
) -> Iterator[Map]:
    """The maps of a class by these methods, in the order of `METHODS`; occlusion gives three.

    `row` is that of Grad-CAM, of the value that a DeconvNet projects, and of the map that occlusion
    follows. The engine runs what wants no gradient.
    """
    for method in METHODS:
        if method not in methods:
            continue
        if method == "scores":
            yield _scores(view, label, engine)
        elif method in _RULES:
            yield _signal(view, label, method)
        elif method == "deconvnet":
            yield _deconvnet(view, label, row or usual_row(view.network.table))
        elif method == "gradcam":
            yield _gradcam(view, label, row or usual_row(view.network.table))
        elif method == "integrated":
            yield _integrated(view, label, progress)
        else:
            yield from _occlusion(view, label, engine, row, progress)


def _scores(view: View, label: int, engine: Engine) -> Map:
    (heat,) = score_maps(view.network, view.image, [label], engine)
    of = "each place's share of the scores" if view.network.table.pooled else "the crop about it"
    return Map("scores", heat.astype(np.float32), view.window, "posterior", f"by {of}")


def _signal(view: View, label: int, method: str) -> Map:
    found = signal(view.network, view.images(), SCORES, of_class(label), _RULES[method])[0]
    values = view.of_pixels(per_grey_level(found, view.network.pixels))
    if method == "gradient":
        values = np.abs(values).max(2)
        said = "the largest of the three colours"
    else:
        said = "of the class score, in colour"
    return Map(method, values, view.window, "score per grey level", said)


def _deconvnet(view: View, label: int, row: str) -> Map:
    """The projection of the one value of a row that speaks most for the class."""
    images = view.images()
    of = telling(view.network, images, label, row)
    found = signal(view.network, images, row, of_value(of.unit, of.place), DECONVNET)[0]
    values = view.of_pixels(per_grey_level(found, view.network.pixels))
    said = f"of the value at {row} that says most for the class: map {of.unit}, {of.activation:.3g}"
    return Map("deconvnet", values, view.window, "of the signal", said)


def _gradcam(view: View, label: int, row: str) -> Map:
    found = gradcam(view.network, view.images(), label, row)
    return Map("gradcam", view.of_row(found, row), view.window, "score", f"at {row}")


def _integrated(view: View, label: int, progress: Progress) -> Map:
    found = integrated(view.network, view.images(), label, progress=progress)
    values = view.of_pixels(found.values.sum(0)[..., None].cpu().numpy())[..., 0]
    apart = found.score - found.baseline
    said = (
        f"sums to {found.score - found.baseline + found.residual:.3g}, where the score is "
        f"{apart:.3g} above a black picture's: off by {found.residual / (apart or 1):.1%}"
    )
    return Map("integrated", values, view.window, "score", said)


def _occlusion(
    view: View, label: int, engine: Engine, row: str | None, progress: Progress
) -> Iterator[Map]:
    found = occluded(engine, view.image, label, row, progress=progress)
    places, size = (found.rows, found.columns), view.image.shape[:2]
    square = f"a grey square of {found.side} pixels about each place"

    def spread_out(values: np.ndarray) -> Values:
        return spread(values, size, places).astype(np.float32)

    yield Map("occlusion", spread_out(found.posteriors), view.window, "posterior",
              f"with {square}; {found.posterior:.0%} without")  # fmt: skip
    strongest = f"sum of map {found.unit} of {found.layer}, {found.activation:.3g} without"
    yield Map("occlusion-activation", spread_out(found.activations), view.window, "activation",
              strongest)  # fmt: skip
    rows, columns = (
        np.abs(along[:, None] - (np.arange(n) + 0.5)).argmin(0)
        for along, n in zip(places, size, strict=True)
    )
    classes = found.classes[np.ix_(rows, columns)].astype(np.float32)
    yield Map("occlusion-classes", classes, view.window, "class", "the most probable class")
