"""`verydeep weights`: show, import, verify, export, on files of torchvision's own networks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests import theirs
from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.conftest import images
from tests.nets.test_folding import network as network_with_norms
from verydeep import load, save
from verydeep.exporters.families import WRITERS
from verydeep.importers import sandbox, state_dict
from verydeep.importers.pixel_words import in_words
from verydeep.nets.network import build
from verydeep.weights import hash_of, releases
from verydeep.weights.releases import RELEASES, Release, hashes_of, release_of

pytestmark = pytest.mark.usefixtures("foreign_files_read_here")


def theirs_saved(name: str = "theirs.pth", norms: bool = False) -> str:
    torch.save(theirs.network("D", norms).state_dict(), name)
    return name


def known(path: str, monkeypatch: pytest.MonkeyPatch) -> Release:
    """Has a file be a release."""
    md5 = hashlib.md5(Path(path).read_bytes()).hexdigest()
    release = Release("vgg.pth", "somebody", "their page", 71.5, 90.1, "as they say", md5=md5)
    monkeypatch.setattr(releases, "RELEASES", (*RELEASES, release))
    return release


@pytest.mark.parametrize("verb", ["show", "import", "verify", "export"])
def test_help_fits_eighty_columns_and_shows_a_line_to_paste(verydeep: Run, verb: str) -> None:
    said = verydeep("weights", verb, "--help")
    assert said.code == 0
    assert all(len(line) <= 80 for line in said.out.split("\n"))
    assert f"\n  verydeep weights {verb}" in said.out
    assert verb in verydeep("weights", "--help").out


def test_a_foreign_file_is_shown(verydeep: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = theirs_saved()
    known(path, monkeypatch)
    said = verydeep("weights", "show", path).out
    for line in (
        "family    torchvision\n",
        "net       D, crop 64, ",
        "pixels    RGB, 0 to 1, minus 0.485 0.456 0.406, divided by 0.229 0.224 0.225; S = 256, "
        "bilinear\n",
        "classes   not named\n",
        "release   vgg.pth of somebody\n",
        "measured  top-1 71.5 %, top-5 90.1 %, one centre crop, ILSVRC-2012 val; as they say "
        "(their page)\n",
        f"sha256    {hashlib.sha256(Path(path).read_bytes()).hexdigest()}\n",
    ):
        assert line in said
    data = json.loads(verydeep("weights", "show", path, "--json").out)
    assert (data["net"], data["crop"], data["class_count"]) == ("D", 64, 7)
    assert data["words"][:2] == ["conv3-8", "conv3-8"]
    assert data["pixels"]["maximum"] == 1
    assert data["release"]["publisher"] == "somebody"


def without_top(name: str = "w.pth") -> str:
    state = theirs.network("D").state_dict()
    torch.save({k: t for k, t in state.items() if "classifier" not in k}, name)
    return name


def test_a_net_without_its_top_is_shown_and_imported(verydeep: Run) -> None:
    shown = verydeep("weights", "show", without_top()).out
    assert "net      D without its top (to pool5), 230,568 parameters\n" in shown
    said = verydeep("weights", "import", "w.pth", "--out", "o.safetensors")
    assert "\no.safetensors: D without its top (to pool5), 230,568 parameters, " in said.out
    assert ", no classes; RGB, 0 to 1" in said.out
    shown = verydeep("weights", "show", "o.safetensors").out
    assert "net       D without its top (to pool5), 230,568 parameters\n" in shown
    assert "classes   none\n" in shown
    assert json.loads(verydeep("weights", "show", "w.pth", "--json").out)["class_count"] == 0
    crop = images(1, 64, 64)
    found = load("o.safetensors").activations(crop, ["pool5"])["pool5"]
    torch.testing.assert_close(found, theirs.network("D").features(crop), rtol=1e-4, atol=1e-5)


def test_what_needs_scores_refuses_a_net_without_its_top_in_one_line(
    verydeep: Run, photos: Callable[..., Path]
) -> None:
    photos(2, 2)
    verydeep("weights", "import", without_top(), "--out", "o.safetensors")
    for words in (
        ["predict", "o.safetensors", "photos"],
        ["evaluate", "o.safetensors", "photos"],
        ["weights", "export", "o.safetensors", "--to", "torchvision", "--out", "x.pth"],
        ["weights", "export", "o.safetensors", "--to", "timm", "--out", "x.safetensors"],
    ):
        said = verydeep(*words)
        assert said.mistake == (
            "verydeep: D to pool5 has no layer of classes: train one with `verydeep train DATA "
            "--from WEIGHTS`"
        )
        assert said.err.count("\n") <= 2  # that weights are read, and the mistake
    Path("names.txt").write_text("a\nb\n")
    words = ["import", "w.pth", "--out", "x", "--classes", "names.txt"]
    assert "2 class names given for the 0 classes of w.pth" in verydeep("weights", *words).mistake
    assert not list(Path().glob("x*"))


def test_a_net_without_its_top_goes_out_to_families_that_have_such(verydeep: Run) -> None:
    verydeep("weights", "import", without_top(), "--out", "o.safetensors")
    ours = load("o.safetensors")
    for family, out in (
        ("caffe", "x.caffemodel"),
        ("matconvnet", "x.mat"),
        ("keras", "x.weights.h5"),
    ):
        verydeep("weights", "export", "o.safetensors", "--to", family, "--out", out)
        said = verydeep("weights", "import", out, "--out", "back.safetensors", "--overwrite")
        assert "back.safetensors: D without its top (to pool5)" in said.out, said.err
        back = load("back.safetensors")
        shown = torch.arange(32 * 32 * 3).remainder(256).to(torch.uint8).view(1, 32, 32, 3)
        expected = ours.activations(ours.pixels.normalise(shown), ["pool5"])["pool5"]
        found = back.activations(back.pixels.normalise(shown), ["pool5"])["pool5"]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_network_goes_in_and_out_to_the_same_scores(
    verydeep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = theirs_saved(norms=True)
    known(path, monkeypatch)
    Path("names.txt").write_text("\n".join("abcdefg"))
    said = verydeep("weights", "import", path, "--out", "d.safetensors", "--classes", "names.txt")
    assert said.out.startswith("d.safetensors: D-BN, crop 64, ")
    assert "note" not in said.out
    ours = load("d.safetensors")
    assert ours.classes == tuple("abcdefg")

    said = verydeep("weights", "import", path, "--out", "plain.safetensors", "--fold-bn")
    note = (
        "note: classes have no names, and are numbered 0 to 6; --classes FOLDER, or a list, names"
    )
    assert said.out.startswith(f"{note} them\nplain.safetensors: D, crop 64, ")
    crop = images(1, 64, 64) / 50
    expected = theirs.network("D", True)(crop)
    torch.testing.assert_close(ours(crop), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(load("plain.safetensors")(crop), expected, rtol=1e-4, atol=1e-4)

    about = json.loads(verydeep("weights", "show", "plain.safetensors", "--json").out)
    made = about["provenance"]["imported"]
    assert (made["file"], made["release"], made["folded"]) == ("theirs.pth", "vgg.pth", True)
    shown = verydeep("weights", "show", "plain.safetensors").out
    assert "imported  from theirs.pth, torchvision\n" in shown
    assert "measured  top-1 71.5 %" in shown

    for family, out in (("torchvision", "a.pth"), ("timm", "b.safetensors")):
        said = verydeep("weights", "export", "d.safetensors", "--to", family, "--out", out)
        start = f"{out}: for {family}; its pixels are {in_words(ours.pixels)}; it is loaded by this"
        assert said.out.startswith(f"{start} net, of {family}.models.vgg and torch.nn: net = VGG(")
        assert state_dict.read(out).family == family
    verydeep("weights", "import", "b.safetensors", "--out", "again.safetensors")
    assert hash_of(load("again.safetensors")) == hash_of(ours)
    assert load("again.safetensors").classes == ours.classes


def test_a_provenance_that_would_write_over_the_terminal_is_shown_without(verydeep: Run) -> None:
    made = {"file": "a\x1b[2Kb", "family": "x\r\nsha256  0", "measured": "\x1b]0;right\x07"}
    network = build("A", 3, width=0.125, crop=32, fc=16)
    save(network, "o.safetensors", {"imported": made})
    said = verydeep("weights", "show", "o.safetensors").out
    assert "imported  from a\\x1b[2Kb, x\n" in said
    assert "measured  \\x1b]0;right\\x07\n" in said
    assert all(line.isprintable() for line in said.split("\n"))


@pytest.mark.parametrize(
    ("family", "out", "line"),
    [
        ("caffe", "x.caffemodel", "; x.prototxt is written too and describes it"),
        (
            "matconvnet",
            "x.mat",
            "; it is loaded by dagnn.DagNN.loadobj(load('x.mat')) and wants RGB",
        ),
        ("keras", "x.weights.h5", "its first layer now wants BGR, 0 to 255, minus its attribute"),
        ("timm", "x.pth", "its pixels are RGB, 0 to 255, minus 123.68 116.779 103.939; S"),
    ],
)
def test_norms_go_out_to_every_family(verydeep: Run, family: str, out: str, line: str) -> None:
    """Folded away for Keras, whose VGGs have none; a picture is named the same afterwards."""
    network = network_with_norms("D")
    save(network, "ours.safetensors")
    said = verydeep("weights", "export", "ours.safetensors", "--to", family, "--out", out)
    assert line in said.out
    said = verydeep("weights", "import", out, "--out", "back.safetensors")
    assert "back.safetensors: D" in said.out, said.err
    back = load("back.safetensors")
    picture = torch.randint(0, 256, (1, 32, 32, 3), generator=torch.Generator().manual_seed(0))
    shown = picture.to(torch.uint8)
    expected = network(network.pixels.normalise(shown))
    found = back(back.pixels.normalise(shown))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3 * expected.abs().max().item())


def test_no_file_of_anybody_is_written_over_unasked(verydeep: Run) -> None:
    """Those that `weights import` and `export` are told to write, and what goes beside them."""
    network = build("A", 2, width=0.125, crop=32)
    save(network, "ours.safetensors")
    for out, words in {
        "a.pth": ["export", "ours.safetensors", "--to", "torchvision"],
        "a.onnx": ["export", "ours.safetensors", "--to", "onnx"],
        "b.onnx": ["export", "ours.safetensors", "--to", "onnx", "--int8", "drawn:200"],
        "b.safetensors": ["import", "a.pth"],
    }.items():
        if "--int8" not in words:
            assert verydeep("weights", *words, "--out", out).code == 0
        Path(out).write_text("mine")
        line = verydeep("weights", *words, "--out", out).mistake
        assert line == (
            f"verydeep: {out} is there already; choose another --out, or write over it with "
            f"--overwrite"
        )
        assert Path(out).read_text() == "mine"
        if "--int8" not in words:
            assert verydeep("weights", *words, "--out", out, "--overwrite").code == 0
            assert Path(out).read_bytes() != b"mine"
    Path("v.bin").write_text("mine")
    line = verydeep("weights", "export", "ours.safetensors", "--to", "openvino",
                    "--out", "v.xml").mistake  # fmt: skip
    assert line.startswith("verydeep: v.bin is there already")


def test_caffes_text_is_written_over_no_file_but_our_own(verydeep: Run) -> None:
    """Not over the weights, whatever they are called, nor over anybody's text."""
    network = build("A", 2, width=0.125, crop=32)
    save(network, "ours.safetensors")
    export = "weights", "export", "ours.safetensors", "--to", "caffe", "--out"
    line = verydeep(*export, "net.prototxt").mistake
    assert "net.prototxt does not end in .caffemodel, as Caffe's weights do" in line
    assert not Path("net.prototxt").exists()
    Path("net.prototxt").write_text('name: "VGG"  # as we trained it\n')
    line = verydeep(*export, "net.caffemodel").mistake
    assert "net.prototxt would be written too, and is none of ours; choose another --out" in line
    assert Path("net.prototxt").read_text() == 'name: "VGG"  # as we trained it\n'
    assert not Path("net.caffemodel").exists()
    Path("net.prototxt").unlink()
    first = verydeep(*export, "net.caffemodel").out
    assert first.endswith("; net.prototxt is written too and describes it\n")
    text = Path("net.prototxt").read_text()
    assert verydeep(*export, "net.caffemodel", "--overwrite").out == first
    assert Path("net.prototxt").read_text() == text


