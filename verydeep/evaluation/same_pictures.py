"""Tests of the same pictures: classes and names held against each other, and titles told apart.

For score files and boxes files alike, whose differences are named in one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from verydeep.benchmarks.ilsvrc_lists import class_key
from verydeep.errors import UserError
from verydeep.parts.fingerprints import of_pictures


@runtime_checkable
class OfPictures(Protocol):
    """A test of pictures, as its file tells of it."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the pictures are called."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that they may be of."""
        ...

    @property
    def data(self) -> str:
        """The fingerprint of the dataset."""
        ...

    @property
    def weights(self) -> str:
        """The digest of what was tested."""
        ...

    @property
    def title(self) -> str:
        """How it was tested, in print."""
        ...

    @property
    def members(self) -> tuple[str, ...]:
        """The titles of what was fused."""
        ...


def refuse_other_classes(first: OfPictures, called: str, other: OfPictures, name: str) -> None:
    """Raises UserError, naming the first, where classes are others."""
    for i, (ours, theirs) in enumerate(zip_longest(first.classes, other.classes)):
        if None in (ours, theirs) or class_key(ours) != class_key(theirs):
            raise UserError(
                f"{name} has other classes: class {i} is {_quoted(theirs)} there and "
                f"{_quoted(ours)} in {called}"
            )


def _quoted(name: str | None) -> str:
    return "missing" if name is None else f"'{name}'"


def order_of(
    first: OfPictures, called: str, other: OfPictures, name: str
) -> Int64[np.ndarray, " N"]:
    """Where the pictures of the first are among those of the other, by their names.

    Raises UserError where one has a picture that the other lacks, or two of one name.
    """
    if other.names == first.names:
        return np.arange(len(first.names))
    wanted, places = _places(first, called), _places(other, name)
    _check_pictures(wanted, called, places, name)
    _check_pictures(places, name, wanted, called)
    return np.array([places[name] for name in first.names])


def _places(test: OfPictures, called: str) -> dict[str, int]:
    """Where each picture stands; UserError where two have one name."""
    places: dict[str, int] = {}
    for i, name in enumerate(test.names):
        if places.setdefault(name, i) != i:
            raise UserError(
                f"{called} has two pictures '{name}', so which is which in another order cannot be "
                f"told"
            )
    return places


def _check_pictures(
    having: Mapping[str, int], called: str, lacking: Mapping[str, int], other: str
) -> None:
    missing = next((name for name in having if name not in lacking), None)
    if missing is not None:
        raise UserError(
            f"{other} lacks picture '{missing}', which {called} has; test both on the same pictures"
        )


def refuse_other_data(first: OfPictures, other: OfPictures, name: str) -> None:
    """Raises UserError where the data are others, though the pictures go by the same names."""
    refuse_other_fingerprint(first.data, other.data, name)


def refuse_other_fingerprint(ours: str, theirs: str, name: str) -> None:
    """The same by the fingerprints of the data.

    What is marked in the pictures is not looked at, which that of boxes has in it.
    """
    if of_pictures(theirs) != of_pictures(ours):
        raise UserError(
            f"{name} is of other data, {theirs} instead of {ours}, though its "
            f"pictures go by the same names; test both on the same data"
        )


def titles_of(tests: Sequence[OfPictures]) -> list[str]:
    """What each is called: its title, and its weights where they are not all the same."""
    alike = len({t.weights for t in tests}) == 1
    return [t.title if alike or t.members else f"{t.weights[:8]} ({t.title})" for t in tests]
