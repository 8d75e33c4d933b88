"""The study of localisation on convolutions that are there already, all pictures in folds.

Which pictures each fold tests is read from the boxes files; layers are held against the weights
that the study began with, tensor by tensor. What it finds is not looked at.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TWO_CORES
from verydeep import build, load, save
from verydeep.commands.study import answer, as_json, dry
from verydeep.drawings.drawing import draw
from verydeep.errors import Stopped, UserError
from verydeep.localisation.boxes_file import load_boxes
from verydeep.nets import vgg
from verydeep.nets.network import Network
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels
from verydeep.studies import localisation, sizes
from verydeep.studies.localisation import box_nets
from verydeep.studies.misses import Misses
from verydeep.studies.sizes import Size
from verydeep.training.recorder import Recorder
from verydeep.training.run_toml import described
from verydeep.verbs import study_asked
from verydeep.verbs.study import Studied, study
from verydeep.verbs.study_plan import Planned, planned

CLASSES = ("n01440764", "n01484850")
"""Of the drawn pictures every other is of the second."""


@pytest.fixture(autouse=True)
def _least(monkeypatch: pytest.MonkeyPatch) -> None:
    least = Size("least", 0.5, 64, 80, (64, 96), 2, 1, (0.05,), batch=4, box_rates=(0.002,))
    monkeypatch.setitem(sizes.SIZES, "least", least)
    monkeypatch.setattr(study_asked, "LEAST", 12)
    monkeypatch.setattr(localisation, "box_nets", lambda size: box_nets(size)[2:])  # PCR


def pictures(root: str = "val", count: int = 12) -> Path:
    """Some validation pictures of ILSVRC's, flat, with the list of their boxes beside them."""
    place, rows = Path(root), []
    if place.exists():
        return place
    place.mkdir()
    for i in range(count):
        drawn = draw(3, 10 * i, (48, 48))
        Image.fromarray(drawn.image).save(place / f"ILSVRC2012_val_{i + 1:08}.JPEG")
        box = " ".join(str(int(side)) for side in drawn.box)
        rows.append(f"ILSVRC2012_val_{i + 1:08},{CLASSES[i % 2]} {box}\n")
    (place / "LOC_val_solution.csv").write_text("ImageId,PredictionString\n" + "".join(rows))
    return place


def convolutions(path: str = "convs.safetensors") -> str:
    """A narrow net's, as those of an imported file without its FC layers."""
    if not Path(path).exists():
        cut("A", path)
    return path


def cut(net: str, path: str, words: int | None = None) -> None:
    """Weights of random convolutions: so many words of a table, or all before its FC layers."""
    table = vgg.table(net, 3, 0.125, 32)
    end = table.words.index("FC-512") if words is None else words
    body = read_table(net, table.words[:end], 32)
    pixels = Pixels((40, 40), (120.0, 115.0, 110.0))
    save(Network.random(body, (), pixels, "he", seed=7), path)


def asked(**given: Any) -> dict[str, Any]:
    return {"size": "least", "seeds": 2, "start": convolutions(), "crop": 32, "fc": 8, "epochs": 1,
            **given}  # fmt: skip


def to_do(data: str | Path | None = None, out: str = "s", **given: Any) -> Planned:
    return planned("localisation", data or pictures(), out, **asked(**given))


def done() -> Studied:
    return study("localisation", pictures(), "s", TWO_CORES, **asked())


def written() -> dict[str, bytes]:
    """The answer, and all weights, tests and pages."""
    said = answer(done(), json=False)
    patterns = ("*/boxes/*.safetensors", "*/best.safetensors", "study.md", "report.html")
    files = [path for pattern in patterns for path in Path("s").glob(pattern)]
    return {**{str(path): path.read_bytes() for path in files}, "said": said.encode()}