def test_ours_is_verified_by_its_hashes_and_theirs_by_its_publishers(
    verydeep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(build("A", 2, width=0.125, crop=32), "run/best.safetensors")
    for path in ("run", "run/best.safetensors"):
        said = verydeep("weights", "verify", path).out
        assert said == (
            "run/best.safetensors: 11 layers, with the sha256 that the file was written with\n"
        )
    content = bytearray(Path("run/best.safetensors").read_bytes())
    content[-1] ^= 1
    Path("run/best.safetensors").write_bytes(content)
    assert "the sha256 of its fc8.weight is" in verydeep("weights", "verify", "run").mistake

    path = theirs_saved()
    unknown = verydeep("weights", "verify", path).mistake
    assert f"the hash of no release that is known (sha256 {hashes_of(Path(path)).sha256}" in unknown
    release = known(path, monkeypatch)
    said = verydeep("weights", "verify", path).out
    assert said == f"theirs.pth: vgg.pth as somebody published it, md5 {release.md5}\n"


def test_mistakes_get_one_line(verydeep: Run) -> None:
    save(build("A", 2, width=0.125, crop=32), "ours.safetensors")
    path = theirs_saved()
    Path("text").write_text("hello")
    Path("names.txt").write_text("a\nb\n")
    Path("folder").mkdir()
    for words, line in (
        (["show", "nowhere"], "no weights file nowhere"),
        (["show", "folder"], "no best.safetensors in folder folder"),
        (["show", "text"], "text is a text and no weights, "),
        (["import", path], "missing option '--out'"),
        (["import", "ours.safetensors", "--out", "x"], "is verydeep's own already"),
        (["import", path, "--out", path], "theirs.pth is the file that it is made of"),
        (["import", path, "--out", "x", "--classes", "names.txt"], "2 class names given for the 7"),
        (["import", path, "--out", "x", "--classes", "no.txt"], "cannot read the class names"),
        (["import", path, "--out", "x", "--prototxt", "text"], "needs no prototxt"),
        (["import", path, "--out", "text/x"], "cannot write text/x"),
        (["export", "ours.safetensors", "--to", "mxnet", "--out", "x"], "no family 'mxnet'"),
        (["export", "ours.safetensors", "--to", "timm", "--out", "x"], "x ends in no .pth"),
        (
            ["export", "ours.safetensors", "--to", "timm", "--out", "ours.safetensors"],
            "ours.safetensors is the file that it is made of; choose another --out",
        ),
        (["export", "text", "--to", "timm", "--out", "x.pth"], "text is no weights file of ver"),
        (["verify", "text"], "the hash of no release that is known"),
        (["shwo"], "no verb 'shwo'; did you mean `show`?"),
    ):  # fmt: skip
        said = verydeep("weights", *words)
        assert line in said.mistake
        assert said.err.count("\n") == 1
        assert not Path("x").exists()


def test_what_cannot_go_well_is_told_before_a_foreign_file_is_read(
    verydeep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(sandbox, "read", read)
    path = theirs_saved()
    Path("twice.txt").write_text("a\na\n")
    folders = [
        (["--out", out], f"{out} is a folder; give --out a file") for out in (".", "/", "..")
    ]
    for words, line in (
        *folders,
        (["--out", "x", "--classes", "no.txt"], "cannot read the class names in no.txt: No such"),
        (
            ["--out", "x", "--classes", "."],
            ". is no list of class names: it holds no folders; give",
        ),
        (["--out", "x", "--classes", "twice.txt"], "twice.txt names two classes 'a'"),
    ):
        assert line in verydeep("weights", "import", path, *words).mistake


def test_a_folder_is_refused_before_our_weights_are_read(verydeep: Run) -> None:
    save(build("A", 2, width=0.125, crop=32), "run/best.safetensors")
    content = Path("run/best.safetensors").read_bytes()
    Path("run/best.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for family in WRITERS:
        for out in (".", "run"):
            said = verydeep("weights", "export", "run", "--to", family, "--out", out)
            assert said.mistake == f"verydeep: {out} is a folder; give --out a file in it"
    said = verydeep("weights", "export", "run", "--to", "onnx", "--int8", "drawn", "--out", ".")
    assert said.mistake == "verydeep: . is a folder; give --out a file in it"


# --- releases


def test_torchvisions_releases_are_those_that_it_names() -> None:
    """Hashes and accuracies as the installed torchvision has them."""
    models = pytest.importorskip("torchvision").models
    found = {}
    for name in (
        "VGG11",
        "VGG13",
        "VGG16",
        "VGG19",
        "VGG11_BN",
        "VGG13_BN",
        "VGG16_BN",
        "VGG19_BN",
    ):
        for entry in models.get_model_weights(name.lower()):
            measured = entry.meta["_metrics"]["ImageNet-1K"]
            accuracies = measured["acc@1"], measured["acc@5"]
            known = accuracies[0] == accuracies[0]
            found[entry.url.rpartition("/")[2]] = accuracies if known else (None, None)
    vggs = [r for r in RELEASES if r.publisher == "torchvision" and r.name.startswith("vgg")]
    assert {r.name: (r.top1, r.top5) for r in vggs} == found
    for release in RELEASES:
        if release.publisher == "torchvision":
            assert release.name == f"{release.name.rpartition('-')[0]}-{release.sha256}.pth"


def test_every_release_has_a_hash_and_says_what_was_measured() -> None:
    for release in RELEASES:
        assert (len(release.sha256), len(release.md5)) in ((8, 0), (0, 32))
        assert release.source in release.measured
        assert str(release.top1) in release.measured or "no accuracy" in release.measured
    assert len({r.sha256 + r.md5 for r in RELEASES}) == len(RELEASES)


def test_a_release_is_known_by_its_hash_alone() -> None:
    vgg16 = next(r for r in RELEASES if r.name == "vgg16-397923af.pth")
    assert release_of(releases.Hashes("397923af" + "0" * 56, "0" * 32)) == vgg16
    assert release_of(releases.Hashes("0" * 64, "0" * 32)) is None
    keras = next(r for r in RELEASES if r.md5.startswith("64373286"))
    assert release_of(releases.Hashes("0" * 64, keras.md5)) == keras


def test_the_authors_released_nets_were_trained_at_s_from_256_to_512() -> None:
    """As their page says of them; torchvision's own trainings rescaled to no S at all."""
    by_hash = {release.name: releases.scale_of(release, "any") for release in RELEASES}
    theirs = {name for name, (scale, _) in by_hash.items() if scale == (256, 512)}
    assert theirs == {
        *(f"vgg{n}_weights_tf_dim_ordering_tf_kernels{top}.h5" for n in (16, 19)
          for top in ("", "_notop")),
        "imagenet-vgg-verydeep-16.mat", "imagenet-vgg-verydeep-19.mat",
    }  # fmt: skip
    assert {note for _, note in by_hash.values()} == {None}


def test_s_of_a_file_that_no_hash_tells_of_is_said_to_be_a_guess() -> None:
    scale, note = releases.scale_of(None, "VGG_ILSVRC_19_layers.caffemodel")
    assert scale == (256, 512)
    assert note is not None
    assert "by its name" in note
    assert releases.scale_of(None, "mine.caffemodel") == (None, None)
