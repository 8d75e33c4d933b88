"""Testing protocols, dense and by crops.

The plain reference for posteriors is written here: one picture at a time, no batches, no threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from verydeep.engines.engine import engine_for
from verydeep.errors import UserError
from verydeep.evaluation.dense import bytes_a_pixel, in_tiles
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.posteriors import faults, posteriors, readable
from verydeep.evaluation.published import three_scales
from verydeep.evaluation.rows import Rows
from verydeep.evaluation.showing import memory_of
from verydeep.evaluation.views import protocol
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import Source
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime

PIXELS = Pixels(scale=(64, 64), mean=(120.0, 115.0, 100.0), std=(50.0, 50.0, 50.0))


@dataclass(frozen=True)
class Named:
    """What a journal is of, here: nothing but a name."""

    name: str = "this"


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


def a_row_each(count: int) -> Rows:
    """Rows of so many pictures that all could be read."""
    return Rows(np.ones((count, 4), np.float32), np.ones(count, np.int64))


MIXED = [(64, 64), (64, 96), (80, 64), (64, 64), (130, 64), (64, 96), (64, 200), (70, 90)]


def plain_views(image: np.ndarray, kind: str) -> list[np.ndarray]:
    """What a picture at one scale is shown as, by the words of Sect. 3.2 and 4.3."""
    height, width = image.shape[:2]
    corners = {
        "centre": [((height - 32) // 2, (width - 32) // 2)],
        "ten": [
            *((top, left) for top in (0, height - 32) for left in (0, width - 32)),
            ((height - 32) // 2, (width - 32) // 2),
        ],
        "crops": [
            (round(i * (height - 32) / 4), round(j * (width - 32) / 4))
            for i in range(5)
            for j in range(5)
        ],
    }
    if kind == "dense":
        return [image, image[:, ::-1]]
    views = [image[top : top + 32, left : left + 32] for top, left in corners[kind]]
    return views if kind == "centre" else views + [view[:, ::-1] for view in views]


def plainly(net: Network, part: Part, kind: str, scales: tuple[int, ...]) -> np.ndarray:
    """Posteriors a picture, a scale and a view at a time."""
    if kind == "both":
        both = plainly(net, part, "dense", scales) + plainly(net, part, "crops", scales)
        return np.asarray(both / 2)
    rows = []
    for i in range(len(part)):
        by_scale = []
        for scale in scales:
            shown = []
            for view in plain_views(net.pixels.read(part.source(i), scale), kind):
                pixels = (view.astype(np.float32) - np.array(PIXELS.mean)) / 50
                batch = torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1)[None].copy())
                score_map = net.activations(batch, ["fc8"])["fc8"][0].detach().numpy()
                scores = score_map.reshape(4, -1).mean(1)
                shown.append(np.exp(scores) / np.exp(scores).sum())
            by_scale.append(np.mean(shown, 0))
        rows.append(np.mean(by_scale, 0))
    return np.array(rows)


@pytest.mark.parametrize("name", list(vgg.CONFIGURATIONS))
@pytest.mark.parametrize("kind", ["centre", "dense"])
def test_posteriors_are_those_of_a_plain_reference(name: str, kind: str) -> None:
    net, part = network(name), part_of_shapes(*MIXED)
    found = posteriors(net, part, protocol(net, kind))
    np.testing.assert_allclose(found, plainly(net, part, kind, (64,)), atol=1e-5)


@pytest.mark.parametrize("kind", ["ten", "crops", "dense", "both"])
def test_several_scales_are_averaged_as_a_plain_reference_does(kind: str) -> None:
    net, part = network(), part_of_shapes(*MIXED[:5])
    found = posteriors(net, part, protocol(net, kind, "48,64,90"))
    np.testing.assert_allclose(found, plainly(net, part, kind, (48, 64, 90)), atol=1e-5)


def test_the_papers_scales_come_from_those_of_training() -> None:
    net = network()
    assert protocol(net, "dense").scales == (64,)
    assert protocol(net, "dense", "paper").scales == (32, 64, 96)
    assert three_scales(256, 256) == (224, 256, 288)  # Sect. 4.2
    assert three_scales(256, 512) == (256, 384, 512)
    assert three_scales(66, 66, crop=64) == (64, 66, 98)  # no Q is below the crop
    net.pixels = replace(PIXELS, scale=(40, 81))
    assert protocol(net, "dense").scales == (60,)
    assert protocol(net, "dense", "paper").scales == (40, 60, 81)


@pytest.mark.parametrize("name", list(vgg.CONFIGURATIONS))
def test_tiles_give_the_score_map_of_the_whole(name: str) -> None:
    """Sides that are and are not multiples of the stride; limits down to a tile of one place."""
    net = network(name)
    random = np.random.default_rng(1)
    for height, width, limit in (
        (64, 300, 1), (70, 333, 300 * 300), (257, 190, 250 * 250), (32, 32, 10**7),
    ):  # fmt: skip
        image = torch.from_numpy(random.integers(0, 256, (1, height, width, 3), dtype=np.uint8))
        with torch.inference_mode():
            whole = net.score_map(net.pixels.normalise(image))
            tiled = in_tiles(engine_for(net), image, limit)
        torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=1e-4)


def test_a_panorama_is_tested_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    net, part = network(), part_of_shapes((64, 1500), (64, 64))
    used = bytes_a_pixel(net.table)
    chosen = protocol(net, "dense")
    whole = posteriors(net, part, chosen)
    monkeypatch.setattr("verydeep.evaluation.showing.MEMORY", {"cpu": 300 * 300 * used})
    largest = []
    run = Network.run

    def noting(self: Network, given: dict[str, torch.Tensor], *more: Any) -> Any:
        if "data" in given:
            largest.append(given["data"][:, 0].numel())
        return run(self, given, *more)

    monkeypatch.setattr(Network, "run", noting)
    np.testing.assert_allclose(posteriors(net, part, chosen), whole, atol=1e-5)
    assert max(largest) <= 300 * 300


@pytest.mark.parametrize(
    ("free", "most"),
    [(79 << 30, 2**33), (64 << 30, 2**33), (63 << 30, 2**32), (24 << 30, 2**31), (7 << 30, 2**29)],
)
def test_a_gpu_gives_an_eighth_of_what_is_free(free: int, most: int) -> None:
    """By hand: 63/8, 3 and 7/8 GiB, down to the next power of two."""
    assert memory_of(free) == most


def test_a_part_without_pictures_has_no_posteriors() -> None:
    net = network()
    found = posteriors(net, part_of_shapes(), protocol(net, "centre"))
    assert found.shape == (0, len(net.classes))


def test_one_unreadable_picture_stops_nothing() -> None:
    part = part_of_shapes(*MIXED)

    def source(i: int) -> Source:
        return b"no picture" if i == 3 else part.source(i)

    net, chosen = network(), protocol(network(), "both", (48, 64))
    broken = replace(part, source=source)
    found = posteriors(net, broken, chosen)
    assert readable(found).tolist() == [True] * 3 + [False] + [True] * 4
    expected = posteriors(net, part, chosen)
    np.testing.assert_allclose(found[readable(found)], expected[readable(found)], atol=1e-6)
    (line,) = faults(net, broken, chosen, found)
    assert "picture (10 bytes)" in line


def test_scores_that_are_not_finite_are_the_networks_fault() -> None:
    net, part = network(), part_of_shapes((64, 64))
    with torch.no_grad():
        next(net.parameters())[:] = np.inf
    with pytest.raises(UserError, match="the network's scores for 0 are no finite numbers"):
        posteriors(net, part, protocol(net, "centre"))


def test_a_test_that_was_cut_short_goes_on_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verydeep.evaluation.showing.PARTS", 3)
    monkeypatch.setattr("verydeep.evaluation.journal.SECONDS", -1.0)
    net, part = network(), part_of_shapes(*MIXED)
    chosen = protocol(net, "dense")
    whole = posteriors(net, part, chosen)

    def stopping(done: int) -> None:
        if done >= 7:  # the last chunk is begun
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        posteriors(net, part, chosen, None, stopping, Journal(tmp_path, Named()))
    assert sorted(Journal(tmp_path, Named()).kept()) == [0, 1]
    shown = []

    def source(i: int) -> Source:
        shown.append(i)
        return part.source(i)

    again = replace(part, source=source)
    found = posteriors(net, again, chosen, None, journal=Journal(tmp_path, Named()))
    assert (found == whole).all()
    assert shown == [6, 7]


@pytest.mark.parametrize("harm", ["flip", "cut", "other"])
def test_what_is_not_of_this_test_is_not_gone_on_with(tmp_path: Path, harm: str) -> None:
    journal = Journal(tmp_path, Named())
    journal.add(0, a_row_each(2))
    journal.save()
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    if harm != "other":
        path.write_bytes(content if harm == "flip" else content[:-5])
    of = Named("another" if harm == "other" else "this")
    assert Journal(tmp_path, of).kept() == {}


def test_the_number_of_threads_changes_nothing() -> None:
    net, part = network(), part_of_shapes(*MIXED)
    one, four = (
        posteriors(net, part, protocol(net, "dense"), Runtime(Machine("cpu", t))) for t in (1, 4)
    )
    assert (one == four).all()


def test_many_rare_shapes_are_all_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verydeep.evaluation.showing.PIXELS", {"cpu": 3 * 64 * 64})
    monkeypatch.setattr("verydeep.evaluation.showing.PARTS", 3)
    net = network()
    part = part_of_shapes(*[(64, 64 + i % 29) for i in range(120)])
    done: list[int] = []
    found = posteriors(net, part, protocol(net, "dense"), progress=done.append)
    np.testing.assert_allclose(found, plainly(net, part, "dense", (64,)), atol=1e-5)
    assert done[-1] == 120
    assert done == sorted(done)


def test_a_picture_and_its_mirror_image_have_the_same_dense_posteriors() -> None:
    net, part = network(), part_of_shapes(*MIXED, (64, 87), (95, 64))
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


@pytest.mark.parametrize(
    ("scales", "line"),
    [
        ("64,64", "the scales 64, 64 are not each another"),
        ("wide", "--scales wide; Q is a side in pixels"),
        ("64,", "--scales 64,; Q is a side in pixels"),
        (",".join(map(str, range(64, 64 + 65))), "65 scales; give 64 at most"),
    ],
)
def test_scales_that_are_none_are_refused(scales: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        protocol(network(), "dense", scales)


def test_a_picture_that_can_be_read_the_next_time_is_read_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its chunk alone is worked on anew, and none as long as it cannot be read."""
    monkeypatch.setattr("verydeep.evaluation.showing.PARTS", 4)
    monkeypatch.setattr("verydeep.evaluation.journal.SECONDS", -1.0)
    net, part = network(), part_of_shapes(*MIXED)
    chosen = protocol(net, "dense")
    asked: list[int] = []

    unreadable = {2}

    def source(i: int) -> Source:
        asked.append(i)
        return b"" if i in unreadable else part.source(i)

    broken = replace(part, source=source)
    found = posteriors(net, broken, chosen, journal=Journal(tmp_path, Named()))
    assert sorted(Journal(tmp_path, Named()).kept()) == [0, 1, 2, 3]
    assert faults(net, part, chosen, found) == [
        "2: could not be read when its turn came; it can be now"
    ]
    asked.clear()
    again = posteriors(net, broken, chosen, journal=Journal(tmp_path, Named()))
    np.testing.assert_array_equal(again, found)
    assert asked == [2]
    asked.clear()
    unreadable.clear()
    found = posteriors(net, broken, chosen, journal=Journal(tmp_path, Named()))
    assert (found == posteriors(net, part, chosen)).all()
    assert asked == [2, 2, 3]


def test_chunks_of_another_size_are_not_taken(tmp_path: Path) -> None:
    net, part = network(), part_of_shapes(*MIXED)
    journal = Journal(tmp_path, Named())
    journal.add(0, a_row_each(5))
    journal.add(99, a_row_each(1))
    journal.save()
    chosen = protocol(net, "dense")
    found = posteriors(net, part, chosen, journal=Journal(tmp_path, Named()))
    assert (found == posteriors(net, part, chosen)).all()


def test_half_precision_averages_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    net, part = network(), part_of_shapes(*MIXED)
    chosen = protocol(net, "dense")
    whole = posteriors(net, part, chosen)
    half = posteriors(net, part, chosen, precision="bf16")
    assert half.dtype == np.float32
    assert not (half == whole).all()
    np.testing.assert_allclose(half, whole, atol=0.03)
    np.testing.assert_allclose(half.sum(1), 1, atol=1e-5)
