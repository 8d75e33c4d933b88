"""What a dataset is made of, picture by picture: counts, sizes, faults and duplicates.

Every picture is read once, by threads; only sizes and hashes are kept.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from verydeep.datasets.dataset import Dataset, Part
from verydeep.errors import PictureError
from verydeep.pictures import read_picture
from verydeep.progress import SILENT, Watch
from verydeep.threads import in_order


@dataclass(frozen=True)
class Inspection:
    """What was found.

    `counts` are pictures of each class by part; `sizes` (height, width) of every readable one;
    `faults` a line for each picture that cannot be read; `duplicates` groups of names of the same
    picture, pixel by pixel, and `across` those that stand in several parts.
    """

    counts: dict[str, tuple[int, ...]]
    sizes: list[tuple[int, int]]
    faults: list[str]
    duplicates: list[tuple[str, ...]]
    across: list[tuple[str, ...]]


def inspect(dataset: Dataset, threads: int = 2, watch: Watch = SILENT) -> Inspection:
    """Reads every picture of every part, and tells what was found."""
    sizes, faults = [], []
    same: dict[bytes, list[tuple[str, str]]] = defaultdict(list)
    for part, name, found in _read(dataset, threads, watch):
        if isinstance(found, str):
            faults.append(found)
        else:
            size, digest = found
            sizes.append(size)
            same[digest].append((part, name))
    groups = [group for group in same.values() if len(group) > 1]
    return Inspection(
        {name: _counts(part, len(dataset.classes)) for name, part in dataset.parts.items()},
        sizes,
        faults,
        [tuple(f"{name} ({part})" for part, name in group) for group in groups],
        [
            tuple(f"{name} ({part})" for part, name in group)
            for group in groups
            if len({part for part, _ in group}) > 1
        ],
    )


def _counts(part: Part, classes: int) -> tuple[int, ...]:
    """Pictures of each class."""
    return tuple(int((part.labels == c).sum()) for c in range(classes))


Found = tuple[tuple[int, int], bytes] | str
"""Size and hash of the pixels of a readable picture, or why it is not readable."""


def _read(dataset: Dataset, threads: int, watch: Watch) -> Iterator[tuple[str, str, Found]]:
    items = [(name, i) for name, part in dataset.parts.items() for i in range(len(part))]

    def read(item: tuple[str, int]) -> tuple[str, str, Found]:
        name, i = item
        part = dataset.parts[name]
        try:
            image = read_picture(part.source(i))
        except PictureError as error:
            return name, part.names[i], str(error)
        height, width, _ = image.shape
        digest = hashlib.sha256(f"{height} {width}".encode() + image.tobytes()).digest()
        return name, part.names[i], ((height, width), digest)

    for done, found in enumerate(in_order(read, items, threads, ahead=8 * threads)):
        watch.step("looking at pictures", done + 1, len(items))
        yield found
