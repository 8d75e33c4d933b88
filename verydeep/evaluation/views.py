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
from torch.nn import functional as F

from verydeep.errors import UserError
from verydeep.evaluation.published import three_scales
from verydeep.nets.locality import Locality
from verydeep.nets.network import Network
from verydeep.nets.stack import Member, Stack
from verydeep.nets.table import Table
from verydeep.pictures.windows import Size, Window
from verydeep.schema import Between, Most

Images = UInt8[Tensor, "B H W 3"]
Views = UInt8[Tensor, "B V h w 3"]
Cut = tuple[int, int, Size]
"""Top and left of what is cut out for a view, and its height and width before it is resized."""

WAYS = {
    "centre": ("centre",),
    "ten": ("ten",),
    "dense": ("whole",),
    "crops": ("grid",),
    "both": ("whole", "grid"),
    "alexnet": ("square",),
    "googlenet": ("squares",),
    "overfeat": ("fine",),
    "resnet": ("whole",),
}
"""The protocols, and the ways in which each shows a picture at every scale."""
ABOVE_CROP = {
    "googlenet": (32, 64, 96, 128),
    "overfeat": (24, 60, 168, 240),
    "resnet": (0, 32, 160, 256, 416),
}
"""How far above the crop a paper's Q are: GoogLeNet's 256, 288, 320, 352 and ResNet's 224, 256,
384, 480, 640 above 224; OverFeat's 245, 281, 389, 461, the smaller sides of its scales 1, 2, 4 and
6, above 221."""
SCALES = 64
"""Scales of one test, at most."""
FINE = (0, 12, 24)
"""Pixels by which whole pictures are shifted down and across: OverFeat's fine stride, 12 where its
score map has 36."""
GRID = 5
"""Crops along each side of a picture: with mirror images 50 a scale, 150 at three (Sect. 4.3)."""
COUNTS = {
    "centre": 1, "whole": 2, "ten": 10, "square": 10, "squares": 2 * 3 * 6, "grid": 2 * GRID**2,
    "fine": 2 * len(FINE) ** 2,
}  # fmt: skip
"""Views of a picture, shown in each way."""


