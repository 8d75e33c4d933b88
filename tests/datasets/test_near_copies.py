"""Nearly the same pictures: copies made by other encoders and sizes, and pictures that are none.

Copies are made by Pillow of drawn pictures; whether two are nearly the same is known of each, or
worked out with SciPy's transform.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy.fft import dctn

from verydeep.commands.look import _alike
from verydeep.datasets import near_copies as module
from verydeep.datasets import open_dataset
from verydeep.datasets.inspection import inspect
from verydeep.datasets.near_copies import near_copies, small
from verydeep.drawings.drawing import draw
from verydeep.pictures.reading import read_picture

DRAWN = [draw(0, i, (96, 96)).image for i in range(40)]


def encoded(image: Image.Image, form: str, **how: int) -> np.ndarray:
    file = BytesIO()
    image.save(file, form, **how)
    return read_picture(file.getvalue())


COPIES: dict[str, Callable[[Image.Image], np.ndarray]] = {
    "jpeg": lambda image: encoded(image, "JPEG", quality=60),
    "webp": lambda image: encoded(image, "WEBP", quality=60),
    "half": lambda image: np.asarray(image.resize((48, 48), Image.Resampling.LANCZOS)),
    "twice, as a jpeg": lambda image: encoded(image.resize((192, 192)), "JPEG", quality=80),
    "darker": lambda image: np.asarray(ImageEnhance.Brightness(image).enhance(0.7)),
    "paler": lambda image: np.asarray(ImageEnhance.Contrast(image).enhance(0.8)),
    "mirrored, as a jpeg": lambda image: encoded(ImageOps.mirror(image), "JPEG", quality=60),
    "cut by a pixel": lambda image: np.asarray(image.crop((1, 1, 95, 95))),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_picture_encoded_anew_or_changed_a_little_is_found(name: str) -> None:
    copies = [COPIES[name](Image.fromarray(image)) for image in DRAWN]
    found = near_copies(np.stack([small(image) for image in [*DRAWN, *copies]]))
    assert sorted(found) == [[i, i + 40] for i in range(40)]


def test_other_pictures_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same cut or turned, its negative, and pictures of one grey; blocks change nothing."""
    image = Image.fromarray(DRAWN[3])
    others = [image.crop((20, 20, 96, 96)), image.rotate(90), ImageOps.invert(image),
              Image.new("RGB", (9, 9)), Image.new("RGB", (8, 8))]  # fmt: skip
    smalls = np.stack([small(np.asarray(each)) for each in [*map(Image.fromarray, DRAWN), *others]])
    assert near_copies(smalls) == []
    twice = np.concatenate([smalls, smalls[:5]])
    monkeypatch.setattr(module, "BLOCK", 7)
    assert near_copies(twice) == [[i, i + 45] for i in range(5)]


def is_near(one: np.ndarray, other: np.ndarray) -> bool:
    """By SciPy's transform and whole numbers of signs, as the module's docstring has it."""

    def signs(shade: np.ndarray) -> np.ndarray:
        lowest = dctn(shade, norm="ortho")[:8, :8]
        return np.asarray(lowest > np.median(lowest) + 0.01)

    first, second = (each - each.mean() for each in (one.astype(float), other.astype(float)))
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    differ = int((signs(first) != signs(second)).sum())
    return bool(differ <= 7 and np.linalg.norm(first - second) <= 1 / 4)


@pytest.mark.parametrize("block", [4, 7, 512])
def test_groups_are_those_of_walks_from_picture_to_picture(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against a walk over all pairs, one by one, of pictures with more and more noise."""
    rng = np.random.default_rng(0)
    smalls = np.stack([small(image) for image in DRAWN[:12]]).astype(float)
    noisy = [smalls + rng.normal(0, deviation, smalls.shape) for deviation in (4, 6, 8, 10)]
    given = np.concatenate([smalls, *noisy, smalls[:, :, ::-1]]).clip(0, 255).astype(np.uint8)
    expected, left = [], set(range(len(given)))
    while left:
        group, ahead = set[int](), [min(left)]
        while ahead:
            i = ahead.pop()
            group.add(i)
            alike = {
                k
                for k in left - group
                if is_near(given[i], given[k]) or is_near(given[i], given[k][:, ::-1])
            }
            ahead += alike
        left -= group
        expected += [sorted(group)] if len(group) > 1 else []
    assert 12 < len({i for group in expected for i in group}) < len(given)
    monkeypatch.setattr(module, "BLOCK", block)
    assert near_copies(given) == expected


def test_thousands_alike_need_no_memory_for_each_pair() -> None:
    """3,000 make 4.5 million pairs, of 16 bytes at the least."""
    smalls = np.repeat(small(DRAWN[0])[None], 3000, axis=0)
    tracemalloc.start()
    try:
        assert near_copies(smalls) == [[*range(3000)]]
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_a_large_group_is_told_by_its_first_names_and_a_count() -> None:
    groups = [("a", "b"), ("a", "b", "c"), tuple("abcdefg")]
    assert _alike(groups) == ["a = b", "a = b = c", "a = b = c and 4 more"]


def test_looking_names_near_copies_and_those_across_parts() -> None:
    for part, numbers in (("train", range(4)), ("val", range(4, 8))):
        for i in numbers:
            path = Path("photos", part, "ab"[i % 2], f"{i}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(DRAWN[i]).save(path)
    Image.fromarray(DRAWN[0]).save("photos/val/a/again.jpg", quality=70)
    Image.fromarray(DRAWN[1]).save("photos/train/b/same.bmp")
    found = inspect(open_dataset("photos"))
    assert found.similar == found.similar_across == [
        ("a/0.png (train)", "a/again.jpg (validation)"),
    ]  # fmt: skip
    assert [len(group) for group in found.duplicates] == [2]  # which is not told twice


def test_looking_names_pictures_of_one_colour_and_of_a_pixel() -> None:
    for name in "ab":
        Path("photos", name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(DRAWN[i + 3 * (name == "b")]).save(f"photos/{name}/{i}.png")
    Image.new("RGB", (64, 64)).save("photos/a/black.jpg")
    Image.new("RGB", (64, 64)).save("photos/b/black.png")
    Image.new("RGB", (1, 1), "red").save("photos/b/pixel.gif")
    found = inspect(open_dataset("photos"))
    assert sorted(found.plain) == ["a/black.jpg", "b/black.png", "b/pixel.gif"]
    assert found.tiny == ["b/pixel.gif"]
    assert found.contradictions == found.duplicates == []
