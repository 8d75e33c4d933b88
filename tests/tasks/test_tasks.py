"""One loop, one step, one checkpoint, one log and one page for every task.

A second task is made here, which the product has none of: the box of a drawn picture's object, four
numbers a picture, by their Euclidean distance. What is expected of it is the same training not
interrupted, and figures worked out here again from the weights that were kept. Orders of epochs and
losses of single pictures are by hand.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import TWO_CORES, objects
from verydeep import tasks, tensors_file
from verydeep.commands.train_answer import as_json, in_words
from verydeep.datasets import open_dataset
from verydeep.errors import Stopped, UserError
from verydeep.nets.network import Network, build
from verydeep.parts.annotations import Labels
from verydeep.parts.dataset import Part
from verydeep.pictures.windows import Window
from verydeep.report.page import write_page
from verydeep.runtime.runtime import Runtime
from verydeep.tasks.classify import CLASSIFY
from verydeep.tasks.task import Figure, Judgement, Scores, Targets, Task
from verydeep.training import checkpoints, recorder
from verydeep.training.loader import Batch
from verydeep.training.settings import Settings
from verydeep.training.state import Epoch, Schedule, Training, best_of
from verydeep.verbs.train import resume, train
from verydeep.weights.file import load, read_info

SIDE = 48
"""Of the pictures, in pixels, which boxes are shares of."""
SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "fc": 16, "scale": 32, "batch": 10, "rate": 0.002,
    "micro_batch": 5, "initial": "he", "epochs": 2, "patience": 2, "average": 0.5,
}  # fmt: skip
CORNERS = ("x_min", "y_min", "x_max", "y_max")


def corners(
    part: Part, samples: Labels, names: Sequence[str] = (), views: Sequence[Window] = ()
) -> Targets:
    found = np.concatenate([objects(part, int(i)).boxes for i in samples])
    return torch.from_numpy((found / SIDE).astype(np.float32))


def distances(scores: Scores, boxes: Targets) -> torch.Tensor:
    lengths: torch.Tensor = (scores - boxes).norm(dim=1)
    return lengths


def overlaps(found: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Intersection over union."""
    least, most = (
        torch.maximum(found[:, :2], boxes[:, :2]),
        torch.minimum(found[:, 2:], boxes[:, 2:]),
    )
    common = (most - least).clamp_min(0).prod(1)
    areas = [(each[:, 2:] - each[:, :2]).clamp_min(0).prod(1) for each in (found, boxes)]
    return common / (areas[0] + areas[1] - common)


@torch.inference_mode()
def answers(network: Network, part: Part) -> tuple[torch.Tensor, torch.Tensor]:
    """What a net gives of whole pictures, one after another, and what it should."""
    pixels = network.eval().pixels
    images = [pixels.read(part.source(i), pixels.test_scale) for i in range(len(part))]
    shown = [pixels.normalise(torch.from_numpy(image)[None]) for image in images]
    return torch.cat([network(one) for one in shown]), corners(part, np.arange(len(part)))


def judge(
    network: Network, part: Part, runtime: Runtime, while_testing: Callable[[], None]
) -> Judgement:
    found, boxes = answers(network, part)
    while_testing()
    distance = float(distances(found, boxes).mean())
    overlap = 100 * float(overlaps(found, boxes).mean())
    return Judgement(distance, {"overlap": overlap, "distance": SIDE * distance})


BOXES = Task(
    name="boxes",
    outputs=lambda dataset: CORNERS,
    last_rows=lambda dataset: ("FC-4",),
    target=corners,
    loss=lambda scores, boxes, weights: distances(scores, boxes),
    guess=lambda network, boxes: float(distances(boxes.mean(0), boxes).mean()),
    judge=judge,
    figures=(
        Figure("overlap", "overlap of boxes", "overlap", lower_is_better=False),
        Figure("distance", "distance of boxes", "distance", "pixels", decimals=2),
    ),
    judged_by="by whole pictures",
    without_looking=lambda dataset, part: "without looking: a box in the middle",
)


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS, "boxes", BOXES)


def ends(folder: Path) -> dict[str, bytes]:
    """The best weights, and all tensors of the last checkpoint."""
    place = checkpoints.found(folder / "checkpoints")[-1]
    content = tensors_file.parsed(checkpoints.verified(place), place, checkpoints.KIND)
    tensors = {name: tensor.numpy().tobytes() for name, tensor in content.tensors().items()}
    return {"best": (folder / "best.safetensors").read_bytes(), **tensors}


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


# --- a second task


