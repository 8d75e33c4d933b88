"""The boxes file comes back as it was written, and what cannot be one test's is refused."""

from __future__ import annotations

from copy import copy
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.localisation.made import box, centre, dense, truth
from verydeep import tensors_file
from verydeep.errors import UserError
from verydeep.evaluation.views import Protocol
from verydeep.localisation.boxes_file import (
    ARRAYS,
    KIND,
    Localised,
    load_boxes,
    refuse_other,
    save_boxes,
)


@pytest.mark.parametrize("found", [dense(), centre(), dense(net=("D", 256, 256), role="train")])
def test_boxes_come_back_from_their_file(tmp_path: Path, found: Localised) -> None:
    path = tmp_path / "boxes" / "x.safetensors"
    save_boxes(found, path)
    back = load_boxes(path)
    for name in ARRAYS:
        assert np.array_equal(getattr(back, name), getattr(found, name)), name
    assert all(
        np.array_equal(getattr(back.truth.objects, f.name), getattr(found.truth.objects, f.name))
        for f in fields(found.truth.objects)
    )
    same = {name: getattr(found, name) for name in (*ARRAYS, "truth")}
    assert replace(back, **same) == found


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"names": ("a.jpg",)}, "candidates are int64 of [2, 2]; int64 of [1, 2] are needed"),
        ({"classes": ("cat", "dog")}, "candidates are not all from 0 to 1"),
        ({"boxes": np.full((3, 2, 4), np.nan, np.float32)}, "boxes are not all finite"),
        ({"boxes": np.zeros((3, 2, 4))}, "boxes are float64"),
        ({"candidates": np.array(1)}, "candidates are int64 of []"),
        ({"truth": replace(dense().truth, ends=np.array([1, 1]))}, "the ends of its true boxes"),
        ({"ends": np.array([3, 3])}, "the ends of its positions"),
        ({"ends": np.array([1, 2])}, "the ends of its positions"),
        ({"candidates": np.array([[0, 0], [2, 0]])}, "one twice"),
        ({"posteriors": np.array([[0.1, 0.2], [0.5, 0.2]], np.float32)}, "most probable one"),
        ({"posteriors": np.array([[1.5, 0.2], [0.5, 0.2]], np.float32)}, "that are none"),
        ({"sizes": np.array([[0, 9], [9, 9]])}, "without a pixel"),
        ({"labels": np.array([0, 1])}, "no true box of picture 1 is of its class"),
        (
            {"truth": truth([(box(0, 0, 1, 1), 0)], [(box(0, 0, 1, 1), 2)], difficult=(0,))},
            "no true box of picture 0 is of its class and not difficult",
        ),
        ({"threshold": None}, "no threshold"),
        ({"protocol": Protocol("ten", 32, (64,))}, "no protocol 'ten'"),
        ({"role": "other"}, "pictures that were 'other'"),
        ({"regression": "both"}, "one of PCR, SCR is needed"),
    ],
)
def test_a_file_that_is_no_test_of_boxes_is_refused(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    found = copy(dense())
    for name, value in changes.items():
        object.__setattr__(found, name, value)  # past the checks of types that tests run with
    save_boxes(found, tmp_path / "x.safetensors")
    with pytest.raises(UserError) as error:
        load_boxes(tmp_path / "x.safetensors")
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"candidates": np.array([[0], [1]])}, "not the true classes"),
        ({"threshold": 0.5}, "several boxes of a centre crop, or a threshold"),
    ],
)
def test_a_centre_crop_has_the_one_box_of_the_true_class(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    save_boxes(centre(**changes), tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=why):
        load_boxes(tmp_path / "x.safetensors")


def test_a_file_without_one_of_its_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_boxes(dense(), path)
    content = tensors_file.read(path, KIND)
    arrays = content.arrays()
    del arrays["sizes"]
    tensors_file.write(path, KIND, content.record, arrays)
    with pytest.raises(UserError, match="its arrays are boxes, candidates, difficult, ends, label"):
        load_boxes(path)


def test_another_file_is_not_replaced_by_boxes(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    refuse_other(path)
    save_boxes(dense(), path)
    refuse_other(path)
    path.write_bytes(b"a thesis")
    with pytest.raises(UserError, match="is no boxes file"):
        refuse_other(path)
