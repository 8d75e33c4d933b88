"""Tests of nets of boxes: which classes are asked for, what is written, and what is refused.

What a test came to is expected of another way to it: the scores of the classifier's own test, the
figures of a run, a test that was given the same candidates by a file.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import TWO_CORES, drawn_photos, objects
from verydeep import weights
from verydeep.commands.evaluate import evaluate as command
from verydeep.datasets import Part, open_dataset
from verydeep.engines.engine import engine_for
from verydeep.errors import UserError
from verydeep.evaluation.scores import load_scores, save_scores
from verydeep.evaluation.views import protocol
from verydeep.localisation.boxes_file import load_boxes
from verydeep.localisation.choosing import choose_threshold
from verydeep.localisation.figures import figures
from verydeep.localisation.shares import boxes_of_shares
from verydeep.nets.describing import classifying, describing
from verydeep.pictures.preprocessing import centre_crop
from verydeep.pictures.reading import read_picture
from verydeep.runtime.progress import SILENT
from verydeep.studies.plan import Measurement, Plan, Training
from verydeep.verbs.compare_boxes import compared_boxes
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.localise import localise, started_from, tuned
from verydeep.verbs.localiser import localiser
from verydeep.verbs.measure_boxes import Located
from verydeep.verbs.plans import FINISHED, Work, carry_out
from verydeep.verbs.train import train
from verydeep.weights.file import read_info

DATA = "drawn:40x48"
SMALL: dict[str, Any] = {
    "net": "A", "width": 0.125, "crop": 32, "fc": 16, "scale": 40, "batch": 20, "rate": 0.01,
    "micro_batch": 10, "initial": "he", "epochs": 2, "patience": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier, and nets of boxes that started from it: of each class, and of whatever one."""
    folder = tmp_path_factory.mktemp("boxes")
    given = {**SMALL, "progress": SILENT}
    train(DATA, folder / "classes", TWO_CORES, **given)
    start = str(folder / "classes")
    for name, task in (("pcr", "localise"), ("scr", "localise-single")):
        train(
            DATA, folder / name, TWO_CORES, **{**given, "task": task, "start": start, "tune": "fc"}
        )
    return folder


def test_a_run_of_boxes_ends_with_both_protocols(place: Path) -> None:
    """That of protocol 1 is the figure that chose the weights, on the validation part."""
    each = map(load_boxes, (place / "pcr" / "boxes").glob("*.safetensors"))
    found = {one.protocol.name: one for one in each}
    assert set(found) == {"centre", "dense"}
    centre, dense = found["centre"], found["dense"]
    assert (centre.candidates.shape[1], dense.candidates.shape[1]) == (1, 5)
    assert centre.threshold is None
    assert dense.threshold == 0.6
    assert (centre.regression, centre.tuned) == ("PCR", "fc")
    assert (
        started_from(place / "pcr" / "best.safetensors") == place / "classes" / "best.safetensors"
    )


def test_a_net_that_goes_on_with_a_net_of_boxes_is_tested_by_the_first_classifier(
    place: Path,
) -> None:
    """FC layers first, all layers afterwards."""
    given = {**SMALL, "epochs": 1, "task": "localise", "start": str(place / "pcr")}
    run = train(DATA, "further", TWO_CORES, **given, progress=SILENT)
    by = place / "classes" / "best.safetensors"
    assert started_from(run.folder / "best.safetensors") == by
    assert {test.found.protocol.name for test in run.located} == {"centre", "dense"}
    (place / "pcr").rename("elsewhere")
    assert started_from(run.folder / "best.safetensors") is None
    Path("elsewhere").rename(place / "pcr")


