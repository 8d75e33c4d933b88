"""What a dataset is made of, picture by picture: counts, sizes, faults and duplicates.

`inspect` reads every picture once, by threads, and keeps sizes and hashes alone. `warnings` says
before a training what files tell by themselves.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from verydeep.datasets.dataset import Dataset, Part
from verydeep.datasets.entries import some
from verydeep.datasets.seen import NO_KEY, NO_KEYS, is_copy
from verydeep.errors import PictureError
from verydeep.pictures.picture_files import sample_bits
from verydeep.pictures.reading import Picture, Source, bytes_of, read_picture
from verydeep.runtime.progress import SILENT, Progress
from verydeep.runtime.threads import in_order

Place = tuple[str, int]
"""A picture: the name of its part, and where it stands in it."""
FEW_BITS = {4: 10, 16: 12, 64: 14}
"""Bits of a sample by the largest value, of 255, that a picture of 16 bits then comes out with."""
SAMPLE = 64
"""Pictures that are read before a training, spread over the dataset."""


@dataclass(frozen=True)
class Inspection:
    """What was found.

    `counts` are pictures of each class by part; `sizes` (height, width) of every readable one;
    `faults` a line for each picture that cannot be read; `duplicates` groups of names of the same
    picture, pixel by pixel, `across` those that stand in several parts, and `contradictions` those
    that stand in two classes; `dark` names pictures of 16 bits with the bits that they use.
    """

    counts: dict[str, tuple[int, ...]]
    sizes: list[tuple[int, int]]
    faults: list[str]
    duplicates: list[tuple[str, ...]]
    across: list[tuple[str, ...]]
    contradictions: list[tuple[str, ...]]
    dark: list[tuple[str, int]]


def inspect(dataset: Dataset, threads: int = 2, progress: Progress = SILENT) -> Inspection:
    """Reads every picture of every part, and tells what was found."""
    sizes, faults, dark = [], [], []
    same: dict[bytes, list[Place]] = defaultdict(list)
    for (part, i), found in _read(dataset, threads, progress):
        if isinstance(found, str):
            faults.append(found)
            continue
        size, digest, bits = found
        sizes.append(size)
        same[digest].append((part, i))
        if bits:
            dark.append((dataset.parts[part].names[i], bits))
    groups = [group for group in same.values() if len(group) > 1]
    across = [group for group in groups if len({part for part, _ in group}) > 1]
    return Inspection(
        {name: _counts(part, len(dataset.classes)) for name, part in dataset.parts.items()},
        sizes,
        faults,
        [names_with_parts(dataset, group) for group in groups],
        [names_with_parts(dataset, group) for group in across],
        [names_with_parts(dataset, group) for group in contradictions(dataset, groups)],
        dark,
    )


def contradictions(dataset: Dataset, groups: Iterable[Sequence[Place]]) -> list[Sequence[Place]]:
    """Of groups of the same picture, those whose labels are not the same."""
    return [g for g in groups if len({dataset.parts[part].labels[i] for part, i in g}) > 1]


def names_with_parts(dataset: Dataset, group: Iterable[Place]) -> tuple[str, ...]:
    """The pictures' names, each with its part."""
    return tuple(f"{dataset.parts[part].names[i]} ({part})" for part, i in group)


def mislabelled(dataset: Dataset) -> list[Sequence[Place]]:
    """Groups of pictures of several classes whose files are the same, byte for byte.

    For datasets whose keys were read; there are none in others.
    """
    keys = {name: part.keys for name, part in dataset.parts.items() if part.keys is not None}
    found, counts = np.unique(np.concatenate([*keys.values(), NO_KEYS]), return_counts=True)
    several = found[(counts > 1) & (found != NO_KEY)]
    groups: dict[int, list[Place]] = defaultdict(list)
    for name, of_part in keys.items():
        for i in np.flatnonzero(np.isin(of_part, several)).tolist():
            groups[int(of_part[i])].append((name, i))

    def source(place: Place) -> Source:
        return dataset.parts[place[0]].source(place[1])

    alike = [
        [first, *(place for place in rest if is_copy(source(first), source(place)))]
        for first, *rest in contradictions(dataset, groups.values())
    ]
    return contradictions(dataset, alike)


def warnings(dataset: Dataset) -> Iterator[str]:
    """A line for each thing that is wrong with what is to be learnt, by files and a sample alone.

    Files that stand in two classes, and pictures of 16 bits that use few of them.
    """
    if groups := mislabelled(dataset):
        shown = some([" = ".join(names_with_parts(dataset, group)) for group in groups])
        yield f"the same file in two classes, so that one label is wrong: {len(groups)} ({shown})"
    if dark := list(_dark_of(dataset.train)):
        yield dark_line(dark)


def dark_line(dark: Sequence[tuple[str, int]]) -> str:
    """What is said of pictures of 16 bits that use few of them."""
    bits = max(bits for _, bits in dark)
    return (
        f"pictures of 16 bits that use {bits} of them or fewer, and look dark: {len(dark)} "
        f"({some([name for name, _ in dark])}); multiply their values by {2 ** (16 - bits)}"
    )


def _dark_of(part: Part) -> Iterator[tuple[str, int]]:
    """Those of a part, by a sample of it."""
    for i in np.unique(np.linspace(0, len(part) - 1, min(len(part), SAMPLE)).astype(int)).tolist():
        if part.names[i].casefold().endswith((".png", ".tif", ".tiff")):
            try:
                bits = _few_bits(part.source(i), read_picture(part.source(i)))
            except PictureError:  # which the reading of pictures names
                continue
            if bits:
                yield part.names[i], bits


def _few_bits(source: Source, image: Picture) -> int:
    """Bits that a picture of 16 bits uses where they are fewer; 0 of any other."""
    largest = int(image.max())
    if not 0 < largest <= max(FEW_BITS) or isinstance(source, np.ndarray):
        return 0
    if sample_bits(bytes_of(source)) != 16:
        return 0
    return next(bits for limit, bits in FEW_BITS.items() if largest <= limit)


def _counts(part: Part, classes: int) -> tuple[int, ...]:
    """Pictures of each class."""
    return tuple(int((part.labels == c).sum()) for c in range(classes))


Inspected = tuple[tuple[int, int], bytes, int] | str
"""Size, hash of the pixels and few bits of a readable picture, or why it is not readable."""


def _read(dataset: Dataset, threads: int, progress: Progress) -> Iterator[tuple[Place, Inspected]]:
    items = [(name, i) for name, part in dataset.parts.items() for i in range(len(part))]

    def read(item: Place) -> tuple[Place, Inspected]:
        name, i = item
        source = dataset.parts[name].source(i)
        try:
            image = read_picture(source)
            bits = _few_bits(source, image)
        except PictureError as error:
            return item, str(error)
        height, width, _ = image.shape
        digest = hashlib.sha256(f"{height} {width}".encode() + image.tobytes()).digest()
        return item, ((height, width), digest, bits)

    for done, found in enumerate(in_order(read, items, threads, ahead=8 * threads)):
        progress.step("looking at pictures", done + 1, len(items))
        yield found
