"""Parts by identity: none in two of those that are made, what is found left as it is.

Counts are by hand: a fifth of the identities is set aside, two at the least.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import move

import numpy as np
import pytest

from tests.conftest import drawn_photos
from verydeep.datasets import Dataset, open_dataset
from verydeep.errors import UserError
from verydeep.parts.dataset import Part, fingerprint
from verydeep.parts.identities import ENOUGH, refuse_made_alike, with_identities_apart

Photos = Callable[..., Path]


def identities(dataset: Dataset) -> dict[str, set[str]]:
    """The identities of each part, by name."""
    return {
        role: {dataset.classes[k] for k in part.labels.tolist()}
        for role, part in dataset.by_role.items()
    }


def of_labels(labels: np.ndarray) -> Dataset:
    """Data that is not split, of pictures with these labels."""
    whole = Part([f"{k}/{i}" for i, k in enumerate(labels)], labels, lambda i: b"")
    parts = {"train": whole.only(np.arange(0, len(labels), 2)),
             "validation": whole.only(np.arange(1, len(labels), 2))}  # fmt: skip
    classes = tuple(map(str, range(labels.max() + 1)))
    return Dataset("x", "folder", classes, parts, ("validation",), (), fingerprint(classes))


def test_a_folder_is_split_by_identity(photos: Photos) -> None:
    """Of ten shapes, two are set aside, with all of their pictures."""
    folder = photos(*[3] * 10, side=32)
    found = open_dataset(folder, apart=True)
    there = identities(found)
    assert [len(there[role]) for role in ("train", "validation")] == [8, 2]
    assert there["train"].isdisjoint(there["validation"])
    assert [len(part) for part in found.by_role.values()] == [24, 6]
    assert any(
        "8 to learn from, 2 to choose the weights by; none is in two" in n for n in found.notes
    )
    assert not any("of each class set aside" in note for note in found.notes)
    assert identities(open_dataset(folder, apart=True)) == there
    others = [identities(open_dataset(folder, split, apart=True)) for split in range(1, 4)]
    assert any(other != there for other in others)


@pytest.mark.parametrize(("count", "parts"), [(ENOUGH - 1, (31, 8)), (ENOUGH, (32, 4, 4))])
def test_of_many_identities_some_are_tested_on(count: int, parts: tuple[int, ...]) -> None:
    found = with_identities_apart(of_labels(np.arange(2 * count) % count), 0)
    there = identities(found)
    assert tuple(map(len, there.values())) == parts
    assert sum(map(len, there.values())) == len(set().union(*there.values()))
    assert sum(len(part) for part in found.by_role.values()) == 2 * count


def test_fewer_than_four_stay_as_they_are_and_are_none_to_learn_from() -> None:
    few = of_labels(np.arange(9) % 3)
    assert with_identities_apart(few, 0) is few
    with pytest.raises(UserError, match="x has 3 identities; 4 are needed"):
        refuse_made_alike(few)


def test_parts_that_are_found_may_have_other_identities_each(tmp_path: Path) -> None:
    drawn_photos(tmp_path / "faces" / "train", 2, 2, 2, 2, side=32)
    for name in ("arrow", "disc"):
        (tmp_path / "faces" / "val").mkdir(exist_ok=True)
        move(tmp_path / "faces" / "train" / name, tmp_path / "faces" / "val" / name)
    found = open_dataset(tmp_path / "faces", apart=True)
    assert identities(found) == {"train": {"crescent", "cross"}, "validation": {"arrow", "disc"}}
    assert not any("learnt from, too" in note for note in found.notes)
    with pytest.raises(UserError, match="classes that .* has not"):
        open_dataset(tmp_path / "faces")


def test_what_found_parts_share_is_told(tmp_path: Path) -> None:
    for part in ("train", "val"):
        drawn_photos(tmp_path / "faces" / part, 2, 2, side=32, first=10 * (part == "val"))
    found = open_dataset(tmp_path / "faces", apart=True)
    assert any("2 of 2 identities of validation are learnt from, too" in n for n in found.notes)
