"""Prediction by nets that find places: it tells what a test finds, and refuses what it cannot.

Nets are random, with boxes of about a crop; what predictions are is expected of a test by dense
boxes of the same pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import verydeep
from tests.conftest import TWO_CORES
from verydeep.datasets import open_dataset
from verydeep.errors import PictureError, UserError
from verydeep.localisation.guesses import guesses
from verydeep.localisation.predictor import Guess
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels
from verydeep.runtime.progress import SILENT
from verydeep.weights.file import save

DATA = "drawn:40x48"
PIXELS = Pixels((40, 40), (120.0, 115.0, 110.0))


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a classifier, and of nets with the same convolutions that place boxes."""
    folder = tmp_path_factory.mktemp("nets")
    classes = open_dataset(DATA).classes
    told = build("A", 10, width=0.125, crop=32, fc=16, pixels=PIXELS, initial="he")
    told = Network.random(told.table, classes, PIXELS, "he", 0)
    save(told, folder / "classes.safetensors")
    for name, kind, names in (
        ("pcr", "boxes", classes), ("scr", "boxes", ("object",)), ("things", "objects", ("a", "b")),
    ):  # fmt: skip
        words = with_last(told.table.words, (f"FC-{4 * len(names)}", kind))
        network = Network.random(read_table("A", words, 32), names, PIXELS, "he", 1)
        last = network.get_submodule(network.table.scores)
        with torch.no_grad():
            last.get_parameter("weight").mul_(0.02)
            last.get_parameter("bias").fill_(0.5)
        save(network, folder / f"{name}.safetensors")
    return folder


def predicted(nets: Path, name: str, pictures: Any, **given: Any) -> list[Any]:
    return verydeep.predict(nets / f"{name}.safetensors", pictures, progress=SILENT, **given)


@pytest.mark.parametrize("threshold", [None, 0.0, 1.4])
@pytest.mark.parametrize("name", ["pcr", "scr"])
def test_guesses_of_a_picture_are_those_of_its_test(
    nets: Path, name: str, threshold: float | None
) -> None:
    classifier = nets / "classes.safetensors"
    tested = verydeep.localise(
        nets / f"{name}.safetensors", DATA, "dense", TWO_CORES, classifier=classifier,
        threshold=threshold, out="b.safetensors", part_name="test", progress=SILENT,
    )  # fmt: skip
    found, expected = tested.found, guesses(tested.found)
    pictures = [tested.part.source(i) for i in range(6)]
    given = {"classifier": classifier, "threshold": threshold}
    for i, answer in enumerate(predicted(nets, name, pictures, **given)):
        assert all(isinstance(guess, Guess) for guess in answer)
        assert [guess.name for guess in answer] == [found.classes[c] for c in found.candidates[i]]
        sure = [guess.posterior for guess in answer]
        np.testing.assert_allclose(sure, found.posteriors[i], rtol=1e-5)
        np.testing.assert_allclose([g.box for g in answer], expected.boxes[i], atol=1e-3)


def test_so_many_guesses_are_given_as_are_asked_for(nets: Path) -> None:
    picture = open_dataset(DATA).train.source(0)
    classifier = nets / "classes.safetensors"
    five = predicted(nets, "pcr", picture, classifier=classifier)
    one = predicted(nets, "pcr", picture, classifier=classifier, top=1)
    all_of_them = predicted(nets, "pcr", picture, classifier=classifier, top=20)
    assert (len(five), len(one), len(all_of_them)) == (5, 1, 10)
    assert one == five[:1]
    assert five == all_of_them[:5]
    assert sum(guess.posterior for guess in all_of_them) == pytest.approx(1)


def test_what_tells_classes_is_asked_for_where_it_is_wanted(nets: Path) -> None:
    picture = open_dataset(DATA).train.source(0)
    with pytest.raises(UserError, match=r"predict .*pcr.* PICTURE --classifier WEIGHTS"):
        predicted(nets, "pcr", picture)
    (guess,) = predicted(nets, "scr", picture)
    assert guess[:2] == (None, None)
    assert [guess.name for guess in predicted(nets, "things", picture)] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("classes", {"threshold": 0.5}, "places no boxes; leave --threshold out"),
        ("classes", {"classifier": "x"}, "places no boxes; leave --classifier out"),
        ("things", {"classifier": "x"}, "finds objects that are in every picture; leave --class"),
        ("scr", {"reject": 0.5}, "turns no picture away; leave --reject out"),
    ],
)
def test_options_of_other_nets_are_refused(
    nets: Path, name: str, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        predicted(nets, name, np.zeros((40, 40, 3), np.uint8), **given)


def test_a_picture_that_cannot_be_read_has_no_guess_among_others(nets: Path) -> None:
    Path("broken.jpg").write_bytes(b"x")
    picture = open_dataset(DATA).train.source(0)
    first, second = predicted(nets, "scr", ["broken.jpg", picture])
    assert (first, len(second)) == ([], 1)
    with pytest.raises(PictureError, match=r"broken\.jpg"):
        predicted(nets, "scr", "broken.jpg")


def test_a_network_that_finds_places_names_no_classes(nets: Path) -> None:
    with pytest.raises(UserError, match="verydeep.predict"):
        verydeep.load(nets / "pcr.safetensors").predict(np.zeros((40, 40, 3), np.uint8))
