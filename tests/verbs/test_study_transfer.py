"""The study of transfer on features of random nets; what it finds is not looked at.

Numbers are held against the score files, read here by themselves, and tests of one draw against
scikit-learn's LinearSVC on descriptors that are put together here.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from tests.conftest import TWO_CORES, drawn_photos
from verydeep import build, save
from verydeep.commands.study_transfer import answer, dry
from verydeep.errors import UserError
from verydeep.evaluation.scores import load_scores, save_scores
from verydeep.studies.transfer import A_CLASS
from verydeep.verbs import study_asked, study_transfer
from verydeep.verbs.features import features
from verydeep.verbs.study_transfer import StudiedTransfer
from verydeep.verbs.study_transfer_plan import planned_transfer

NETS = ["d.safetensors", "e.safetensors"]
BOTH = "d and e"
PAPERS = {
    ("d", "three Q, stacked"): "15.0",
    ("e", "three Q, stacked"): "14.9",
    (BOTH, "three Q, stacked"): "13.8",
}
"""What D, E and both lack of 100 % on Caltech-256 in Table 11, where they have 85.0, 85.1, 86.2."""


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_asked, "LEAST", 6)
    monkeypatch.setitem(A_CLASS, "least", 4)
    for path, net, seed in zip(NETS, "DE", (1, 2), strict=True):
        made(net, seed, path)


def made(net: str, seed: int, path: str) -> None:
    """Weights of a random net that is said to have learnt at S from 32 to 64."""
    network = build(net, 3, width=0.125, crop=32, initial="he", seed=seed)
    network.pixels = replace(network.pixels, scale=(32, 64))
    save(network, path)


def photos() -> Path:
    """Eight pictures of each of three classes to train on, and four to test on."""
    if not Path("photos").exists():
        drawn_photos(Path("photos/train"), 8, 8, 8)
        drawn_photos(Path("photos/test"), 4, 4, 4, first=8)
    return Path("photos")


def done(nets: list[str], out: str = "s") -> StudiedTransfer:
    return study_transfer.study_transfer(nets, photos(), out, TWO_CORES, size="least", seeds=2)


def test_each_net_is_tested_in_each_way_and_both_of_them_stacked() -> None:
    """Places by hand: three rows and three ways; the second time nothing is made again."""
    found = done(NETS)
    said = answer(found, json=False)
    text = Path("s/study.md").read_text()
    assert [row for _, row, _ in found.tests] == [r for r in ("d", "e", BOTH) for _ in range(3)]
    for (_, row, way), tests in found.tests.items():
        folder = Path("s") / f"{row} {way}".replace(", ", "-").replace(" ", "-")
        kept = [load_scores(folder / f"draw-{i}.safetensors") for i in (0, 1)]
        errors = [100 * float((s.posteriors.argmax(1) != s.labels).mean()) for s in kept]
        spread = f"{np.mean(errors):.1f} ± {np.std(errors, ddof=1):.1f}"
        assert f"| {row} | {way} | {PAPERS.get((row, way), '-')} | {spread} |" in text
        assert tests[0].names == tests[1].names  # both draws are tested on what was set aside
    assert [judged.finding.key for judged in found.judged] == ["F12", "F13"]
    assert [len(judged.verdicts) for judged in found.judged] == [2, 2]
    (first, second) = found.judged[1].verdicts
    assert first.evidence.claim.errors == pytest.approx((13.8, 15.0))  # Caltech-256, Table 11
    assert second.evidence.claim.errors == pytest.approx((13.8, 14.9))
    assert found.untested == ()
    page = Path("s/report.html").read_bytes()
    links = [unquote(link) for link in re.findall('<a href="([^"]+)">', page.decode())]
    assert {*links} == {p.relative_to("s").as_posix() for p in Path("s").rglob("draw-*")}
    assert answer(done(NETS), json=False) == said
    assert (Path("s/study.md").read_text(), Path("s/report.html").read_bytes()) == (text, page)
    data = json.loads(answer(found, json=True))
    place = next(iter(data["tables"]))
    assert place["top-1 error"] == [*found.figures(("Table 11", "d", "one Q"))]


def test_a_test_is_that_of_an_svm_of_the_stacked_descriptors() -> None:
    found = done(NETS)
    draw, part = found.planned.drawn.draws[0], found.planned.drawn.part
    three = found.planned.nets[0].three
    x = features(NETS, "photos", scales=three, stacked=True, runtime=TWO_CORES)
    train, names = len(found.planned.dataset.train), [*part.names]
    rows = [x.names[:24].index(name) for name in names[:train]]
    rows += [24 + x.names[24:].index(name) for name in names[train:]]
    own = x.descriptors[rows].astype(np.float64)
    labels = part.labels
    assert np.bincount(labels[draw.learn]).tolist() == [4, 4, 4]
    assert not {*draw.learn.tolist()} & {*draw.test.tolist()}
    tested = found.tests["Table 11", BOTH, "three Q, stacked"][0]
    answers = {
        c: LinearSVC(C=c, tol=1e-9, max_iter=100_000).fit(own[draw.learn], labels[draw.learn])
        .predict(own[draw.test]).tolist()
        for c in 10.0 ** np.arange(-2, 2.5, 0.5)
    }  # fmt: skip
    assert tested.posteriors.argmax(1).tolist() in answers.values()


def test_of_one_net_the_finding_of_two_is_not_tested() -> None:
    found = done(NETS[:1])
    assert [judged.finding.key for judged in found.judged] == ["F12"]
    assert "F13 not tested: it is of two nets; give the other with a second --from" in answer(
        found, json=False
    )


def test_splits_that_lie_with_the_data_are_those_that_are_drawn() -> None:
    """Each has its own pictures to test on, so that draws are what is held together."""
    folders = sorted(drawn_photos(Path("photos"), 8, 8, 8).iterdir())
    names = [f"{folder.name}/{i}.png" for i in range(8) for folder in folders]
    splits = [{"train": names[:12], "test": names[12:]}, {"train": names[12:], "test": names[:12]}]
    Path("photos/splits.json").write_text(json.dumps({"splits": splits}))
    found = done(NETS[:1])
    assert found.planned.figure == "mean class recall"
    part = found.planned.drawn.part
    for split, draw in zip(splits, found.planned.drawn.draws, strict=True):
        assert {part.names[i] for i in draw.learn.tolist()} == {*split["train"]}
        assert {part.names[i] for i in draw.test.tolist()} == {*split["test"]}
    tests = found.tests["Table 11", "d", "one Q"]
    recalls = [
        100 * np.mean([(s.posteriors.argmax(1) == k)[s.labels == k].mean() for k in range(3)])
        for s in tests
    ]
    assert found.figures(("Table 11", "d", "one Q")) == pytest.approx(recalls)
    assert found.judged[0].verdicts[0].evidence.difference.pictures is None


def test_pictures_of_several_labels_are_judged_by_their_ranking() -> None:
    lines = ["name,label,split"]
    for i, path in enumerate(sorted(photos().rglob("*.png"))):
        own, part = path.parent.name, path.parent.parent.name
        lines.append(f"{path.relative_to('photos')},{own}{' even' if i % 2 else ''},{part}")
    Path("photos/labels.csv").write_text("\n".join(lines) + "\n")
    found = study_transfer.study_transfer(
        NETS[:1], "photos/labels.csv", "s", TWO_CORES, size="least", seeds=2
    )
    assert found.planned.figure == "mAP"
    assert found.planned.like.data == "VOC-2007"
    (scores, _) = found.tests["Table 11", "d", "one Q"]
    assert found.figures(("Table 11", "d", "one Q"))[0] == scores.map


def test_what_would_be_done_is_said_and_not_done() -> None:
    found = planned_transfer(NETS, photos(), "s", size="least", seeds=2)
    said = dry(found, TWO_CORES, json=False)
    assert "18 tests left" in said
    assert "d, Q = 32" in said
    assert not Path("s").exists()
    gpu = replace(TWO_CORES, machine=replace(TWO_CORES.machine, device="cuda"))
    assert {step["seconds"] for step in json.loads(dry(found, gpu, json=True))["steps"]} == {None}


def test_every_mistake_is_one_line() -> None:
    photos()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"weights_paths": []}, "asks for weights: give --from vgg16, vgg19, a weights file or a"),
        ({"weights_paths": ["d"]}, "no weights file d"),
        ({"weights_paths": [*NETS, "f"]}, "3 weights came for the study of transfer; give one or"),
        ({"weights_paths": [NETS[0]] * 2}, "d.safetensors and d.safetensors are the same weights"),
        ({"size": "huge"}, "no size 'huge'; there are tiny"),
        ({"seeds": 1}, r"1 seed\(s\)"),
        ({"data": "drawn:4x32"}, "pictures to test on, of 6 at the least|too few"),
    ]
    for given, line in cases:
        asked = {"weights_paths": NETS, "data": "photos", "size": "least", "seeds": 2, **given}
        with pytest.raises(UserError, match=line):
            planned_transfer(asked.pop("weights_paths"), asked.pop("data"), "s", **asked)


def test_more_draws_go_beside_those_that_are_there() -> None:
    """Also beside those of earlier versions, which say how many there were."""
    done(NETS[:1])
    path = Path("s/d-one-Q/draw-0.safetensors")
    earlier = replace(load_scores(path), part="draw 1: 2 draws of 4 pictures a class from train")
    save_scores(earlier, path)
    before = path.read_bytes()
    found = planned_transfer(NETS[:1], photos(), "s", size="least", seeds=3)
    assert [i for _, i in found.left] == [2, 2, 2]
    for path in Path("s").glob("*/draw-1.safetensors"):
        path.write_bytes(b"damaged")
    found = planned_transfer(NETS[:1], photos(), "s", size="least", seeds=2)
    assert [i for _, i in found.left] == [1, 1, 1]
    assert path.read_bytes() == b"damaged"  # until the study is carried out
    again = done(NETS[:1])
    assert [tests[1].part for tests in again.tests.values()] == [
        "draw 2: draws of 4 pictures a class from train"
    ] * 3
    assert Path("s/d-one-Q/draw-0.safetensors").read_bytes() == before
    with pytest.raises(UserError, match="draw-0.safetensors is of other weights, data or draws"):
        planned_transfer(NETS[:1], photos(), "s", size="least", seeds=2, split=1)


def test_a_folder_with_something_else_is_refused() -> None:
    done(NETS[:1])
    made("D", 7, NETS[0])
    with pytest.raises(UserError, match="draw-0.safetensors is of other weights, data or draws"):
        planned_transfer(NETS[:1], photos(), "s", size="least", seeds=2)
    Path("other").mkdir()
    Path("other/x").touch()
    with pytest.raises(UserError, match="other holds what is no study of transfer"):
        planned_transfer(NETS[:1], photos(), "other", size="least", seeds=2)
