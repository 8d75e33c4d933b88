"""The study from plan to page, at a size that takes seconds; what it finds is not looked at."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from tests.conftest import TWO_CORES
from verydeep.commands.study import answer, as_json, dry
from verydeep.errors import Stopped, UserError
from verydeep.evaluation.metrics import wrong
from verydeep.evaluation.scores import load_scores, save_scores
from verydeep.report.study_markdown import markdown
from verydeep.report.study_page import _link
from verydeep.report.study_rows import runs_of
from verydeep.studies import classification, sizes
from verydeep.studies.sizes import Size
from verydeep.studies.tables import Cell, Source, Table
from verydeep.training.recorder import Recorder
from verydeep.verbs import study_asked
from verydeep.verbs.plans import FINISHED
from verydeep.verbs.study import Studied, study
from verydeep.verbs.study_plan import begin, planned

DATA = "drawn:40x48"  # of which 10 are to test on
TRAININGS = ["A-rate-0.02", "A-rate-0.01", "A-0", "A-1"]


def one_net(size: Size) -> list[Table]:
    """A row of Table 5, filled by the net that takes least."""
    dense, crops = Source("A", "dense", (32, 40)), Source("A", "crops", (40,))
    cells = [
        Cell("D", "dense", (dense,), (24.8, 7.5)),
        Cell("D", "crops", (crops,), (24.6, 7.5)),
        Cell("D", "both", (dense, crops), (24.4, 7.2)),
    ]
    return [Table("Table 5", "one net", tuple(cells))]


@pytest.fixture(autouse=True)
def _least(monkeypatch: pytest.MonkeyPatch) -> None:
    least = Size("least", 0.125, 32, 40, (32, 48), 1, 1, (0.02, 0.01))
    monkeypatch.setitem(sizes.SIZES, "least", least)
    monkeypatch.setitem(classification.STUDIES, "protocols", one_net)
    monkeypatch.setattr(study_asked, "LEAST", 10)


def done(folder: str = "s", seeds: int = 2) -> Studied:
    return study("protocols", DATA, folder, TWO_CORES, size="least", seeds=seeds)


def written(folder: str) -> dict[str, bytes]:
    """The answer of a study, its page and its Markdown, and all weights and tests."""
    found = done(folder)
    said = answer(found, json=False)
    patterns = ("*/scores/*.safetensors", "*/best.safetensors", "study.md", "report.html")
    files = [path for pattern in patterns for path in Path(folder).glob(pattern)]
    content = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {**content, "said": said.encode()}


def test_a_study_stopped_anywhere_comes_to_the_same_tables_to_the_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = written("s")
    Path("s").rename("kept")
    after_step = Recorder.after_step
    for name, at in (("A-rate-0.02", 1), ("A-1", 1)):

        def stops(self: Recorder, *given: object, name: str = name, at: int = at) -> None:
            if self.folder.name == name and self.steps(given[0]) == at:  # type: ignore[arg-type]
                self._interruption.asked = True
            after_step(self, *given)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(Recorder, "after_step", stops)
            with pytest.raises(Stopped, match=f"of {name}, saved; go on with `verydeep study prot"):
                done()
    Path("s/A-0/best.safetensors").write_bytes(b"damaged")
    assert {k: v for k, v in written("s").items() if "damaged" not in k} == whole


def test_the_numbers_of_a_study_are_those_of_its_files() -> None:
    done()
    place = [Path("s", f"A-{seed}", "scores") for seed in (0, 1)]
    for name in ("crops-40", "dense-32-40"):  # what else was tested there is not looked at
        another = load_scores(place[1] / f"{name}.safetensors")
        save_scores(replace(another, data="another"), place[0] / f"aaa-{name}.safetensors")
    found = done()
    crops = [load_scores(p / "crops-40.safetensors") for p in place]
    dense = [load_scores(p / "dense-32-40.safetensors") for p in place]
    errors = [100 * float(wrong(c.posteriors, c.labels).mean()) for c in crops]
    row = f"| D | crops | 24.6 | {np.mean(errors):.1f} ± {np.std(errors, ddof=1):.1f} |"
    assert row in markdown(found)
    both = [
        (c.posteriors + d.posteriors).argmax(1) != c.labels
        for c, d in zip(crops, dense, strict=True)
    ]
    data = json.loads(as_json(found, Path("p")))
    (cell,) = [t for t in data["tables"] if t["column"] == "both"]
    assert cell["top1"] == pytest.approx([100 * float(missed.mean()) for missed in both])
    (finding,) = data["findings"]
    claim = next(
        c for c in finding["claims"] if c["claim"] == "D: both better than crops (Table 5)"
    )
    missed = [wrong(c.posteriors, c.labels) for c in crops]
    assert claim["difference"] == pytest.approx(100 * (np.mean(missed) - np.mean(both)))
    answer(found, json=False)
    (costs,) = csv.DictReader(Path("s/costs.csv").read_text().splitlines())
    tensors = load_file("s/A-0/best.safetensors")
    assert costs["net"] == "A"
    assert int(costs["parameters"]) == sum(tensor.numel() for tensor in tensors.values())
    logs = [csv.DictReader(Path(f"s/A-{seed}/log.csv").read_text().splitlines()) for seed in (0, 1)]
    seconds = [float(line["seconds"]) for log in logs for line in log]
    assert float(costs["seconds_an_epoch"]) == pytest.approx(np.median(seconds), abs=0.005)


def test_what_would_be_done_is_said_and_not_done() -> None:
    found = planned("protocols", DATA, "s", size="least", seeds=2)
    said = dry(found, TWO_CORES, json=False)
    assert "8 steps (0 are done)" in said  # 4 trainings; 2 seeds, 2 protocols
    assert all(name in said for name in TRAININGS)
    assert not Path("s").exists()
    steps = json.loads(dry(found, TWO_CORES, json=True))["steps"]
    assert len(steps) == 8
    gpu = replace(TWO_CORES, machine=replace(TWO_CORES.machine, device="cuda"))
    steps = json.loads(dry(found, gpu, json=True))["steps"]
    assert {step["seconds"] for step in steps} == {None}  # as the table says nothing of it


def test_every_mistake_is_one_line() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"names": "dept"}, "no study 'dept'; there are depth, scales.* transfer and all"),
        ({"names": "initialisation", "initial": "he"}, "initial is what .* compares; leave --set"),
        ({"names": "all", "initial": "he"}, "initial is what the study initialisation compares"),
        ({"names": "labels", "dropout": 0.3}, "dropout is what the study labels compares"),
        ({"names": "labels,degradation", "crop": 48}, "degradation,labels has a crop of its own"),
        ({"initial": "foo"}, "no initialisation 'foo'; there are"),
        ({"scale": 24}, "S of 24 is below the crop of 32: .* take --set scale=64 or a smaller"),
        ({"size": "huge"}, "no size 'huge'; there are tiny"),
        ({"seeds": 1}, r"1 seed\(s\)"),
        ({"seeds": 10**6}, "1,000,000 seeds; 1,000 are the most"),
        (
            {"data": "drawn:20x48"},
            "has 10 pictures .* of 11 at the least; .* or 1,000 pictures and",
        ),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_asked, "LEAST", 11)
        for given, line in cases:
            asked = {"names": "depth", "data": DATA, "size": "least", "seeds": 2, **given}
            with pytest.raises(UserError, match=line):
                planned(asked.pop("names"), asked.pop("data"), "s", **asked)


def test_a_setting_that_changes_nothing_in_any_training_is_refused() -> None:
    asked: dict[str, Any] = {"size": "least", "seeds": 2}
    with pytest.raises(UserError, match="patience is for fall=plateau, and fall is cosine; leave"):
        planned("depth", DATA, "s", patience=3, **asked)
    with pytest.raises(UserError, match="dropout changes nothing of A with --fc 0, which has no"):
        planned("depth", DATA, "s", fc=0, dropout=0.3, **asked)
    with pytest.raises(UserError, match="fall is stairs, each of which is as high"):
        planned("depth", DATA, "s", fall="stairs", **asked)
    planned("depth", DATA, "s", fall="plateau", patience=3, dropout=0.3, **asked)


def test_a_folder_with_another_study_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    begin(planned("protocols", DATA, "s", size="least"))
    planned(
        "depth, scales", DATA, "s", size="least", seeds=5
    )  # other tables and more seeds are welcome
    with pytest.raises(UserError, match="s was begun with other pictures .drawn:40x48, fingerp"):
        planned("protocols", "drawn:50x48", "s", size="least")
    monkeypatch.setitem(sizes.SIZES, "least", replace(sizes.SIZES["least"], epochs=2))
    with pytest.raises(UserError, match="begun at another size: its epochs is 1, and 2 is asked"):
        planned("protocols", DATA, "s", size="least")
    Path("other").mkdir()
    Path("other/x").touch()
    with pytest.raises(UserError, match="other holds something that is no study"):
        planned("protocols", DATA, "other", size="least")
    Path("s/plan.toml").write_text("[study]\ndata = 3\n")
    with pytest.raises(UserError, match=r"s/plan.toml cannot be gone on with"):
        planned("protocols", DATA, "s", size="least")


def test_a_page_says_what_it_is_not_of_and_leads_to_each_run() -> None:
    found = done()
    assert not found.besides
    other = Path("s/E-jitter-0")
    other.mkdir()
    (other / FINISHED).touch()
    assert found.besides == ("E-jitter",)
    said = answer(found, json=False)
    assert "This is of protocols alone; s has 1 other net(s), such as E-jitter: name all" in said
    both = Source("A", "dense", (32, 40)), Source("B", "dense", (32, 40))
    cell = Cell("A and B", "dense", both)
    assert runs_of(cell, 1) == ["A-1", "B-1"]
    page = _link(found, cell, 1, "12.3")
    assert page == '12.3 (<a href="A-1/run.toml">1</a> <a href="B-1/run.toml">2</a>)'
