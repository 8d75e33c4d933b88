"""The study of localisation from plan to page, at a size that takes seconds.

Its figures are held against the boxes files, read here by themselves: boxes are merged, cut to
their picture and held against the truth one by one.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TWO_CORES, drawn_photos
from tests.localisation.made import box, dense, truth
from verydeep.commands.study import answer, as_json
from verydeep.errors import UserError
from verydeep.localisation.boxes_file import Localised, load_boxes, save_boxes
from verydeep.studies import sizes
from verydeep.studies.misses import Misses
from verydeep.studies.sizes import Size
from verydeep.verbs import study_asked
from verydeep.verbs.filled import filled
from verydeep.verbs.plans import FAILED
from verydeep.verbs.study import Studied, study
from verydeep.verbs.study_plan import planned

DATA = "drawn:40x48"
"""Of which 10 are to test on, with an object each, and 10 to choose by."""


@pytest.fixture(autouse=True)
def _least(monkeypatch: pytest.MonkeyPatch) -> None:
    least = Size("least", 0.125, 32, 40, (32, 48), 1, 1, (0.02,), box_rates=(0.02,))
    monkeypatch.setitem(sizes.SIZES, "least", least)
    monkeypatch.setattr(study_asked, "LEAST", 10)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = max(width, 0) * max(height, 0)
    areas = [float(np.prod(np.maximum(box[2:] - box[:2], 0))) for box in (one, other)]
    return shared / (sum(areas) - shared) if shared else 0.0


def guess(boxes: list[np.ndarray], ratings: list[float], threshold: float) -> np.ndarray:
    """The strongest box after OverFeat's merging, as docs/localisation.md has its score."""

    def apart(one: np.ndarray, other: np.ndarray) -> float:
        middles = [(box[:2] + box[2:]) / 2 for box in (one, other)]
        side = np.mean([max((box[2:] - box[:2]).mean(), 1e-9) for box in (one, other)])
        return float(np.linalg.norm(middles[0] - middles[1]) / side + 1 - overlap(one, other))

    boxes, ratings = [*boxes], [*ratings]
    while len(boxes) > 1:
        pairs = [(i, j) for j in range(len(boxes)) for i in range(j)]
        i, j = min(pairs, key=lambda pair: apart(boxes[pair[0]], boxes[pair[1]]))
        if apart(boxes[i], boxes[j]) > threshold:
            break
        boxes[i], ratings[i] = (boxes[i] + boxes[j]) / 2, ratings[i] + ratings[j]
        del boxes[j], ratings[j]
    return boxes[int(np.argmax(ratings))]


def missed(found: Localised) -> list[bool]:
    """Whether each picture was missed by all of its guesses."""
    result = []
    for i, end in enumerate(found.ends.tolist()):
        rows = range(end - found.counts[i], end)
        (height, width), truth = found.sizes[i], found.truth.objects.boxes[i]
        right = False
        for column, candidate in enumerate(found.candidates[i].tolist()):
            boxes = [found.boxes[row, column].astype(float) for row in rows]
            ratings = [float(found.ratings[row, column]) for row in rows]
            box = guess(boxes, ratings, found.threshold or 0)
            box = np.clip(box, 0, np.array([width, height, width, height]))
            right |= candidate == found.labels[i] and overlap(box, truth) > 0.5
        result.append(not right)
    return result


def both_of(one: Localised, other: Localised) -> Localised:
    """The boxes of two tests of the same pictures in the same order, merged up to the mean."""
    rows, ends, ratings = [], [], []
    for i in range(len(one)):
        for test in (one, other):
            here = slice(test.ends[i] - test.counts[i], test.ends[i])
            rows.append(test.boxes[here])
            ratings.append(test.ratings[here])
        ends.append(sum(map(len, rows)))
    assert one.threshold is not None
    assert other.threshold is not None
    return replace(
        one, boxes=np.concatenate(rows), ratings=np.concatenate(ratings), ends=np.array(ends),
        threshold=(one.threshold + other.threshold) / 2,
    )  # fmt: skip


def done() -> Studied:
    return study("localisation", DATA, "s", TWO_CORES, size="least", seeds=2)


