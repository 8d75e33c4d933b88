"""What tests share: narrow networks, small drawn folders, and the real pictures where they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pytest
import torch
from PIL import Image

from verydeep.drawings.drawing import draw
from verydeep.drawings.outlines import SHAPES
from verydeep.errors import UserError
from verydeep.evaluation.journal import Journal
from verydeep.importers import families, parameters_file, sandbox
from verydeep.importers.reader_process import RESULT
from verydeep.parts.annotations import Objects
from verydeep.parts.dataset import Part
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime
from verydeep.verbs.measure import Identity

# of Keras, which writes files for tests and looks at these when it is imported
os.environ |= {"KERAS_BACKEND": "torch", "KERAS_HOME": str(Path(gettempdir()) / "keras-of-tests")}
# what commands are called by where they are printed must not depend on what started the tests
os.environ.pop("UV_RUN_RECURSION_DEPTH", None)
# beside other work, threads inside each operation wait for each other for most of the time
torch.set_num_threads(1)
TWO_CORES = Runtime(Machine("cpu", 2))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs in a folder of its own, where `runs/` may be written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _from_one_seed() -> None:
    """What a test draws from PyTorch is the same each time: a narrow net can be born dead."""
    torch.manual_seed(0)


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder with a folder of drawn pictures for each class: photos(6, 6, 4)."""

    def make(*counts: int, root: str = "photos", side: int = 64, first: int = 0) -> Path:
        return drawn_photos(tmp_path / root, *counts, side=side, first=first)

    return make


@pytest.fixture
def journals(monkeypatch: pytest.MonkeyPatch) -> list[Identity]:
    """What each journal that a test begins is told of it."""
    kept: list[Identity] = []

    def journal(folder: Path, identity: Identity) -> Journal:
        kept.append(identity)
        return Journal(folder, identity)

    monkeypatch.setattr("verydeep.verbs.measure.Journal", journal)
    return kept


@pytest.fixture
def foreign_files_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has them read without a process of their own, which takes two seconds to import PyTorch.

    For tests of what is done with such files; tests/importers/test_sandbox.py has that process.
    """

    def run(path: Path, prototxt: Path | None, which: str | None, folder: Path, *_: object) -> None:
        try:
            found = families.read(path, prototxt, which)
        except UserError as error:
            line = str(error)
            raise UserError(line if line.startswith(str(path)) else f"{path}: {line}") from None
        parameters_file.write(found, folder / RESULT)

    monkeypatch.setattr(sandbox, "_run", run)


def drawn_photos(root: Path, *counts: int, side: int = 64, first: int = 0) -> Path:
    """The folder, with a folder of so many drawn pictures for each class; `first` draws others."""
    for label, count in enumerate(counts):
        folder = root / SHAPES[label]
        folder.mkdir(parents=True)
        for i in range(count):
            image = draw(5, (first + i) * len(SHAPES) + label, (side, side)).image
            Image.fromarray(image).save(folder / f"{i}.png")
    return root


def images(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Random pictures in a network's pixels, [B, 3, H, W]."""
    noise = np.random.default_rng(seed).normal(0, 50, (count, 3, height, width))
    return torch.from_numpy(noise.astype(np.float32))


def objects(part: Part, i: int) -> Objects:
    """The objects of a picture of which they are told."""
    found = part.objects and part.objects(i)
    assert found is not None
    return found


def real_pictures(name: str) -> Path:
    """A set of real pictures, unpacked where VERYDEEP_DATA says; the test is skipped without it."""
    folder = Path(os.environ.get("VERYDEEP_DATA", "data")) / name
    if not folder.exists():
        pytest.skip(f"no {name} in the folder that VERYDEEP_DATA names")
    return folder
