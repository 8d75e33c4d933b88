"""Pictures cut to their boxes; what is expected was cut by hand, with slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import verydeep
from verydeep.datasets import Part, open_dataset
from verydeep.descriptors.boxed import box_of, boxed
from verydeep.errors import PictureError, UserError
from verydeep.nets.network import build
from verydeep.parts.annotations import Objects
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.windows import Window
from verydeep.runtime.progress import SILENT
from verydeep.verbs.features import features

NOISE = np.random.default_rng(3).integers(0, 256, (60, 80, 3), np.uint8)


def part(*boxes: Sequence[float]) -> Part:
    """One picture of noise with these boxes."""
    found = Objects.of_class(np.array(boxes, np.float64).reshape(-1, 4), 0)
    return Part(["noise"], np.zeros(1, np.int64), lambda i: NOISE, lambda i: found)


def cut(*box: float) -> np.ndarray:
    return np.asarray(boxed(part(box)).source(0))


def test_a_picture_is_cut_to_the_pixels_of_its_box() -> None:
    np.testing.assert_array_equal(cut(10, 20, 40, 50), NOISE[20:50, 10:40])
    np.testing.assert_array_equal(cut(-5, 20, 400, 50), NOISE[20:50])
    assert cut(10.2, 20.2, 10.3, 20.4).shape == (1, 1, 3)
    assert cut(79.9, 59.9, 80, 60).shape == (1, 1, 3)
    with pytest.raises(PictureError, match="lies outside of the picture"):
        cut(90, 20, 120, 50)


def test_a_box_of_the_original_is_found_in_a_picture_that_is_kept_smaller() -> None:
    """Kept at half of the side: a box from 20 to 80 goes from 10 to 40."""
    kept = Window.whole((120, 160)).rescaled((60, 80))
    small = replace(part((20, 40, 80, 100)), windows=lambda i: kept)
    np.testing.assert_array_equal(np.asarray(boxed(small).source(0)), NOISE[20:50, 10:40])


@pytest.mark.parametrize(("boxes", "count"), [([], "no"), ([(1, 1, 9, 9), (2, 2, 8, 8)], "2")])
def test_a_picture_without_its_one_box_is_refused_by_name(
    boxes: list[tuple[int, ...]], count: str
) -> None:
    with pytest.raises(UserError, match=f"noise has {count} boxes; .* each picture needs one"):
        box_of(part(*boxes), 0)


@pytest.fixture
def net(tmp_path: Path) -> Path:
    net = build("D", 3, width=0.0625, crop=32, fc=24, initial="he")
    net.pixels = Pixels(scale=(40, 56), mean=(120.0, 115.0, 100.0))
    verydeep.save(net, tmp_path / "d.safetensors")
    return tmp_path / "d.safetensors"


def voc(root: Path, *boxes: tuple[int, int, int, int]) -> Path:
    """A folder of VOC's of noisy pictures with a box each, as VOC counts pixels."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for i, box in enumerate(boxes):
        sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        inside = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
        name = ("cat", "dog")[i % 2]
        (root / f"Annotations/p{i}.xml").write_text(
            f"<annotation><object><name>{name}</name><bndbox>{inside}</bndbox></object></annotation>"
        )
        pixels = np.roll(NOISE, i, 0)
        Image.fromarray(pixels).save(root / f"JPEGImages/p{i}.png")
    return root


def test_features_of_boxes_are_those_of_pictures_that_were_cut_before(
    net: Path, tmp_path: Path
) -> None:
    boxes = [(11, 21, 60, 60), (1, 1, 40, 50), (30, 2, 77, 59), (5, 5, 70, 44)]
    data = voc(tmp_path / "voc", *boxes)
    for i, (left, top, right, bottom) in enumerate(boxes):
        crop = np.roll(NOISE, i, 0)[top - 1 : bottom, left - 1 : right]
        Image.fromarray(crop).save(f"{i}.png")
    found = features(net, data, boxes=True, task="tag", progress=SILENT)
    assert [piece.of for piece in found.pieces] == ["picture", "box"]
    order = [int(Path(name).stem[1:]) for name in found.names]
    whole = features(net, [data / f"JPEGImages/p{i}.png" for i in order], progress=SILENT)
    crops = features(net, [f"{i}.png" for i in order], progress=SILENT)
    both = np.concatenate([whole.descriptors, crops.descriptors], 1) / np.sqrt(2)
    np.testing.assert_allclose(found.descriptors, both, rtol=0, atol=1e-6)
    found.save("f.safetensors")
    assert verydeep.load_features("f.safetensors").pieces == found.pieces
    assert "of the box" in found.title


def test_another_box_of_the_same_picture_is_described_anew(net: Path, tmp_path: Path) -> None:
    """What the cache keeps goes by picture and box."""
    one = features(net, voc(tmp_path / "a", *2 * [(11, 21, 60, 60)]), boxes=True, task="tag",
                   progress=SILENT)  # fmt: skip
    other = features(net, voc(tmp_path / "b", *2 * [(1, 1, 50, 40)]), boxes=True, task="tag",
                     progress=SILENT)  # fmt: skip
    np.testing.assert_array_equal(one.descriptors[:, :24], other.descriptors[:, :24])
    assert (np.abs(one.descriptors[:, 24:] - other.descriptors[:, 24:]).max(1) > 1e-3).all()


def test_a_box_outside_of_its_picture_leaves_it_out_by_name(net: Path, tmp_path: Path) -> None:
    data = voc(tmp_path / "voc", (11, 21, 60, 60), (200, 1, 300, 40), (1, 1, 9, 9), (1, 1, 70, 44))
    found = features(net, data, boxes=True, task="tag", progress=SILENT)
    assert len(found) == 3
    assert len(found.left_out) == 1
    assert "p1.png, its box: it lies outside of the picture" in found.left_out[0]


def test_data_without_boxes_is_refused_in_a_line(net: Path, tmp_path: Path) -> None:
    Image.fromarray(NOISE).save("a.png")
    with pytest.raises(UserError, match="no boxes in this data, .* such as .*a.png") as refused:
        features(net, ["a.png"], boxes=True, progress=SILENT)
    assert "\n" not in str(refused.value)
    assert open_dataset("drawn").train.objects is not None  # which has them