@pytest.mark.parametrize("task", ["localise", "localise-single"])
def test_a_net_of_boxes_that_starts_from_a_classifier_of_others_is_tested_by_centre_crops(
    place: Path, task: str
) -> None:
    drawn_photos(Path("photos"), 6, 6)
    first = next(iter(Path("photos").iterdir()))
    first.rename(first.with_name("moon"))
    given = {**SMALL, "epochs": 1, "progress": SILENT}
    train("photos", "moons", TWO_CORES, **{**given, "batch": 4})
    run = train(DATA, "run", TWO_CORES, **{**given, "task": task, "start": "moons"})
    assert {test.found.protocol.name for test in run.located} == {"centre"}


def test_the_centre_test_of_the_validation_part_is_the_figure_of_the_run(place: Path) -> None:
    rows = (place / "pcr" / "log.csv").read_text().splitlines()
    column = rows[0].split(",").index("missed")
    best = min(float(row.split(",")[column]) for row in rows[1:])
    found = localise(
        place / "pcr", DATA, "centre", TWO_CORES, part_name="validation", out="c.safetensors",
        progress=SILENT,
    )  # fmt: skip
    assert figures(found.found).top1 == pytest.approx(best, abs=1e-6)


def test_centre_crops_are_of_the_q_that_is_asked_for(place: Path) -> None:
    """At Q = 32, not S = 40, by the net itself of the crops."""
    found = localise(
        place / "pcr", DATA, "centre", TWO_CORES, scales=32, out="c.safetensors", progress=SILENT
    ).found
    network, part = weights.load(place / "pcr").eval(), open_dataset(DATA).by_role["test"]
    assert found.names == tuple(part.names)
    for i, label in enumerate(part.labels.tolist()):
        image, window = network.pixels.read_with_window(part.source(i), 32)
        (shown_as,) = protocol(network, "centre", 32).passes
        with torch.inference_mode():
            crops = torch.from_numpy(centre_crop(image, 32)[None])
            shares = engine_for(network, "torch", 1).evidence(crops).numpy()
        crop = shown_as.windows(window)[0]
        expected = boxes_of_shares(shares.reshape(-1, 4)[[label]], crop)
        np.testing.assert_allclose(found.boxes[i], expected, atol=1e-2)
    with pytest.raises(UserError, match=r"a picture once, at one Q; give one of --scales 32,40$"):
        localise(place / "pcr", DATA, "centre", TWO_CORES, scales=[32, 40], progress=SILENT)


def test_candidates_are_those_of_the_classifiers_own_test(place: Path) -> None:
    """By a score file too, of which the posteriors are taken as they are."""
    tested = evaluate(
        place / "classes", DATA, "dense", TWO_CORES, out="s.safetensors", progress=SILENT
    )
    found = dense(place, "pcr").found
    assert found.names == tested.scores.names
    order = np.argsort(-tested.scores.posteriors, axis=1, kind="stable")[:, :5]
    assert found.candidates.tolist() == order.tolist()
    np.testing.assert_allclose(
        found.posteriors, np.take_along_axis(tested.scores.posteriors, order, 1), atol=1e-6
    )
    assert figures(found).named1 == pytest.approx(tested.top1)
    by_file = dense(place, "pcr", candidates="s.safetensors").found
    assert by_file.candidates.tolist() == order.tolist()
    np.testing.assert_allclose(by_file.boxes, found.boxes, atol=1e-3)
    assert (by_file.ratings == np.repeat(by_file.posteriors, by_file.counts, 0)).all()
    both = dense(place, "pcr", candidates="s.safetensors", classifier=place / "classes").found
    np.testing.assert_allclose(both.ratings, found.ratings, atol=1e-5)


