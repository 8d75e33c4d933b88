"""A transferred classifier is a network: its answers, however they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import verydeep
from verydeep.descriptors.svm import fit
from verydeep.errors import UserError
from verydeep.nets.network import build
from verydeep.parts.annotations import LabelSets
from verydeep.pictures.preprocessing import Pixels
from verydeep.report.transferred import write_page
from verydeep.runtime.progress import SILENT
from verydeep.verbs.transfer import Transferred, transfer


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random net; even that tells shapes from each other."""
    path = tmp_path_factory.mktemp("trunk") / "d.safetensors"
    net = build("D", 5, width=0.125, crop=32, fc=24, initial="he")
    net.pixels = Pixels(scale=(40, 56), mean=(120.0, 115.0, 100.0))
    verydeep.save(net, path)
    return path


@pytest.fixture
def found(trunk: Path, photos: Callable[..., Path]) -> Transferred:
    return transfer(trunk, photos(14, 12, 10), layer="pool5", progress=SILENT)


def test_scores_are_the_machines_decision_values(found: Transferred) -> None:
    """Held against machines that are learnt here, from the same descriptors, with the same C."""
    train, held_out = found.features.of("train"), found.features.of("validation")
    assert isinstance(train.truth, np.ndarray)
    signs = np.where(train.truth[:, None] == np.arange(3), 1, -1)
    (machines,) = fit(train.descriptors, signs, [found.learnt.c])
    values = machines.classifier.decision(held_out.descriptors) / found.learnt.temperature
    expected = np.exp(values) / np.exp(values).sum(1, keepdims=True)
    (tested,) = found.tests
    assert tested.scores.names == held_out.names
    np.testing.assert_allclose(tested.scores.posteriors, expected, rtol=0, atol=1e-5)


def test_it_is_tested_and_asked_as_any_other_network(
    found: Transferred, photos: Callable[..., Path]
) -> None:
    (tested,) = found.tests
    again = verydeep.evaluate(found.folder, "photos", progress=SILENT)
    assert again.path == tested.path
    assert again.scores.names == tested.scores.names
    np.testing.assert_allclose(again.scores.posteriors, tested.scores.posteriors, atol=1e-5)
    for i in (0, 3):
        picture = tested.part.source(i)
        ((name, posterior),) = verydeep.predict(found.weights, picture, top=1, progress=SILENT)
        assert name == found.dataset.classes[tested.scores.posteriors[i].argmax()]
        assert posterior == pytest.approx(tested.scores.posteriors[i].max(), abs=1e-5)
        assert verydeep.load(found.weights).predict(picture, top=1)[0][0] == name


@pytest.mark.parametrize("stacked", [False, True])
def test_several_scales_and_nets_are_one_file(
    stacked: bool, trunk: Path, photos: Callable[..., Path], tmp_path: Path
) -> None:
    other = build("A", 2, width=0.125, crop=32, fc=0, initial="he")
    other.pixels = Pixels(scale=(48, 48), mean=(100.0, 100.0, 100.0))
    verydeep.save(other, tmp_path / "a.safetensors")
    nets = [trunk, tmp_path / "a.safetensors"]
    found = transfer(nets, photos(9, 8), scales="40,48", stacked=stacked, progress=SILENT)
    (tested,) = found.tests
    again = verydeep.evaluate(found.folder, "photos", progress=SILENT)
    assert again.path == tested.path
    np.testing.assert_allclose(again.scores.posteriors, tested.scores.posteriors, atol=1e-5)
    write_page(found)


def test_onnx_runtime_gives_the_same_answers(found: Transferred, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from verydeep.exporters.onnx import write_onnx

    net = verydeep.load(found.weights)
    write_onnx(net, tmp_path / "f.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "f.onnx")
    (tested,) = found.tests
    for i in range(4):
        image = net.pixels.read(tested.part.source(i), net.pixels.test_scale)
        both = np.stack([image, image[:, ::-1]])
        (posteriors,) = session.run(["posteriors"], {"pictures": both})
        views = net.pixels.normalise(torch.from_numpy(both))
        np.testing.assert_allclose(posteriors, net.posteriors(views).detach(), rtol=0, atol=1e-5)


def test_the_same_command_makes_the_same_file(found: Transferred, trunk: Path) -> None:
    again = transfer(trunk, found.dataset.where, layer="pool5", progress=SILENT)
    assert again.folder == Path("runs/photos-transfer-2")
    assert again.weights.read_bytes() == found.weights.read_bytes()


def test_the_page_says_what_was_done(found: Transferred) -> None:
    page = write_page(found).read_text()
    (tested,) = found.tests
    for said in (
        f"{tested.top1:.1f} %", "nearest class mean", "pool5 of D, Q = 40", "accuracy in folds",
        f"C = {found.learnt.c:g}", "Where the network looks",
    ):  # fmt: skip
        assert said in page, said


def test_c_may_be_given(trunk: Path, photos: Callable[..., Path]) -> None:
    found = transfer(trunk, photos(6, 6), c=0.5, progress=SILENT)
    assert (found.learnt.c, found.learnt.choice) == (0.5, None)
    assert [piece.layer for piece in found.features.pieces] == ["relu7"]
    with pytest.raises(UserError, match="C is -1"):
        transfer(trunk, "photos", c=-1, progress=SILENT)


def test_a_class_of_one_picture_is_named(trunk: Path, photos: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"'.+' has too few pictures for some to be held out"):
        transfer(trunk, photos(6, 2), progress=SILENT)


def test_what_the_weights_have_learnt_is_no_test(
    found: Transferred, photos: Callable[..., Path]
) -> None:
    """Carried from weights that know the pictures, none of those is set aside again."""
    again = transfer(found.weights, "photos", layer="pool5", split=3, progress=SILENT)
    first, second = (set(f.features.of("train").names) for f in (found, again))
    assert first == second
    assert again.features.parts == found.features.parts


@pytest.fixture
def tagged(photos: Callable[..., Path], tmp_path: Path) -> Path:
    """A table in which pictures of the second class are of the first as well."""
    folder = photos(14, 12, 10)
    first, second, third = sorted(path.name for path in folder.iterdir())
    labels = {first: first, second: f"{first};{second}", third: third}
    lines = [
        f"{path.relative_to(tmp_path)},{labels[path.parent.name]}"
        for path in sorted(folder.rglob("*.png"))
    ]
    table = tmp_path / "tags.csv"
    table.write_text("\n".join(["picture,labels", *lines]))
    return table


def test_of_several_labels_each_has_a_machine_and_a_posterior(trunk: Path, tagged: Path) -> None:
    found = transfer(trunk, tagged, layer="pool5", task="tag", c=1, progress=SILENT)
    (tested,) = found.tests
    assert found.model.has_several
    train, held_out = found.features.of("train"), found.features.of("validation")
    assert isinstance(train.truth, LabelSets)
    signs = train.truth.signs(3)
    assert (signs.sum(1) == 1).any()  # of two of three
    (machines,) = fit(train.descriptors, signs, [1.0])
    values = machines.classifier.decision(held_out.descriptors) / found.learnt.temperature
    np.testing.assert_allclose(tested.scores.posteriors, 1 / (1 + np.exp(-values)), atol=1e-5)
    again = verydeep.evaluate(found.folder, tagged, progress=SILENT)
    np.testing.assert_allclose(again.scores.posteriors, tested.scores.posteriors, atol=1e-5)
    np.testing.assert_array_equal(again.scores.signs, tested.scores.signs)
    assert "Average precision" in write_page(found).read_text()
