"""What a network is shown of a picture: a protocol is some passes, a pass some views.

In come pictures rescaled to Q; out go views of them, uint8, whose posteriors are averaged
(Sect. 3.2, 4.1-4.3). Protocols differ in their views and in nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import UInt8
from torch import Tensor, cat, stack

from verydeep.errors import UserError
from verydeep.evaluation.published import three_scales
from verydeep.nets.locality import Locality
from verydeep.nets.network import Network
from verydeep.nets.stack import Member, Stack
from verydeep.nets.table import Table
from verydeep.pictures.windows import Window
from verydeep.schema import Between, Most

Images = UInt8[Tensor, "B H W 3"]
Views = UInt8[Tensor, "B V h w 3"]

WAYS = {
    "centre": ("centre",),
    "ten": ("ten",),
    "dense": ("whole",),
    "crops": ("grid",),
    "both": ("whole", "grid"),
}
"""The protocols, and the ways in which each shows a picture at every scale."""
SCALES = 64
"""Scales of one test, at most."""
GRID = 5
"""Crops along each side of a picture: with mirror images 50 a scale, 150 at three (Sect. 4.3)."""


@dataclass(frozen=True)
class Pass:
    """Pictures rescaled to one Q and shown in one way: whole, or as crops of a side in pixels."""

    way: str
    crop: int
    scale: int

    @property
    def count(self) -> int:
        """Number of views of a picture."""
        return {"whole": 2, "centre": 1, "ten": 10, "grid": 2 * GRID**2}[self.way]

    def pixels(self, height: int, width: int) -> int:
        """Pixels in all views of a picture of that size."""
        return self.count * (height * width if self.way == "whole" else self.crop**2)

    def views(self, images: Images) -> Views:
        """The views of pictures of one size, mirror images last, on whichever device they are."""
        if self.way == "whole":
            return stack([images, images.flip(2)], 1)
        crop = self.crop
        places = self.places(images.shape[1], images.shape[2])
        crops = stack([images[:, y : y + crop, x : x + crop] for y, x in places], 1)
        return crops if self.way == "centre" else cat([crops, crops.flip(3)], 1)

    def windows(self, whole: Window) -> list[Window]:
        """What each of the views shows; `whole` is the window of the picture that is shown so."""
        if self.way == "whole":
            return [whole, whole.mirror()]
        size = self.crop, self.crop
        crops = [whole.cropped(y, x, size) for y, x in self.places(*whole.size)]
        return crops if self.way == "centre" else [*crops, *(crop.mirror() for crop in crops)]

    def places(self, height: int, width: int) -> list[tuple[int, int]]:
        """(top, left) of each crop of a picture of that size, before mirroring."""
        down, right = height - self.crop, width - self.crop
        if self.way == "centre":
            return [(down // 2, right // 2)]
        if self.way == "ten":
            return [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        return [(y, x) for y in _regular(down) for x in _regular(right)]


def crop_at_position(table: Table, view: Window, row: int, column: int) -> Window:
    """The training crop that a position of the score map of a view stands for.

    What a position answers is of this crop, as if it was shown by itself, though the rows with
    borders see more of the picture about it (`sight_at_position`).
    """
    places = zip(view.size, (row, column), strict=True)
    top, left = (table.shown(side).start + place * table.step for side, place in places)
    return view.cropped(top, left, (table.crop, table.crop))


def sight_at_position(
    table: Table, locality: Locality, view: Window, row: int, column: int
) -> Window:
    """All that a value of a row of the table sees of a view; beyond what is shown it sees zeros."""
    places = zip(view.size, (row, column), strict=True)
    y, x = (locality.sight(place, table.shown(side)) for side, place in places)
    return view.cropped(y.first, x.first, (y.end - y.first, x.end - x.first))


def _regular(last: int) -> list[int]:
    """Places from 0 to the last, evenly spaced but for rounding."""
    return [int(place) for place in np.linspace(0, last, GRID).round()]


@dataclass(frozen=True)
class Protocol:
    """How pictures are tested: the kind of views, the training crop, and the scales Q in pixels."""

    name: str
    crop: Annotated[int, Between(1, 2**16)]
    scales: Annotated[tuple[Annotated[int, Between(1, 2**16)], ...], Most(SCALES)]

    def __str__(self) -> str:
        each = " a scale" if len(self.scales) > 1 else ""
        kinds = {
            "centre": f"one centre crop of {self.crop}",
            "ten": f"ten crops of {self.crop}{each}",
            "crops": f"{2 * GRID**2} crops of {self.crop}{each}",
            "dense": "dense, with mirror image",
            "both": f"dense with mirror image and {2 * GRID**2} crops of {self.crop}{each}",
        }
        return f"{kinds[self.name]}, Q = {', '.join(map(str, self.scales))}"

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Every scale in every way; a picture's posteriors are the mean over the passes."""
        return tuple(Pass(way, self.crop, q) for way in WAYS[self.name] for q in self.scales)