@pytest.mark.parametrize("layer", ["pool5", "relu7"])
def test_a_classifier_of_whole_maps_has_the_verdict_of_its_own_test(
    place: Path, layer: str
) -> None:
    """What it means is averaged over views and Q, not posteriors, which are far from that here.

    Of a map of 4 x 4 and more, whose descriptor has 64 numbers, or 16.
    """
    draw = torch.Generator().manual_seed(0)
    described = describing(weights.load(place / "classes"), layer)
    weight = torch.randn(10, 64 if layer == "pool5" else 16, generator=draw) * 8
    by = classifying(described, weight, torch.zeros(10), open_dataset(DATA).classes)
    weights.save(by, "whole.safetensors")
    scales = [40, 72]
    tested = evaluate(
        "whole.safetensors", DATA, "dense", TWO_CORES, scales=scales, part_name="all",
        progress=SILENT,
    ).scores  # fmt: skip
    given = {"classifier": "whole.safetensors", "scales": scales, "part_name": "all"}
    found = dense(place, "pcr", **given).found
    order = np.argsort(-tested.posteriors, axis=1, kind="stable")[:, :5]
    assert found.names == tested.names
    assert found.candidates.tolist() == order.tolist()
    expected = np.take_along_axis(tested.posteriors, order, 1)
    np.testing.assert_allclose(found.posteriors, expected, atol=1e-4)
    ratings = found.ratings[: found.ends[0]]  # a view's, alike at all of its positions
    assert len(np.unique(ratings[:, 0])) == 4


def dense(place: Path, name: str, **given: Any) -> Located:
    return localise(
        place / name, DATA, "dense", TWO_CORES, out=f"{name}-{len(given)}.safetensors",
        progress=SILENT, **given,
    )  # fmt: skip


def test_one_box_for_all_classes_is_that_of_every_candidate(place: Path) -> None:
    found = dense(place, "scr").found
    assert found.regression == "SCR"
    assert found.classes == load_scores_of(place).classes
    assert (found.boxes == found.boxes[:, :1]).all()


def load_scores_of(place: Path) -> Any:
    return load_scores(sorted((place / "classes" / "scores").glob("*.safetensors"))[0])


def test_the_threshold_is_chosen_on_validation_and_told(place: Path) -> None:
    chosen = dense(place, "pcr", choose=True).found
    other = dense(place, "pcr", part_name="validation").found
    assert chosen.threshold == choose_threshold(other)[0]
    assert chosen.chosen_on == f"validation, {len(other.names)} pictures"
    assert dense(place, "pcr", threshold=0.3).found.threshold == 0.3


def test_a_threshold_is_chosen_by_a_score_file_that_tells_of_the_validation_part(
    place: Path,
) -> None:
    """Else the line says what is lacking."""
    by: dict[str, Any] = {"runtime": TWO_CORES, "progress": SILENT}
    evaluate(place / "classes", DATA, "dense", out="test.safetensors", **by)
    evaluate(place / "classes", DATA, "dense", part_name="all", out="all.safetensors", **by)
    lacking = r"10 pictures of the validation part, too, of which test.safetensors does not tell"
    do = "give --classifier, or a score file of --part all"
    with pytest.raises(UserError, match=f"{lacking}; {do}$"):
        dense(place, "pcr", choose=True, candidates="test.safetensors")
    chosen = dense(place, "pcr", choose=True, candidates="all.safetensors").found
    other = dense(place, "pcr", part_name="validation", candidates="all.safetensors").found
    assert chosen.threshold == choose_threshold(other)[0]


@pytest.mark.parametrize("part", ["validation", "val", "all", None])
def test_a_threshold_is_not_chosen_on_what_it_is_tested_on(place: Path, part: str | None) -> None:
    """A part is advised that there is: a table of a few pictures has none for tests."""
    line = "^the threshold would be chosen on pictures that it is tested on; "
    if part is not None:
        with pytest.raises(UserError, match=f"{line}give --part test, or leave --choose out$"):
            dense(place, "pcr", choose=True, part_name=part)
    _table_of(open_dataset(DATA).validation)
    given: dict[str, Any] = {"classifier": place / "classes", "progress": SILENT}
    with pytest.raises(UserError, match=f"{line}there is no test part; leave --choose out$"):
        localise(
            place / "pcr", "boxes.csv", "dense", TWO_CORES, choose=True, part_name=part, **given
        )


