"""Similar pictures: a features file and any pictures in, those of the file most like each out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from verydeep.descriptors.cache import content_key
from verydeep.descriptors.describe import described
from verydeep.descriptors.features import Features, load_features
from verydeep.descriptors.search import nearest
from verydeep.engines import engine as engines
from verydeep.errors import PictureError, UserError
from verydeep.parts.annotations import classes_in
from verydeep.parts.dataset import Part
from verydeep.parts.given import given_pictures, source_of
from verydeep.pictures.reading import Source
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.verbs.pieces_again import Weights, pieces_again


@dataclass(frozen=True)
class Neighbour:
    """A picture of a features file: its place and name, its part and classes, and how like it is.

    The cosine is 1 of the very same, and about 0 of pictures that have nothing to do with it.
    """

    place: int
    name: str
    cosine: float
    classes: tuple[str, ...] = ()
    part: str = ""


@dataclass(frozen=True)
class Query:
    """A picture that was asked for: what it is called, where its pixels are, where it stands.

    `place` is that among the features of a picture whose descriptor is there; `alone` says that it
    was asked for by its name there, so that it is none of its own neighbours.
    """

    name: str
    source: Source | None
    place: int | None
    alone: bool = False


def similar(
    features: Features | str | Path,
    pictures: Any,
    top: int = 10,
    *,
    weights_paths: Weights | None = None,
    runtime: Runtime | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> list[Any]:
    """The `top` pictures of a features file most like a picture; of several, a list of such lists.

    `pictures` are any that `predict` takes, or names of pictures that are in the features, which
    are then left out of their own answer. Others are described by the weights that the features
    were made with: the file says where those lay, or `weights_paths` does. A picture that cannot be
    read raises PictureError where it is alone; among several its answer is empty, and why is said.

    >>> verydeep.similar("photos.safetensors", "cat.jpg")[0]
    Neighbour(place=17, name='cats/18.jpg', cosine=0.83, classes=('cats',), part='train')
    """
    runtime = told(runtime, progress)
    features = features if isinstance(features, Features) else load_features(features)
    queries, alone = queries_of(features, pictures, runtime.progress)
    answers = []
    for query, found in answered(features, queries, top, weights_paths, runtime, engine):
        if isinstance(found, PictureError):
            if alone:
                raise found
            runtime.progress.say(f"{query.name} has no answer: {found}")
        answers.append([] if isinstance(found, PictureError) else found)
    return answers[0] if alone else answers


def queries_of(features: Features, pictures: Any, progress: Progress) -> tuple[list[Query], bool]:
    """What is asked for, picture by picture, and whether that is one and not a list of one."""
    alone = isinstance(pictures, str | os.PathLike) or not isinstance(pictures, Sequence)
    found: list[Query] = []
    for one in [pictures] if alone else pictures:
        named = _named(features, os.fspath(one)) if isinstance(one, str | os.PathLike) else None
        if named is not None:
            found.append(named)
            continue
        given = given_pictures(one, progress)
        alone = alone and given.alone
        found += [_query(features, picture, len(found) + i) for i, picture in
                  enumerate(given.pictures, 1)]  # fmt: skip
    return found, alone


def _named(features: Features, name: str) -> Query | None:
    """The picture of that name among the features, where there is no such file."""
    if _is_there(name) or name not in features.names:
        return None
    places = [i for i, other in enumerate(features.names) if other == name]
    if len(places) > 1:
        raise UserError(f"{len(places)} pictures of these features are {name}; give its file")
    return Query(name, None, places[0], alone=True)


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def _query(features: Features, picture: Any, number: int) -> Query:
    """A picture that was given; where the very same is among the features, its place there."""
    name = str(picture) if isinstance(picture, str | Path) else f"picture {number}"
    try:
        source = source_of(picture)
        places = np.flatnonzero(features.keys == content_key(source))
    except (OSError, PictureError):  # told when it is read
        return Query(name, picture if isinstance(picture, str | Path) else None, None)
    return Query(name, source, int(places[0]) if len(places) else None)


def answered(
    features: Features,
    queries: Sequence[Query],
    top: int = 10,
    weights_paths: Weights | None = None,
    runtime: Runtime | None = None,
    engine: str | None = None,
) -> Iterator[tuple[Query, list[Neighbour] | PictureError]]:
    """Each of the pictures with those most like it, or why it cannot be read."""
    if top < 1:
        raise UserError(f"top {top} names no picture; at least 1 is needed")
    runtime = runtime or Runtime()
    rows, faults = _rows(features, queries, weights_paths, runtime, engine)
    read = [i for i in range(len(queries)) if i not in faults]
    places, cosines = nearest(features, rows[read], top + 1)
    of = {i: (places[n].tolist(), cosines[n].tolist()) for n, i in enumerate(read)}
    for i, query in enumerate(queries):
        if i in faults:
            yield query, PictureError(faults[i])
            continue
        itself = query.place if query.alone else None
        found = [(p, c) for p, c in zip(*of[i], strict=True) if p != itself][:top]
        yield query, [_neighbour(features, place, cosine) for place, cosine in found]


def _neighbour(features: Features, place: int, cosine: float) -> Neighbour:
    classes = classes_of(features, place)
    return Neighbour(place, features.names[place], cosine, classes, features.part_of(place))


def classes_of(features: Features, place: int) -> tuple[str, ...]:
    """The names of the classes that a picture is said to be of."""
    return tuple(features.classes[k] for k in sorted(classes_in(features.truth, place)))


def _rows(
    features: Features,
    queries: Sequence[Query],
    weights_paths: Weights | None,
    runtime: Runtime,
    engine: str | None,
) -> tuple[Float32[np.ndarray, "M D"], dict[int, str]]:
    """The descriptor of each picture, and why those that cannot be read have none."""
    rows = np.zeros((len(queries), features.descriptors.shape[1]), np.float32)
    new = []
    for i, query in enumerate(queries):
        if query.place is None:
            new.append(i)
        else:
            rows[i] = features.descriptors[query.place]
    if not new:
        return rows, {}
    pieces = pieces_again(features, weights_paths, runtime)
    name = engines.chosen(engine, runtime.machine.device)
    sources = [queries[i].source for i in new]
    part = Part([queries[i].name for i in new], None, lambda k: _there(sources[k]))
    made = described(part, pieces, runtime, name)
    rows[new] = made.descriptors
    bad = np.flatnonzero(np.isnan(rows[:, 0])).tolist()
    return rows, dict(zip(bad, made.faults, strict=True))


def _there(source: Source | None) -> Source:
    if source is None:
        raise PictureError("an open file that cannot be read")
    return source
