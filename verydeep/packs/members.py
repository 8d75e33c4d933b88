"""What goes into a pack: which pictures in which order, under which names, as which bytes.

In comes any dataset; out come members of tar files, `train/<class>/<name>`, `validation/...` and
`test/...`, in the order in which the folder that they unpack to is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from verydeep.errors import PictureError
from verydeep.parts.annotations import Objects
from verydeep.parts.dataset import Dataset, Part
from verydeep.parts.entries import natural_key
from verydeep.parts.seen import key_of
from verydeep.pictures.boxes import Boxes, into_window, no_boxes
from verydeep.pictures.picture_files import format_of, full_size, open_image
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import Source, read_with_window
from verydeep.pictures.size_limit import most_pixels
from verydeep.pictures.windows import Window

QUALITY = 95
"""Of the JPEGs written, with a colour for each pixel (4:4:4): crops are cut at odd places and
colours shifted, and coarser colour would be blurred a second time when a picture is rescaled."""
LONGEST_SIDE = 65_500  # what libjpeg writes
LONGEST_NAME = 255  # bytes, in the file systems of Linux
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
SHRINK = Pixels((1, 1), (0.0, 0.0, 0.0), resize="lanczos")
"""Lanczos leaves most of what a second rescaling, to S, can still show."""


@dataclass(frozen=True)
class Member:
    """A picture of a dataset, by its part and its place there, and where it goes in the pack.

    `label` is an index into `class_names`; `name` stands below the folder of the class,
    and `original` is what the dataset calls the picture.
    """

    part: str
    index: int
    label: int
    class_name: str
    name: str
    original: str


@dataclass(frozen=True)
class Recoded:
    """A picture as it is packed: a JPEG file, and its boxes in that file's pixels, if told.

    `key` says which picture it was before.
    """

    data: bytes
    boxes: Boxes
    key: int


def class_names(dataset: Dataset) -> list[str]:
    """The classes in the order in which a folder has them."""
    return sorted(dataset.classes, key=natural_key)


def members(dataset: Dataset) -> Iterator[Member]:
    """Every picture that has a role, by part and by class; one class at a time is in memory."""
    for part_name, part in dataset.by_role.items():
        for label, class_name in enumerate(class_names(dataset)):
            indices = np.flatnonzero(part.labels == dataset.classes.index(class_name)).tolist()
            names = member_names([part.names[i] for i in indices], class_name)
            for index, name in zip(indices, names, strict=True):
                yield Member(part_name, index, label, class_name, name, part.names[index])


def member_names(names: Sequence[str], class_name: str) -> list[str]:
    """Names below the class's folder, as they were where the unpacked folder keeps their order.

    What is no JPEG by its name gets .jpg after it. Should that put two names in each other's
    place, the pictures are numbered.

    >>> member_names(["cat/1.jpg", "cat/2.png"], "cat")
    ['1.jpg', '2.png.jpg']
    """
    plain = [_as_jpeg(_below(name, class_name)) for name in names]
    numbered = [f"{i:06}-{PurePosixPath(name).name}" for i, name in enumerate(plain)]
    for found in (plain, numbered):
        if _unpack_in_order(found, class_name):
            return found
    return [f"{i:06}.jpg" for i in range(len(names))]


def _below(name: str, class_name: str) -> str:
    """The name without the folder of its class, and without what stands before that."""
    _, found, rest = f"/{name}".partition(f"/{class_name}/")
    return rest if found else name


def _as_jpeg(name: str) -> str:
    return name if name.casefold().endswith(JPEG_SUFFIXES) else f"{name}.jpg"


def _unpack_in_order(names: Sequence[str], class_name: str) -> bool:
    """Whether all can be unpacked side by side, and are then found in this order."""
    keys = [natural_key(f"{class_name}/{name}") for name in names]
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    return (
        all(first < second for first, second in pairwise(keys))
        and folders.isdisjoint(names)
        and all(
            len(piece.encode(errors="surrogateescape")) <= LONGEST_NAME
            for name in names
            for piece in name.split("/")
        )
    )


def recoded(part: Part, index: int, side: int) -> Recoded:
    """A picture of a part as a JPEG whose smaller side is `side` pixels at most.

    An ordinary JPEG that is small enough is taken byte for byte. Raises PictureError.
    """
    source = part.source(index)
    key = key_of(source) if part.keys is None else int(part.keys[index])
    image, window = read_with_window(source, smaller_side=side)
    as_it_is = _ordinary_jpeg(source, side)
    if as_it_is is not None:
        data, window = as_it_is
    else:
        if min(image.shape[:2]) > side:
            image = SHRINK.rescale(image, side)
            window = window.rescaled((image.shape[0], image.shape[1]))
        if max(image.shape[:2]) > LONGEST_SIDE:
            raise PictureError(f"longer than the {LONGEST_SIDE:,} pixels of a JPEG's longest side")
        file = BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=QUALITY, subsampling=0)
        data = file.getvalue()
    objects = part.objects and part.objects(index)
    if objects is None or not _is_told_whole(objects, int(part.labels[index])):
        return Recoded(data, no_boxes(), key)
    boxes = into_window(objects.boxes.astype(np.float64), part.of_original(index, window))
    return Recoded(data, boxes, key)


def _is_told_whole(objects: Objects, label: int) -> bool:
    """Whether a pack can tell all of them; where it cannot, it tells none of that picture."""
    return not objects.difficult.any() and bool((objects.labels == label).all())


def _ordinary_jpeg(source: Source, side: int) -> tuple[bytes, Window] | None:
    """The file of a JPEG, RGB or grey, upright and small enough, and the window of the whole of it.

    None of any other picture. The size is the file's own, however small it is decoded.
    """
    if isinstance(source, np.ndarray):
        return None
    with suppress(OSError):
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        if format_of(data) == "JPEG":
            image, orientation = open_image(data, most_pixels())
            (width, height), _ = full_size(image)
            if image.mode in ("RGB", "L") and orientation == 1 and min(width, height) <= side:
                return data, Window.whole((height, width))
    return None
