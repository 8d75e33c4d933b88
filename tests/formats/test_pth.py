"""What trainers keep beside weights is known by name, and nothing of it comes to be.

The values are those of torchvision's reference, timm's and Lightning's checkpoints.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import pathlib
import types
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from verydeep.formats import pth
from verydeep.limits import FormatError

BESIDE: dict[str, Any] = {
    "arguments": argparse.Namespace(lr=0.1, data=pathlib.Path("data"), aug=[1.0]),
    "a namespace": types.SimpleNamespace(a=1),
    "a number of NumPy's": np.float64(0.9),
    "numbers of NumPy's": [np.float32(1), np.int64(2), np.bool_(True)],
    "an array": np.zeros((3, 3)),
    "paths": [pathlib.Path("a"), pathlib.PurePosixPath("b"), pathlib.PureWindowsPath("c:/d")],
    "times": [
        datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC), datetime.date(2020, 1, 2),
        datetime.timedelta(3),
    ],
    "dictionaries": [collections.Counter("aab"), collections.defaultdict(list, {1: [2]})],
    "a queue": collections.deque([1, 2], maxlen=2),
    "sets and spans": [{1, 2}, frozenset("a"), range(3), slice(1), 1 + 2j],
    "others": [uuid.UUID(int=1), decimal.Decimal("0.1")],
}  # fmt: skip


@pytest.mark.parametrize("new", [True, False], ids=["archive", "older"])
@pytest.mark.parametrize("name", list(BESIDE))
def test_what_lies_beside_weights_does_not_keep_them_from_being_read(name: str, new: bool) -> None:
    said = {"model": {"a": torch.arange(3.0)}, "beside": BESIDE[name], "epoch": 3}
    torch.save(said, "w.pth", _use_new_zipfile_serialization=new)
    found = pth.load(Path("w.pth"))
    assert torch.equal(found["model"]["a"], torch.arange(3.0))
    assert found["epoch"] == 3


def test_nothing_of_it_is_kept() -> None:
    torch.save(
        {"args": argparse.Namespace(data=pathlib.Path("data")), "at": BESIDE["times"]}, "w.pth"
    )
    found = pth.load(Path("w.pth"))
    assert type(found["args"]).__module__ == pth.__name__
    assert vars(found["args"]) == {}
    assert {type(each).__module__ for each in found["at"]} == {pth.__name__}


def test_what_comes_in_their_place_is_known_to_nobody_else() -> None:
    """PyTorch is told of the names only while a file is read."""
    before = {*torch.serialization.get_safe_globals()}
    torch.save({"args": argparse.Namespace()}, "w.pth")
    pth.load(Path("w.pth"))
    assert {*torch.serialization.get_safe_globals()} == before


class Mine:
    """A class of the user's own."""


def test_a_class_that_is_not_known_is_refused_by_its_name() -> None:
    torch.save({"model": {}, "config": Mine()}, "w.pth")
    with pytest.raises(FormatError, match="asks for tests.formats.test_pth.Mine, which is no"):
        pth.load(Path("w.pth"))
