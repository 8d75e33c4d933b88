"""Files of ours: what goes in comes out, other programs read them, and no bit turns unseen.

What is read is compared with what was written, and with what safetensors' own reader gives.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.evaluation.test_scores import scores
from verydeep import tensors_file, weights
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.evaluation import journal
from verydeep.evaluation.journal import Journal
from verydeep.evaluation.rows import Rows
from verydeep.evaluation.scores import KIND as SCORES_KIND
from verydeep.evaluation.scores import load_scores, save_scores
from verydeep.nets.network import build
from verydeep.packs.index import KIND as INDEX_KIND
from verydeep.packs.writer import pack
from verydeep.parts.seen import Memory
from verydeep.tensors_file import DamagedError, Kind, parsed, read, read_head, write
from verydeep.training import checkpoints
from verydeep.training.run import ORIGIN_KIND, read_origin, write_origin
from verydeep.training.settings import Settings
from verydeep.training.state import Training
from verydeep.verbs.describe import is_ours
from verydeep.weights.file import KIND as WEIGHTS_KIND

KIND = Kind("verydeep-thing", "thing", 3, "make it again", "take another verydeep")
ARRAYS: dict[str, np.ndarray] = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "long": np.array([2**62, -1]),
    "none": np.zeros((0, 4), np.float64),
    "one": np.array(7, np.uint32),
    "bytes": np.frombuffer("ü\x00".encode(), np.uint8),
    "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
}
RECORD = {"name": "ü\x1b\udce9", "list": [1, 2.5, None], "table": {"x": True}}


def test_arrays_and_record_come_back(tmp_path: Path) -> None:
    write(tmp_path / "x", KIND, RECORD, ARRAYS)
    found = read(tmp_path / "x", KIND)
    assert found.record == RECORD
    assert found.arrays().keys() == ARRAYS.keys()
    for name, array in found.arrays().items():
        assert array.dtype == ARRAYS[name].dtype
        np.testing.assert_array_equal(array, ARRAYS[name])
    again = parsed((tmp_path / "x").read_bytes(), tmp_path / "x", KIND)
    assert again.record == RECORD
    assert read_head(tmp_path / "x", KIND).record == RECORD


def test_safetensors_own_reader_reads_them(tmp_path: Path) -> None:
    tensors = {"half": torch.tensor([1.5, -2], dtype=torch.bfloat16), "x": torch.ones(3, 2)}
    write(tmp_path / "x", KIND, RECORD, tensors)
    theirs, ours = load_file(tmp_path / "x"), read(tmp_path / "x", KIND).tensors()
    for name, tensor in tensors.items():
        assert ours[name].dtype == theirs[name].dtype == tensor.dtype
        assert torch.equal(ours[name], tensor)
        assert torch.equal(theirs[name], tensor)
    with safe_open(tmp_path / "x", "np") as file:
        assert [*sorted(file.metadata())] == ["arrays_sha256", "sha256", "verydeep-thing"]


def test_the_same_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("x", "y"):
        write(tmp_path / name, KIND, RECORD, ARRAYS)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_some_of_the_arrays_are_read_and_held_against_their_sums(tmp_path: Path) -> None:
    write(tmp_path / "x", KIND, RECORD, ARRAYS)
    place = read_head(tmp_path / "x", KIND).places["a"]
    content = bytearray((tmp_path / "x").read_bytes())
    content[place.start] ^= 1
    (tmp_path / "x").write_bytes(content)
    some = read(tmp_path / "x", KIND, lambda name: name == "long")
    assert [*some.arrays()] == ["long"]
    with pytest.raises(DamagedError, match="x is no whole thing .*: the sha256 of its a is"):
        read(tmp_path / "x", KIND, lambda name: name in ("a", "long"))


def test_what_is_of_another_kind_or_format_or_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(DamagedError, match="x is not there; make it again"):
        read(path, KIND)
    write(path, KIND, RECORD, ARRAYS)
    with pytest.raises(
        DamagedError, match="x is no whole other of verydeep: it has no 'other', but"
    ):
        read(path, replace(KIND, key="other", words="other"))
    with pytest.raises(
        UserError,
        match="x is a thing of format 3, and this verydeep reads format 4; take another verydeep",
    ):
        read(path, replace(KIND, format=4))
    save_file({"x": torch.ones(1)}, path, {KIND.key: '{"format": 2}'})  # before there were sums
    with pytest.raises(
        UserError, match="x is a thing of format 2, and this verydeep reads format 3"
    ):
        read(path, KIND)
    save_file({"x": torch.ones(1)}, path, {KIND.key: '{"format": 3}'})
    with pytest.raises(DamagedError, match="x is no whole thing of verydeep: it does not begin as"):
        read(path, KIND)
    for content in (b"", b"nothing", bytes(200), b"\xff" * 200):
        path.write_bytes(content)
        with pytest.raises(
            DamagedError, match="x is no whole thing of verydeep: it does not begin"
        ):
            read(path, KIND)
        assert not tensors_file.says(path, KIND)


def test_a_disk_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "x", KIND, RECORD, ARRAYS)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match=r"cannot write .*x \([\d,]+ bytes\): No space left"):
            write(tmp_path / "x", KIND, {}, {})
    assert read(tmp_path / "x", KIND).record == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_header_that_would_not_be_read_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "x", KIND, RECORD, ARRAYS)
    monkeypatch.setattr(tensors_file, "LARGEST_OF_OURS", 2000)
    with pytest.raises(
        UserError, match=r"cannot write .*x: .* takes 2,\d\d\d bytes, and 2,000 are"
    ):
        write(tmp_path / "x", KIND, {"names": ["n" * 1000]}, ARRAYS)
    assert read(tmp_path / "x", KIND).record == RECORD


def test_letters_take_the_bytes_that_utf8_has_for_them(tmp_path: Path) -> None:
    write(tmp_path / "x", KIND, {"name": "猫" * 100}, {})
    assert (tmp_path / "x").read_bytes().count("猫".encode()) == 100
    assert read(tmp_path / "x", KIND).record == {"name": "猫" * 100}


def test_weights_of_very_many_classes_are_known_as_ours(tmp_path: Path) -> None:
    """Their header has 5 MB, above what is read of other programs' files."""
    write(tmp_path / "w", WEIGHTS_KIND, {"classes": ["n" * 1000] * 5000}, {})
    assert is_ours(tmp_path / "w")
    assert tensors_file.says(tmp_path / "w", WEIGHTS_KIND)


