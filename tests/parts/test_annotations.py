"""What is said of pictures goes with them, wherever they go. Expectations are worked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import objects
from verydeep.datasets import Dataset, Memory, Part, open_dataset, settled
from verydeep.errors import UserError
from verydeep.packs.writer import pack
from verydeep.parts.annotations import (
    UNLABELLED,
    FlatObjects,
    LabelSets,
    Objects,
    Points,
    classes_in,
    counts_of,
    relabelled,
)
from verydeep.parts.dataset import joined
from verydeep.pictures.boxes import no_boxes
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.windows import Window
from verydeep.runtime.progress import SILENT
from verydeep.training.loader import remember

PIXELS = Pixels((20, 20), (0.0, 0.0, 0.0))
SETS = [[2, 0], [], [1], [0, 1, 2], [2]]


def objects_of(i: int) -> Objects:
    """i boxes, each of which tells of which picture it is."""
    boxes = np.full((i, 4), 10.0 * i)
    return Objects(boxes, np.arange(i), np.arange(i) % 2 == 1)


def whole(count: int = 5, first: int = 0, **others: Any) -> Part:
    """Pictures of which everything is said, each with its number in all of it."""

    def window(i: int) -> Window:
        return Window((100 + first + i, 200), (40, 60))

    return Part(
        **{
            "names": [f"c/{first + i}" for i in range(count)],
            "truth": np.arange(first, first + count) % 3,
            "source": lambda i: np.full((40, 60, 3), first + i, np.uint8),
            "objects": lambda i: objects_of(first + i),
            "masks": lambda i: f"mask {first + i}",
            "windows": window,
            "keys": np.arange(first, first + count) + 1000,
            "points": lambda i: Points(np.full((2, 2), 7.0 * (first + i)), np.array([0, 2])),
            **others,
        }
    )


def said(part: Part, i: int) -> list[int]:
    """The number of a picture, as each thing that is said of it has it."""
    assert part.masks is not None
    assert part.windows is not None
    assert part.keys is not None
    assert part.points is not None
    window, points = part.windows(i), part.points(i)
    assert window is not None
    assert points is not None
    assert (points.labels.tolist(), np.ptp(points.places)) == ([0, 2], 0)
    found = objects(part, i)
    assert (found.boxes == 10 * len(found)).all()
    assert found.difficult.sum() == len(found) // 2
    return [
        int(part.names[i].removeprefix("c/")),
        int(np.asarray(part.source(i))[0, 0, 0]),
        len(found),
        int(str(part.masks(i)).removeprefix("mask ")),
        window.picture[0] - 100,
        int(part.keys[i]) - 1000,
        int(points.places[0, 0] / 7),
    ]


def test_nothing_that_a_part_says_is_missing_here() -> None:
    """`whole` has all that there is, so that a kind of annotation more is tested as well."""
    assert all(getattr(whole(), field.name) is not None for field in fields(Part))


def test_chosen_pictures_keep_all_that_is_said_of_them() -> None:
    part = whole().only([3, 1, 4]).only([2, 0])
    assert [said(part, i) for i in range(2)] == [[4] * 7, [3] * 7]
    assert part.labels.tolist() == [1, 0]


def test_joined_parts_keep_all_that_is_said_of_them() -> None:
    part = joined([whole(2), whole(3, first=2).only([2, 0]), whole(1, first=5)])
    assert [said(part, i) for i in range(5)] == [[n] * 7 for n in (0, 1, 4, 2, 5)]
    assert said(part, -1) == [5] * 7
    assert part.labels.tolist() == [0, 1, 1, 2, 2]


def test_a_part_of_which_no_objects_are_told_has_none_that_are_known_when_joined() -> None:
    """Not an empty picture: nobody knows what is in it. Of picture 0 it is known: nothing."""
    bare = whole(2, first=7, objects=None, masks=None, windows=None, keys=None, points=None)
    part = joined([bare, whole(2)])
    assert part.objects is not None
    assert part.masks is not None
    assert part.windows is not None
    assert [part.objects(i) is None for i in range(4)] == [True, True, False, False]
    assert objects(part, 2).boxes.shape == (0, 4)
    assert [part.masks(i) for i in range(4)] == [None, None, "mask 0", "mask 1"]
    assert part.windows(1) is None
    assert part.keys is None
    assert part.points is not None
    assert [part.points(i) is None for i in range(4)] == [True, True, False, False]
    assert joined([bare, bare]).objects is joined([bare, bare]).points is None


def test_what_is_kept_in_memory_keeps_all_that_is_said_less_what_cannot_be_read() -> None:
    """Boxes stay those of the originals, and the window says where they are in what is kept."""
    part = replace(open_dataset("drawn:20x96").train, masks=lambda i: f"mask {i}")

    def source(i: int) -> Any:
        return b"broken" if i == 2 else part.source(i)

    kept, faults = remember(replace(part, source=source), PIXELS, 1, SILENT, limit=10 * 1200)
    assert len(faults) == 1
    for i, number in ((0, 0), (2, 3), (9, 10), (18, 19)):
        assert objects(kept, i).boxes.tolist() == objects(part, number).boxes.tolist()
        assert objects(kept, i).labels.tolist() == [number % 10]
        assert kept.masks is not None
        assert kept.masks(i) == f"mask {number}"
        image, window = kept.view(i, PIXELS, 20)
        again, straight = part.view(number, PIXELS, 20)
        assert np.array_equal(image, again)
        assert window == straight
        assert (window.picture, window.scale) == ((96, 96), (20 / 96, 20 / 96))
    assert np.asarray(kept.source(0)).shape == (20, 20, 3)
    assert np.asarray(kept.source(18)).shape == (96, 96, 3)  # for which there was no memory


def test_what_is_kept_twice_is_still_of_the_original() -> None:
    part = open_dataset("drawn:20x96").train
    smaller = replace(PIXELS, scale=(50, 50))
    kept, _ = remember(remember(part, smaller, 1, SILENT)[0], PIXELS, 1, SILENT)
    window = kept.view(3, PIXELS, 20)[1]
    assert (window.picture, window.size) == ((96, 96), (20, 20))
    assert window.scale == pytest.approx((20 / 96, 20 / 96))


def test_uncertain_labels_stay_so_wherever_their_pictures_go() -> None:
    signs = np.array([[1, 0, -1], [-1, -1, -1], [-1, 1, 1], [0, -1, 1]], np.int8)
    sets = LabelSets.of_signs(signs)
    assert sets.uncertain is not None
    assert [sets[i].tolist() for i in range(4)] == [[0, 1], [], [1, 2], [0, 2]]
    assert sets.uncertain.tolist() == [False, True, False, False, True, False]
    assert np.array_equal(sets.signs(3), signs)
    assert np.array_equal(sets.only(np.array([3, 0, 1])).signs(3), signs[[3, 0, 1]])
    plain = LabelSets.of([[2], []])
    both = LabelSets.joined([plain, sets])
    assert np.array_equal(both.signs(3), [[-1, -1, 1], [-1, -1, -1], *signs])
    assert LabelSets.joined([plain, plain]).uncertain is None
    turned = relabelled(both, np.array([2, 0, 1]))
    assert isinstance(turned, LabelSets)
    assert np.array_equal(turned.signs(3), both.signs(3)[:, [1, 2, 0]])


def test_classes_in_a_picture_are_the_certain_ones() -> None:
    sets = LabelSets.of_signs(np.array([[1, 0], [-1, 1]], np.int8))
    assert classes_in(sets, 0) == {0}
    assert counts_of(sets, 3).tolist() == [1, 1, 0]
    assert classes_in(np.array([UNLABELLED, 2]), 0) == classes_in(None, 3) == frozenset()
    assert counts_of(np.array([UNLABELLED, 2, 2]), 3).tolist() == [0, 0, 2]


def test_labels_of_one_each_are_sets_of_one() -> None:
    dataset = open_dataset("drawn:20x32", several=True)
    plain = open_dataset("drawn:20x32")
    assert np.array_equal(dataset.train.truth.signs(10), 2 * np.eye(10)[plain.train.labels] - 1)  # type: ignore[union-attr]
    assert dataset.fingerprint == plain.fingerprint


def test_objects_of_no_class_are_called_so_in_any_order_of_classes() -> None:
    box = Objects(np.ones((1, 4)), np.array([UNLABELLED]), np.zeros(1, bool))
    part = whole(masks=None, objects=lambda i: box).relabelled(np.array([2, 0, 1]))
    assert objects(part, 0).labels.tolist() == [UNLABELLED]


def test_objects_are_called_by_the_new_numbers_of_classes_as_pictures_are() -> None:
    part = whole(objects=lambda i: Objects.of_class(no_boxes() if i else np.ones((2, 4)), 2 - i))
    found = replace(part, masks=None).relabelled(np.array([5, 3, 4]))
    assert found.labels.tolist() == [5, 3, 4, 5, 3]
    assert objects(found, 0).labels.tolist() == [4, 4]
    points = found.points and found.points(3)
    assert points is not None
    assert (points.labels.tolist(), points.places.tolist()) == ([5, 4], [[21, 21], [21, 21]])
    with pytest.raises(UserError, match="masks"):
        part.relabelled(np.array([5, 3, 4]))


# --- labels


def lists(found: Sequence[Any] | Any) -> list[list[int]]:
    return [found[i].tolist() for i in range(len(found))]


def test_several_labels_a_picture_lie_in_one_piece() -> None:
    sets = LabelSets.of(SETS)
    assert lists(sets) == SETS
    assert lists(sets.only(np.array([3, 1, 0, 3]))) == [[0, 1, 2], [], [2, 0], [0, 1, 2]]
    assert lists(sets.only(np.array([], np.int64))) == []
    assert lists(LabelSets.joined([sets, LabelSets.of([]), sets.only(np.array([4]))])) == [
        *SETS, [2],
    ]  # fmt: skip


def test_pictures_with_several_labels_are_chosen_joined_and_renamed() -> None:
    part = whole(truth=LabelSets.of(SETS), masks=None)
    found = joined([part.only([3, 0]), whole(2, masks=None)]).relabelled(np.array([7, 8, 9]))
    assert isinstance(found.truth, LabelSets)
    assert lists(found.truth) == [[7, 8, 9], [9, 7], [7], [8]]


def test_asking_for_one_label_each_where_there_is_not_is_a_mistake_that_is_named() -> None:
    with pytest.raises(UserError, match=r"several labels each, such as c/0; give .* one class"):
        _ = whole(truth=LabelSets.of(SETS)).labels
    with pytest.raises(UserError, match="no label, such as c/0"):
        _ = whole(truth=None).labels
    with pytest.raises(UserError, match="no label"):
        _ = joined([whole(2), whole(2, truth=None)]).labels
    assert joined([whole(2, truth=None)] * 2).truth is None


def test_unlabelled_pictures_stay_so_among_others_and_can_be_left_out_again() -> None:
    part = joined([whole(2), whole(2, truth=None), whole(1)])
    assert isinstance(part.truth, np.ndarray)
    assert part.truth.tolist() == [0, 1, UNLABELLED, UNLABELLED, 0]
    renamed = replace(part, masks=None).relabelled(np.array([5, 6, 7]))
    assert isinstance(renamed.truth, np.ndarray)
    assert renamed.truth.tolist() == [5, 6, UNLABELLED, UNLABELLED, 5]
    assert part.only([0, 1, 4]).labels.tolist() == [0, 1, 0]


def test_several_labels_are_not_joined_to_none() -> None:
    with pytest.raises(UserError, match="several labels each cannot be joined"):
        joined([whole(truth=LabelSets.of(SETS)), whole(truth=None)])


def test_objects_in_one_piece_are_given_picture_by_picture() -> None:
    boxes = np.arange(12.0).reshape(3, 4)
    flat = FlatObjects(
        Objects(boxes, np.array([4, 5, 6]), np.array([False, True, False])), np.array([1, 1, 3])
    )
    assert [flat(i).labels.tolist() for i in (0, 1, 2, -1)] == [[4], [], [5, 6], [5, 6]]
    assert flat(2).boxes.tolist() == boxes[1:].tolist()
    assert flat(2).difficult.tolist() == [True, False]
    assert np.shares_memory(flat(2).boxes, boxes)


# --- packs


def dataset_of(part: Part) -> Dataset:
    """Two parts of these pictures, whose classes are three."""
    parts = {
        "train": part,
        "validation": whole(3, first=100, objects=part.objects, masks=None, points=None),
    }
    return Dataset("made", "made", ("a", "b", "c"), parts, (), (), "0" * 16)


@pytest.mark.parametrize(
    ("others", "what"),
    [
        ({"masks": lambda i: "mask"}, "has masks"),
        ({"points": lambda i: None}, "has points"),
        ({"truth": LabelSets.of([[0], [1], [2], [0], [1], [2]])}, "several labels"),
    ],
)  # fmt: skip
def test_a_pack_refuses_what_it_cannot_keep(others: dict[str, Any], what: str) -> None:
    part = whole(6, **{"objects": None, "masks": None, "keys": None, "points": None, **others})
    with pytest.raises(UserError, match=what):
        pack(dataset_of(part), Path("packed"), side=20, threads=1)


def test_a_pack_tells_no_boxes_of_a_picture_of_which_it_could_not_tell_all() -> None:
    """Difficult ones, others than of the picture's own class, and none: pictures 1 to 3 of six."""
    box, none = np.array([[8.0, 16, 40, 40]]), no_boxes()

    def told(i: int) -> Objects:
        flags = np.array([i == 1] if i != 3 else [], bool)
        return Objects(none if i == 3 else box, np.full(len(flags), i % 3 + (i == 2)), flags)

    part = whole(6, masks=None, keys=None, points=None, windows=None, objects=told)
    dataset = replace(dataset_of(part), parts={"train": part, "validation": part})
    pack(dataset, Path("packed"), side=20, threads=1)
    found = open_dataset("packed")
    assert found.train.objects is not None
    boxed = [found.train.objects(i) is not None for i in range(6)]
    names = [name.rpartition("/")[2] for name in found.train.names]
    assert dict(zip(names, boxed, strict=True)) == {
        "0.jpg": True, "1.jpg": False, "2.jpg": False, "3.jpg": False, "4.jpg": True, "5.jpg": True,
    }  # fmt: skip
    assert any("in train without boxes: 3 of 6" in note for note in found.notes)