@pytest.mark.timeout(900)  # ten small trainings, beside others
def test_tables_and_findings_are_what_the_boxes_files_say() -> None:
    found = done()
    data = json.loads(as_json(found, Path("p")))
    files = {
        ("Table 8", "SCR", "FC layers"): "SCR-fc-{}/boxes/centre-40.safetensors",
        ("Table 8", "SCR", "all layers"): "SCR-all-{}/boxes/centre-40.safetensors",
        ("Table 8", "PCR", "FC layers"): "PCR-fc-{}/boxes/centre-40.safetensors",
        ("Table 8", "PCR", "all layers"): "PCR-all-{}/boxes/centre-40.safetensors",
        ("Table 9", "PCR", "one Q"): "PCR-all-{}/boxes/dense-40.safetensors",
        ("Table 9", "PCR", "two Q"): "PCR-all-{}/boxes/dense-32-40.safetensors",
        ("Table 9", "SCR", "two Q"): "SCR-all-{}/boxes/dense-32-40.safetensors",
    }
    errors = {}
    for place, name in files.items():
        each = [load_boxes(Path("s", name.format(seed))) for seed in (0, 1)]
        errors[place] = [100 * float(np.mean(missed(one))) for one in each]
        assert {one.role for one in each} == {"test"}
        if place[0] == "Table 9":
            assert {one.chosen_on for one in each} == {"validation, 10 pictures"}
    errors["Table 9", "PCR and SCR, fused", "two Q"] = [
        100 * float(np.mean(missed(both_of(*(
            load_boxes(Path("s", files["Table 9", kind, "two Q"].format(seed)))
            for kind in ("PCR", "SCR")
        )))))
        for seed in (0, 1)
    ]  # fmt: skip
    for path in Path("s").glob("SCR-*-?/boxes/drawn*-test-dense-*"):  # right more often by now
        one = load_boxes(path)
        assert Misses.of_boxes(one).error(5) == pytest.approx(100 * float(np.mean(missed(one))))
    k = {"Table 8": "top1", "Table 9": "top5"}
    told = {(t["table"], t["row"], t["column"]): t[k[t["table"]]] for t in data["tables"]}
    assert told == {place: pytest.approx(of) for place, of in errors.items()}
    assert all(t["top5"] == [] for t in data["tables"] if t["table"] == "Table 8")
    (f11,) = [finding for finding in data["findings"] if finding["finding"] == "F11"]
    centre, dense = (np.mean(errors[t, "PCR", c]) for t, c in
                     (("Table 8", "all layers"), ("Table 9", "one Q")))  # fmt: skip
    assert f11["claims"][0]["difference"] == pytest.approx(centre - dense)

    said = answer(found, json=False)
    assert "Table 9, top-5 error, %" in said
    page, text = Path("s/report.html").read_text(), Path("s/study.md").read_text()
    assert "validation localisation error, %" in page
    of = errors["Table 9", "PCR", "two Q"]
    assert f"| PCR | two Q | 27.5 | {np.mean(of):.1f} ± {np.std(of, ddof=1):.1f} |" in text

    file = Path("s/PCR-all-1/boxes/dense-40.safetensors")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert answer(done(), json=False) == said
    assert file.read_bytes() == whole


def test_data_without_boxes_is_refused_by_name_and_leaves_the_others() -> None:
    drawn_photos(Path("photos/train"), 60, 60)
    drawn_photos(Path("photos/test"), 10, 10, first=60)
    asked = {"size": "least", "seeds": 2}
    with pytest.raises(UserError, match="photos tells of no boxes"):
        planned("localisation", "photos", "s", **asked)  # type: ignore[arg-type]
    found = planned("all", "photos", "s", **asked)  # type: ignore[arg-type]
    assert set(found.names) >= {"depth", "scales", "protocols", "fusion"}
    assert "localisation" not in found.names
    assert "localisation" not in found.command
    assert found.dataset.notes[-1].startswith("without localisation: photos tells of no boxes")
    assert "localisation" in planned("all", DATA, "s", **asked).names  # type: ignore[arg-type]


def test_a_net_of_boxes_whose_training_failed_misses_every_picture() -> None:
    found = planned("localisation", DATA, "s", size="least", seeds=2)
    for name in ("PCR-all-0", "PCR-all-1", "SCR-all-0", "SCR-all-1"):
        Path("s", name).mkdir(parents=True)
        Path("s", name, FAILED).write_text("a loss that is no number\n")
    (dense,) = [table for table in found.tables if table.name == "Table 9"]
    places = filled([dense], found.seeds, found.work, found.datasets)
    assert {place.errors() for place in places.values()} == {(100.0, 100.0)}
    assert {place.missed.shape for place in places.values()} == {(2, 10)}


def test_boxes_of_two_nets_are_merged_where_a_table_has_them_together() -> None:
    """The object is from 50 to 100. A net places it 30 to the left of that and another one 30 to
    the right, each with an IoU of 20 / 80; their mean is where it is. The class of the second
    picture is not asked for. A net that failed has no boxes.
    """
    found = planned("localisation", DATA, "s", size="least", seeds=2)
    for name, x in (("PCR-all", 20), ("SCR-all", 80)):
        boxes = np.array([[box(x, 0, 50, 50)]] * 2, np.float32)
        test = dense(
            boxes=boxes, ratings=np.full((2, 1), 0.5, np.float32), ends=np.array([1, 2]),
            candidates=np.array([[0], [1]]), posteriors=np.full((2, 1), 0.5, np.float32),
            truth=truth([(box(50, 0, 50, 50), 0)], [(box(50, 0, 50, 50), 2)]), threshold=3.0,
        )  # fmt: skip
        for seed, scales in product((0, 1), ("40", "32-40")):
            save_boxes(test, Path("s", f"{name}-{seed}", "boxes", f"dense-{scales}.safetensors"))
    Path("s", "SCR-all-1", FAILED).write_text("a loss that is no number\n")
    (table,) = [table for table in found.tables if table.name == "Table 9"]
    places = filled([table], found.seeds, found.work, found.datasets)
    assert {place[1:]: of.errors() for place, of in places.items()} == {
        ("PCR", "one Q"): (100.0, 100.0),
        ("PCR", "two Q"): (100.0, 100.0),
        ("SCR", "two Q"): (100.0, 100.0),
        ("PCR and SCR, fused", "two Q"): (50.0, 100.0),
    }