def _table_of(part: Part) -> None:
    """Writes the first eight pictures of a part of the drawn ones, and a table of their boxes."""
    lines = ["file,class,x_min,y_min,x_max,y_max"]
    classes = open_dataset(DATA).classes
    for i in range(8):
        name, box = f"{i}.png", objects(part, i).boxes[0].tolist()
        Image.fromarray(read_picture(part.source(i))).save(name)
        lines.append(",".join([name, classes[part.labels[i]], *map(str, box)]))
    Path("boxes.csv").write_text("\n".join(lines))


def test_no_test_by_another_threshold_is_written_over(place: Path) -> None:
    copytree(place / "pcr", "pcr")
    given: dict[str, Any] = {"classifier": place / "classes", "progress": SILENT}
    asked: tuple[dict[str, Any], ...] = (
        {},
        {"choose": True},
        {"threshold": 0.3},
        {"threshold": 0.6},
    )
    paths = [localise("pcr", DATA, "dense", TWO_CORES, **given, **one).path for one in asked]
    assert len({*paths}) == 3
    assert paths[0] == paths[3]
    assert load_boxes(Path(str(paths[1]))).chosen_on


def test_boxes_of_a_plan_are_of_the_classes_that_another_test_named(place: Path) -> None:
    """The first five of its dense test; the threshold is the one that the classifier's have."""
    for name in ("classes", "pcr"):
        copytree(place / name, name)
        Path(name, FINISHED).touch()
    test = Measurement("pcr", "dense", (40,), "classes", "classes")
    of_boxes = {**SMALL, "task": "localise", "tune": "fc"}
    plan = Plan((Training("classes", SMALL), Training("pcr", of_boxes), test))
    work = Work(plan, Path(), DATA, {})
    carry_out(work, TWO_CORES)
    found = load_boxes(Path("pcr", "boxes", "dense-40-named-by-classes.safetensors"))
    (scores,) = (
        one for one in map(load_scores, Path("classes", "scores").glob("*.safetensors"))
        if (one.role, one.protocol.name) == ("test", "dense")
    )  # fmt: skip
    likely = [scores.posteriors[scores.names.index(name)] for name in found.names]
    np.testing.assert_array_equal(found.candidates, np.argsort(-np.array(likely), 1)[:, :5])
    assert found.candidates_by == scores.title
    other = dense(place, "pcr", part_name="validation").found
    assert found.threshold == choose_threshold(other)[0]


def test_what_does_not_fit_together_is_refused(place: Path) -> None:
    photos = drawn_photos(Path("photos"), 6, 6)
    with pytest.raises(UserError, match="photos tells of no boxes"):
        localise(place / "pcr", photos, "centre", TWO_CORES, progress=SILENT)
    with pytest.raises(UserError, match="tells no classes apart; give a classifier"):
        dense(place, "pcr", classifier=place / "scr")
    with pytest.raises(UserError, match="finds no boxes of classes; give a net that was trained"):
        localise(place / "classes", DATA, "dense", TWO_CORES, progress=SILENT)
    with pytest.raises(UserError, match="no protocol 'ten' of boxes; there are centre and dense"):
        localise(place / "pcr", DATA, "ten", TWO_CORES, progress=SILENT)
    with pytest.raises(UserError, match="finds boxes and tells no classes apart; boxes are tested"):
        evaluate(place / "pcr", DATA, runtime=TWO_CORES, progress=SILENT)


def test_a_picture_that_cannot_be_read_is_left_out_and_the_line_says_why(place: Path) -> None:
    _table_of(open_dataset(DATA).validation)
    Path("3.png").write_bytes(b"no picture")
    found = localise(
        place / "pcr", "boxes.csv", "centre", TWO_CORES, part_name="all", out="b.safetensors",
        progress=SILENT,
    ).found  # fmt: skip
    assert len(found.names) == 7
    (why,) = found.left_out
    assert why.startswith("3.png")
    assert why != "3.png"


