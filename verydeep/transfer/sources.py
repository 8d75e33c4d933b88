"""The pictures of a features file, found again: where they lay when they were described.

A features file holds names and keys, no pictures. What is at such a place now is looked into, and
is a picture's source only where it has that picture's key.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.pictures.reading import Source
from verydeep.transfer.cache import content_key
from verydeep.transfer.features import Features

SourceOf = Callable[[int], Source | None]
"""The source of picture i; None where it is not to be found."""


def sources_of(features: Features) -> SourceOf:
    """Where each picture is found now; None of one that is gone, or is another one by now."""
    place = _places(features)

    def source(i: int) -> Source | None:
        with suppress(OSError, UserError):
            found = place(i)
            if found is not None and content_key(found) == features.keys[i]:
                return found
        return None

    return source


def _places(features: Features) -> SourceOf:
    """Where each was; the names are paths of pictures that were given one by one."""
    if not features.where:
        return lambda i: features.names[i]
    try:
        parts = open_dataset(features.where, features.split).by_role
    except UserError:
        return lambda i: None
    there = {
        (role, name): (role, k) for role, part in parts.items() for k, name in enumerate(part.names)
    }
    roles = [part.role for part in features.parts for _ in range(part.count)]

    def place(i: int) -> Source | None:
        found = there.get((roles[i], features.names[i]))
        return None if found is None else parts[found[0]].source(found[1])

    return place