def test_a_pack_keeps_the_boxes_of_what_was_rescaled_before() -> None:
    """The windows say that sources of 40 x 60 are at half the size of originals of 80 x 120.

    Packed at a side of 20 they are a quarter of those, and so are boxes.
    """
    half = Window((80, 120), (40, 60), (0.5, 0.5))
    box = np.array([[8.0, 16, 40, 80]])
    part = whole(
        6, masks=None, keys=None, points=None, windows=lambda i: half,
        objects=lambda i: Objects.of_class(box, i % 3) if i % 2 else None,
    )  # fmt: skip
    dataset = replace(dataset_of(part), parts={"train": part, "validation": part})
    pack(dataset, Path("packed"), side=20, threads=1)
    found = open_dataset("packed").train
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.objects is not None
    assert [found.objects(i) is None for i in range(6)] == [True, False, False, True, True, False]
    for i in (1, 2, 5):
        assert objects(found, i).boxes.tolist() == [[2, 4, 10, 20]]
        assert objects(found, i).labels.tolist() == [found.labels[i]]


# --- roles


def many_parts() -> Dataset:
    """Parts as PASCAL VOC has them, by its names, of which three have a role."""
    parts = {
        "train": whole(2),
        "val": whole(2, first=2),
        "trainval": whole(4),
        "test": whole(3, first=4, truth=np.array([0, 1, 0])),
        "extra": whole(1, first=9),
    }
    roles = {"train": "trainval", "validation": "val", "test": "test"}
    bare = {name: replace(part, masks=None) for name, part in parts.items()}
    return Dataset("voc", "voc", ("a", "b", "c"), bare, (), (), "0" * 16, roles)


