"""Testing protocols and metrics.

The plain reference for posteriors is written here: one picture at a time, no batches, no threads.
Errors and confusions of the small tables were counted by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from verydeep.conditions import Conditions
from verydeep.datasets.dataset import Part
from verydeep.errors import UserError
from verydeep.evaluation import metrics
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.scores import Scores, load_scores, save_scores
from verydeep.evaluation.views import Protocol, protocol
from verydeep.machine import Machine
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.preprocessing import Pixels

PIXELS = Pixels(scale=(64, 64), mean=(120.0, 115.0, 100.0), std=(50.0, 50.0, 50.0))


def network(name: str = "A") -> Network:
    return build(name, classes=4, width=0.125, crop=32, pixels=PIXELS, initial="he")


def part_of_shapes(*shapes: tuple[int, int]) -> Part:
    """A part of random pictures of these sizes."""
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    names = [f"{i}" for i in range(len(images))]
    return Part(names, np.arange(len(images)) % 4, lambda i: images[i])


def mirror_of(part: Part) -> Callable[[int], np.ndarray]:
    """The source of a part's pictures, mirrored."""

    def source(i: int) -> np.ndarray:
        image = part.source(i)
        assert isinstance(image, np.ndarray)
        return np.ascontiguousarray(image[:, ::-1])

    return source


MIXED = [(64, 64), (64, 96), (80, 64), (64, 64), (130, 64), (64, 96), (64, 200), (70, 90)]


def plainly(net: Network, part: Part, scale: int, dense: bool) -> np.ndarray:
    """Posteriors by the words of Sect. 3.2, a picture and a view at a time."""
    rows = []
    for i in range(len(part)):
        image = net.pixels.read(part.source(i), scale)
        if not dense:
            top, left = (side - 32 >> 1 for side in image.shape[:2])
            views = [image[top : top + 32, left : left + 32]]
        else:
            views = [image, image[:, ::-1]]
        shown = []
        for view in views:
            pixels = (view.astype(np.float32) - np.array(PIXELS.mean)) / 50
            batch = torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1)[None].copy())
            score_map = net.activations(batch, ["fc8"])["fc8"][0].detach().numpy()
            scores = score_map.reshape(4, -1).mean(1)
            shown.append(np.exp(scores) / np.exp(scores).sum())
        rows.append(np.mean(shown, 0))
    return np.array(rows)


@pytest.mark.parametrize("name", list(vgg.CONFIGURATIONS))
def test_posteriors_are_those_of_a_plain_reference(name: str) -> None:
    net, part = network(name), part_of_shapes(*MIXED)
    for kind in ("centre", "dense"):
        expected = plainly(net, part, 64, dense=kind == "dense")
        found = posteriors(net, part, protocol(net, kind))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_number_of_threads_changes_nothing() -> None:
    net, part = network(), part_of_shapes(*MIXED)
    one, four = (
        posteriors(net, part, protocol(net, "dense"), Conditions(Machine("cpu", t))) for t in (1, 4)
    )
    assert (one == four).all()


def test_many_rare_shapes_are_all_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verydeep.evaluation.posteriors.PIXELS", {"cpu": 3 * 64 * 64})
    monkeypatch.setattr("verydeep.evaluation.posteriors.CHUNK", {"cpu": 50})
    net = network()
    part = part_of_shapes(*[(64, 64 + i % 29) for i in range(120)])
    done: list[int] = []
    found = posteriors(net, part, protocol(net, "dense"), watch=done.append)
    np.testing.assert_allclose(found, plainly(net, part, 64, dense=True), atol=1e-5)
    assert done[-1] == 120
    assert done == sorted(done)


def test_a_picture_and_its_mirror_image_have_the_same_dense_posteriors() -> None:
    net, part = network(), part_of_shapes(*MIXED)
    mirrored = replace(part, source=mirror_of(part))
    one, other = (posteriors(net, p, protocol(net, "dense")) for p in (part, mirrored))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_at_the_crops_size_dense_is_the_mean_of_crop_and_mirror_image() -> None:
    net, part = network(), part_of_shapes((32, 32), (32, 32))
    mirrored = replace(part, source=mirror_of(part))
    one, other = (posteriors(net, p, protocol(net, "centre", 32)) for p in (part, mirrored))
    dense = posteriors(net, part, protocol(net, "dense", 32))
    np.testing.assert_allclose(dense, (one + other) / 2, atol=1e-6)


