"""One resampling for all that a network is shown, on pictures as full of detail as can be.

Noise, checks of one and two pixels, fine print, and the photograph that comes with matplotlib.
The reference is Pillow alone: it decodes the whole file, and its resize has the same kernel, a
triangle over what a smaller pixel covers, in arithmetic of its own. What has no other reference is
held to be equal to the bit.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch
from matplotlib import get_data_path
from PIL import Image, ImageDraw

from tests.conftest import TWO_CORES
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.views import protocol
from verydeep.nets.network import build
from verydeep.packs.members import recoded
from verydeep.parts.dataset import Part
from verydeep.pictures.picture_files import shrinking
from verydeep.pictures.preprocessing import Pixels, crop_place, rescaled_size
from verydeep.pictures.reading import read_picture
from verydeep.runtime.progress import SILENT
from verydeep.training.loader import MEMORY, CropSource, augmentation, batches, remember
from verydeep.training.settings import Settings
from verydeep.verbs import train, training_data

PIXELS = Pixels((40, 40), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))
SIZE = (150, 210)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def checks(height: int, width: int, side: int = 1) -> np.ndarray:
    dark = np.add.outer(np.arange(height) // side, np.arange(width) // side) % 2
    return np.repeat(dark[..., None] * 255, 3, 2).astype(np.uint8)


def fine_print(height: int, width: int) -> np.ndarray:
    image = Image.new("RGB", (width, height), "white")
    for y in range(0, height, 9):
        ImageDraw.Draw(image).text((0, y), "very deep convolutional networks " * 9, fill="black")
    return np.array(image)


def photograph(height: int, width: int) -> np.ndarray:
    """From the middle of the picture, pixel for pixel."""
    image = np.array(Image.open(Path(get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width].copy()


DETAIL: dict[str, Callable[[int, int], np.ndarray]] = {
    "noise": noise,
    "checks": checks,
    "coarser checks": partial(checks, side=2),
    "print": fine_print,
    "photograph": photograph,
}


def encoded(image: np.ndarray, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return buffer.getvalue()


def of_pillow(data: bytes, side: int) -> np.ndarray:
    """Decoded whole and rescaled by Pillow alone."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    size = rescaled_size((image.height, image.width), side)
    return np.array(image.resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)


def part_of(sources: list[Any]) -> Part:
    names = [str(i) for i in range(len(sources))]
    return Part(names, np.arange(len(sources)) % 2, lambda i: sources[i])


