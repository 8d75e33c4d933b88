"""The pictures of a features file, found again: where they lay when they were described.

A features file holds names and keys, no pictures. What is at such a place now is looked into, and
is a picture's source only where it has that picture's key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from verydeep.datasets import Part, open_dataset
from verydeep.descriptors.cache import content_key
from verydeep.descriptors.features import Features
from verydeep.errors import PictureError, UserError
from verydeep.parts.annotations import LabelSets
from verydeep.pictures.reading import Source

SourceOf = Callable[[int], Source | None]
"""The source of picture i; None where it is not to be found."""


def sources_of(features: Features) -> SourceOf:
    """Where each picture is found now; None of one that is gone, or is another one by now."""
    of_name = _by_name(features)

    def source(i: int) -> Source | None:
        for found in of_name(features.names[i]):
            with suppress(OSError, PictureError):
                if content_key(found) == features.keys[i]:
                    return found
        return None

    return source


def _by_name(features: Features) -> Callable[[str], Iterator[Source]]:
    """What may be the picture of a name; names are paths where pictures were given one by one.

    A part of the data may have another's name, and its split may have changed.
    """
    if not features.where:
        return lambda name: iter((name,))
    try:
        several = isinstance(features.truth, LabelSets)
        parts = open_dataset(features.where, features.split, several).by_role.values()
    except UserError:
        return lambda name: iter(())
    there: dict[str, list[tuple[Part, int]]] = {}
    for part in parts:
        for k, name in enumerate(part.names):
            there.setdefault(name, []).append((part, k))
    return lambda name: (part.source(k) for part, k in there.get(name, ()))
