"""Small pictures of one size that lie in a few files together, as MNIST and CIFAR have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from verydeep.errors import UserError
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import Part
from verydeep.pictures.windows import Window


@dataclass(frozen=True)
class Pictures:
    """Pictures of one part and their labels: what was found there, as `splitting.Found` has it.

    `sheets` are arrays of pictures, one after another: [N, 1 or 3, side, side], bytes. `margin`
    pixels of zeros are put around each; what is shown of the original is said by its window.
    """

    name: str
    sheets: tuple[UInt8[np.ndarray, "_ C S S"], ...]
    labels: Labels
    classes: tuple[str, ...]
    margin: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses labels that are of no picture, or of no class."""
        count = sum(len(sheet) for sheet in self.sheets)
        if count != len(self.labels):
            raise UserError(
                f"{self.name} has {count:,} pictures and {len(self.labels):,} labels; fetch both "
                f"again"
            )
        if count and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise UserError(
                f"{self.name} has a label that is none of {len(self.classes)} classes; fetch it "
                f"again"
            )

    def lines(self) -> Iterator[str]:
        """What identifies the pictures: their size, and the label of each in their order."""
        yield f"{self.sheets[0].shape[1:]} {self.margin}"
        yield from map(str, self.labels.tolist())

    def part(self, classes: tuple[str, ...]) -> Part:
        """All the pictures, their labels places in the classes, which are those that these have."""
        ends = np.cumsum([len(sheet) for sheet in self.sheets])
        side, margin = self.sheets[0].shape[2], self.margin
        whole = side + 2 * margin
        shown = Window.whole((side, side)).cropped(-margin, -margin, (whole, whole))

        def source(i: int) -> np.ndarray:
            i = range(int(ends[-1]))[i]
            number = int(np.searchsorted(ends, i, side="right"))
            picture = self.sheets[number][i - int(ends[number])].transpose(1, 2, 0)
            return np.pad(picture, ((margin, margin), (margin, margin), (0, 0)))

        names = [f"{self.name}/{i:05d}" for i in range(len(self.labels))]
        return Part(names, self.labels, source, windows=(lambda i: shown) if margin else None)