def dense(model: Member | Stack) -> Protocol:
    """The one protocol of a stack or a member of one: dense, at its own Q."""
    network = model.network if isinstance(model, Member) else model.networks[0]
    return Protocol("dense", network.table.crop, model.scales)


def mirrors(name: str) -> bool:
    """Whether the protocol of that name shows mirror images beside pictures."""
    return WAYS[name] != ("centre",)


def takes(table: Table, name: str) -> bool:
    """Whether a net can be tested by the protocol of that name: by whole pictures, not by all."""
    return table.placed is None or "whole" not in WAYS[name]


def protocol(
    network: Network, name: str, scales: str | int | Sequence[int] | None = None
) -> Protocol:
    """The protocol of that name for a network.

    `scales` are the Q: one or several, or "paper" for the three that the paper tests at. By
    default Q is S, or the middle of its range. Raises UserError for an unknown name, too many Q, or
    one smaller than the crop.
    """
    if name not in WAYS:
        raise UserError(f"no protocol '{name}'; there are {', '.join(WAYS)}")
    if not takes(network.table, name):
        raise UserError(
            f"{network.table.name} cannot be laid over whole pictures: its "
            f"'{network.table.placed}' is made for the places of a crop of {network.table.crop}; "
            f"take --protocol crops, ten or centre"
        )
    crop, whole = network.table.crop, WAYS[name] == ("whole",)
    chosen = scales_of(network, scales, network.pixels.test_scale, whole)
    return Protocol(name, crop, chosen)


def scales_of(
    network: Network, scales: str | int | Sequence[int] | None, otherwise: int, whole: bool = True
) -> tuple[int, ...]:
    """The Q that are asked for, or another one where none are.

    Raises UserError for too many, for one that is asked for twice, and for one at which there is
    too little of a picture: less than a crop, or, where a picture is shown `whole` to a net that
    means any map, less than gives a value.
    """
    least, crop = network.table.least, network.table.crop
    if scales is None:
        scales = otherwise
    elif isinstance(scales, str):
        three = three_scales(*network.pixels.scale, crop)
        scales = sorted({*three}) if scales == "paper" else _read(scales)
    chosen = (scales,) if isinstance(scales, int) else tuple(scales)
    if len(set(chosen)) < max(1, len(chosen)):
        raise UserError(f"the scales {', '.join(map(str, chosen))} are not each another")
    if len(chosen) > SCALES:
        raise UserError(f"{len(chosen)} scales; give {SCALES} at most")
    least, what = (least, "least") if whole and network.table.pooled else (crop, "crop")
    if min(chosen) < least:
        raise UserError(
            f"a test scale of {min(chosen)} is below the network's {what} of {least}; Q is the "
            f"smaller side of the test picture, in pixels"
        )
    return chosen


def _read(text: str) -> tuple[int, ...]:
    """Scales from "256" or "256,384,512"."""
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise UserError(
            f"--scales {text}; Q is a side in pixels such as 256, or several: 224,256,288, or paper"
        ) from None
