"""Descriptors held against a plain loop in NumPy over pictures, mirror images and scales."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch

import verydeep
from tests.conftest import TWO_CORES
from tests.killing import free_port
from verydeep.descriptors import cache
from verydeep.descriptors.features import Features, load_features
from verydeep.engines.engine import ENGINES
from verydeep.errors import UserError
from verydeep.evaluation import journal, showing
from verydeep.nets.network import Network, build
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import SILENT, Progress
from verydeep.runtime.runtime import Runtime
from verydeep.verbs.features import features

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(photos: Callable[..., Path]) -> Path:
    return photos(5, 4, side=72)


@pytest.fixture
def nets(tmp_path: Path) -> tuple[Path, Path]:
    """Two nets: of D with FC layers, and of A whose classes come from a mean over space."""
    paths = tmp_path / "d.safetensors", tmp_path / "a.safetensors"
    for path, (name, fc) in zip(paths, (("D", 24), ("A", 0)), strict=True):
        net = build(name, 3, width=0.0625, crop=32, fc=fc, initial="he", seed=len(name))
        net.pixels = Pixels(scale=(40, 56), mean=(120.0, 115.0, 100.0))
        verydeep.save(net, path)
    return paths


def by_hand(network: Network, layer: str, files: list[Path], scale: int, step: int) -> np.ndarray:
    """What a row gives, picture by picture: the mean over space, and over both images.

    A picture is cut to whole steps of the row, as much at both ends.
    """
    rows = []
    for path in files:
        image = network.pixels.read(path, scale)
        both = []
        for view in (image, image[:, ::-1]):
            images = network.pixels.normalise(torch.from_numpy(view.copy())[None])
            height, width = ((side // step * step, side % step // 2) for side in view.shape[:2])
            cut = images[:, :, height[1] : height[1] + height[0], width[1] : width[1] + width[0]]
            with torch.inference_mode():
                both.append(network.run({"data": cut}, [layer])[layer].double().mean((2, 3))[0])
        rows.append((both[0] + both[1]).numpy() / 2)
    return np.array(rows)


def unit(rows: np.ndarray) -> np.ndarray:
    lengths: np.ndarray = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / lengths)


def files_of(found: Features, data: Path) -> list[Path]:
    return [data / name for name in found.names]


def test_descriptors_are_those_of_a_plain_loop(data: Path, nets: tuple[Path, Path]) -> None:
    found = features(nets[0], data, layer="pool5", scales="40,56", progress=SILENT)
    network, files = verydeep.load(nets[0]), files_of(found, data)
    forty, more = (by_hand(network, "pool5", files, q, 32) for q in (40, 56))
    np.testing.assert_allclose(found.descriptors, unit((forty + more) / 2), rtol=0, atol=1e-5)
    one = features(nets[0], data, layer="relu4_3", scales=40, progress=SILENT)
    expected = unit(by_hand(network, "relu4_3", files, 40, 8))
    np.testing.assert_allclose(one.descriptors, expected, rtol=0, atol=1e-5)


def test_scales_and_networks_are_stacked_part_by_part(data: Path, nets: tuple[Path, Path]) -> None:
    found = features(nets, data, scales="40,56", stacked=True, progress=SILENT)
    files = files_of(found, data)
    alone = [
        features(path, data, scales=q, progress=SILENT).descriptors
        for path in nets
        for q in (40, 56)
    ]
    expected = np.concatenate(alone, 1) / 2  # the length of four of length one
    np.testing.assert_allclose(found.descriptors, expected, rtol=0, atol=1e-6)
    assert [piece.layer for piece in found.pieces] == ["relu7", "relu7", "pool5", "pool5"]
    assert len(files) == 9
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_same(engine: str, data: Path, nets: tuple[Path, Path]) -> None:
    pytest.importorskip({"winograd": "torch"}.get(engine, engine))
    expected = features(nets[1], data, engine="torch", progress=SILENT)
    found = features(nets[1], data, engine=engine, progress=SILENT)
    np.testing.assert_allclose(found.descriptors, expected.descriptors, rtol=0, atol=1e-4)
    assert found.engine == engine


def test_what_was_described_is_not_described_again(
    data: Path, nets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = min(data.iterdir()) / "copy.png"
    copy.write_bytes(next(data.rglob("*.png")).read_bytes())
    asked: list[int] = []
    walk_of = showing.walk_of

    def counted(engine, part, *rest):  # type: ignore[no-untyped-def]
        asked.append(len(part))
        return walk_of(engine, part, *rest)

    monkeypatch.setattr("verydeep.descriptors.describe.walk_of", counted)
    first = features(nets[0], data, progress=SILENT)
    assert asked == [9]  # the copy has the content of another
    elsewhere = data.rename(tmp_path / "moved")
    again = features(nets[0], elsewhere, progress=SILENT)
    assert again.descriptors.tobytes() == first.descriptors.tobytes()
    assert asked == [9]
    features(nets[0], elsewhere, scales=56, progress=SILENT)
    features(nets[1], elsewhere, progress=SILENT)
    assert asked == [9, 9, 9]  # other scales and other weights are another matter


def test_threads_and_batches_change_nothing_that_counts(
    data: Path, nets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = features(nets[0], data, runtime=Runtime(Machine("cpu", 1)), progress=SILENT)
    monkeypatch.setenv(cache.VARIABLE, "0")
    monkeypatch.setattr("verydeep.evaluation.showing.MEMORY", {"cpu": 2**15})  # in tiles
    found = features(nets[0], data, runtime=TWO_CORES, progress=SILENT)
    np.testing.assert_allclose(found.descriptors, expected.descriptors, rtol=0, atol=1e-5)


class _Impatient(Progress):
    """Stops the work after so many pictures."""

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        if "Q =" in what and done >= 4:
            self.leave()


def test_a_stopped_walk_goes_on_and_gives_the_same_file(
    data: Path, nets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(showing, "PARTS", 9)  # a picture a chunk
    monkeypatch.setattr(journal, "SECONDS", 0)
    features(nets[0], data, progress=SILENT).save("whole.safetensors")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    with pytest.raises(KeyboardInterrupt):
        features(nets[0], data, progress=_Impatient())
    assert len([*cache.folder().rglob("chunks-*")]) >= 3
    seen: list[int] = []

    class Watching(Progress):
        def step(self, what: str, done: int, total: int, note: str = "") -> None:
            seen.append(done if "Q =" in what else 99)

    features(nets[0], data, progress=Watching()).save("again.safetensors")
    assert min(seen) >= 3
    assert Path("whole.safetensors").read_bytes() == Path("again.safetensors").read_bytes()
    assert not [*cache.folder().rglob("chunks-*")]


def test_processes_share_the_work_and_give_the_same_file(
    data: Path, nets: tuple[Path, Path], tmp_path: Path
) -> None:
    features(nets[0], data, progress=SILENT).save("alone.safetensors")
    port = free_port()
    words = ["features", nets[0], data, "-o", tmp_path / "both.safetensors", "--quiet"]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "verydeep", *map(str, words)],
            cwd=ROOT,
            env={
                **os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
                "XDG_CACHE_HOME": str(tmp_path / "theirs"),
            },
        )
        for rank in range(2)
    ]  # fmt: skip
    assert [process.wait(120) for process in running] == [0, 0]
    one, other = (load_features(tmp_path / f"{name}.safetensors") for name in ("both", "alone"))
    assert one.descriptors.tobytes() == other.descriptors.tobytes()


def test_a_file_comes_back_as_it_was(data: Path, nets: tuple[Path, Path]) -> None:
    found = features(nets[0], data, progress=SILENT)
    found.save("f.safetensors")
    back = verydeep.load_features("f.safetensors")
    assert back.descriptors.tobytes() == found.descriptors.tobytes()
    assert (back.names, back.classes, back.parts) == (found.names, found.classes, found.parts)
    names, array = back
    assert names == found.names
    assert np.asarray(back).shape == array.shape == (9, 24)
    assert isinstance(back.truth, np.ndarray)
    assert {back.classes[k] for k in back.truth} == set(back.classes)
    train, validation = back.of("train"), back.of("validation")
    assert [part.count for part in back.parts] == [len(train), len(validation)]
    assert train.names == back.names[: len(train)]


def test_numpy_and_tables_have_the_same_numbers(data: Path, nets: tuple[Path, Path]) -> None:
    found = features(nets[0], data, progress=SILENT)
    found.save("f.npy")
    found.save("f.csv")
    np.testing.assert_array_equal(np.load("f.npy"), found.descriptors)
    with Path("f.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head[:3] == ["picture", "label", "x0"]
    assert tuple(row[0] for row in rows) == found.names
    numbers = np.array([row[2:] for row in rows], np.float32)
    np.testing.assert_array_equal(numbers, found.descriptors)


def test_pictures_that_are_given_one_by_one_have_no_labels(
    data: Path, nets: tuple[Path, Path]
) -> None:
    files = sorted(data.rglob("*.png"))
    whole = features(nets[0], data, progress=SILENT)
    found = features(nets[0], [files[0], files[1].read_bytes()], progress=SILENT)
    assert found.names == (str(files[0]), "picture 2")
    assert found.truth is None
    place = whole.names.index(files[0].relative_to(data).as_posix())
    np.testing.assert_allclose(found.descriptors[0], whole.descriptors[place], atol=1e-6)


def test_a_table_is_data_and_a_glob_is_pictures(data: Path, nets: tuple[Path, Path]) -> None:
    files = sorted(data.rglob("*.png"))
    table = Path("labels.csv")
    lines = [f"{path},{path.parent.name}" for path in files]
    table.write_text("\n".join(["picture,label", *lines]))
    found = features(nets[0], table, progress=SILENT)
    assert len(found) == len(files)
    assert len(found.classes) == 2
    some = features(nets[0], f"{data}/*/*0*.png", progress=SILENT)
    assert some.truth is None
    assert 0 < len(some) < len(files)


def test_a_picture_that_cannot_be_read_is_left_out_by_name(
    data: Path, nets: tuple[Path, Path]
) -> None:
    broken = sorted(data.rglob("*.png"))[2]
    broken.write_bytes(broken.read_bytes()[:200])
    found = features(nets[0], data, progress=SILENT)
    assert len(found) == 8
    assert len(found.left_out) == 1
    assert broken.name in found.left_out[0]
    assert sum(part.count for part in found.parts) == 8
    for path in data.rglob("*.png"):
        path.write_bytes(b"none")
    with pytest.raises(UserError, match="none of the 9 pictures can be read"):
        features(nets[0], data, progress=SILENT)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"layer": "conv9"}, "no layer 'conv9'"),
        ({"scales": "16"}, "16 is below the network's least of 32"),
        ({"layer": "pool5", "scales": "16"}, "16 is below the network's least of 32"),
        ({"scales": "40,40"}, "are not each another"),
        ({"engine": "magic"}, "no engine 'magic'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    given: dict[str, str], line: str, data: Path, nets: tuple[Path, Path]
) -> None:
    with pytest.raises(UserError, match=line):
        features(nets[0], data, progress=SILENT, **given)  # type: ignore[arg-type]


def test_damage_is_found(data: Path, nets: tuple[Path, Path]) -> None:
    features(nets[0], data, progress=SILENT).save("f.safetensors")
    content = bytearray(Path("f.safetensors").read_bytes())
    content[-5] ^= 1
    Path("f.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"is no whole features file.*describe the pictures again"):
        load_features("f.safetensors")


# --- the cache


def sheets() -> Iterator[Path]:
    return cache.folder().glob("*/*.safetensors")


def test_a_damaged_entry_is_made_anew(data: Path, nets: tuple[Path, Path]) -> None:
    first = features(nets[0], data, progress=SILENT)
    (path,) = sheets()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)
    again = features(nets[0], data, progress=SILENT)
    assert again.descriptors.tobytes() == first.descriptors.tobytes()
    assert bytes(content) != path.read_bytes()


def test_many_files_of_a_sheet_become_one(tmp_path: Path) -> None:
    sheet = cache.Sheet(cache.folder() / "one", 3)
    rows = np.arange(60, dtype=np.float32).reshape(20, 3)
    keys = np.arange(1, 21)
    for i in range(20):
        sheet.put(keys[i : i + 1], rows[i : i + 1])
    assert len([*sheets()]) < cache.MOST_FILES
    np.testing.assert_array_equal(sheet.rows(keys), rows)
    assert np.isnan(sheet.rows(np.array([99, 0]))).all()


def test_the_cache_is_bounded_and_what_was_used_last_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(cache.VARIABLE, "0.0001")  # 100 kB
    rows = np.ones((100, 100), np.float32)  # 40 kB
    keys = np.arange(1, 101)
    old, used, new = (cache.Sheet(cache.folder() / name, 100) for name in ("old", "used", "new"))
    for place, sheet in enumerate((used, old)):
        sheet.put(keys, rows)
        for path in sheet.folder.iterdir():
            os.utime(path, (1000 + place, 1000 + place))
    assert np.isfinite(used.rows(keys)).all()  # touches it
    new.put(keys, rows)
    assert [np.isfinite(sheet.rows(keys)).all() for sheet in (old, used, new)] == [
        False,
        True,
        True,
    ]


def test_the_size_of_the_cache_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "much")
    with pytest.raises(UserError, match="VERYDEEP_CACHE_GB=much; give gigabytes, such as 4, or 0"):
        cache.limit()


def test_a_cache_that_cannot_be_written_stops_nobody(
    data: Path, nets: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **given: object) -> NoReturn:
        raise UserError("cannot write it (1 bytes): No space left on device")

    monkeypatch.setattr("verydeep.tensors_file.write", refuse)
    assert len(features(nets[0], data, progress=SILENT)) == 9