@dataclass(frozen=True)
class Pass:
    """Pictures rescaled to one Q and shown in one way: whole, or as crops of a side in pixels."""

    way: str
    crop: int
    scale: int

    @property
    def count(self) -> int:
        """Number of views of a picture."""
        return COUNTS[self.way]

    def pixels(self, height: int, width: int) -> int:
        """Pixels in all views of a picture of that size."""
        shown = self._size(height, width)
        return self.count * shown[0] * shown[1]

    def views(self, images: Images) -> Views:
        """The views of pictures of one size, mirror images last, on whichever device they are."""
        if self.way == "whole":
            return stack([images, images.flip(2)], 1)
        height, width = images.shape[1:3]
        size, cuts = self._size(height, width), self.cuts(height, width)
        crops = stack([_resized(images[:, y : y + h, x : x + w], size) for y, x, (h, w) in cuts], 1)
        return crops if self.way == "centre" else cat([crops, crops.flip(3)], 1)

    def windows(self, whole: Window) -> list[Window]:
        """What each of the views shows; `whole` is the window of the picture that is shown so."""
        if self.way == "whole":
            return [whole, whole.mirror()]
        size, cuts = self._size(*whole.size), self.cuts(*whole.size)
        crops = [whole.cropped(y, x, cut).rescaled(size) for y, x, cut in cuts]
        return crops if self.way == "centre" else [*crops, *(crop.mirror() for crop in crops)]

    def places(self, height: int, width: int) -> list[tuple[int, int]]:
        """(top, left) of each crop of a picture of that size, before mirroring."""
        return [(y, x) for y, x, _ in self.cuts(height, width)]

    def cuts(self, height: int, width: int) -> list[Cut]:
        """What is cut out of a picture of that size for each view, before mirroring."""
        down, right, size = height - self.crop, width - self.crop, (self.crop, self.crop)
        if self.way == "fine":
            shown = self._size(height, width)
            return [(y, x, shown) for y in FINE for x in FINE]
        if self.way == "square":
            ((top, left, side),) = _squares(height, width)[1:2]
            return [(top + y, left + x, size) for y, x in _five(side - self.crop, side - self.crop)]
        if self.way == "squares":
            return [cut for square in _squares(height, width) for cut in self._of_square(*square)]
        if self.way == "centre":
            return [(down // 2, right // 2, size)]
        if self.way == "ten":
            return [(y, x, size) for y, x in _five(down, right)]
        return [(y, x, size) for y in _regular(down) for x in _regular(right)]

    def _of_square(self, top: int, left: int, side: int) -> list[Cut]:
        """GoogLeNet's six of a square: its corners, its centre, and the whole of it."""
        size, last = (self.crop, self.crop), side - self.crop
        five: list[Cut] = [(top + y, left + x, size) for y, x in _five(last, last)]
        return [*five, (top, left, (side, side))]

    def _size(self, height: int, width: int) -> Size:
        """Height and width of each view of a picture of that size."""
        if self.way == "whole":
            return height, width
        if self.way == "fine":
            return height - FINE[-1], width - FINE[-1]
        return self.crop, self.crop


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


def _resized(images: Images, size: Size) -> UInt8[Tensor, "B h w 3"]:
    """The pictures at a height and width, to the nearest byte; themselves where they have it."""
    if images.shape[1:3] == size:
        return images
    planes = images.permute(0, 3, 1, 2).float()
    found = F.interpolate(planes, size, mode="bilinear", antialias=True)
    return found.round().clamp(0, 255).to(images.dtype).permute(0, 2, 3, 1)


def _five(down: int, right: int) -> list[tuple[int, int]]:
    """(top, left) of the corners and the centre, where the last places are those."""
    return [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]


def _squares(height: int, width: int) -> list[tuple[int, int, int]]:
    """(top, left, side) of the first, the middle and the last of the largest squares."""
    side, rest = min(height, width), abs(height - width)
    places = (0, rest // 2, rest)
    return [(at, 0, side) if height > width else (0, at, side) for at in places]


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
            "alexnet": f"ten crops of {self.crop} of the middle square{each}",
            "googlenet": f"36 crops of {self.crop} of three squares{each}",
            "overfeat": f"whole at {len(FINE) ** 2} shifts, with mirror images",
            "resnet": "dense, with mirror image",
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
    """Whether a net can be tested by the protocol of that name: by whole pictures, not by all.

    One that reads boards is shown no mirror images, in which its moves would lie elsewhere.
    """
    if table.reads_boards and mirrors(name):
        return False
    return table.placed is None or not {"whole", "fine"} & {*WAYS[name]}


def protocol(
    network: Network, name: str, scales: str | int | Sequence[int] | None = None
) -> Protocol:
    """The protocol of that name for a network.

    `scales` are the Q: one or several, or "paper" for the three that the paper tests at. By
    default Q is S, or the middle of its range, and of the protocols of other papers as far above
    the crop as theirs. Raises UserError for an unknown name, too many Q, or one that is too small.
    """
    if name not in WAYS:
        raise UserError(f"no protocol '{name}'; there are {', '.join(WAYS)}")
    if not takes(network.table, name) and network.table.reads_boards:
        raise UserError(
            f"{network.table.name} tells moves on boards as they lie, and '{name}' shows mirror "
            f"images; take --protocol centre"
        )
    if not takes(network.table, name):
        raise UserError(
            f"{network.table.name} cannot be laid over whole pictures: its "
            f"'{network.table.placed}' is made for the places of a crop of {network.table.crop}; "
            f"take --protocol crops, ten or centre"
        )
    crop, whole = network.table.crop, WAYS[name] == ("whole",)
    if name in ABOVE_CROP and scales in (None, "paper"):
        scales = tuple(crop + above for above in ABOVE_CROP[name])
    chosen = scales_of(network, scales, network.pixels.test_scale, whole)
    if WAYS[name] == ("fine",) and min(chosen) < crop + FINE[-1]:
        raise UserError(
            f"a test scale of {min(chosen)} leaves no crop of {crop} once it is shifted by "
            f"{FINE[-1]} pixels; take --scales {crop + FINE[-1]} or more"
        )
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
