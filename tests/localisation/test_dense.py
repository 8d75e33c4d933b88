"""Boxes at every position of every view, against a plain loop over views and positions.

The loop asks the networks for whole maps and goes through them with `crop_at_position`; it does not
share anything with the walk.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import TWO_CORES
from verydeep.engines.engine import Engine, engine_for, is_trunk_of, with_trunk_of
from verydeep.errors import UserError
from verydeep.evaluation.views import crop_at_position, protocol
from verydeep.localisation.dense import Candidates, Placed, placed
from verydeep.localisation.shares import boxes_of_shares
from verydeep.localisation.showing import Nets
from verydeep.nets.describing import classifying, describing
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels

PIXELS = Pixels((40, 40), (100.0, 110.0, 120.0))
NAMES = ("a", "b", "c")
SIZES = [(90, 120), (80, 80), (90, 120), (100, 70), (61, 90)]


def classifier(fc: int = 16, crop: int = 32) -> Network:
    return build("A", 3, width=0.125, crop=crop, fc=fc, pixels=PIXELS, initial="he")


def net_of_boxes(like: Network, names: int = 3, seed: int = 1) -> Network:
    """One with the convolutions of a classifier, and a last layer of its own."""
    words = with_last(like.table.words, (f"FC-{4 * names}", "boxes"))
    table = read_table(like.table.name, words, like.table.crop)
    classes = NAMES if names > 1 else ("object",)
    found = Network.random(table, classes, like.pixels, "he", seed)
    last = table.scores
    given = {k: v for k, v in like.state_dict().items() if not k.startswith(last)}
    found.load_state_dict(given, strict=False)
    with torch.no_grad():
        found.get_submodule(last).get_parameter("weight").mul_(0.005)  # boxes of the crop's size
        found.get_submodule(last).get_parameter("bias").fill_(0.5)
    return found


def part() -> Part:
    random = np.random.default_rng(0)
    pictures = [(random.random((*size, 3)) * 255).astype(np.uint8) for size in SIZES]
    pictures[3] = np.zeros(0, np.uint8)  # cannot be read
    return Part(
        [f"{i}" for i in range(len(SIZES))], np.arange(len(SIZES)) % 3, pictures.__getitem__
    )


def plainly(boxes: Network, by: Network, i: int, scales: list[int], names: list[int]) -> Placed:
    """What is expected of a picture: the posteriors of whole views choose, and boxes follow."""
    whole, there, likely = [], [], []
    for q in scales:
        image, window = part().view(i, boxes.pixels, q)
        for view, pixels in ((window, image), (window.mirror(), image[:, ::-1].copy())):
            shown = torch.from_numpy(pixels)[None]
            with torch.inference_mode():
                numbers = boxes.score_map(boxes.pixels.normalise(shown))[0].numpy()
                scores = by.score_map(by.pixels.normalise(shown))[0]
            whole.append(scores.mean((1, 2)).softmax(0).numpy())
            for row, column in np.ndindex(numbers.shape[1:]):
                crop = crop_at_position(boxes.table, view, row, column)
                there.append(boxes_of_shares(numbers[:, row, column].reshape(-1, 4), crop))
                likely.append(scores[:, row, column].softmax(0).numpy())
    posteriors = np.mean(whole, 0)
    order = np.argsort(-posteriors)
    return Placed(
        np.array(there)[:, np.array(names)[order]].astype(np.float32),
        np.array(likely)[:, order],
        order,
        posteriors[order],
        SIZES[i],
    )


def same(found: Placed, expected: Placed) -> None:
    """The same boxes, in whatever order of views: by their first numbers."""
    assert found.size == expected.size
    assert found.candidates.tolist() == expected.candidates.tolist()
    np.testing.assert_allclose(found.posteriors, expected.posteriors, atol=1e-5)
    orders = [np.lexsort(one.boxes[:, 0].round(2).T) for one in (found, expected)]
    np.testing.assert_allclose(found.boxes[orders[0]], expected.boxes[orders[1]], atol=2e-3)
    np.testing.assert_allclose(found.ratings[orders[0]], expected.ratings[orders[1]], atol=1e-4)


def nets(boxes: Network, by: Network | None, names: list[int], engine: str = "torch") -> Nets:
    first = engine_for(boxes, engine)
    return Nets(first, with_trunk_of(first, by) if by else None, np.array(names))


@pytest.mark.parametrize("engine", ["torch", "winograd"])
@pytest.mark.parametrize("way", ["one trunk", "two trunks", "one box", "a mean over space"])
def test_boxes_are_those_of_a_plain_loop(way: str, engine: str) -> None:
    by = classifier(fc=0 if way == "a mean over space" else 16)
    boxes = net_of_boxes(by, names=1 if way == "one box" else 3)
    names = [0, 0, 0] if way == "one box" else [0, 1, 2]
    if way == "two trunks":
        with torch.no_grad():
            boxes.conv1_1.weight[0, 0, 0, 0] += 0.01  # type: ignore[operator, union-attr, index]
    both = nets(boxes, by, names, engine)
    assert both.share_trunk == (way != "two trunks")
    chosen = protocol(boxes, "dense", [40, 56])
    found = placed(both, part(), chosen, None, TWO_CORES)
    assert [one is None for one in found] == [False, False, False, True, False]
    for i, one in enumerate(found):
        if one is not None:
            same(one, plainly(boxes, by, i, [40, 56], names))


def test_candidates_that_are_given_are_asked_for_and_rated_as_they_are() -> None:
    by = classifier()
    boxes = net_of_boxes(by)
    given = Candidates(np.array([[2, 0]] * 5), np.array([[0.7, 0.2]] * 5, np.float32))
    chosen = protocol(boxes, "dense", [40])
    found = placed(nets(boxes, None, [0, 1, 2]), part(), chosen, given, TWO_CORES)[0]
    rated = placed(nets(boxes, by, [0, 1, 2]), part(), chosen, given, TWO_CORES)[0]
    free = placed(nets(boxes, by, [0, 1, 2]), part(), chosen, None, TWO_CORES)[0]
    assert found is not None
    assert rated is not None
    assert free is not None
    assert found.candidates.tolist() == rated.candidates.tolist() == [2, 0]
    places = [free.candidates.tolist().index(k) for k in (2, 0)]
    np.testing.assert_allclose(found.boxes, free.boxes[:, places], atol=1e-4)
    np.testing.assert_allclose(rated.ratings, free.ratings[:, places], atol=1e-6)
    assert found.ratings.tolist() == np.tile(given.posteriors[0], (len(found.boxes), 1)).tolist()


def of_whole_maps() -> Network:
    weight = 8 * torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    return classifying(describing(classifier(), "pool5"), weight, torch.zeros(3), NAMES)


@pytest.mark.parametrize("by", [classifier(), of_whole_maps()])
def test_pictures_that_there_is_no_memory_for_are_shown_in_tiles(
    by: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = net_of_boxes(classifier())
    given = nets(boxes, by, [0, 1, 2]), part(), protocol(boxes, "dense", [40, 56]), None, TWO_CORES
    whole = placed(*given)
    monkeypatch.setattr("verydeep.localisation.showing.room_for", lambda network: (1, 1))
    for one, expected in zip(placed(*given), whole, strict=True):
        if one is not None and expected is not None:
            same(one, expected)


def test_a_classifier_of_other_crops_is_refused() -> None:
    boxes = net_of_boxes(classifier())
    with pytest.raises(UserError, match="crops of 48, every 32 pixels, and the boxes are of"):
        placed(
            nets(boxes, classifier(crop=48), [0, 1, 2]), part(), protocol(boxes, "dense", [64]),
            None, TWO_CORES,
        )  # fmt: skip


def test_trunks_are_one_where_rows_tensors_and_pixels_are() -> None:
    by = classifier()
    boxes = net_of_boxes(by)
    assert is_trunk_of(boxes, by)
    assert with_trunk_of(engine_for(boxes), by).trunk is not engine_for(boxes).trunk
    first = engine_for(boxes)
    shared: Engine = with_trunk_of(first, by)
    assert shared.trunk is first.trunk
    assert shared.network is by
    other = net_of_boxes(by)
    other.pixels = replace(PIXELS, mean=(0.0, 0.0, 0.0))
    assert not is_trunk_of(other, by)
    assert is_trunk_of(boxes, classifier(fc=0))  # the same seed, convolutions alone
