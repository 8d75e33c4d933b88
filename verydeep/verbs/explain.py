"""Explanation: a network and any pictures in, maps of where the score of a class comes from out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from verydeep import weights
from verydeep.engines.engine import ENGINES, Engine, chosen, engine_for
from verydeep.errors import PictureError, UserError
from verydeep.insight.attribution import refuse_mapless
from verydeep.insight.maps import Map, maps_of
from verydeep.insight.naming import ALL_CHEAP, BY_GRADIENT, label_of, named, row_named
from verydeep.insight.signals import frozen
from verydeep.insight.view import Values, View
from verydeep.nets.network import Answer, Network, most_probable
from verydeep.parts.given import given_pictures, source_of
from verydeep.pictures.reading import Source
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown, Within


@dataclass(frozen=True)
class Explanation:
    """What a network says of a picture, and maps of where that comes from.

    The picture is shown whole, as it is; a prediction means that and its mirror image. `score` is
    that of the class which the maps are of, before the soft-max. `true` is the class that the
    picture is labelled with, where that is known and one of the network's.
    """

    name: str
    source: Source = field(repr=False)
    view: View = field(repr=False)
    classes: tuple[str, ...] = field(repr=False)
    posteriors: Float32[Tensor, " K"] = field(repr=False)
    label: int
    score: float
    maps: tuple[Map, ...] = field(repr=False)
    true: int | None = None

    @property
    def class_name(self) -> str:
        """The class that the maps are of."""
        return self.classes[self.label]

    @property
    def true_name(self) -> str | None:
        """The class that the picture is labelled with."""
        return None if self.true is None else self.classes[self.true]

    @property
    def posterior(self) -> float:
        """Its posterior."""
        return float(self.posteriors[self.label])

    def top(self, count: int = 5) -> Answer:
        """The most probable classes, as (class name, posterior)."""
        return most_probable(self.classes, self.posteriors, count)

    def map(self, method: str) -> Map:
        """The map by a method, as it lies on what the network was shown; UserError without it."""
        for found in self.maps:
            if found.method == method:
                return found
        there = ", ".join(each.method for each in self.maps)
        raise UserError(f"no map '{method}' here; there are {there}")

    def __getitem__(self, method: str) -> Values:
        """The map by a method on the upright picture's own pixels, [H, W] or [H, W, 3]."""
        return self.map(method).on_picture()


@dataclass(frozen=True)
class Explainer:
    """A network and what runs it, asked where the score of a class comes from.

    `methods` are those asked for, `row` that of Grad-CAM and of what occlusion follows, `label` the
    class of all maps, or of each picture its true one where that is told, or its most probable.
    """

    engine: Engine
    methods: tuple[str, ...]
    label: int | None = None
    row: str | None = None
    progress: Progress = field(default_factory=Shown)

    @classmethod
    def of(
        cls,
        given: str | Path | Network,
        machine: Machine,
        method: str | Sequence[str] = ALL_CHEAP,
        class_name: str | None = None,
        layer: str | None = None,
        engine: str | None = None,
        progress: Progress | None = None,
    ) -> Explainer:
        """That of weights or a network; UserError for what is asked for and is not there."""
        progress = progress or Shown()
        methods = named(method)
        network = frozen(loaded(given, machine, progress))
        if network.table.places:
            raise UserError("this network finds places, and maps are of classes; give a classifier")
        _ = network.table.scores  # refuses a net without any
        if network.table.placed and "scores" in methods:
            methods = _without_scores(network, method, methods, progress)
        label = None if class_name is None else label_of(network.classes, class_name)
        if layer is not None:
            refuse_mapless(network.table, row_named(network.table, layer))
        name = chosen(engine, network.device.type)
        slow = [one for one in methods if one in BY_GRADIENT]
        if engine not in (None, ENGINES[-1]) and slow:
            progress.say(f"no gradient comes through engine {name}: {', '.join(slow)} by PyTorch")
        asked_row = layer not in (None, network.table.trunk) and "occlusion" in methods
        if engine not in (None, ENGINES[-1]) and asked_row:
            progress.say(f"engine {name} gives no '{layer}': occlusion by PyTorch")
        run = engine_for(network, name, machine.threads)
        return cls(run, methods, label, layer, progress)

    def ask(self, source: Source, name: str = "") -> Explanation:
        """The explanation of a picture; PictureError where it cannot be read."""
        return self.of_view(View.of(self.engine.network, source), source, name)

    def of_view(
        self, view: View, source: Source, name: str = "", true: int | None = None
    ) -> Explanation:
        """The explanation of a picture that is read already, and maybe labelled."""
        network = view.network
        with torch.inference_mode():
            scores = network.score_map(view.images()).float().mean((2, 3))
            posteriors = network.likely(scores)[0].cpu()
        told = true if self.label is None else self.label
        label = int(posteriors.argmax()) if told is None else told
        progress = Within(self.progress, name) if name else self.progress
        maps = maps_of(view, label, self.methods, self.engine, self.row, progress)
        return Explanation(
            name, source, view, network.classes, posteriors, label, float(scores[0, label]),
            tuple(maps), true,
        )  # fmt: skip


