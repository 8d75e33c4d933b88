"""Kinds of datasets: which is asked for what, and what is there of drawn ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import objects
from verydeep.benchmarks import ilsvrc
from verydeep.benchmarks.ilsvrc_files import TRUTH
from verydeep.datasets import open_dataset
from verydeep.drawings import drawn
from verydeep.drawings.drawing import Drawing, draw
from verydeep.drawings.drawn import SERIES
from verydeep.folders import folder
from verydeep.packs import pack
from verydeep.packs.writer import pack as packed


def test_each_kind_knows_its_own_and_a_folder_is_whatever_is_left(
    photos: Callable[..., Path],
) -> None:
    root = photos(4, 4)
    packed(open_dataset(root), Path("packed"), threads=1)
    Path("val").mkdir()
    Path("val/ILSVRC2012_val_00000001.JPEG").touch()
    Path(TRUTH).touch()
    kinds = {"drawn": drawn, "packed": pack, "ilsvrc": ilsvrc}
    for where, kind in (("drawn:40", "drawn"), ("packed", "packed"), (".", "ilsvrc")):
        assert [name for name, one in kinds.items() if one.is_here(where)] == [kind]
    for where in (str(root), "nowhere", "packed"):
        assert folder.is_here(where)
    assert [open_dataset(where).kind for where in ("drawn", "packed", root)] == [
        "drawn", "packed", "folder",
    ]  # fmt: skip


def test_a_folder_that_is_called_drawn_is_a_folder(photos: Callable[..., Path]) -> None:
    photos(4, 4, root="drawn")
    assert open_dataset("drawn").kind == "folder"


def test_a_picture_is_not_drawn_anew_for_its_box(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers: list[int] = []

    def counted(seed: int, index: int, size: tuple[int, int]) -> Drawing:
        numbers.append(index)
        return draw(seed, index, size)

    monkeypatch.setitem(SERIES, "drawn", replace(SERIES["drawn"], draw=counted))
    part = open_dataset("drawn:40x48").train
    assert np.asarray(part.source(3)).shape == (48, 48, 3)
    for i in (3, 7, 7):
        assert objects(part, i).boxes.tolist() == [[*draw(0, i, (48, 48)).box]]
        assert objects(part, i).labels.tolist() == [i]
    assert numbers == [3, 7]
