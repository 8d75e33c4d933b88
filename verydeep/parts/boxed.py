"""A dataset's pictures with boxes: those that one can learn from, or test, where a class is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from verydeep.errors import PictureError, UserError, one_line
from verydeep.parts.annotations import FlatObjects, Objects, classes_in
from verydeep.parts.dataset import Dataset, Part
from verydeep.parts.entries import some
from verydeep.parts.fingerprints import marked
from verydeep.pictures.boxes import areas, no_boxes
from verydeep.runtime.progress import SILENT, Progress

UNTOLD, OTHERS = "of which no box is told", "without a box of their own class"
DIFFICULT, EMPTY = "whose boxes are all difficult", "whose boxes are empty or outside"
UNREADABLE = "that cannot be read"
EXPECTED = (
    "expected annotations of PASCAL VOC, COCO or ILSVRC, or a table of boxes; give a table with a "
    "line `file,class,x_min,y_min,x_max,y_max` for each box, in pixels"
)


def with_boxes(dataset: Dataset, progress: Progress = SILENT) -> Dataset:
    """The same with the pictures alone that have a box of a class of their own.

    One that counts is not difficult, has an area, and does not lie left of its picture or above it.
    Others are left out, counted and named in the notes. All objects of those that stay are kept in
    memory, in one piece: nothing is read twice. No picture is decoded; sizes of pictures are not
    looked at, so what lies beyond their other ends is named by `look` alone. The fingerprint has
    those objects in it. Raises UserError where no picture has such a box.
    """
    if dataset.kind == "drawn":  # each has its box, and would be drawn for it
        return dataset
    parts, kept, notes = {}, list[Objects](), []
    for name, part in dataset.parts.items():
        parts[name], found, left_out = _part(part, name, progress)
        kept += found
        notes += [
            f"left out of {name}, pictures {why}: {len(names):,} ({some(names)})"
            for why, names in left_out.items()
        ]
    if not any(map(len, parts.values())):
        raise UserError(_no_boxes(dataset, notes))
    fitted = replace(dataset, parts=parts, notes=(*dataset.notes, *notes))
    flat = _in_one_piece(kept)
    rows = flat.objects.boxes, flat.objects.labels, flat.objects.difficult
    return replace(fitted, fingerprint=marked(fitted, flat.ends, rows))


def _no_boxes(dataset: Dataset, notes: Sequence[str]) -> str:
    """What is the matter with data of which no picture has a box that counts."""
    where = one_line(dataset.where)
    if any(part.points for part in dataset.parts.values()):
        return f"{where} tells of points and of no boxes; {EXPECTED}"
    if all(part.objects is None for part in dataset.parts.values()):
        why = next((f" ({note})" for note in dataset.notes if "; not read: " in note), "")
        return f"{where} tells of no boxes{why}; {EXPECTED}"
    return f"no picture of {where} has a box of its class: {'; '.join(notes)}"


def _part(
    part: Part, name: str, progress: Progress
) -> tuple[Part, list[Objects], dict[str, list[str]]]:
    """The pictures of a part that have such a box, their objects, and others by what they lack."""
    kept, found = list[int](), list[Objects]()
    left_out: dict[str, list[str]] = defaultdict(list)
    for i in range(len(part)):
        here = _objects(part, i)
        if isinstance(here, Objects):
            kept.append(i)
            found.append(here)
        else:
            left_out[here].append(part.names[i])
        if part.objects:
            progress.step(f"looking for boxes in {name}", i + 1, len(part))
    return replace(part.only(kept), objects=_in_one_piece(found)), found, left_out


def _objects(part: Part, i: int) -> Objects | str:
    """The objects of a picture that has a box of its own; what it lacks where it has none."""
    try:  # where boxes are of another size than the picture, its header is read
        found = part.objects and part.objects(i)
    except PictureError:
        return UNREADABLE
    if not found:
        return UNTOLD
    ours = np.isin(found.labels, [*classes_in(part.truth, i)])
    if not ours.any():
        return OTHERS
    if found.difficult[ours].all():
        return DIFFICULT
    boxes = np.maximum(found.boxes[ours & ~found.difficult], 0)
    return found if (areas(boxes) > 0).any() else EMPTY


def _in_one_piece(found: Sequence[Objects]) -> FlatObjects:
    """The objects of pictures one after another."""
    objects = Objects(
        np.concatenate([no_boxes(), *(each.boxes for each in found)]),
        np.concatenate([np.zeros(0, np.int64), *(each.labels for each in found)]),
        np.concatenate([np.zeros(0, bool), *(each.difficult for each in found)]),
    )
    return FlatObjects(objects, np.cumsum([len(each) for each in found], dtype=np.int64))
