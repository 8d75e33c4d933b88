"""Localisation as a task: what is asked of a view, what that costs, and nets trained to it.

Numbers are by hand; of a training, what was not cached is expected of what was, and figures are
worked out again from the weights that were kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import TWO_CORES, objects
from verydeep.datasets import open_dataset
from verydeep.evaluation.views import protocol
from verydeep.localisation.shares import boxes_of_shares
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.parts.annotations import LabelSets, Objects, Points
from verydeep.parts.dataset import Part
from verydeep.pictures.boxes import clipped, iou
from verydeep.pictures.windows import Window
from verydeep.runtime.machine import Machine
from verydeep.tasks import TASKS
from verydeep.tasks.localise import LOCALISE, LOCALISE_SINGLE, OBJECTS
from verydeep.tasks.points import POINTS
from verydeep.training.defaults import choose
from verydeep.verbs.train import train
from verydeep.weights.file import load, save

SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "fc": 16, "scale": 40, "batch": 20, "rate": 0.01,
    "micro_batch": 5, "initial": "he", "epochs": 2, "patience": 2,
}  # fmt: skip
WHOLE = Window.whole((100, 200))
FIRST, SECOND = [0.0, 0.0, 40.0, 40.0], [100.0, 20.0, 180.0, 80.0]


def part_of(
    boxes: list[list[float]], labels: list[int], hard: tuple[int, ...] = (), truth: Any = None
) -> Part:
    found = Objects(np.array(boxes), np.array(labels), np.isin(np.arange(len(labels)), hard))
    truth = np.array([1]) if truth is None else truth
    return Part(["p"], truth, lambda i: b"", lambda i: found)


def asked(part: Part, view: Window, names: int = 2) -> list[list[float] | None]:
    """What is asked of each name, None where nothing is."""
    called = [f"n{i}" for i in range(names)]
    target = LOCALISE.target(part, np.array([0]), called, [view])[0].view(names, 4)
    assert torch.isnan(target).any(1).tolist() == torch.isnan(target).all(1).tolist()
    return [None if torch.isnan(row).any() else row.tolist() for row in target]


def test_the_box_of_the_pictures_class_is_asked_for() -> None:
    part = part_of([FIRST, SECOND], [0, 1])
    # SECOND is 80 x 60 about (140, 50) in 200 x 100
    assert asked(part, WHOLE) == [None, pytest.approx([0.7, 0.5, 0.4, 0.6])]
    assert asked(part, WHOLE.mirror()) == [None, pytest.approx([0.3, 0.5, 0.4, 0.6])]
    assert asked(part, WHOLE, names=1) == [pytest.approx([0.7, 0.5, 0.4, 0.6])]


def test_of_several_objects_it_is_the_one_that_shows_most() -> None:
    part = part_of([FIRST, SECOND], [1, 1])
    assert asked(part, WHOLE)[1] == pytest.approx([0.7, 0.5, 0.4, 0.6])
    left = WHOLE.cropped(0, 0, (100, 110))  # all of FIRST, and 10 of the 80 columns of SECOND
    assert asked(part, left)[1] == pytest.approx([20 / 110, 0.2, 40 / 110, 0.4])


def test_a_view_of_less_than_half_an_object_asks_for_nothing() -> None:
    part = part_of([SECOND], [1])
    half, less = WHOLE.cropped(0, 0, (100, 140)), WHOLE.cropped(0, 0, (100, 139))
    # what a view shows a half of is asked for whole: 140 of 140 is the middle of its 80 columns
    assert asked(part, half)[1] == pytest.approx([1.0, 0.5, 80 / 140, 0.6])
    assert asked(part, less) == [None, None]


def test_what_is_difficult_is_not_asked_for() -> None:
    assert asked(part_of([SECOND, FIRST], [1, 1], (0,)), WHOLE)[1] == pytest.approx(
        [0.1, 0.2, 0.2, 0.4]
    )
    assert asked(part_of([SECOND], [1], (0,)), WHOLE) == [None, None]


def test_of_things_that_are_all_there_each_has_its_box() -> None:
    part = part_of([FIRST, SECOND], [0, 1], truth=LabelSets.of([[0, 1]]))
    assert asked(part, WHOLE) == [
        pytest.approx([0.1, 0.2, 0.2, 0.4]),
        pytest.approx([0.7, 0.5, 0.4, 0.6]),
    ]
    assert OBJECTS.target is LOCALISE.target


def test_the_loss_is_half_the_squared_distance_of_what_is_asked_for() -> None:
    scores = torch.tensor([[1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 9.0, 9.0]] * 2, requires_grad=True)
    targets = torch.full((2, 8), float("nan"))
    targets[0, :4] = torch.tensor([1.0, 1.0, 1.0, 1.0])
    losses = LOCALISE.loss(scores, targets, None)
    assert losses.tolist() == [(0 + 1 + 4 + 9) / 2, 0.0]
    (gradient,) = torch.autograd.grad(losses.sum(), scores)
    assert gradient.tolist() == [[0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0], [0.0] * 8]


def test_a_guess_is_the_mean_of_what_is_asked_of_each_name() -> None:
    targets = torch.tensor([[0.0] * 4 + [float("nan")] * 4, [2.0] * 4 + [1.0] * 4])
    network = build("A", 2, width=0.125, crop=32, fc=16)
    # the mean of the first name is 1, of which both are off by 1 in each of four numbers
    assert LOCALISE.guess(network, targets) == pytest.approx(2.0)


def net_of_boxes(names: int, fc: int = 16) -> Network:
    like = build("A", 3, width=0.125, crop=32, fc=fc)
    words = with_last(like.table.words, (f"FC-{4 * names}", "boxes"))
    table = read_table("A", words, 32)
    return Network.random(table, [f"n{i}" for i in range(names)], like.pixels, "he", 0)


@pytest.mark.parametrize("names", [1, 3])
def test_a_net_of_boxes_is_kept_with_a_name_for_each(names: int) -> None:
    network = net_of_boxes(names)
    assert (network.table.class_count, network.table.outputs) == (names, 4 * names)
    save(network, Path("w.safetensors"))
    kept = load("w.safetensors")
    assert kept.classes == network.classes
    assert kept.table == network.table
    given = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(kept(given), network(given))


def test_a_place_is_not_averaged_over_space() -> None:
    """Of a net that means the last map the layer of boxes looks at the map itself, 1 x 1 at 32."""
    like = build("A-BN", 3, width=0.125, crop=64, fc=0)
    assert like.table.words[-3] == "avepool"
    words = with_last(like.table.words, ("FC-12", "boxes"))
    assert words[-3:] == ("maxpool", "FC-12", "boxes")
    table = read_table("A-BN", words, 64)
    network = Network.random(table, ["a", "b", "c"], like.pixels, "he", 0)
    assert network.get_submodule(table.scores).get_parameter("weight").shape == (12, 64, 2, 2)


@pytest.mark.parametrize("task", [LOCALISE, LOCALISE_SINGLE])
def test_a_net_is_trained_and_judged_by_what_it_was_left_with(task: Any) -> None:
    run = train("drawn:40x48", "run", TWO_CORES, task=task.name, **SMALL)
    network, part = load("run"), open_dataset("drawn:40x48").validation
    names = 1 if task is LOCALISE_SINGLE else 10
    assert network.classes == (("object",) if names == 1 else run.dataset.classes)
    (centre,) = protocol(network, "centre").passes
    overlaps = []
    for i in range(len(part)):
        image, window = part.view(i, network.pixels, centre.scale)
        (y, x), crop = centre.places(*image.shape[:2])[0], centre.windows(window)[0]
        shown = torch.from_numpy(image[y : y + 32, x : x + 32].copy())[None]
        with torch.inference_mode():
            told = network(network.pixels.normalise(shown))[0].numpy().reshape(names, 4)
        own = told[[part.labels[i] if names > 1 else 0]]
        inside = clipped(boxes_of_shares(own, crop), crop.picture)
        overlaps.append(iou(inside, objects(part, i).boxes)[0, 0])
    best = run.best.figures
    assert best["iou"] == pytest.approx(100 * np.mean(overlaps), abs=1e-3)
    assert best["missed"] == pytest.approx(100 * np.mean(np.array(overlaps) <= 0.5), abs=1e-3)


def test_a_box_is_judged_by_what_of_it_lies_in_the_picture() -> None:
    """It reaches 40 beyond it to the left and above, and is FIRST in it."""
    part = part_of([FIRST], [1])
    told = np.array([[0.5, 0.5, 0.1, 0.1, 0.0, 0.0, 80 / 200, 80 / 100]], np.float32)
    assert LOCALISE.of_centre is not None
    judged = LOCALISE.of_centre(told, [WHOLE], part)
    assert judged.figures == {"missed": 0.0, "iou": pytest.approx(100)}


def test_fixed_views_that_are_worked_out_once_are_plain_tuning() -> None:
    """With a view for each epoch, boxes of cached crops are those of the crops themselves."""
    train("drawn:40x48", "cls", TWO_CORES, **{**SMALL, "epochs": 1})
    given = {**SMALL, "task": "localise", "start": "cls", "tune": "fc", "colour": 0.0}
    plain = train("drawn:40x48", "plain", TWO_CORES, **given)
    kept = train("drawn:40x48", "kept", TWO_CORES, **given, cached=True, views=2)
    for one, other in zip(plain.epochs, kept.epochs, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=5e-3)
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=5e-3)
        assert one.figures["iou"] == pytest.approx(other.figures["iou"], abs=0.3)
    assert plain.started is not None
    assert plain.started.new == ("fc8",)


def test_a_guess_of_boxes_that_are_all_alike_still_costs_something() -> None:
    network = build("A", 2, width=0.125, crop=32, fc=16)
    assert LOCALISE.guess(network, torch.full((2, 8), 0.5)) > 0


def points_of(places: list[list[float]], labels: list[int]) -> Part:
    found = Points(np.array(places).reshape(-1, 2), np.array(labels, np.int64))
    return Part(["p"], LabelSets.of([labels]), lambda i: b"", points=lambda i: found)


def test_points_outside_of_a_view_are_not_asked_for() -> None:
    part = points_of([[100.0, 50.0], [190.0, 90.0]], [0, 2])
    view = WHOLE.cropped(0, 50, (100, 100))
    target = POINTS.target(part, np.array([0]), "abc", [view])[0].view(3, 2)
    assert target[0].tolist() == [0.5, 0.5]
    assert target[1:].isnan().all()


def test_left_and_right_change_places_in_a_mirror_image() -> None:
    """The left eye is 20 from the left in 200, and in the mirror image the right one 20 from the
    right; a class that is called so keeps its name.
    """
    names = ["nose", "left eye", "right eye"]
    part = points_of([[100.0, 50.0], [20.0, 10.0], [160.0, 10.0]], [0, 1, 2])
    shown, mirrored = (
        POINTS.target(part, np.array([0]), names, [view])[0].view(3, 2)
        for view in (WHOLE, WHOLE.mirror())
    )
    np.testing.assert_allclose(shown, [[0.5, 0.5], [0.1, 0.1], [0.8, 0.1]], rtol=1e-6)
    np.testing.assert_allclose(mirrored, [[0.5, 0.5], [0.2, 0.1], [0.9, 0.1]], rtol=1e-6)
    ears = part_of([FIRST, SECOND], [1, 2], truth=LabelSets.of([[1, 2]]))
    found = OBJECTS.target(ears, np.array([0]), names, [WHOLE.mirror()])[0].view(3, 4)
    # FIRST, the left one, is 40 wide at the right end of the mirror image, and is the right one
    np.testing.assert_allclose(found[2], [0.9, 0.2, 0.2, 0.4], rtol=1e-6)
    turns = part_of([SECOND], [1])
    of_class = LOCALISE.target(turns, np.array([0]), ["right", "left"], [WHOLE.mirror()])[0]
    assert of_class.view(2, 4)[0].isnan().all()


def test_points_are_found_within_a_fifth_of_what_they_span() -> None:
    """They span 100 to the right and 20 down: 19 pixels off is found, and 21 is not."""
    part = points_of([[20.0, 20.0], [120.0, 40.0]], [0, 1])
    told = np.array([[39.0 / 200, 0.2, 120.0 / 200, 0.61]], np.float32)
    assert POINTS.of_centre is not None
    judged = POINTS.of_centre(told, [WHOLE], part)
    assert judged.figures == {"missed": 50.0, "off": pytest.approx((19 + 21) / 2)}


@pytest.mark.parametrize("labels", [[0], [0, 1]])
def test_points_that_span_nothing_are_found_within_a_fifth_of_the_pictures_side(
    labels: list[int],
) -> None:
    """Of 200 x 100: 39 pixels off is found, and 41 is not."""
    part = points_of([[20.0, 20.0]] * len(labels), labels)
    near, far = [59.0 / 200, 0.2], [61.0 / 200, 0.2]
    assert POINTS.of_centre is not None
    for told, missed in ((near, 0.0), (far, 100.0)):
        judged = POINTS.of_centre(np.array([told * len(labels)], np.float32), [WHOLE], part)
        assert judged.figures["missed"] == missed


def test_every_task_has_its_name() -> None:
    assert all(TASKS[name].name == name for name in TASKS)


@pytest.mark.parametrize(
    ("given", "rate"),
    [({"net": "A"}, 1e-3), ({"net": "A-BN"}, 0.05), ({"net": "A", "task": "classify"}, 5e-3)],
)
def test_nets_without_norms_learn_boxes_at_the_papers_rate(
    given: dict[str, Any], rate: float
) -> None:
    part = open_dataset("drawn:100x48").train
    chosen = choose(part, Machine("cpu", 2), {"task": "localise", "crop": 32, **given})
    assert chosen.settings.rate == rate


def test_the_more_classes_have_boxes_the_faster_they_may_learn() -> None:
    part = open_dataset("drawn:100x48").train
    assert LOCALISE.rates is not None
    assert LOCALISE_SINGLE.rates is not None
    few = part.only(np.flatnonzero(part.labels < 4))
    one = part.only(np.flatnonzero(part.labels == 7))
    found = [LOCALISE.rates(some).norms for some in (part, few, one)]
    assert found == pytest.approx([0.02, 0.008, 0.005])
    assert LOCALISE_SINGLE.rates(part).norms == 0.005