def with_shape(path: Path, name: str, shape: list[int]) -> None:
    """Writes a file of ours in which an array of no bytes is said to have that shape."""
    array = np.zeros(0, np.int64)
    write(path, KIND, {}, {name: array})
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    text = content[8 : 8 + size].rstrip().replace(b'"shape":[0]', f'"shape":{shape}'.encode())
    text += b" " * (-len(text) % 8)
    start = len(text).to_bytes(8, "little")
    digest = hashlib.sha256(start + text[: tensors_file.START - 8] + text[tensors_file.END - 8 :])
    text = text.replace(text[tensors_file.START - 8 :][:64], digest.hexdigest().encode())
    path.write_bytes(start + text)


def test_a_shape_that_no_array_has_is_refused_though_it_is_of_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with_shape(path, "a", [3, 0])
    assert read(path, KIND).arrays()["a"].shape == (3, 0)
    for shape, line in (
        ([2**53, 2**53, 2**53, 0], "the axes of a are those of no array in a file"),
        ([2**53, 0], "the axes of a are those of no array"),
        ([0] * 70, "a.shape is a list of 70; a list of 8 values at most is needed"),
    ):
        with_shape(path, "a", shape)
        with pytest.raises(DamagedError, match=f"x is no whole thing of verydeep: {line}"):
            read(path, KIND)


# --- a turned bit


@dataclass(frozen=True)
class Named:
    name: str = "this"


def small_network() -> Any:
    return build("A", ["cat", "dog"], width=1 / 32, crop=32, fc=8)


def score_file(folder: Path) -> Path:
    save_scores(scores(), folder / "s.safetensors")
    return folder / "s.safetensors"


def journal_file(folder: Path) -> Path:
    kept = Journal(folder / "kept", Named())
    kept.folder.mkdir()
    kept.add(0, Rows(np.ones((2, 4), np.float32), np.array([1, 1])))
    kept.save()
    (path,) = kept.folder.iterdir()
    return path


def checkpoint_file(folder: Path) -> Path:
    training = Training.of(small_network(), Settings(net="A", average=0.5))
    return checkpoints.save(training, folder, checkpoints.About({"seed": 0}, {}), 4)


def index_file(folder: Path) -> Path:
    pack(open_dataset("drawn:20x32"), folder / "p", 32)
    return folder / "p" / "index.verydeep"


def weights_file(folder: Path) -> Path:
    memory = Memory({"train": np.array([1, 2, 3])})
    weights.save(small_network(), folder / "w.safetensors", {"seed": 1}, memory)
    return folder / "w.safetensors"


def origin_file(folder: Path) -> Path:
    write_origin(folder, Memory({"train": np.array([1, 2, 3])}))
    return folder / "origin.safetensors"


def kept_of(path: Path) -> None:
    if not Journal(path.parent, Named()).kept():
        raise UserError("nothing was taken")


OURS: dict[str, tuple[Kind, Callable[[Path], Path], Callable[[Path], object]]] = {
    "scores": (SCORES_KIND, score_file, load_scores),
    "journal": (journal.KIND, journal_file, kept_of),
    "checkpoint": (checkpoints.KIND, checkpoint_file, checkpoints.verified),
    "pack": (INDEX_KIND, index_file, lambda path: open_dataset(path.parent)),
    "weights": (WEIGHTS_KIND, weights_file, weights.load),
    "origin": (ORIGIN_KIND, origin_file, lambda path: read_origin(path.parent)),
}


@pytest.mark.parametrize("name", OURS)
def test_a_turned_bit_anywhere_in_a_file_of_ours_is_found(tmp_path: Path, name: str) -> None:
    """Some hundred bits of the header and of the rest, by the one check, and some of both by what
    reads such a file for the user.
    """
    kind, made, load = OURS[name]
    path = made(tmp_path)
    load(path)
    content, draw = path.read_bytes(), random.Random(0)
    head = 8 + int.from_bytes(content[:8], "little")
    inner = (*range(0, 120, 3), *range(120, head, max(1, head // 100)))
    outer = (*range(head, len(content), max(1, (len(content) - head) // 50)), len(content) - 1)
    for place in (*inner, *outer):
        changed = bytearray(content)
        changed[place] ^= 1 << draw.randrange(8)
        with pytest.raises(DamagedError, match="is no whole"):
            parsed(bytes(changed), path, kind)
        if place in (*inner[::20], *outer[::10]):
            path.write_bytes(changed)
            with pytest.raises(UserError):
                load(path)
    for size in (*range(0, head, 1 + head // 20), len(content) - 1):
        with pytest.raises(DamagedError, match="is no whole"):
            parsed(content[:size], path, kind)
    with pytest.raises(DamagedError, match="is no whole"):
        parsed(content + b"\x00", path, kind)