@pytest.mark.usefixtures("boxes")
def test_boxes_are_learnt_by_the_same_loop_and_told_of_by_their_own_figures() -> None:
    run = train("drawn:40x48", "run", TWO_CORES, task="boxes", **SMALL)
    assert run.network.table.words[-2:] == ("FC-16", "FC-4")
    assert run.network.classes == CORNERS
    assert run.epochs[1].loss < run.epochs[0].loss

    first, second = rows_of(run.folder)
    assert [*first] == [
        "epoch", "step", "rate", "loss", "validation_loss", "overlap", "distance", "seconds",
        "waiting",
    ]  # fmt: skip
    kept = first if run.best.epoch == 1 else second
    found, true = answers(load(run.folder), open_dataset("drawn:40x48").validation)
    assert float(kept["distance"]) == pytest.approx(
        SIDE * np.sqrt(((found - true).numpy() ** 2).sum(1)).mean(), rel=1e-5
    )
    (events,) = (run.folder / "events").iterdir()
    assert b"overlap" in events.read_bytes()
    assert b"top1" not in events.read_bytes()

    about = tomllib.loads((run.folder / "run.toml").read_text())
    assert about["settings"]["task"] == "boxes"
    assert "--task boxes" in run.command
    assert read_info(run.folder).provenance["settings"]["task"] == "boxes"
    assert not (run.folder / "scores").exists()

    page, distance = write_page(run).read_text(), run.judged["test"].figures["distance"]
    assert f"<b>{distance:.2f} pixels</b><span>test distance of boxes</span>" in page
    assert "the highest overlap on the validation part, by whole pictures" in page
    assert "overlap of boxes, %" in page
    assert "top-1" not in page
    assert re.search(rf"test +\S+ +{distance:.2f}\n", in_words(run, Path("page")))
    told = json.loads(as_json(run, Path("page")))
    assert told["figures"]["test"]["distance"] == distance
    assert told["tests"] == []


