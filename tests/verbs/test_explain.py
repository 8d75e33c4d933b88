"""Explanations from Python and from the command line: what comes, what is refused, what is written.

Posteriors are held against the network's own; scales against the largest values of the maps.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import verydeep
from tests.nets.others import RESNET_18, small
from tests.stacks import two_nets
from verydeep import SILENT, PictureError, UserError
from verydeep.commands import main as command_line
from verydeep.insight.naming import CHEAP, METHODS
from verydeep.nets.describing import classifying, describing
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_last, with_norms
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels
from verydeep.report.heat import scales_of
from verydeep.runtime.machine import Machine
from verydeep.verbs.explain import Explainer, Explanation
from verydeep.weights.stacks import save_stack

PIXELS = Pixels((40, 40), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))
CLASSES = ("ant", "bee", "cat")
Run = Callable[..., tuple[int, str, str]]


def plain() -> Network:
    return build("A", CLASSES, width=0.0625, crop=32, fc=16, pixels=PIXELS, initial="he")


def normed() -> Network:
    like = plain()
    table = read_table("A-BN", with_norms(like.table.words), 32)
    return Network.random(table, CLASSES, PIXELS, "he", 1)


def transferred() -> Network:
    weight = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    return classifying(describing(plain(), "pool4"), weight, torch.zeros(3), CLASSES)


def tagging() -> Network:
    like = plain()
    words = (*like.table.words[:-1], "sigmoid")
    return Network.random(read_table("A", words, 32), CLASSES, PIXELS, "he", 2)


NETS: dict[str, Callable[[], Network]] = {
    "plain": plain, "norms": normed, "transferred": transferred, "tags": tagging,
    "branching": lambda: small(RESNET_18, 3, crop=32),
}  # fmt: skip


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (53, 71, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NETS)
def test_any_net_is_explained_by_every_method(name: str, picture: np.ndarray) -> None:
    network = NETS[name]()
    if network.pixels.test_scale > 100:
        picture = picture.repeat(2, 0)[:64, :64]
    methods = METHODS if name == "plain" else METHODS[:6]
    found = verydeep.explain(network, picture, methods, progress=SILENT)
    asked = [one.method for one in found.maps]
    assert asked[: len(methods)] == [*methods]
    assert (len(asked) == 9) == (name == "plain")
    for one in found.maps:
        colours = (3,) if one.method in ("guided", "deconvnet") else ()
        assert found[one.method].shape == (*picture.shape[:2], *colours)
        assert np.isfinite(found[one.method]).all()
        if name != "tags":
            assert np.any(found[one.method]) or one.method == "gradcam", one.method
    given = network.preprocess(picture)
    with torch.no_grad():
        torch.testing.assert_close(found.posteriors[None], network.posteriors(given))
    assert found.posterior == found.top(1)[0][1]
    assert (found.class_name, found.posterior) in found.top(3)


def test_the_class_that_is_named_is_the_one_explained(picture: np.ndarray) -> None:
    network = plain()
    by_name = [verydeep.explain(network, picture, "gradient", class_name=c, progress=SILENT)
               for c in CLASSES]  # fmt: skip
    assert [one.label for one in by_name] == [0, 1, 2]
    assert not np.array_equal(by_name[0]["gradient"], by_name[1]["gradient"])
    (scores,) = network(network.preprocess(picture)).tolist()
    assert [one.score for one in by_name] == pytest.approx(scores, rel=1e-5)


def test_several_pictures_have_a_list_and_none_for_what_cannot_be_read(
    picture: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("no.jpg").write_bytes(b"nothing")
    found = verydeep.explain(plain(), [picture, "no.jpg"], "scores")
    assert found[0].maps[0].method == "scores"
    assert found[1] is None
    assert "picture 2 of 2 has no answer: no.jpg" in capsys.readouterr().err
    with pytest.raises(PictureError, match="no.jpg"):
        verydeep.explain(plain(), "no.jpg", progress=SILENT)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"method": "gradcan"}, "no method 'gradcan'; did you mean 'gradcam'"),
        ({"method": ["scores", "x"]}, "no method 'x'; there are scores, gradient, guided"),
        ({"class_name": "bea"}, "no class 'bea'; did you mean 'bee'? there are ant, bee, cat"),
        ({"layer": "relu51"}, "no layer 'relu51' in configuration A; did you mean 'relu5_1'?"),
        ({"layer": "zzz"}, "no layer 'zzz' in configuration A; its last convolution is 'conv5_2'"),
        ({"layer": "fc7"}, "'fc7' of A has no map of the picture; take a row up to 'pool5'"),
    ],
)
def test_what_is_none_is_refused_with_the_nearest(
    picture: np.ndarray, asked: dict[str, Any], line: str
) -> None:
    with pytest.raises(UserError) as raised:
        verydeep.explain(plain(), picture, **{"method": "gradcam", "progress": SILENT, **asked})
    assert line in str(raised.value)


def test_stacks_and_nets_of_places_are_refused_in_a_line(picture: np.ndarray) -> None:
    save_stack(two_nets().stack, Path("stack.safetensors"))
    with pytest.raises(UserError, match="stack.safetensors is a stack of 2"):
        verydeep.explain("stack.safetensors", picture, progress=SILENT)
    words = with_last(plain().table.words, ("FC-12", "boxes"))
    places = Network.random(read_table("A", words, 32), CLASSES, PIXELS, "he", 0)
    with pytest.raises(UserError, match="finds places, and maps are of classes"):
        verydeep.explain(places, picture, progress=SILENT)


def test_an_engine_runs_what_wants_no_gradient_and_that_is_said(
    picture: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("gradient", "occlusion")
    found = verydeep.explain(plain(), picture, asked, engine="onnxruntime")
    assert "no gradient comes through engine onnxruntime: gradient by PyTorch" in (
        capsys.readouterr().err
    )
    verydeep.explain(plain(), picture, "occlusion", layer="relu2_1", engine="onnxruntime")
    assert "engine onnxruntime gives no 'relu2_1': occlusion by PyTorch" in capsys.readouterr().err
    plainly = verydeep.explain(plain(), picture, asked, engine="torch", progress=SILENT)
    for one, other in zip(found.maps, plainly.maps, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-3, atol=1e-5)


# --- the command line, and what it writes


@pytest.fixture
def run(
    picture: np.ndarray, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `verydeep explain` beside net.safetensors and two pictures: (exit code, out, err)."""
    verydeep.save(plain(), "net.safetensors")
    Path("pictures").mkdir()
    Image.fromarray(picture).save("pictures/a.png")
    Image.fromarray(255 - picture[:, ::-1]).save("pictures/<b>.png")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["verydeep", "explain", *words])
        with pytest.raises(SystemExit) as leaving:
            command_line.main()
        out, err = capsys.readouterr()
        return int(leaving.value.code or 0), out, err

    return run