@pytest.mark.timeout(300)
def test_a_study_in_folds_tests_each_picture_once_on_convolutions_left_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = written()
    found = done()
    names = [f"ILSVRC2012_val_{i + 1:08}.JPEG" for i in range(12)]
    files = [load_boxes(Path("s", f"PCR-all-{i}/boxes/centre-40.safetensors")) for i in (0, 1)]
    assert sorted(name for one in files for name in one.names) == names
    errors = [Misses.of_boxes(one).error(1) or 0.0 for one in files]
    ours = f"{np.mean(errors):.1f} ± {np.std(errors, ddof=1):.1f}"
    text = Path("s/study.md").read_text()
    assert f"| PCR | all layers | 33.1 | {ours} |" in text
    assert "Errors on 12 pictures, each tested once" in text
    assert "each fold" in text
    findings = json.loads(as_json(found, Path("p")))["findings"]
    (f10,) = [finding for finding in findings if finding["finding"] == "F10"]
    others = [load_boxes(Path("s", f"PCR-fc-{i}/boxes/centre-40.safetensors")) for i in (0, 1)]
    fc, every = (sum(Misses.of_boxes(one).missed[1].sum() for one in of) for of in (others, files))
    assert f10["claims"][0]["difference"] == pytest.approx(100 * (fc - every) / 12)

    begun = load(convolutions()).state_dict()
    for name, same in (("classifier-0", True), ("PCR-fc-1", True), ("PCR-all-0", False)):
        run = described(Path("s", name))
        assert run.settings["fold"] == [int(name[-1]), 2]
        assert run.settings["cached"] is same
        tensors = load(Path("s", name)).state_dict()
        assert all(tensors[key].equal(value) for key, value in begun.items()) is same

    rmtree("s/PCR-fc-1")
    after_step = Recorder.after_step

    def stops(self: Recorder, *given: object) -> None:
        if self.folder.name == "PCR-fc-1":
            self._interruption.asked = True
        after_step(self, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "after_step", stops)
        with pytest.raises(Stopped, match=r"--from convs.safetensors --set crop=32 --set fc=8"):
            done()
    assert written() == whole


def test_what_it_takes_is_said_with_what_is_kept_until_a_step_is_done() -> None:
    """By hand: ten epochs of 5 pictures that are learnt from, and 1 that chooses, in pool5.

    That is 1 x 1 of 64 channels in two bytes each.
    """
    found = to_do(epochs=10)
    takes = found.estimates(TWO_CORES)
    assert {takes[f"{name}-0"].passing for name in ("classifier", "PCR-fc")} == {
        2 * 64 * (10 * len(found.dataset.train) + len(found.dataset.validation))
    }
    assert takes["PCR-all-0"].passing == 0
    assert takes["PCR-fc-0"].bytes < takes["PCR-all-0"].bytes
    said = dry(found, TWO_CORES, json=False)
    assert "; 2 folds" in said
    assert "more until a step is done" in said
    assert not Path("s").exists()


def test_new_layers_begin_as_the_pixels_of_the_convolutions_want_it() -> None:
    """Small weights where those are less their mean alone, as Caffe's; else He's."""
    network = load(convolutions())
    network.pixels = replace(network.pixels, std=(58.0, 57.0, 57.0))
    save(network, "divided.safetensors")
    for start, initial in (("convs.safetensors", "gaussian:0.01"), ("divided.safetensors", "he")):
        plan = to_do(start=start).work.plan
        assert {training.settings["initial"] for training in plan.trainings} == {initial}
    assert to_do(initial="glorot").work.plan.named("PCR-all-0").settings["initial"] == "glorot"


def test_data_that_is_split_already_is_tested_as_it_is_with_every_seed() -> None:
    found = to_do("drawn:48x48", seeds=None)
    assert not found.is_in_folds
    assert found.seeds == (0, 1, 2)
    assert all("fold" not in training.settings for training in found.work.plan.trainings)


def test_every_mistake_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    save(build("A", 3, width=0.125, crop=32, initial="he"), "whole.safetensors")
    cut("A", "half.safetensors", 5)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"start": "whole.safetensors", "fc": 8}, "fc is that of whole.safetensors; leave --set"),
        ({"width": 1.0}, "width is that of convs.safetensors"),
        ({"start": "half.safetensors"}, "half.safetensors lacks convolutions of A; give a class"),
        ({"size": "full"}, "full is the paper's own recipes"),
        ({"tune": "all"}, "tune is what a study sets by itself"),
        ({"seeds": 7}, r"has 6 picture\(s\), too few for 7 folds"),
        ({"scale": "40-48"}, "scale is 40-48; a study trains at one S"),
    ]
    for given, line in cases:
        with pytest.raises(UserError, match=line):
            to_do(**given)
    given = {"size": "least", "start": "whole.safetensors", "seeds": 2, "crop": 64}
    with pytest.raises(UserError, match="FC layers for crops of 32, and 64 is asked for"):
        planned("localisation", pictures(), "s", **given)
    with pytest.raises(UserError, match="initialisation trains A for half of the epochs"):
        planned("all", pictures(), "s", size="least", epochs=1)
    with pytest.raises(UserError, match="--set net is of the study localisation, alone"):
        planned("all", pictures(), "s", size="least", net="A-BN")
    with pytest.raises(UserError, match="depth trains nets from random weights; --from is of the"):
        planned("depth", pictures(), "s", start=convolutions())
    monkeypatch.setattr(study_asked, "LEAST", 13)
    with pytest.raises(UserError, match="val has 12 pictures to test on, of 13 at the least"):
        to_do()