@pytest.mark.usefixtures("boxes")
def test_boxes_go_on_from_a_checkpoint_to_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by a real SIGTERM in the second of two epochs of four steps."""
    whole = train("drawn:40x48", "whole", TWO_CORES, task="boxes", **SMALL)
    after_step = recorder.Recorder.after_step

    def terminated(self: Any, training: Training, batch: Batch, loss: float) -> None:
        if self.steps(training) == 6:
            os.kill(os.getpid(), signal.SIGTERM)
        after_step(self, training, batch, loss)

    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "after_step", terminated)
        with pytest.raises(Stopped, match="stopped after step 6 of 8"):
            train("drawn:40x48", "cut", TWO_CORES, task="boxes", **SMALL)
    run = resume("cut", TWO_CORES)
    assert ends(Path("cut")) == ends(Path("whole"))
    assert [e.figures for e in run.epochs] == [e.figures for e in whole.epochs]
    assert run.judged == whole.judged


@pytest.mark.usefixtures("boxes")
def test_a_net_of_another_task_lends_its_layers_but_for_the_last() -> None:
    train("drawn:40x48", "classes", TWO_CORES, **SMALL)
    run = train("drawn:40x48", "run", TWO_CORES, task="boxes", start="classes", tune="last",
                rate=1e-3, epochs=1, batch=10)  # fmt: skip
    assert run.started is not None
    assert run.started.new == ("fc8",)
    assert run.network.table.words[-2:] == ("FC-16", "FC-4")
    before, after = (load(name).get_parameter("fc7.weight") for name in ("classes", "run"))
    assert torch.equal(before, after)


def test_a_checkpoint_of_another_task_is_refused(tmp_path: Path) -> None:
    """Its tensors may fit: two classifiers of ten classes, one of which is judged otherwise."""
    settings = Settings(net="A", width=0.125, crop=32, fc=8, scale=(40, 40))
    network = build("A", 10, width=0.125, crop=32, fc=8)
    training = Training.of(network, settings)
    training.epochs.append(Epoch(1, 4, 0.1, 2.0, 2.0, {"overlap": 1.0}, 1.0, 0.0))
    checkpoints.save(training, tmp_path, checkpoints.About({}, {}), 4)
    files = checkpoints.newest(tmp_path, print)
    assert files is not None
    with pytest.raises(UserError, match="figures overlap, and task classify is judged by top1"):
        checkpoints.restore(Training.of(network, settings), files)


# --- runs that were begun before there was a choice


def test_a_run_that_names_no_task_classifies(monkeypatch: pytest.MonkeyPatch) -> None:
    """run.toml as it was without it."""
    train("drawn:40x48", "whole", TWO_CORES, **SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(recorder.Recorder, "after_epoch", stopped)
        with pytest.raises(Stopped):
            train("drawn:40x48", "old", TWO_CORES, **SMALL)
    path = Path("old/run.toml")
    path.write_text(path.read_text().replace('task = "classify"\n', ""))
    run = resume("old", TWO_CORES)
    assert run.settings.task == "classify"
    whole, old = (load(name).state_dict() for name in ("whole", "old"))
    assert all(torch.equal(old[name], tensor) for name, tensor in whole.items())


AFTER_EPOCH = recorder.Recorder.after_epoch


def stopped(self: recorder.Recorder, training: Training, epoch: Epoch) -> None:
    AFTER_EPOCH(self, training, epoch)
    raise Stopped


# --- which epoch is the best


def epoch(number: int, value: float, loss: float = 1.0) -> Epoch:
    return Epoch(number, 0, 0.1, 0.0, loss, {"f": value, "other": -value}, 0.0, 0.0)


def test_the_best_epoch_is_the_lowest_or_the_highest_and_of_equals_that_of_less_loss() -> None:
    low, high = Figure("f", "f", "f"), Figure("f", "f", "f", lower_is_better=False)
    epochs = [epoch(1, 30.0), epoch(2, 50.0), epoch(3, 30.0, 0.9), epoch(4, 50.0), epoch(5, 40.0)]
    assert best_of(epochs, low) is epochs[2]
    assert best_of(epochs, high) is epochs[1]
    assert best_of([], low) is None


def test_the_rate_is_cut_where_a_figure_that_is_to_rise_no_longer_does() -> None:
    """Patience 2: the third epoch is the second without a better one, and the fourth is cut."""
    settings = Settings(rate=1.0, patience=2)
    rising, falling = (
        Schedule(settings, Figure("f", "f", "f", lower_is_better=lower)) for lower in (False, True)
    )
    for number, value in enumerate((10.0, 20.0, 30.0)):
        for schedule in (rising, falling):
            schedule.begin(number)
            assert not schedule.ended_by(epoch(number + 1, value))
    assert (rising.rate(3, 1), falling.rate(3, 1)) == pytest.approx((1.0, 0.1))


def test_an_epoch_is_the_line_that_is_kept_of_it() -> None:
    one = epoch(3, 12.5)
    assert one.line == {
        "epoch": 3, "step": 0, "rate": 0.1, "loss": 0.0, "validation_loss": 1.0, "f": 12.5,
        "other": -12.5, "seconds": 0.0, "waiting": 0.0,
    }  # fmt: skip
    assert Epoch.of_line(json.loads(json.dumps(one.line))) == one
    for wrong in ({**one.line, "f": "x"}, {"f": 1.0}, {**one.line, "epoch": 1.5}):
        with pytest.raises(ValueError, match=r"f is 'x'|it lacks 'epoch'|epoch is 1\.5"):
            Epoch.of_line(wrong)


# --- classification


def test_the_loss_of_a_classifier_is_that_of_each_picture() -> None:
    """-log of the soft-max: scores 0, log 3 give posteriors 1/4 and 3/4."""
    scores = torch.tensor([[0.0, math.log(3)]] * 2)
    losses = CLASSIFY.loss(scores, torch.tensor([0, 1]), None)
    assert losses.tolist() == pytest.approx([math.log(4), math.log(4 / 3)])


def test_figures_are_told_with_their_unit() -> None:
    assert CLASSIFY.watched.told(9.04, 5) == "  9.0 %"
    assert Figure("x", "x", "x", unit="", decimals=3).told(0.12345) == "0.123"
    assert CLASSIFY.watched.heading == "top-1 error, %"


def test_an_unknown_task_is_named_before_any_picture_is_read() -> None:
    with pytest.raises(UserError, match="no task 'paint'; --task takes classify, tag"):
        train("nowhere", task="paint")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        *(
            (said, "localise")
            for said in ("localize", "Localise", "localisation", "localization", "bbox", "boxes")
        ),
        ("localize-single", "localise-single"),
        ("localise_single", "localise-single"),
        *((said, "points") for said in ("keypoints", "pose", "point")),
        ("classification", "classify"),
        ("tagging", "tag"),
        ("object", "objects"),
    ],
)
def test_a_task_by_another_name_is_told_by_ours(said: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"no task '{said}'; did you mean '{meant}'\\? --task take"):
        train("nowhere", task=said)