FORMATS: dict[str, Callable[[np.ndarray], bytes]] = {
    "png": lambda image: encoded(image, "PNG"),
    "jpeg": lambda image: encoded(image, "JPEG", quality=90, subsampling=2),
    "fine jpeg": lambda image: encoded(image, "JPEG", quality=95, subsampling=0),
    "progressive": lambda image: encoded(image, "JPEG", quality=80, progressive=True),
    "grey jpeg": lambda image: encoded(image[..., 1].copy(), "JPEG", quality=90),
    "webp": lambda image: encoded(image, "WEBP", lossless=True),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("detail", DETAIL)
def test_reading_is_within_a_grey_level_of_pillow(detail: str, form: str) -> None:
    """Down to an eighth, where a decoder does not shrink yet, and up."""
    data = FORMATS[form](DETAIL[detail](*SIZE))
    for side in (19, 40, 75, 76, 101, 149, 150, 173, 300):
        assert np.abs(PIXELS.read(data, side) - of_pillow(data, side)).max() <= 1, side


@pytest.mark.parametrize("kept", [0, 3, 100], ids="{} kept".format)
@pytest.mark.parametrize(
    ("rule", "side"), [("bilinear", 40), ("bilinear", 112), ("bicubic", 64), ("lanczos", 64)]
)
def test_a_crop_is_what_a_test_sees_there_to_the_bit(side: int, kept: int, rule: str) -> None:
    """Kept in memory or not, whatever the format, wherever the crop lies."""
    pixels = replace(PIXELS, scale=(side, side), resize=rule)
    files = [form(noise(70, 98)) for form in FORMATS.values()]
    files += [FORMATS["png"](photograph(90, 70)), encoded(photograph(512, 512), "JPEG")]
    part = part_of([*files, fine_print(90, 70)])
    settings = Settings(crop=32, scale=(side, side), batch=3)
    limit = kept * side * round(side * 98 / 70) * 3
    remembered, _ = remember(part, pixels, 1, SILENT, limit)
    for batch in batches(CropSource(remembered, pixels), settings, 5, threads=2):
        for crop, i in zip(batch.images.numpy(), batch.samples.tolist(), strict=True):
            whole = pixels.read(part.source(i), side)
            top, left = crop_place(whole.shape[:2], *augmentation(settings, 5, i).place, 32)
            assert (crop == whole[top : top + 32, left : left + 32]).all()


@pytest.mark.parametrize("pixels_off", [0, 1], ids=["whole blocks", "cut blocks"])
@pytest.mark.parametrize("sampling", ["444", "422", "420", "440", "411"])
def test_jpegs_are_decoded_to_pillows_bits(sampling: str, pixels_off: int) -> None:
    for detail in DETAIL.values():
        image = detail(96 + pixels_off, 136 + 3 * pixels_off)
        data = simplejpeg.encode_jpeg(image, quality=85, colorsubsampling=sampling)
        for side, by in ((96, 1), (12, 2), (6, 4), (3, 8)):
            assert shrinking(image.shape[:2], side) == by
            reference = Image.open(io.BytesIO(data))
            reference.draft(None, (reference.width // by, reference.height // by))
            assert (read_picture(data, smaller_side=side) == np.array(reference)).all()


@pytest.mark.parametrize("side", [64, 32, 16], ids=["a half", "a quarter", "an eighth"])
@pytest.mark.parametrize(
    ("detail", "mean", "most"),
    [("photograph", 0.75, 8), ("noise", 1.0, 6), ("checks", 1.0, 2), ("coarser checks", 1.5, 2)],
)
def test_shrinking_in_the_decoder_stays_near_the_whole(
    detail: str, mean: float, most: int, side: int
) -> None:
    data = encoded(DETAIL[detail](512, 512), "JPEG", quality=90)
    assert shrinking((512, 512), side) > 1
    difference = np.abs(PIXELS.read(data, side) - of_pillow(data, side))
    assert difference.mean() < mean
    assert difference.max() <= most


def test_each_of_several_scales_is_tested_as_it_is_alone() -> None:
    """At Q = 32, 64 and 128 a JPEG of 512 is decoded at a quarter, a half, and whole."""
    sides = (32, 64, 128)
    assert [shrinking((512, 512), side) for side in sides] == [4, 2, 1]
    net = build("A", 10, width=0.125, crop=32, pixels=PIXELS, initial="he")
    part = part_of([encoded(photograph(512, 512), "JPEG")])
    together = posteriors(net, part, protocol(net, "centre", sides))
    alone = [posteriors(net, part, protocol(net, "centre", side)) for side in sides]
    np.testing.assert_allclose(together, np.mean(alone, 0), atol=1e-7)


@pytest.mark.parametrize(
    ("detail", "mean", "most"), [("photograph", 1.0, 12), ("noise", 3.0, 16), ("print", 6.0, 32)]
)
def test_what_packing_compresses_anew_stays_near(detail: str, mean: float, most: int) -> None:
    """Shrunk from 300 to 200 and compressed with loss, then read at 64 to 128.

    Print on white darkens: the waves that Lanczos leaves beside it are cut off at 255.
    """
    data = encoded(DETAIL[detail](300, 400), "PNG")
    packed = recoded(part_of([data]), 0, 200).data
    for side in (64, 96, 128):
        difference = np.abs(PIXELS.read(packed, side).astype(int) - PIXELS.read(data, side))
        assert difference.mean() < mean
        assert difference.max() <= most


def test_memory_is_counted_once() -> None:
    """Ten pictures of 40 x 40 take 10 x 4,800 bytes."""
    part = part_of([encoded(noise(60, 60), "PNG")] * 20)
    kept, _ = remember(part, PIXELS, 1, SILENT, limit=10 * 40 * 40 * 3)
    assert sum(isinstance(kept.source(i), np.ndarray) for i in range(20)) == 10


def test_how_pictures_are_kept_changes_no_bit_of_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JPEGs and PNGs, none, some and all of them kept; and the same pixels as PNGs alone."""
    for part, first, count in (("train", 0, 8), ("val", 8, 2)):
        for label, paint in (("noise", noise), ("photograph", photograph)):
            for i in range(first, first + count):
                image = paint(60 + i, 90 - i)
                name, form = (f"{i}.png", "PNG") if i % 3 == 0 else (f"{i}.jpg", "JPEG")
                mixed, png = (tmp_path / folder / part / label for folder in ("mixed", "png"))
                mixed.mkdir(parents=True, exist_ok=True)
                png.mkdir(parents=True, exist_ok=True)
                (mixed / name).write_bytes(encoded(image, form))
                pixels = read_picture(mixed / name)
                (png / f"{i}.png").write_bytes(encoded(pixels, "PNG"))

    def weights(folder: str, limit: int) -> tuple[str, list[torch.Tensor]]:
        monkeypatch.setattr(training_data, "remember", partial(remember, limit=limit))
        run = train.train(
            tmp_path / folder, tmp_path / f"{folder}-{limit}", TWO_CORES, net="A", width=0.125,
            crop=32, scale=40, batch=8, epochs=1, rate=0.01, initial="he", dropout=0.25,
        )  # fmt: skip
        file = (run.folder / "best.safetensors").read_bytes()
        return sha256(file).hexdigest(), list(run.network.state_dict().values())

    none, some, everything = (weights("mixed", limit) for limit in (0, 5 * 40 * 55 * 3, MEMORY))
    assert none[0] == some[0] == everything[0]
    _, as_png = weights("png", MEMORY)
    assert all(torch.equal(a, b) for a, b in zip(none[1], as_png, strict=True))
