"""The study from plan to page, at a size that takes seconds; what it finds is not looked at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import TWO_CORES
from verydeep.commands.study import answer, as_json, dry
from verydeep.errors import Stopped, UserError
from verydeep.evaluation.metrics import wrong
from verydeep.evaluation.scores import load_scores
from verydeep.studies import sizes
from verydeep.studies.sizes import Size
from verydeep.training.recorder import Recorder
from verydeep.verbs import study as verb
from verydeep.verbs.study import Studied, begin, planned, study

DATA = "drawn:40x48"  # of which 10 are to test on
TRAININGS = ["D-rate-0.02", "D-jitter-0", "D-jitter-1", "E-rate-0.02", "E-jitter-0", "E-jitter-1"]
"""Of Table 5 with two seeds and one rate."""


@pytest.fixture(autouse=True)
def _least(monkeypatch: pytest.MonkeyPatch) -> None:
    least = Size("least", 0.125, 32, 40, (32, 48), 1, 1, (0.02,))
    monkeypatch.setitem(sizes.SIZES, "least", least)
    monkeypatch.setattr(verb, "LEAST", 10)


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


@pytest.mark.timeout(300)
def test_a_study_stopped_anywhere_comes_to_the_same_tables_to_the_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its numbers are those of the score files, read here by themselves."""
    whole = written("s")
    place = {name: Path("s", name, "scores") for name in TRAININGS}
    crops = [load_scores(place[f"E-jitter-{s}"] / "crops-32-40-48.safetensors") for s in (0, 1)]
    errors = [100 * float(wrong(c.posteriors, c.labels).mean()) for c in crops]
    row = f"| E | crops | 24.6 | {np.mean(errors):.1f} ± {np.std(errors, ddof=1):.1f} |"
    assert row in whole["study.md"].decode()
    dense = [load_scores(place[f"E-jitter-{s}"] / "dense-32-40-48.safetensors") for s in (0, 1)]
    both = [
        (c.posteriors + d.posteriors).argmax(1) != c.labels
        for c, d in zip(crops, dense, strict=True)
    ]
    data = json.loads(as_json(done(), Path("p")))
    (cell,) = [t for t in data["tables"] if (t["row"], t["column"]) == ("E", "both")]
    assert cell["top1"] == pytest.approx([100 * float(missed.mean()) for missed in both])

    Path("s").rename("kept")
    after_step = Recorder.after_step
    for name, at in (("D-jitter-0", 2), ("E-rate-0.02", 1)):

        def stops(self: Recorder, *given: object, name: str = name, at: int = at) -> None:
            if self.folder.name == name and self.steps(given[0]) == at:  # type: ignore[arg-type]
                self._interruption.asked = True
            after_step(self, *given)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(Recorder, "after_step", stops)
            with pytest.raises(Stopped, match=f"of {name}, saved; go on with `verydeep study prot"):
                done()
    Path("s/D-jitter-1/best.safetensors").write_bytes(b"damaged")
    assert {k: v for k, v in written("s").items() if "damaged" not in k} == whole


def test_what_would_be_done_is_said_and_not_done() -> None:
    found = planned("protocols", DATA, "s", size="least", seeds=2)
    said = dry(found, TWO_CORES, json=False)
    assert "14 steps (0 are done)" in said  # 6 trainings; 2 nets, 2 seeds, 2 protocols
    assert all(name in said for name in TRAININGS)
    assert not Path("s").exists()
    steps = json.loads(dry(found, TWO_CORES, json=True))["steps"]
    assert len(steps) == 14


def test_every_mistake_is_one_line() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"names": "dept"}, "no study 'dept'; there are depth, scales"),
        ({"size": "huge"}, "no size 'huge'; there are tiny"),
        ({"seeds": 1}, r"1 seed\(s\)"),
        ({"data": "drawn:20x48"}, "has 10 pictures to test on, of 11 at the least"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verb, "LEAST", 11)
        for given, line in cases:
            asked = {"names": "depth", "data": DATA, "size": "least", "seeds": 2, **given}
            with pytest.raises(UserError, match=line):
                planned(asked.pop("names"), asked.pop("data"), "s", **asked)


def test_a_folder_with_another_study_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    begin(planned("protocols", DATA, "s", size="least"))
    planned("depth", DATA, "s", size="least", seeds=5)  # other tables and more seeds are welcome
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