def test_roles_say_which_of_any_number_of_parts_is_for_what() -> None:
    dataset = many_parts()
    assert list(dataset.by_role) == ["train", "validation", "test"]
    assert dataset.train is dataset.parts["trainval"]
    assert dataset.validation is dataset.parts["val"]
    assert dataset.held_out == "test"
    assert [dataset.role_of(name) for name in ("trainval", "val", "train", "extra")] == [
        "train", "validation", None, None,
    ]  # fmt: skip
    assert [*dataset.everything.names] == [f"c/{i}" for i in (0, 1, 2, 3, 2, 3, 4, 5, 6)]
    assert list(replace(dataset, roles={"train": "val"}).by_role) == ["train"]


def test_a_part_of_any_name_gives_up_what_was_learnt() -> None:
    """Picture 9 was learnt by the weights; 5 was too, but has been a copy in their test before."""
    memory = Memory({"train": np.array([1005, 1009]), "test": np.array([1005])})
    found = settled(many_parts(), memory, "w")
    assert {name: len(part) for name, part in found.parts.items()} == {
        "train": 2, "val": 2, "trainval": 4, "test": 3, "extra": 0,
    }  # fmt: skip
    assert any(note.startswith("left out of extra, learnt by w") for note in found.notes)
    assert Memory.of(found).keys["train"].tolist() == [1000, 1001, 1002, 1003]
