"""What a dataset is made of, picture by picture: counts, sizes, faults and duplicates.

`inspect` reads every picture once, by threads, and keeps size, hash and 256 grey levels of each.
`warnings` says before a training what files tell by themselves.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from verydeep.datasets.box_faults import Marked, marked
from verydeep.datasets.near_copies import Small, near_copies, small
from verydeep.errors import PictureError
from verydeep.parts.annotations import classes_in, counts_of
from verydeep.parts.dataset import Dataset, Part
from verydeep.parts.entries import some
from verydeep.parts.seen import NO_KEY, NO_KEYS, is_copy
from verydeep.pictures.picture_files import sample_bits
from verydeep.pictures.reading import Picture, Source, bytes_of, read_picture, read_with_window
from verydeep.pictures.windows import Size
from verydeep.runtime.progress import SILENT, Progress
from verydeep.runtime.threads import in_order

Place = tuple[str, int]
"""A picture: the name of its part, and where it stands in it."""
FEW_BITS = {4: 10, 16: 12, 64: 14}
"""Bits of a sample by the largest value, of 255, that a picture of 16 bits then comes out with."""
PLAIN = 3
"""Levels, of 255, by which the values of a picture of one colour may differ: JPEG leaves some."""
TINY = 4
"""Pixels a side, below which a picture is named."""
SAMPLE = 64
"""Pictures that are read before a training, spread over the dataset."""


@dataclass(frozen=True)
class Inspection:
    """What was found.

    `counts` are pictures of each class by part; `sizes` (height, width) of every readable one;
    `faults` a line for each picture that cannot be read; `duplicates` groups of names of the same
    picture, pixel by pixel, `across` those that stand in several parts, and `contradictions` those
    that stand in two classes; `dark` names pictures of 16 bits with the bits that they use;
    `marked` tells of boxes or points, where there are any.
    """

    counts: dict[str, tuple[int, ...]]
    sizes: list[tuple[int, int]]
    faults: list[str]
    duplicates: list[tuple[str, ...]]
    across: list[tuple[str, ...]]
    contradictions: list[tuple[str, ...]]
    similar: list[tuple[str, ...]]
    similar_across: list[tuple[str, ...]]
    dark: list[tuple[str, int]]
    plain: list[str]
    tiny: list[str]
    marked: Marked | None


def inspect(dataset: Dataset, threads: int = 2, progress: Progress = SILENT) -> Inspection:
    """Reads every picture of every part, and tells what was found."""
    faults: list[str] = []
    seen: list[tuple[Place, Inspected]] = []
    for place, found in _read(dataset, threads, progress):
        if isinstance(found, str):
            faults.append(found)
        else:
            seen.append((place, found))
    same: dict[bytes, list[Place]] = defaultdict(list)
    for place, found in seen:
        if not found.plain:
            same[found.digest].append(place)
    groups = [group for group in same.values() if len(group) > 1]
    progress.say("looking for pictures that are nearly the same")
    similar = _similar(seen, progress)

    def names(groups: Iterable[Sequence[Place]]) -> list[tuple[str, ...]]:
        return [names_with_parts(dataset, group) for group in groups]

    return Inspection(
        {name: _counts(part, len(dataset.classes)) for name, part in dataset.parts.items()},
        [found.size for _, found in seen],
        faults,
        names(groups),
        names(filter(_across, groups)),
        names(contradictions(dataset, groups)),
        names(similar),
        names(filter(_across, similar)),
        [(_name(dataset, place), found.bits) for place, found in seen if found.bits],
        [_name(dataset, place) for place, found in seen if found.plain],
        [_name(dataset, place) for place, found in seen if min(found.size) < TINY],
        marked(dataset, {place: found.original for place, found in seen}),
    )


def _across(group: Sequence[Place]) -> bool:
    """Whether pictures are in several parts."""
    return len({part for part, _ in group}) > 1


def _name(dataset: Dataset, place: Place) -> str:
    part, i = place
    return dataset.parts[part].names[i]


def _similar(seen: Sequence[tuple[Place, Inspected]], progress: Progress) -> list[list[Place]]:
    """Groups of nearly the same pictures, one of each that are the same pixel by pixel."""
    first = {found.digest: (place, found) for place, found in reversed(seen) if not found.plain}
    ones = sorted(first.values(), key=lambda one: one[0])
    if not ones:
        return []
    found = near_copies(np.stack([one.small for _, one in ones]), progress)
    return [[ones[i][0] for i in group] for group in found]


def contradictions(dataset: Dataset, groups: Iterable[Sequence[Place]]) -> list[Sequence[Place]]:
    """Of groups of the same picture, those whose labels are not the same."""
    return [g for g in groups if len({classes_in(dataset.parts[p].truth, i) for p, i in g}) > 1]


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
    return tuple(counts_of(part.truth, classes).tolist())


@dataclass(frozen=True, slots=True)
class Inspected:
    """What is kept of a picture: (height, width), a hash of its pixels, and how it looks.

    `original` is the size of what boxes are in, however it is decoded or kept.
    """

    size: Size
    original: Size
    digest: bytes
    bits: int
    plain: bool
    small: Small


def _inspected(part: Part, i: int) -> Inspected:
    source = part.source(i)
    image, window = read_with_window(source)
    height, width, _ = image.shape
    digest = hashlib.sha256(f"{height} {width}".encode() + image.tobytes()).digest()
    colours = image.reshape(-1, 3)
    plain = int((colours.max(0) - colours.min(0)).max()) <= PLAIN
    original = part.of_original(i, window).picture
    bits = _few_bits(source, image)
    return Inspected((height, width), original, digest, bits, plain, small(image))


def _read(
    dataset: Dataset, threads: int, progress: Progress
) -> Iterator[tuple[Place, Inspected | str]]:
    """What there is of each picture, or why it cannot be read."""
    items = [(name, i) for name, part in dataset.parts.items() for i in range(len(part))]

    def read(item: Place) -> tuple[Place, Inspected | str]:
        name, i = item
        try:
            return item, _inspected(dataset.parts[name], i)
        except PictureError as error:
            return item, str(error)

    for done, found in enumerate(in_order(read, items, threads, ahead=8 * threads)):
        progress.step("looking at pictures", done + 1, len(items))
        yield found
