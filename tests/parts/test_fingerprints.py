"""What the fingerprint of data with boxes or points tells, by tables of them changed by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import TWO_CORES, drawn_photos
from tests.parts.test_parts import of_an_earlier_version
from verydeep.datasets import Dataset, open_dataset
from verydeep.errors import UserError
from verydeep.parts.boxed import with_boxes
from verydeep.parts.fingerprints import is_unchanged, of_pictures
from verydeep.runtime.progress import SILENT
from verydeep.tasks.points import POINTS
from verydeep.verbs.parts import remembered
from verydeep.verbs.train import resume, train

BOXES = "file,class,x_min,y_min,x_max,y_max"


def boxes_of(root: Path, rows: list[str], seed: int = 0) -> Dataset:
    """A table of boxes beside the pictures, fitted."""
    (root / "boxes.csv").write_text("\n".join([BOXES, *rows]))
    return with_boxes(open_dataset(root / "boxes.csv", seed))


@pytest.fixture
def rows() -> list[str]:
    """A box for each of forty pictures of two classes."""
    drawn_photos(Path("photos"), 20, 20)
    names = sorted(path.relative_to("photos") for path in Path("photos").rglob("*.png"))
    return [f"{name},{name.parent.name},1,2,{30 + i},40" for i, name in enumerate(names)]


def test_a_box_that_is_moved_is_other_data_of_the_same_pictures(rows: list[str]) -> None:
    root = Path("photos")
    first, again = boxes_of(root, rows), boxes_of(root, rows)
    rows[7] = rows[7].replace(",1,2,", ",1,2.5,")
    moved = boxes_of(root, rows)
    assert first.fingerprint == again.fingerprint != moved.fingerprint
    pictures = open_dataset(root / "boxes.csv").fingerprint
    assert of_pictures(first.fingerprint) == of_pictures(moved.fingerprint) == pictures


def test_the_seed_of_the_split_changes_no_fingerprint(rows: list[str]) -> None:
    first, other = (boxes_of(Path("photos"), rows, seed) for seed in (0, 1))
    assert [*first.train.names] != [*other.train.names]
    assert first.fingerprint == other.fingerprint


def test_drawn_pictures_and_their_boxes_are_known_by_their_seed() -> None:
    dataset = open_dataset("drawn:40x48")
    assert (
        with_boxes(dataset).fingerprint == dataset.fingerprint == of_pictures(dataset.fingerprint)
    )


def test_a_point_that_is_moved_is_other_data(photos: Callable[..., Path]) -> None:
    root = photos(4) / "arrow"
    found = []
    for x in (3, 3, 4):
        each = [f"{i}.png,tip,{x if i == 2 else 5},{i}\n{i}.png,end,6,7" for i in range(4)]
        (root / "points.csv").write_text("\n".join(["file,name,x,y", *each]))
        found.append(POINTS.fitting(open_dataset(root / "points.csv", several=True)).fingerprint)
    assert found[0] == found[1] != found[2]
    assert of_pictures(found[0]) == of_pictures(found[2])


def test_a_run_goes_on_with_the_boxes_that_it_was_begun_with_alone(rows: list[str]) -> None:
    root, folder = Path("photos"), Path("run")
    boxes_of(root, rows)
    train(
        root / "boxes.csv", folder, TWO_CORES, task="localise", net="A", width=0.125, crop=32,
        fc=16, scale=40, batch=20, rate=0.001, epochs=1, progress=SILENT,
    )  # fmt: skip
    resume(folder, TWO_CORES, progress=SILENT)
    rows[7] = rows[7].replace(",1,2,", ",1,2.5,")
    boxes_of(root, rows)
    with pytest.raises(UserError, match="has changed since run was begun: its fingerprint was"):
        resume(folder, TWO_CORES, progress=SILENT)


def test_what_was_begun_before_boxes_were_in_fingerprints_is_known_by_its_pictures(
    rows: list[str],
) -> None:
    dataset = boxes_of(Path("photos"), rows)
    assert is_unchanged(dataset.fingerprint, dataset)
    assert is_unchanged(of_pictures(dataset.fingerprint), dataset)
    assert not is_unchanged(dataset.fingerprint[:-1] + "x", dataset)


def test_boxes_hide_no_picture_from_weights_that_learnt_it(photos: Callable[..., Path]) -> None:
    """Those of a version that knew data by its fingerprint alone."""
    root = photos(10, 10, 10, side=48)
    of_an_earlier_version(root)
    dataset = open_dataset(root, 3)
    fitted = replace(dataset, fingerprint=f"{dataset.fingerprint}-81aa")
    found = remembered(Path("old.safetensors"), fitted, "").keys
    assert found.keys() == {"train", "validation"}