class Page(HTMLParser):
    """The tags of a page, held against each other, its links, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.said = ""
        self.feed(text)
        assert self.open == ["html"] or not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


def test_a_folder_gets_a_png_for_each_map_and_a_page(run: Run, picture: np.ndarray) -> None:
    code, out, _ = run("net.safetensors", "pictures", "--class", "bee", "--out", "maps", "--quiet")
    assert code == 0
    assert "page: maps/explained.html" in out
    assert "maps: 10 in maps" in out
    names = {path.name for path in Path("maps").iterdir()}
    assert names == {"explained.html"} | {f"{p}-{m}.png" for p in ("a", "<b>") for m in CHEAP}
    with Image.open("maps/a-gradcam.png") as image:
        assert image.size == (320, 239)  # 71 x 53, enlarged
    page = Page(Path("maps/explained.html").read_text())
    assert all(link.startswith("data:image/") for link in page.links)
    assert len(page.links) == 2 * 6 + 5  # pictures with their maps, and scales
    assert "<b>.png" in page.said
    for one in ("Where the class bee is seen", "Grad-CAM at relu3_2", "score per grey level"):
        assert one in page.said, one
    code, _, err = run("net.safetensors", "pictures", "--out", "maps", "--quiet")
    assert (code, err) == (2, "verydeep: maps has files already; give a new folder to --out\n")


def test_labelled_pictures_are_explained_by_their_own_class(run: Run) -> None:
    data = verydeep.open_dataset("drawn:10x40")
    network = build("A", ("x", *data.classes), width=0.0625, crop=32, fc=16, pixels=PIXELS,
                    initial="he")  # fmt: skip
    verydeep.save(network, "shapes.safetensors")
    words = ("shapes.safetensors", "--data", "drawn:10x40", "--method", "gradient", "--quiet")
    _, out, _ = run(*words, "--json", "-o", "own.html")
    told = json.loads(out)["pictures"]
    part = data.by_role[data.held_out]
    own = {name: data.classes[label] for name, label in zip(part.names, part.labels, strict=True)}
    assert {one["picture"]: one["true"] for one in told} == own
    assert [one["class"] for one in told] == [one["true"] for one in told]
    assert any(one["class"] != one["top"][0]["class"] for one in told)
    assert f"; labelled {told[0]['true']}" in Path("own.html").read_text()
    _, out, _ = run(*words, "--class", "x", "--json", "-o", "x.html")
    assert {one["class"] for one in json.loads(out)["pictures"]} == {"x"}


def test_pictures_of_one_name_have_files_of_their_own(run: Run, picture: np.ndarray) -> None:
    for path in ("a/x.png", "b/x.png", "b/x-2.png"):
        Path(path).parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
    words = ("a/x.png", "b/x.png", "b/x-2.png", "--method", "gradient", "--json", "--out", "maps")
    code, out, _ = run("net.safetensors", *words, "--quiet")
    names = [f"maps/{stem}-gradient.png" for stem in ("x", "x-2", "x-2-2")]
    assert (code, json.loads(out)["files"]) == (0, [*names, "maps/explained.html"])
    assert all(Path(name).is_file() for name in names)


def test_programs_are_told_scales_and_residuals(run: Run, picture: np.ndarray) -> None:
    words = ("net.safetensors", "pictures/a.png", "--method", "integrated,gradient", "--json")
    code, out, err = run(*words, "-o", "page.html", "--quiet")
    assert (code, err) == (0, "")
    told = json.loads(out)
    found = verydeep.explain(plain(), picture, ("gradient", "integrated"), progress=SILENT)
    assert told["files"] == ["page.html"]
    (one,) = told["pictures"]
    assert one["class"] == found.class_name
    assert one["posterior"] == pytest.approx(found.posterior)
    assert "above a black picture's: off by" in one["maps"][1]["said"]
    scale = scales_of(found.maps)["gradient"]
    assert told["scales"]["gradient"] == [0, pytest.approx(scale.largest), "score per grey level"]
    code, _, err = run(*words, "-o", "page.html", "--quiet")
    assert (code, err.count("\n")) == (2, 1)
    assert "page.html is there already" in err


def test_a_picture_that_cannot_be_read_is_named_and_others_are_explained(run: Run) -> None:
    Path("no.jpg").write_bytes(b"nothing")
    code, out, err = run("net.safetensors", "no.jpg", "pictures/a.png", "--quiet")
    assert code == 2
    assert err.startswith("verydeep: no.jpg")
    assert err.count("\n") == 1
    assert "page: explained.html" in out
    code, _, err = run("net.safetensors", "no.jpg", "--quiet", "-o", "other.html")
    assert (code, err.count("\n"), Path("other.html").exists()) == (2, 1, False)


def test_ctrl_c_keeps_what_was_explained(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Explainer.ask

    def asking(*words: Any) -> Explanation:
        signal.raise_signal(signal.SIGINT)
        return ask(*words)

    monkeypatch.setattr(Explainer, "ask", asking)
    code, out, err = run("net.safetensors", "pictures", "--method", "gradient", "--out", "maps")
    assert (code, "page: maps/explained.html" in out) == (130, True)
    assert "ending after this picture; once more leaves at once" in err
    assert [path.name for path in sorted(Path("maps").iterdir())] == [
        "<b>-gradient.png", "explained.html",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [("--class", "x"), ("--layer", "fc6"), ("--method", "x"), ("--engine", "x"), ("--device", "x")],
)
def test_mistakes_get_one_line(run: Run, words: tuple[str, str]) -> None:
    code, out, err = run("net.safetensors", "pictures/a.png", "--quiet", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("verydeep: ")


def test_a_page_that_cannot_be_written_is_told_before_the_work(run: Run) -> None:
    code, out, err = run("gone", "pictures/a.png", "-o", "net.safetensors/page.html")
    assert (code, out) == (2, "")
    assert err.startswith("verydeep: cannot write net.safetensors/page.html: ")


def test_sanity_is_on_the_page_and_told(run: Run) -> None:
    words = ["net.safetensors", "--data", "drawn:10x40", "--count", "1", "--sanity"]
    words += ["--method", "gradient,gradcam", "--quiet"]
    code, out, _ = run(*words, "--out", "sane")
    assert code == 0
    head = re.search(r"correlation, shuffled down to +(.+)", out)
    assert head
    layers = head[1].split()
    assert (layers[0], layers[-1]) == ("fc8", "conv1_1")
    for method in ("gradient", "gradcam"):
        (line,) = re.findall(rf"^  {method}((?: +[+-][01].\d\d)+)$", out, re.MULTILINE)
        assert len(line.split()) == len(layers)
    page = Page(Path("sane/explained.html").read_text())
    for said in ("As layers are shuffled", "Are these maps to be believed?", "On the object"):
        assert said in page.said
    assert len(page.links) == 3 + 2 * (1 + len(layers)) + 2
    code, out, _ = run(*words, "--json", "-o", "sane.html")
    (told,) = json.loads(out)["sanity"]
    assert told["shuffled_to"] == layers
    assert 0 < told["area"] < 1


def test_units_have_plates_and_a_page(run: Run) -> None:
    words = ["net.safetensors", "--units", "relu1_1, relu3_1", "--data", "drawn:10x48"]
    code, out, _ = run(*words, "--unit", "0,3", "--out", "liked", "--quiet")
    assert code == 0
    assert out.startswith("relu1_1  8 units, ")
    names = {path.name for path in Path("liked").iterdir()}
    plates = {f"{row}-{k}.png" for row in ("relu1_1", "relu3_1") for k in (0, 3)}
    assert names == {"units.html", "units.safetensors", "filters.png"} | plates
    page = Page(Path("liked/units.html").read_text())
    assert len(page.links) == 2 * 2 * 2 + 1
    assert all(link.startswith("data:image/") for link in page.links)
    with Image.open("liked/filters.png") as filters:
        assert filters.size == (8 * (24 + 3) - 3, 24)
    code, out, _ = run(*words, "--count", "1", "--json", "--quiet", "-o", "liked.html")
    rows = json.loads(out)["rows"]
    assert [len(row["shown"]) for row in rows.values()] == [1, 1]
    (shown,) = rows["relu1_1"]["shown"]
    assert len(shown["boxes"]) == len(shown["pictures"])
    for left, top, right, bottom in shown["boxes"]:  # 3 x 3 of 40 pixels, of a picture of 48
        assert 0 <= left < right <= 48
        assert 0 <= top < bottom <= 48
        assert max(right - left, bottom - top) <= 3 * 48 / 40 + 1e-9


UNITS = ("--units", "relu1_1", "--data", "drawn:10x48")


@pytest.mark.parametrize(
    "words",
    [
        (), ("--units", "relu1_1"), ("--unit", "3", "--data", "drawn:10x48"),
        ("a.png", "--data", "drawn:10x48"), ("--data", "drawn:10x48", "--count", "0"),
        ("--data", "drawn:10x48", "--units", "relu9"),
        ("--data", "drawn:10x48", "--units", "relu1_1", "--unit", "x"),
        ("--data", "drawn:10x48", "--units", "relu1_1", "--unit", "99"),
        ("pictures/a.png", "--units", "relu1_1", "--data", "drawn:10x48"),
        (*UNITS, "--class", "bee"), (*UNITS, "--method", "gradcam"), (*UNITS, "--layer", "pool1"),
        (*UNITS, "--sanity"), (*UNITS, "--engine", "torch"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_gets_one_line(run: Run, words: tuple[str, ...]) -> None:
    code, out, err = run("net.safetensors", *words, "--quiet")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_net_for_the_places_of_one_map_is_explained_without_a_map_of_scores() -> None:
    network = build("deepface", 3, width=0.0625, crop=104, initial="he")
    assert Explainer.of(network, Machine.this("cpu"), progress=SILENT).methods == CHEAP[1:]
    with pytest.raises(UserError, match="DeepFace has no map of scores: its 'local2_2' is made"):
        Explainer.of(network, Machine.this("cpu"), ["gradcam", "scores"], progress=SILENT)