def test_options_that_would_change_nothing_are_refused(place: Path) -> None:
    with pytest.raises(UserError, match="centre is given the class and merges nothing; leave --cl"):
        localise(place / "pcr", DATA, "centre", TWO_CORES, classifier=place / "classes")
    with pytest.raises(UserError, match="merges nothing; leave --choose out"):
        localise(place / "pcr", DATA, "centre", TWO_CORES, choose=True)
    with pytest.raises(UserError, match="--threshold says what --choose is to find; leave one"):
        dense(place, "pcr", choose=True, threshold=0.5)


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -1.0, 1.1e6])
def test_a_threshold_that_is_none_is_refused_before_anything_is_read(threshold: float) -> None:
    with pytest.raises(UserError, match=r"is no match score, .* from 0 to 1,000,000, such as 0.6$"):
        localise("nowhere", DATA, "dense", TWO_CORES, threshold=threshold, progress=SILENT)
    machine = TWO_CORES.machine
    with pytest.raises(UserError, match="is no match score"):
        localiser(Path("nowhere"), None, threshold, machine, None, SILENT, ())


def test_a_classifier_of_other_classes_is_refused(place: Path) -> None:
    drawn_photos(Path("photos"), 6, 6)
    first = next(iter(Path("photos").iterdir()))
    first.rename(first.with_name("moon"))
    few = {**SMALL, "batch": 4, "epochs": 1, "progress": SILENT}
    train("photos", "moons", TWO_CORES, **few)
    with pytest.raises(UserError, match="no boxes for 1 of the classes, the first 'moon'; it has"):
        dense(place, "pcr", classifier="moons")


def test_a_score_file_of_other_pictures_is_refused(place: Path) -> None:
    evaluate(
        place / "classes", DATA, "centre", TWO_CORES, part_name="validation", out="v.safetensors",
        progress=SILENT,
    )  # fmt: skip
    with pytest.raises(UserError, match=r"lacks \d+ of \d+ pictures, the first '.+'; test the"):
        dense(place, "pcr", candidates="v.safetensors", part_name="train")
    other = replace(load_scores(Path("v.safetensors")), data="another")
    save_scores(other, Path("other.safetensors"))
    with pytest.raises(UserError, match="the score file is of other data, another instead of "):
        dense(place, "pcr", candidates="other.safetensors", part_name="validation")


def test_runs_are_compared_by_their_dense_boxes(place: Path) -> None:
    """Though the tests of centre crops, whose class was given, lie beside them."""
    found = compared_boxes([place / "pcr", place / "scr"])
    assert [one.test.protocol.name for one in found.tests] == ["dense", "dense"]


@pytest.mark.parametrize("tune", ["all", "fc", "last", None])
def test_a_boxes_file_tells_what_was_tuned(place: Path, tune: str | None) -> None:
    info = read_info(place / "pcr" / "best.safetensors")
    settings = {"tune": tune} if tune else {}
    assert tuned(replace(info, provenance={"settings": settings})) == (tune or "all")


def test_the_command_tells_of_both_protocols(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {"weights": place / "pcr", "data": DATA, "quiet": True}
    command(**given, protocol="centre", out=Path("c.safetensors"))
    centre = capsys.readouterr().out
    assert "box of the true class" in centre
    assert "of the class alone" in centre
    command(**given, choose=True, out=Path("d.safetensors"))
    told = capsys.readouterr().out
    assert "top-5" in told
    assert "of the error: place" in told
    found = load_boxes(Path("d.safetensors"))
    named = int((found.candidates == found.labels[:, None]).any(1).sum())
    assert 0 < named < 10
    assert f"by tenths, of the {named} pictures whose class is asked for: " in told
    assert "(chosen on validation, " in told
    command(**given, out=Path("e.safetensors"), json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["top1"] == pytest.approx(figures(load_boxes(Path("e.safetensors"))).top1)
    with pytest.raises(UserError, match="places boxes; leave --precision out"):
        command(**given, precision="bf16")
    with pytest.raises(UserError, match="places no boxes; leave --threshold out"):
        command(place / "classes", DATA, threshold=0.0, quiet=True)