def _without_scores(
    network: Network, asked: str | Sequence[str], methods: tuple[str, ...], progress: Progress
) -> tuple[str, ...]:
    """The methods but "scores", which a net for the places of one map has not; told, or refused.

    Raises UserError where it is asked for by name.
    """
    why = (
        f"{network.table.name} has no map of scores: its '{network.table.placed}' is made for the "
        f"places of a crop of {network.table.crop}"
    )
    words = [asked] if isinstance(asked, str) else asked
    if "scores" in [word.strip() for each in words for word in each.split(",")]:
        raise UserError(f"{why}; take --method gradcam")
    progress.say(f"left out: {why}")
    return tuple(method for method in methods if method != "scores")


def loaded(given: str | Path | Network, machine: Machine, progress: Progress) -> Network:
    """The network of a weights file, of a run or of a name, or the one that is given.

    Raises UserError where there is none, or it is a stack, or reads no pictures.
    """
    if isinstance(given, Network):
        network = given
    else:
        network = weights.load(weights.find(given, progress), machine.device)
    network.table.refuse_boards()
    return network


def explain(
    weights_path: str | Path | Network,
    pictures: Any,
    method: str | Sequence[str] = ALL_CHEAP,
    *,
    class_name: str | None = None,
    layer: str | None = None,
    device: str | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> Any:
    """Where a class score comes from in a picture, as maps on its own pixels: an `Explanation`.

    Of several pictures, a list of such, with None for one that cannot be read, which is told.
    `method` names one or several of scores, gradient, guided, deconvnet, gradcam, integrated and
    occlusion, by default the first five; `class_name` the class, by default each picture's most
    probable; `layer` the row of Grad-CAM and of what occlusion follows, by default relu5_3 or what
    stands in its place. Engines run what wants no gradient. Raises UserError for a class, a method
    or a layer that is none, and for weights of a stack or of a net that finds places.

    >>> found = verydeep.explain("vgg16", "cat.jpg")
    >>> found.class_name, found["gradcam"].shape  # the picture's own height and width
    ('tabby, tabby cat', (375, 500))
    """
    progress = progress or Shown()
    explainer = Explainer.of(
        weights_path, Machine.this(device), method, class_name, layer, engine, progress
    )
    given = given_pictures(pictures, progress)
    if given.alone:
        (one,) = given.pictures
        return explainer.ask(source_of(one), called(one, 1))
    found = list[Explanation | None]()
    for made in explanations(explainer, given.pictures):
        found.append(made if isinstance(made, Explanation) else None)
        if isinstance(made, PictureError):
            progress.say(f"picture {len(found)} of {len(given.pictures)} has no answer: {made}")
    return found


def explanations(
    explainer: Explainer, pictures: Sequence[Any]
) -> Iterator[Explanation | PictureError]:
    """The explanation of each picture, or why it cannot be read, one by one."""
    for number, picture in enumerate(pictures, 1):
        try:
            yield explainer.ask(source_of(picture), called(picture, number))
        except PictureError as error:
            yield error
        explainer.progress.step("explaining", number, len(pictures))


def called(picture: Any, number: int) -> str:
    """What a picture is called: its path, or its number."""
    return str(picture) if isinstance(picture, str | Path) else f"picture {number}"