def test_predicting_gives_what_dense_testing_gives() -> None:
    net, part = network(), part_of_shapes((70, 100))
    tested = posteriors(net, part, protocol(net, "dense"))[0]
    answer = net.predict(part.source(0), top=3)
    assert [p for _, p in answer] == pytest.approx(sorted(tested, reverse=True)[:3], abs=1e-6)
    assert answer[0][0] == str(tested.argmax())


def test_a_test_scale_below_the_crop_is_refused() -> None:
    with pytest.raises(UserError, match="test scale of 31 is below the network's crop of 32"):
        protocol(network(), "dense", 31)
    with pytest.raises(UserError, match="no protocol 'densely'; there are centre, ten, dense"):
        protocol(network(), "densely")


# Rows sum to one; the true classes are 0, 1, 2, 2.
POSTERIORS = np.array(
    [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.4, 0.35, 0.25], [0.1, 0.1, 0.8]], np.float32
)
LABELS = np.array([0, 1, 2, 2])


def test_errors_are_counted() -> None:
    assert metrics.top_error(POSTERIORS, LABELS) == 50.0
    assert metrics.top_error(POSTERIORS, LABELS, 2) == 25.0
    assert metrics.top_error(POSTERIORS, LABELS, 5) == 0.0
    assert metrics.class_errors(POSTERIORS, LABELS) == [0.0, 100.0, 50.0]


def test_a_class_without_pictures_has_no_error() -> None:
    assert metrics.class_errors(POSTERIORS[:2], LABELS[:2]) == [0.0, 100.0, None]


def test_confusion_counts_what_is_taken_for_what() -> None:
    expected = [[1, 0, 0], [1, 0, 0], [1, 0, 1]]
    assert metrics.confusion(POSTERIORS, LABELS).tolist() == expected


def test_of_equal_posteriors_the_first_class_counts_as_the_more_probable() -> None:
    equal = np.full((3, 3), 1 / 3, np.float32)
    labels = np.array([0, 1, 2])
    assert metrics.wrong(equal, labels).tolist() == [False, True, True]
    assert metrics.wrong(equal, labels, 2).tolist() == [False, False, True]


def test_posteriors_that_are_all_the_same_do_not_look_right() -> None:
    """A network that says nothing must not score 0 % through ties."""
    equal = np.full((30, 3), 1 / 3, np.float32)
    assert metrics.top_error(equal, np.arange(30) % 3) == pytest.approx(100 * 2 / 3)


def scores() -> Scores:
    classes = ("a", "b", "c")
    names = ("1", "2", "3", "ü.png")
    return Scores(POSTERIORS, LABELS, names, classes, Protocol("dense", 32, (64,)), "hash", "print")


def test_scores_come_back_from_their_file(tmp_path: Path) -> None:
    save_scores(scores(), tmp_path / "scores" / "x.safetensors")
    found = load_scores(tmp_path / "scores" / "x.safetensors")
    assert (found.posteriors == POSTERIORS).all()
    assert (found.labels == LABELS).all()
    assert replace(found, posteriors=POSTERIORS, labels=LABELS) == replace(
        scores(), posteriors=POSTERIORS, labels=LABELS
    )


def damaged(change: Callable[[Scores], Scores]) -> Callable[[Path], None]:
    return lambda path: save_scores(change(scores()), path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.write_bytes(b"nothing of the kind"),
        damaged(lambda s: replace(s, names=s.names[:2])),
        damaged(lambda s: replace(s, posteriors=s.posteriors * np.nan)),
    ],
)
def test_a_file_that_holds_no_scores_is_refused(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="x.safetensors is"):
        load_scores(tmp_path / "x.safetensors")
