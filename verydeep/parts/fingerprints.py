"""The fingerprint of data with what is marked in its pictures: boxes, or points.

That of the pictures themselves stands first, so that tests of the same pictures are known whether
they were of boxes or not: `0f3c...-81aa...`, where a classifier's data has `0f3c...` alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from verydeep.parts.annotations import Ends, flat_places
from verydeep.parts.dataset import Dataset

BETWEEN = "-"


def marked(dataset: Dataset, ends: Ends, rows: Sequence[np.ndarray]) -> str:
    """The fingerprint of a dataset with what is marked in the pictures of all its parts.

    `rows` are arrays in one piece, of which those of picture i are before `ends[i]`, part after
    part. They are taken in the order of the pictures' names, so that another split of the same
    pictures changes nothing.
    """
    names = [name for part in dataset.parts.values() for name in part.names]
    order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
    digest = hashlib.sha256()
    for i in order.tolist():
        digest.update(names[i].encode(errors="surrogateescape") + b"\n")
    places = flat_places(ends, order)
    counts = np.diff(ends, prepend=0)[order]
    for array in (counts, *(row[places] for row in rows)):
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"{of_pictures(dataset.fingerprint)}{BETWEEN}{digest.hexdigest()[:16]}"


def of_pictures(fingerprint: str) -> str:
    """The fingerprint less what is marked in the pictures.

    >>> of_pictures("0f3c-81aa")
    '0f3c'
    """
    return fingerprint.partition(BETWEEN)[0]


def is_unchanged(before: str, dataset: Dataset) -> bool:
    """Whether data is what it was when it had that fingerprint, as far as that told.

    One that was taken before boxes and points were in it tells of the pictures alone.
    """
    return before in (dataset.fingerprint, of_pictures(dataset.fingerprint))
