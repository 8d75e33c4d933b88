"""`verydeep transfer --protocol`, called as the command line calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import verydeep
from verydeep.commands.transfer import transfer
from verydeep.errors import UserError
from verydeep.nets.network import build


def test_it_prints_a_row_for_each_number_of_pictures(
    photos: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    verydeep.save(build("A", 3, width=0.0625, crop=32, fc=8, initial="he"), Path("a.safetensors"))
    words = ["a.safetensors", str(photos(5, 5, 5))]
    transfer(words, protocol="draws", train="1,3", draws=2, c="1,10", quiet=True)
    head, first, second, *rest = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "a class"
    assert [line.split()[:4] for line in (first, second)] == [
        ["1", "the", "rest", "2"], ["3", "the", "rest", "2"],
    ]  # fmt: skip
    assert any(line.startswith("described by relu7 of A") for line in rest)
    assert any("chosen on 20 % of the pictures" in line for line in rest)
    transfer(words, protocol="draws", train="3", draws=2, c="1", quiet=True, json=True)
    said = json.loads(capsys.readouterr().out)
    (row,) = said["draws"]
    assert [one["number"] for one in row["draws"]] == [0, 1]
    recalls = [one["recall"] for one in row["draws"]]
    assert row["figures"]["recall"]["mean"] == pytest.approx(sum(recalls) / 2)
    assert said["paper"] is None


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"protocol": "voc"}, "no protocol 'voc' of transfer; there are draws, voc2007, voc2012"),
        ({"train": "3"}, "--train is of a protocol; give --protocol with it, such as draws"),
        ({"results": Path("r")}, "--results is of a protocol"),
        ({"protocol": "draws", "train": "x"}, "--train x; give a whole number, or several: 1,5,10"),
        ({"protocol": "draws", "out": Path("r")}, "--out makes a network, and --protocol makes no"),
        ({"protocol": "draws", "task": "tag"}, "--task makes a network"),
        ({"protocol": "draws", "balanced": True}, "--balanced makes a network"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_fetched(
    asked: dict[str, Any], line: str
) -> None:
    with pytest.raises(UserError, match=line):
        transfer(["vgg16", "photos"], offline=True, quiet=True, **asked)
