"""Features: networks and any pictures in, a descriptor of each picture out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import Any

import numpy as np

from verydeep import tasks, weights
from verydeep.datasets import Dataset, Part, open_dataset, with_pictures
from verydeep.descriptors.describe import Piece, described
from verydeep.descriptors.features import Features, PartSaid, PieceSaid
from verydeep.engines import engine as engines
from verydeep.errors import UserError
from verydeep.evaluation.views import scales_of
from verydeep.nets.describing import describing, usual_layer
from verydeep.parts.entries import is_picture
from verydeep.parts.given import given_pictures, source_of
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.tasks.tag import TAG
from verydeep.weights.file import hash_of

Weights = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Given:
    """The pictures that are described, part by part, and what is known of them."""

    part: Part
    parts: tuple[PartSaid, ...]
    classes: tuple[str, ...] = ()
    where: str = ""
    data: str = ""
    split: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, split: int = 0) -> Given:
        """All pictures of the parts of a dataset that have a role."""
        parts = tuple(PartSaid(role, len(part)) for role, part in dataset.by_role.items())
        return cls(
            dataset.everything, parts, dataset.classes, dataset.where, dataset.fingerprint, split,
            dataset.notes,
        )  # fmt: skip


def features(
    weights_paths: Weights,
    pictures: Any,
    *,
    layer: str | None = None,
    scales: str | int | Sequence[int] | None = None,
    stacked: bool = False,
    boxes: bool = False,
    task: str = "classify",
    split: int = 0,
    runtime: Runtime | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> Features:
    """Descriptors of pictures by a weights file, or by several whose descriptors are stacked.

    `pictures` are labelled data, as `train` takes them, or any that `predict` takes. Each is shown
    whole, with its mirror image, at every Q of `scales` (256, or "256,384,512"; by default the
    least of the training scales); what the row `layer` gives is averaged over space, over both
    images, and over Q, or with `stacked` put one Q after another. By default the row is the last
    before the top: relu7, or pool5 of a net without hidden FC layers. With `boxes` the same of what
    is in the one box of each picture is put behind. Of data with several labels a picture, `task`
    "tag" keeps them all. What was described before is kept in the user's cache.
    Raises UserError for a row that a net has not, for Q that are too small, where no picture can be
    read, and for `boxes` where a picture has not one.

    >>> names, array = verydeep.features("vgg16", "photos/")
    """
    runtime = told(runtime, progress)
    pieces = pieces_of(weights_paths, layer, scales, stacked, runtime)
    if boxes:
        pieces = with_boxes(pieces)
    given = given_of(pictures, split, has_several(task), runtime.progress)
    return features_of(given, pieces, runtime, engine)


def has_several(task: str) -> bool:
    """Whether a task keeps several labels of a picture; UserError for an unknown one."""
    return tasks.named(task) is TAG


def features_of(
    given: Given, pieces: Sequence[Piece], runtime: Runtime, engine: str | None = None
) -> Features:
    """Descriptors of these pictures by pieces; those that cannot be read are left out by name."""
    for note in given.notes:
        runtime.progress.say(note)
    name = engines.chosen(engine, runtime.machine.device)
    part = given.part
    made = described(part, pieces, runtime, name)
    for fault in made.faults:
        runtime.progress.say(f"left out, unreadable: {fault}")
    descriptors, keys = made.descriptors, made.keys
    read = np.flatnonzero(~np.isnan(descriptors[:, 0]))
    if not len(read) and runtime.ranks.is_main:
        why = f": {made.faults[0]}" if made.faults else ""
        raise UserError(f"none of the {len(part):,} pictures can be read{why}")
    if len(read) < len(part):
        descriptors, keys, part = descriptors[read], keys[read], part.only(read)
    return Features(
        descriptors,
        keys,
        part.truth,
        tuple(part.names),
        given.classes,
        _counted(given.parts, read),
        tuple(map(said_of, pieces)),
        given.where,
        given.data,
        given.split,
        made.faults,
        name,
    )


def _counted(parts: Sequence[PartSaid], read: np.ndarray) -> tuple[PartSaid, ...]:
    """The parts with those of their pictures that are left, by their places before."""
    ends = np.cumsum([part.count for part in parts])
    places = np.searchsorted(ends, read, side="right")
    return tuple(replace(part, count=int((places == i).sum())) for i, part in enumerate(parts))


def said_of(piece: Piece) -> PieceSaid:
    """A piece as a features file tells of it."""
    table = piece.network.table
    digest, path = hash_of(piece.network), piece.path
    return PieceSaid(digest, table.name, piece.layer, piece.scales, piece.size, path, piece.of)


def with_boxes(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces of whole pictures, and behind them the same of their boxes."""
    return [*pieces, *(replace(piece, of="box") for piece in pieces)]


def pieces_of(
    weights_paths: Weights,
    layer: str | None,
    scales: str | int | Sequence[int] | None,
    stacked: bool,
    runtime: Runtime,
) -> list[Piece]:
    """The pieces of a descriptor: of each network one, or one for each Q where they are stacked."""
    paths = [weights_paths] if isinstance(weights_paths, str | Path) else [*weights_paths]
    if not paths:
        raise UserError("no weights to describe pictures by; give a weights file, or vgg16")
    pieces = []
    for path in paths:
        found = weights.find(path, runtime.progress)
        network = weights.load(found, runtime.machine.device)
        network.table.refuse_boards()
        row = layer or usual_layer(network.table)
        cut = describing(network, row)
        chosen = scales_of(cut, scales, network.pixels.scale[0])
        each = [(q,) for q in chosen] if stacked else [chosen]
        pieces += [Piece(cut, row, some, str(path)) for some in each]
    return pieces


def given_of(pictures: Any, split: int, several: bool, progress: Progress) -> Given:
    """Pictures as data where they are labelled, or else one by one."""
    if isinstance(pictures, str | Path) and not has_magic(str(pictures)) and _is_data(pictures):
        try:
            dataset = open_dataset(pictures, split, several)
        except UserError as error:
            if not Path(pictures).is_dir():
                raise
            progress.say(f"pictures without labels: {error}")
        else:
            return Given.of(with_pictures(dataset), split)
    each = given_pictures(pictures, progress).pictures
    names = tuple(
        str(one) if isinstance(one, str | Path) else f"picture {i + 1}"
        for i, one in enumerate(each)
    )
    part = Part(names, None, lambda i: source_of(each[i]))
    return Given(part, (PartSaid("all", len(part)),))


def _is_data(given: str | Path) -> bool:
    """Whether it may be labelled data: a folder, or a file that is no picture by its name."""
    path = Path(given)
    return path.is_dir() or str(given).startswith("drawn") or not is_picture(path.name)
