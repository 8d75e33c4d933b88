"""Draws of so many pictures a class, and stored splits; what must come was worked out by hand.

The splits of Caltech-101 that are read here were drawn and stored by others, with their counts.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import real_pictures
from verydeep.datasets import Part, open_dataset
from verydeep.errors import UserError
from verydeep.parts.draws import drawn, stored

COUNTS = {"ant": 9, "bee": 12, "cat": 30}


def part(counts: dict[str, int] = COUNTS, turned: bool = False) -> tuple[Part, tuple[str, ...]]:
    """Pictures of classes, in another order of both where that is turned."""
    classes = tuple(sorted(counts, reverse=turned))
    names = [f"{name}/{i}" for name in classes for i in range(counts[name])]
    names = names[::-1] if turned else names
    labels = np.array([classes.index(name.partition("/")[0]) for name in names])
    return Part(names, labels, lambda i: names[i].encode()), classes


def counts(drawn_part: Part) -> dict[str, int]:
    return {c: sum(n.startswith(f"{c}/") for n in drawn_part.names) for c in COUNTS}


def test_so_many_of_each_class_are_drawn_and_the_rest_or_some_are_tested_on() -> None:
    draw = drawn(*part(), train=6)
    assert counts(draw.train) == {"ant": 6, "bee": 6, "cat": 6}
    assert counts(draw.test) == {"ant": 3, "bee": 6, "cat": 24}
    assert not {*draw.train.names} & {*draw.test.names}
    some = drawn(*part(), train=6, test=5)
    assert counts(some.test) == {"ant": 3, "bee": 5, "cat": 5}
    assert [*some.train.names] == [*draw.train.names]
    assert {*some.test.names} < {*draw.test.names}


def test_a_draw_hangs_on_seed_number_and_names_alone() -> None:
    def names(seed: int, number: int, turned: bool = False) -> list[str]:
        return sorted(drawn(*part(turned=turned), train=6, seed=seed, number=number).train.names)

    assert names(3, 1) == names(3, 1, turned=True)
    assert len({tuple(names(seed, number)) for seed in range(3) for number in range(3)}) == 9
    fewer, classes = part({"ant": 9, "cat": 30})
    alone = drawn(fewer, classes, train=6, seed=3, number=1).train.names
    assert [n for n in names(3, 1) if n[0] != "b"] == sorted(alone)


def test_fewer_to_train_on_are_among_more_and_the_same_are_tested_on() -> None:
    few, more = (drawn(*part(), train=n, test=3) for n in (2, 6))
    assert {*few.train.names} < {*more.train.names}
    assert [*few.test.names] == [*more.test.names]


def test_a_draw_says_what_is_said_of_its_pictures() -> None:
    draw = drawn(*part(), train=6)
    for i in (0, 7, 17):
        assert draw.train.source(i) == draw.train.names[i].encode()
        assert draw.train.names[i].startswith(sorted(COUNTS)[draw.train.labels[i]])


@pytest.mark.parametrize("train", [9, 10])
def test_a_class_of_too_few_is_named_with_its_count(train: int) -> None:
    with pytest.raises(UserError, match=f"class 'ant' has 9 pictures, and {train} of each"):
        drawn(*part(), train=train)


def folder(**counts: int) -> Path:
    for name, count in counts.items():
        Path("data", name).mkdir(parents=True)
        for i in range(count):
            Path("data", name, f"{i}.jpg").write_bytes(b"x")
    return Path("data")


def test_stored_splits_are_read_by_number() -> None:
    dataset = open_dataset(folder(ant=4, bee=4))
    assert stored(dataset) == ()
    splits = [
        {"train": ["bee/1.jpg", "ant/0.jpg"], "test": ["bee/3.jpg"]},
        {"train": ["ant/3.jpg"], "test": ["ant/0.jpg", "bee/0.jpg"]},
    ]
    Path("splits.json").write_text(json.dumps({"splits": splits}))
    first, second = stored(dataset)
    assert (first.number, {*first.train.names}) == (0, {"ant/0.jpg", "bee/1.jpg"})
    assert (second.number, {*second.test.names}) == (1, {"ant/0.jpg", "bee/0.jpg"})
    Path("data/splits.json").write_text(json.dumps({"splits": splits[1:]}))
    assert len(stored(open_dataset("data"))) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"splits": [{"train": ["ant/9.jpg", "ant/8.jpg", "ant/1.jpg"], "test": ["bee/1.jpg"]}]}',
      "2 of 3 pictures of .*train 0 are not there, the first ant/9.jpg"),
     ('{"splits": [{"train": ["ant/1.jpg"], "test": ["ant/1.jpg"]}]}',
      "1 pictures in train and in test, the first ant/1.jpg"),
     ('{"splits": [{"train": ["ant/1.jpg"]}]}', "has no splits; expected"),
     ('{"splits": {}}', "has no splits"), ("[" * 100_000, "is no JSON"), ("\xff", "is no JSON")],
)  # fmt: skip
def test_stored_splits_that_do_not_fit_are_refused_in_one_line(text: str, words: str) -> None:
    dataset = open_dataset(folder(ant=4, bee=4))
    Path("data/splits.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=words) as refused:
        stored(dataset)
    assert "\n" not in str(refused.value)


def test_stored_splits_of_caltech_101_have_their_pictures() -> None:
    dataset = open_dataset(real_pictures("caltech101_128"))
    assert len(dataset.classes) == 102
    splits = stored(dataset)
    assert [(len(s.train), len(s.test)) for s in splits] == [(3060, 2995)] * 3
    assert all(np.bincount(s.train.labels).tolist() == [30] * 102 for s in splits)
    assert not {*splits[1].train.names} & {*splits[1].test.names}
