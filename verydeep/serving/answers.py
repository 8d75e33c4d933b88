"""Answers as data, in the words of `verydeep predict --json`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verydeep.localisation.predictor import Guess, Point
from verydeep.report.units_file import KnownRow, KnownUnit
from verydeep.serving.maps import METHODS, Map, png
from verydeep.serving.model import Identity, Seen
from verydeep.serving.refusals import Refusal
from verydeep.serving.units import UnitMap

Found = Sequence[tuple[str, float] | Guess | Point]
"""What is found in a picture: classes with their posteriors, these with boxes, or points."""


@dataclass(frozen=True)
class Answer:
    """What was found in a picture of a size."""

    height: int
    width: int
    found: Found

    @classmethod
    def of(cls, seen: Seen, found: Found) -> Answer:
        """That of a picture that was read."""
        return cls(seen.height, seen.width, found)

    @property
    def points(self) -> list[Point]:
        """The points that were found."""
        return [one for one in self.found if isinstance(one, Point)]

    @property
    def top(self) -> list[dict[str, Any]]:
        """The classes that were found, the most probable first."""
        return [_as_data(one) for one in self.found if not isinstance(one, Point)]

    @property
    def data(self) -> dict[str, Any]:
        """It as data."""
        size = {"width": self.width, "height": self.height}
        if self.points:
            each = [{"name": point.name, "x": point.x, "y": point.y} for point in self.points]
            return {"size": size, "points": each}
        return {"size": size, "top": self.top}


def _as_data(found: tuple[str, float] | Guess) -> dict[str, Any]:
    if isinstance(found, Guess):
        return {"class": found.name, "posterior": found.posterior, "box": list(found.box)}
    name, posterior = found
    return {"class": name, "posterior": posterior}


def as_data(pictures: Sequence[Answer | Refusal], identity: Identity, version: str) -> Any:
    """The answer to a request: of each picture in order, and what they were made with."""
    each = [one.data if isinstance(one, Answer) else {"error": one.problem} for one in pictures]
    return {"pictures": each, **_made_with(identity, version)}


def map_as_data(
    drawn: Map, method: str, name: str, size: Seen, identity: Identity, version: str
) -> Any:
    """A map as data: its values in a PNG, with the scale that they are on."""
    height, width = drawn.heat.shape
    return {
        "class": name,
        "method": method,
        "unit": METHODS[method].unit,
        "least": 0.0,
        "largest": drawn.largest,
        "size": {"width": size.width, "height": size.height},
        "map": {"width": width, "height": height, "png": b64encode(drawn.grey()).decode()},
        **_made_with(identity, version),
    }


def units_as_data(
    maps: Sequence[UnitMap], row: KnownRow, layer: str, size: Seen, identity: Identity, version: str
) -> Any:
    """Maps of a layer's units as data, on one scale, each with what is known of its unit."""
    largest = max((one.largest for one in maps), default=0.0)
    return {
        "layer": layer,
        "units_of_layer": row.units,
        "known": len(row.known),
        "least": 0.0,
        "largest": largest,
        "size": {"width": size.width, "height": size.height},
        "units": [_unit_as_data(one, largest, row.known[one.unit]) for one in maps],
        **_made_with(identity, version),
    }


def _unit_as_data(one: UnitMap, largest: float, known: KnownUnit) -> dict[str, Any]:
    height, width = one.heat.shape
    drawn = b64encode(png(one.grey(largest))).decode()
    return {
        "unit": one.unit,
        "largest": one.largest,
        "best": list(known.values),
        "classes": list(known.classes),
        "map": {"width": width, "height": height, "png": drawn},
    }


def _made_with(identity: Identity, version: str) -> dict[str, Any]:
    hashes = {"weights": identity.weights}
    if identity.classifier is not None:
        hashes["classifier"] = identity.classifier
    return {
        "protocol": {"name": identity.protocol, "scales": list(identity.scales)},
        "sha256": hashes,
        "version": version,
    }
