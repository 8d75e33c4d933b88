"""The predictor, against dense testing of the same pictures, which goes another way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TWO_CORES
from tests.evaluation.test_protocols import network
from verydeep import save
from verydeep.errors import PictureError
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.predictor import Prediction, Predictor
from verydeep.evaluation.views import protocol
from verydeep.parts.dataset import Part
from verydeep.pictures.reading import Source, read_picture


@pytest.mark.parametrize("engine", ["torch", "winograd"])
def test_paths_bytes_and_arrays_get_the_posteriors_of_a_dense_test(
    photos: Callable[..., Path], engine: str
) -> None:
    net = network()
    save(net, "w.safetensors")
    paths = sorted(photos(2, 1, side=70).rglob("*.png"))
    pictures: list[Source] = [paths[0], paths[1].read_bytes(), read_picture(paths[2])]
    predictor = Predictor.of("w.safetensors", TWO_CORES.machine, engine)
    found = list(predictor.predict(pictures))
    part = Part(["a", "b", "c"], np.zeros(3, np.int64), lambda i: pictures[i])
    tested = posteriors(net, part, protocol(net, "dense"))
    for one, row in zip(found, tested, strict=True):
        assert isinstance(one, Prediction)
        np.testing.assert_allclose(one.posteriors.numpy(), row, atol=1e-5)
        assert [name for name, _ in one.top(2)] == [str(k) for k in np.argsort(-row)[:2]]


@pytest.mark.parametrize("engine", ["torch", "winograd"])
def test_several_pictures_at_once_get_what_each_gets_alone_and_in_tiles(
    photos: Callable[..., Path], engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(network(), "w.safetensors")
    paths = sorted([*photos(2, side=70).rglob("*.png"), *photos(1, root="b").rglob("*.png")])
    predictor = Predictor.of("w.safetensors", TWO_CORES.machine, engine)
    alone = [predictor.ask(path).posteriors.numpy() for path in paths]
    together = predictor.answers([predictor.read(path) for path in paths])
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.posteriors.numpy(), other, atol=1e-6)
    monkeypatch.setattr("verydeep.evaluation.showing.MEMORY", {"cpu": 1})
    tiled = Predictor.of("w.safetensors", TWO_CORES.machine, engine).ask(paths[0])
    np.testing.assert_allclose(tiled.posteriors.numpy(), alone[0], atol=1e-5)


def test_what_cannot_be_read_is_named_in_its_place(photos: Callable[..., Path]) -> None:
    save(network(), "w.safetensors")
    (path,) = photos(1).rglob("*.png")
    Path("bad.png").write_bytes(b"\x89PNG")
    predictor = Predictor.of("w.safetensors", TWO_CORES.machine)
    first, second, third = predictor.predict([Path("bad.png"), b"none", path])
    assert isinstance(first, PictureError)
    assert str(first).startswith("bad.png: ")
    assert isinstance(second, PictureError)
    assert "picture (4 bytes)" in str(second)
    assert isinstance(third, Prediction)
