"""Similar pictures, from features of drawn ones: by name, by file, in memory, on a page.

What is most like a picture is worked out with the cosines of the descriptors themselves.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import verydeep
from tests.conftest import TWO_CORES
from verydeep import weights
from verydeep.commands import main as command_line
from verydeep.datasets import open_dataset
from verydeep.descriptors.describe import Piece, described
from verydeep.descriptors.features import Features, PartSaid, PieceSaid, load_features
from verydeep.descriptors.sources import sources_of
from verydeep.errors import PictureError, UserError
from verydeep.nets.describing import describing
from verydeep.nets.network import build
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import read_picture
from verydeep.runtime.progress import SILENT
from verydeep.verbs.similar import Neighbour

PIXELS = Pixels((48, 48), (120.0, 115.0, 110.0), (58.0, 58.0, 58.0))
FILE = Path("photos.features")
Photos = Callable[..., Path]


@pytest.fixture
def features(photos: Photos) -> Features:
    """Those of 18 drawn pictures of three classes, in a file; the weights lie beside it."""
    photos(6, 6, 6)
    weights.save(build("A", 3, width=0.125, crop=32, fc=16, pixels=PIXELS), Path("a.safetensors"))
    cut = describing(weights.load("a.safetensors"), "pool3")
    dataset, piece = open_dataset("photos"), Piece(cut, "pool3", (48,))
    part = dataset.everything
    made = described(part, [piece], TWO_CORES)
    rows = made.descriptors
    parts = tuple(PartSaid(role, len(each)) for role, each in dataset.by_role.items())
    said = PieceSaid(weights.hash_of(cut), "A", "pool3", (48,), rows.shape[1], "a.safetensors")
    found = Features(
        rows, made.keys, part.truth, tuple(part.names), dataset.classes, parts,
        (said,), dataset.where, dataset.fingerprint,
    )  # fmt: skip
    found.save(FILE)
    return found


def expected(features: Features, row: np.ndarray, without: int | None = None) -> list[str]:
    order = np.argsort(-(features.descriptors @ row), kind="stable")
    return [features.names[i] for i in order if i != without]


def ask(*pictures: object, top: int = 3, **how: object) -> list[list[Neighbour]]:
    return verydeep.similar(FILE, [*pictures], top, runtime=TWO_CORES, progress=SILENT, **how)  # type: ignore[arg-type]


def test_a_name_in_the_features_needs_no_network_and_is_left_out(features: Features) -> None:
    Path("a.safetensors").unlink()
    name = features.names[4]
    (found,) = ask(name)
    assert [one.name for one in found] == expected(features, features.descriptors[4], 4)[:3]
    first = found[0]
    assert first.classes == (features.classes[int(features.truth[first.place])],)  # type: ignore[index]
    assert first.part == features.part_of(first.place)
    assert first.cosine == pytest.approx(
        features.descriptors[4] @ features.descriptors[first.place]
    )
    assert verydeep.similar(features, name, 3, progress=SILENT) == found


def test_a_picture_is_described_as_the_features_were(features: Features) -> None:
    """Whatever it is given as; one whose very bytes are in the features is found with cosine 1."""
    image = read_picture(Path("photos", features.names[2]))
    Image.fromarray(image).save("again.bmp")
    by_file, by_array, by_other_file = ask(
        Path("photos", features.names[2]), image, "again.bmp", top=2
    )
    assert by_file[0].name == features.names[2]
    assert by_file[0].cosine == pytest.approx(1, abs=1e-6)
    for found in (by_array, by_other_file):
        assert [one.name for one in found] == [one.name for one in by_file]
        assert found[0].cosine == pytest.approx(1, abs=1e-5)


def test_fewer_pictures_than_asked_for_are_all_given(features: Features) -> None:
    (found,) = ask(features.names[0], top=1000)
    assert len(found) == len(features) - 1


def test_unreadable_pictures_have_no_answer_and_the_others_do(features: Features) -> None:
    Path("bad.png").write_bytes(b"no picture")
    missing, bad, good = ask("nosuch.png", "bad.png", features.names[1])
    assert missing == bad == []
    assert len(good) == 3
    with pytest.raises(PictureError, match=r"bad\.png"):
        verydeep.similar(FILE, "bad.png", progress=SILENT)


def test_other_weights_are_refused_and_the_right_ones_can_be_given(features: Features) -> None:
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save("new.png")
    Path("a.safetensors").rename("moved.safetensors")
    with pytest.raises(UserError, match=r"not at a\.safetensors any more, give them by --weights"):
        ask("new.png")
    other = build("A", 3, width=0.125, crop=32, fc=16, pixels=PIXELS, seed=1)
    weights.save(other, Path("a.safetensors"))
    with pytest.raises(UserError, match=r"weights of A that made pool3 \(hash [0-9a-f]{12}\) are"):
        ask("new.png")
    with pytest.raises(UserError, match="not among those given"):
        ask("new.png", weights_paths="a.safetensors")
    (found,) = ask("new.png", weights_paths=["a.safetensors", "moved.safetensors"])
    assert len(found) == 3
    piece = replace(features.pieces[0], path="")
    with pytest.raises(UserError, match="do not say where the weights of A"):
        verydeep.similar(replace(features, pieces=(piece,)), "new.png", progress=SILENT)
    with pytest.raises(UserError, match="top 0 names no picture"):
        ask("new.png", top=0)


def test_a_name_of_two_pictures_is_refused(features: Features) -> None:
    names = ("x.png", "x.png", *features.names[2:])
    with pytest.raises(UserError, match=r"2 pictures of these features are x\.png; give its file"):
        verydeep.similar(replace(features, names=names), "x.png", progress=SILENT)


def test_sources_are_found_again_and_others_at_their_place_are_not(features: Features) -> None:
    loaded, source = load_features(FILE), sources_of(features)
    assert all(source(i) is not None for i in range(len(features)))
    first, second = (Path("photos", features.names[i]) for i in (0, 1))
    first.write_bytes(second.read_bytes())
    second.unlink()
    source = sources_of(loaded)
    assert source(0) is source(1) is None
    assert Path(str(source(2))) == Path("photos", features.names[2])
    given = replace(features, where="", names=tuple(f"photos/{name}" for name in features.names))
    assert sources_of(given)(3) == f"photos/{features.names[3]}"
    assert sources_of(replace(features, where="gone"))(3) is None


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["verydeep", *words])
    with pytest.raises(SystemExit) as leaving:
        command_line.main()
    out, err = capsys.readouterr()
    return int(leaving.value.code or 0), out, err


def test_the_command_prints_names_and_writes_a_page(
    features: Features, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = features.names[4]
    found = ask(name)[0]
    code, out, err = run(
        monkeypatch, capsys, "similar", str(FILE), name, "nosuch.png", "--top", "3",
        "--page", "page.html",
    )  # fmt: skip
    assert code == 2
    assert "verydeep: nosuch.png: no such file" in err
    lines = out.splitlines()
    assert lines[0] == name
    assert [line.split()[:2] for line in lines[1:]] == [
        [f"{one.cosine:.3f}", one.name] for one in found
    ]
    page = Path("page.html").read_text()
    assert page.count("data:image/jpeg") == 4
    assert f"<b>{found[0].cosine:.3f}</b> {found[0].classes[0]}" in page
    code, out, err = run(
        monkeypatch, capsys, "similar", str(FILE), name, "--json", "--top", "1", "--page",
        "page.html",
    )  # fmt: skip
    assert code == 2
    assert "page.html is there already" in err
    code, out, err = run(monkeypatch, capsys, "similar", str(FILE), name, "--json", "--top", "1")
    (answer,) = json.loads(out)
    assert answer["similar"][0]["picture"] == found[0].name
    Path("photos", found[0].name).unlink()
    run(monkeypatch, capsys, "similar", str(FILE), name, "--page", "gone.html", "--quiet")
    assert Path("gone.html").read_text().count("not found") == 1


def test_looking_tells_of_doubtful_labels_and_like_pictures(
    features: Features, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, "look", "photos", "--features", str(FILE))
    assert code == 0, err
    assert "labels that 10 neighbours doubt: " in out
    assert "pairs of like pictures by descriptors, from a cosine of 0.95 on: " in out
    code, out, err = run(
        monkeypatch, capsys, "look", "photos", "--features", str(FILE), "--json", "--quiet"
    )
    assert {"alike_by_features", "doubtful_labels"} <= json.loads(out).keys()
    Path("photos", features.names[0]).unlink()
    code, out, err = run(monkeypatch, capsys, "look", "photos", "--features", str(FILE))
    assert code == 2
    assert "photos.features is of photos as they were then, and not of photos as it is" in err
