"""Testing as a task: what a test is known by, and which tests are the paper's.

Networks are narrow and untrained, but where what they answer matters: there they are made to
answer what is expected by their pictures' shades.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import TWO_CORES
from verydeep import weights
from verydeep.datasets import Dataset, Part
from verydeep.drawings.outlines import SHAPES
from verydeep.errors import UserError
from verydeep.evaluation.class_matching import of_ilsvrc, relabelled
from verydeep.evaluation.scores import load_scores
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels
from verydeep.training.recipes import RECIPES, settings_of
from verydeep.training.settings import Settings
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.measure import Identity
from verydeep.verbs.papers_nets import trained_as
from verydeep.weights.file import WeightsInfo

PIXELS = Pixels((32, 32), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))
BGR = replace(PIXELS, order="BGR")


def test_the_same_tensors_with_other_pixels_are_another_test() -> None:
    network = build("A", classes=SHAPES, width=0.125, crop=32, pixels=PIXELS, initial="he")
    tested = {}
    for name, pixels in (("one", PIXELS), ("two", BGR), ("same", PIXELS)):
        network.pixels = pixels
        weights.save(network, f"{name}.safetensors")
        test = evaluate(f"{name}.safetensors", "drawn:10x32", "centre", TWO_CORES, part_name="test")
        assert test.path is not None
        tested[name] = test.path, load_scores(test.path).weights
    assert tested["one"] == tested["same"]
    assert tested["one"][0] != tested["two"][0]
    assert tested["one"][1] != tested["two"][1]


def test_a_test_is_not_gone_on_with_by_a_network_of_other_pixels(
    journals: list[Identity],
) -> None:
    network = build("A", classes=SHAPES, width=0.125, crop=32, pixels=PIXELS, initial="he")
    for pixels in (PIXELS, BGR):
        network.pixels = pixels
        weights.save(network, "w.safetensors")
        evaluate("w.safetensors", "drawn:10x32", "centre", TWO_CORES, out="out.safetensors")
    assert journals[0] != journals[1]


# --- ILSVRC

WNIDS = [f"n{number:08}" for number in range(14)]
DEVKIT = [(5 * i + 3) % 14 for i in range(14)]
"""Which of the sorted wnids the development kit has at each place."""


def reading_shades(answers: Sequence[int]) -> Network:
    """Answers `answers[k]` to a picture whose every value is 10 k.

    The convolutions pass that value over 10, x, on; the score for k is k x - k^2 / 2, which is the
    largest for the k nearest to x.
    """
    pixels = replace(PIXELS, mean=(0.0, 0.0, 0.0), std=(10.0, 10.0, 10.0))
    network = build("A", len(answers), width=0.125, crop=32, pixels=pixels)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.zero_()
            if weight.ndim == 4:
                middle = weight.shape[2] // 2
                weight[..., middle, middle] = 1 / weight.shape[1]
            k = torch.empty(len(answers)).index_copy_(
                0, torch.tensor(answers), torch.arange(float(len(answers)))
            )
            if name == "fc8.weight":
                weight.mul_(k.view(-1, 1, 1, 1))
            if name == "fc8.bias":
                weight.copy_(-k * k / 2)
    return network


def test_a_network_in_the_development_kits_order_is_refused() -> None:
    for k, wnid in enumerate(WNIDS):
        path = Path(f"data/val/{wnid}/ILSVRC2012_val_{k:08}.JPEG")
        path.parent.mkdir(parents=True)
        Image.new("RGB", (40, 40), (10 * k,) * 3).save(path)
    lines = [f"{place} {WNIDS[k]}" for place, k in enumerate(DEVKIT, 1)]
    Path("data/devkit_id_to_wnid.txt").write_text("\n".join(lines))
    weights.save(reading_shades(range(14)), "sorted.safetensors")
    assert evaluate("sorted.safetensors", "data", "centre", TWO_CORES).top1 == 0
    places = [DEVKIT.index(k) for k in range(14)]
    weights.save(reading_shades(places), "devkit.safetensors")
    said = "but 0.00 % with the classes in the development kit's order"
    with pytest.raises(UserError, match=said):
        evaluate("devkit.safetensors", "data", "centre", TWO_CORES)


def dataset(kind: str, classes: int, count: int, first: int = 10**7) -> Dataset:
    """One with nothing to train on."""
    wnids = tuple(f"n{first + number}" for number in range(classes))
    none, held_out = (
        Part([f"{i}" for i in range(n)], np.arange(n) % classes, lambda i: b"") for n in (0, count)
    )
    parts = {"train": none, "validation": held_out}
    return Dataset("data", kind, wnids, parts, (), (), "print")


def test_ilsvrc_is_known_by_its_thousand_wnids() -> None:
    for kind, classes, first, known in (
        ("folder", 1000, 10**7, True),
        ("folder", 10, 10**7, False),
        ("folder", 1000, 10**8, False),  # a digit too many
        ("ilsvrc", 3, 10**7, True),
    ):
        assert of_ilsvrc(dataset(kind, classes, 3, first)) == known


def test_numbered_classes_are_those_of_the_thousand_wnids_in_order() -> None:
    thousand = dataset("folder", 1000, 1000)
    info = WeightsInfo({}, [str(k) for k in range(1000)], {}, {})
    assert relabelled(thousand.validation, thousand, info).labels.tolist() == list(range(1000))
    ten = dataset("folder", 10, 10)
    with pytest.raises(UserError, match="a class 'n10000000' that the network does not know"):
        relabelled(ten.validation, ten, replace(info, classes=info.classes[:10]))


@pytest.mark.parametrize(
    ("count", "part"), [(50_000, "validation"), (49_999, "validation"), (50_000, "train")]
)
def test_the_papers_figure_is_of_the_whole_validation_set(
    monkeypatch: pytest.MonkeyPatch, count: int, part: str
) -> None:
    heard = []

    def measure(*given: Any, **_: Any) -> None:
        heard.append(given[3].net)
        raise KeyboardInterrupt  # it is known, and the test need not be done

    monkeypatch.setattr("verydeep.verbs.evaluate.measure", measure)
    found = dataset("folder", 1000, count)
    if part == "train":
        found = replace(found, parts={**found.parts, "train": found.validation})
    monkeypatch.setattr("verydeep.verbs.parts.open_dataset", lambda *_: found)
    known = ("D", 256, 512)
    monkeypatch.setattr("verydeep.verbs.evaluate.trained_as", lambda info: known)
    weights.save(build("A", 1000, width=0.125, crop=32, fc=8), "w.safetensors")
    with pytest.raises(KeyboardInterrupt):
        evaluate("w.safetensors", "data", "centre", TWO_CORES, part_name=part)
    assert heard == [known if count == 50_000 and part == "validation" else None]


def information(provenance: dict[str, Any], name: str = "D", **options: Any) -> WeightsInfo:
    """What a file of a net of 1,000 classes says of itself."""
    table = vgg.table(name, 1000, **options)
    words = {"name": table.name, "crop": table.crop, "words": list(table.words)}
    return WeightsInfo(words, [str(k) for k in range(1000)], {}, provenance)


def test_a_net_of_the_authors_is_known_by_its_release_and_its_table() -> None:
    keras = "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
    theirs = {"imported": {"release": keras}}
    assert trained_as(information(theirs)) == ("D", 256, 512)
    for options in ({"width": 0.5}, {"crop": 192}, {"fc": 1024}):
        assert trained_as(information(theirs, **options)) is None
    for others in ("vgg16-397923af.pth", None):  # torchvision's own training, and nobody's
        assert trained_as(information({"imported": {"release": others}})) is None
    assert trained_as(information({})) is None


def test_a_run_is_the_papers_where_it_followed_its_recipe_to_the_letter_on_ilsvrc() -> None:
    every = asdict(Settings(**settings_of(RECIPES["D-384"], {})))
    settings = {name: value for name, value in every.items() if value is not None}
    made = {"settings": settings, "data": {"classes": 1000, "train": 1_281_167}, "start": {"x": 1}}
    assert trained_as(information(made)) == ("D", 384, 384)
    for change in ({"batch": 128}, {"divide": True}, {"scale": (320, 320)}, {"average": 0.99}):
        assert trained_as(information({**made, "settings": {**settings, **change}})) is None
    assert trained_as(information({**made, "settings": {**settings, "seed": 3}})) is not None
    assert trained_as(information({**made, "data": {"classes": 1000, "train": 9469}})) is None
    assert trained_as(information({k: v for k, v in made.items() if k != "start"})) is None


@pytest.mark.parametrize(("last", "task"), [("FC-4000", "localise"), ("FC-4", "localise-single")])
@pytest.mark.parametrize("tune", ["all", "fc"])
def test_a_run_of_boxes_is_the_papers_where_it_was_trained_as_appendix_a_says(
    last: str, task: str, tune: str
) -> None:
    """At 1e-3, S = 256 or 384, from a classifier, on the training pictures that have boxes."""

    def known(last: str = last, **change: Any) -> Any:
        every = asdict(Settings(**settings_of(RECIPES["D-384"], {"task": task, "tune": tune})))
        settings = {k: v for k, v in {**every, **change}.items() if v is not None}
        return trained_as(of_boxes(last, {**made, "settings": settings}))

    made: dict[str, Any] = {"data": {"classes": 1000, "train": 523_966}, "start": {"x": 1}}
    assert known() == ("D", 384, 384)
    assert known(scale=(256, 256), seed=3) == ("D", 256, 256)
    for change in ({"rate": 1e-2}, {"scale": (320, 320)}, {"tune": "last"}, {"cached": True}):
        assert known(**change) is None
    assert known("FC-40") is None
    del made["start"]
    assert known() is None
    made |= {"start": {"x": 1}, "data": {"classes": 1000, "train": 9469}}
    assert known() is None


def of_boxes(last: str, provenance: dict[str, Any]) -> WeightsInfo:
    """What a file of net D with boxes in place of its classes says of itself."""
    words = with_last(vgg.table("D", 1000).words, (last, "boxes"))
    table = {"name": "D", "crop": 224, "words": list(read_table("D", words, 224).words)}
    classes = [str(k) for k in range(int(last.removeprefix("FC-")) // 4)]
    return WeightsInfo(table, classes, {}, provenance)
