"""Sanity: explained pictures in, and whether their maps are to be believed out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from verydeep import randomness
from verydeep.benchmarks.ilsvrc_lists import class_key
from verydeep.engines.engine import engine_for
from verydeep.errors import PictureError, UserError
from verydeep.insight.maps import Map, maps_of
from verydeep.insight.naming import ALL_CHEAP, CHEAP
from verydeep.insight.sanity import (
    Curves,
    curves,
    rank_correlation,
    share_inside,
    shuffled,
    stages,
    strength,
)
from verydeep.insight.view import View
from verydeep.nets.network import Network
from verydeep.parts.annotations import classes_in
from verydeep.parts.dataset import Dataset
from verydeep.pictures.boxes import Boxes, clipped, into_window
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown
from verydeep.verbs.explain import Explainer, Explanation

RANDOM = "random"
"""What an order of pixels is called that no map gave."""
COUNT = 12
"""Pictures of a dataset that are looked at where nobody says how many."""


@dataclass(frozen=True)
class Checked:
    """What became of a picture's maps as layers were shuffled, where they lie, what they tell.

    `layers` are the lowest that was shuffled at each stage, from the top down; `maps` those of each
    stage by method, `correlations` their rank correlations with those of the trained network.
    `curves` are by method, and for an order of no map. `inside` has for each method the share of
    the map in the object's boxes, of the trained network and of one that is shuffled throughout,
    and `area` the share of the view that is in them; None where no boxes are told.
    """

    explanation: Explanation
    layers: tuple[str, ...]
    maps: Mapping[str, tuple[Map, ...]] = field(repr=False)
    correlations: Mapping[str, tuple[float, ...]]
    curves: Mapping[str, Curves] = field(repr=False)
    inside: Mapping[str, tuple[float, float]] | None = None
    area: float | None = None


def checked(
    explainer: Explainer, explanation: Explanation, boxes: Boxes | None = None, seed: int = 0
) -> Checked:
    """The checks of an explained picture: of its cheap maps, for curves of all.

    `boxes` are those of the object, in pixels of the upright original.
    """
    view, label, engine = explanation.view, explanation.label, explainer.engine
    cheap = [one for one in explanation.maps if one.method in CHEAP]
    methods = [one.method for one in cheap]
    found: dict[str, list[Map]] = {method: [] for method in methods}
    cuts = stages(view.network.table)
    for number, layers in enumerate(cuts, 1):
        net = shuffled(view.network, layers, seed)
        other = replace(view, network=net)
        for one in maps_of(other, label, methods, engine_for(net), explainer.row):
            found[one.method].append(one)
        explainer.progress.step("shuffling layers", number, len(cuts))
    correlations = {
        one.method: tuple(
            rank_correlation(_seen(view, one), _seen(view, each)) for each in found[one.method]
        )
        for one in cheap
    }
    orders = {one.method: strength(one) for one in explanation.maps if _tells(one)}
    noise = randomness.generator(seed, "shuffle", 1).random(view.image.shape[:2])
    told = {
        name: curves(engine, view.image, label, values)
        for name, values in {**orders, RANDOM: noise}.items()
    }
    inside = area = None
    if boxes is not None:
        own = clipped(into_window(boxes, view.window), view.window.size)
        last = {method: each[-1] for method, each in found.items()}
        inside = {
            one.method: (_inside(view, one, own), _inside(view, last[one.method], own))
            for one in cheap
        }
        area = _share(view, np.ones(view.image.shape[:2]), own)
    return Checked(
        explanation, tuple(layers[-1] for layers in cuts),
        {name: tuple(each) for name, each in found.items()}, correlations, told, inside, area,
    )  # fmt: skip


def sanity(
    weights_path: str | Path | Network,
    dataset: Dataset,
    method: str | Sequence[str] = ALL_CHEAP,
    count: int = COUNT,
    *,
    device: str | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> list[Checked]:
    """The checks of so many pictures of a dataset, spread over the part that is set aside.

    Where boxes are told of them, with the shares of maps inside the objects'.

    >>> found = sanity("runs/D", verydeep.open_dataset("drawn:40x96"))
    """
    explainer = Explainer.of(
        weights_path, Machine.this(device), method, None, None, engine, progress or Shown()
    )
    made = []
    for explanation, boxes in of_part(explainer, dataset, count):
        made.append(checked(explainer, explanation, boxes))
        explainer.progress.step("checking maps", len(made), count)
    return made


def of_part(
    explainer: Explainer, dataset: Dataset, count: int
) -> Iterator[tuple[Explanation, Boxes | None]]:
    """So many pictures of the part set aside, explained, and the boxes of their own class.

    Where no class is asked for they are explained by that class, if the network has it. Raises
    UserError where none can be read.
    """
    part = dataset.by_role[dataset.held_out]
    places = np.unique(np.linspace(0, len(part) - 1, min(count, len(part))).round().astype(int))
    known = {class_key(name): label for label, name in enumerate(explainer.engine.network.classes)}
    read = 0
    for i in places.tolist():
        try:
            view = View.of_part(explainer.engine.network, part, i)
        except PictureError as error:
            explainer.progress.say(f"left out: {error}")
            continue
        objects = part.objects and part.objects(i)
        boxes = objects.boxes[~objects.difficult] if objects else None
        true = None
        if len(own := classes_in(part.truth, i)) == 1:  # of several, none is the class
            (label,) = own
            true = known.get(class_key(dataset.classes[label]))
            if objects:
                boxes = objects.boxes[~objects.difficult & (objects.labels == label)]
        read += 1
        yield explainer.of_view(view, part.source(i), part.names[i], true), boxes
    if not read:
        raise UserError(f"no picture of {dataset.where} can be read")


def _tells(one: Map) -> bool:
    """Whether a map puts places in an order."""
    return one.method != "occlusion-classes"


def _seen(view: View, one: Map) -> np.ndarray:
    """A map where the network is shown something."""
    rows, columns = view.shown
    return strength(one)[rows, columns]


def _inside(view: View, one: Map, boxes: Boxes) -> float:
    return _share(view, strength(one), boxes)


def _share(view: View, values: np.ndarray, boxes: Boxes) -> float:
    """The share of a map inside boxes, of the part that the network is shown."""
    seen = np.zeros_like(values)
    rows, columns = view.shown
    seen[rows, columns] = values[rows, columns]
    return share_inside(seen, boxes)
