"""The features in a pipeline of scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import verydeep
from verydeep.errors import UserError
from verydeep.nets.network import build
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.progress import SILENT

sklearn_pipeline = pytest.importorskip("sklearn.pipeline")


@pytest.fixture
def trunk(tmp_path: Path) -> Path:
    net = build("A", 5, width=0.0625, crop=32, fc=24, initial="he")
    net.pixels = Pixels(scale=(40, 40), mean=(120.0, 115.0, 100.0))
    verydeep.save(net, tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def test_pictures_are_described_and_learnt_in_a_pipeline(
    trunk: Path, photos: Callable[..., Path]
) -> None:
    files = sorted(photos(8, 8).rglob("*.png"))
    labels = [path.parent.name for path in files]
    pipeline = sklearn_pipeline.make_pipeline(
        verydeep.Descriptors(trunk, layer="pool5"), verydeep.LinearSVMs(C=10.0)
    )
    expected = verydeep.features(trunk, files, layer="pool5", progress=SILENT).descriptors
    np.testing.assert_array_equal(pipeline[:1].transform(files), expected)
    fitted = pipeline.fit(files, labels)
    assert set(fitted.predict([files[0], files[-1].read_bytes()])) <= set(labels)
    machine = verydeep.LinearSVMs(C=10.0).fit(expected, labels)
    np.testing.assert_allclose(
        fitted.decision_function(files), machine.decision_function(expected), rtol=0, atol=1e-6
    )


def test_it_is_cloned_and_its_parameters_are_named(trunk: Path) -> None:
    from sklearn.base import clone

    first = verydeep.Descriptors(trunk, scales=(40, 56), stacked=True)
    assert clone(first).get_params() == first.get_params()
    assert first.set_params(layer="pool4").layer == "pool4"
    assert not first.__sklearn_tags__().input_tags.two_d_array


def test_a_picture_that_cannot_be_read_is_named(trunk: Path, tmp_path: Path) -> None:
    (tmp_path / "none.png").write_bytes(b"none")
    net = verydeep.Descriptors(trunk)
    with pytest.raises(UserError, match=r"none\.png"):
        net.transform([np.zeros((40, 50, 3), np.uint8), tmp_path / "none.png"])
