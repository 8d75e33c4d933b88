"""Pixels in words: what is said against torchvision's transforms and arithmetic by hand.

A picture's values are drawn; each convention is computed here as its own program does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests import theirs
from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.commands.test_weights_command import known, theirs_saved
from verydeep import load
from verydeep.errors import UserError
from verydeep.exporters import caffe as caffe_exporter
from verydeep.importers import parameters_file
from verydeep.importers.guesses import likely_scale
from verydeep.importers.parameters import AUTHORS, TORCHVISION
from verydeep.importers.pixel_words import pixels_in, scale_in
from verydeep.nets.network import build
from verydeep.weights import hash_of
from verydeep.weights.file import read_info

pytestmark = pytest.mark.usefixtures("foreign_files_read_here")

PICTURE = torch.randint(0, 256, (1, 5, 4, 3), generator=torch.Generator().manual_seed(0)).to(
    torch.uint8
)
X = PICTURE.permute(0, 3, 1, 2).numpy().astype(np.float64)
"""[1, 3, H, W], red first, 0 to 255."""
MEAN, DEVIATION = (np.array(v).reshape(3, 1, 1) for v in ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]))
CAFFE = np.array([103.939, 116.779, 123.68]).reshape(3, 1, 1)
"""Blue, green, red, as in Caffe's VGG_ILSVRC_16_layers."""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("caffe", X[:, ::-1] - CAFFE),
        ("BGR 0-255 mean 103.939,116.779,123.68", X[:, ::-1] - CAFFE),
        ("Caffe", X[:, ::-1] - CAFFE),
        ("tf", X / 127.5 - 1),
        ("-1-1", X / 127.5 - 1),
        ("bgr -1-1", X[:, ::-1] / 127.5 - 1),
        ("0-1", X / 255),
        ("BGR 0-1", X[:, ::-1] / 255),
        ("0-255", X),
        ("RGB 0-255 mean 128 std 64", (X - 128) / 64),
        ("RGB 0-1 mean 0.1,0.2,0.3 std 0.4,0.5,0.6", (X / 255 - MEAN) / DEVIATION),
        ("RGB 0-1 std 0.4,0.5,0.6  mean 0.1,0.2,0.3", (X / 255 - MEAN) / DEVIATION),
        ("BGR 0-1 mean 0.1,0.2,0.3 std 0.4,0.5,0.6", (X[:, ::-1] / 255 - MEAN) / DEVIATION),
    ],
)
def test_words_are_the_numbers_that_their_program_makes(words: str, expected: np.ndarray) -> None:
    found = pixels_in(words).normalise(PICTURE).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_torchvisions_are_its_own_transforms() -> None:
    transforms = pytest.importorskip("torchvision").transforms
    theirs_ = transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    expected = theirs_(PICTURE[0].numpy())[None]
    torch.testing.assert_close(pixels_in("torchvision").normalise(PICTURE), expected)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "it says no range"),
        ("RGB", "it says no range"),
        ("imagenet", "'imagenet' is no range"),
        ("GBR 0-1", "'GBR' is no range"),
        ("BGR caffe", "'caffe' is no range"),
        ("0-2", "'0-2' is no range"),
        ("caffe mean 1", "'caffe' is no range"),
        ("0-1 mean 1,2", "mean is not three numbers with commas between them"),
        ("0-1 mean", "mean is not three numbers"),
        ("0-1 mean 1,2,x", "mean is not three numbers"),
        ("0-1 mean 1 2 3", "'2' is neither mean nor std, or is there twice"),
        ("0-1 mean 1 mean 2", "'mean' is neither mean nor std, or is there twice"),
        ("0-1 mean nan", "mean is not three numbers"),
        ("0-1 std inf", "std is not three numbers"),
        ("0-1 std 0", "no mean or deviation is so large or so small"),
        ("0-1 mean 1e9", "no mean or deviation is so large or so small"),
        ("-1-1 mean 0.5", "-1-1 says mean and deviation already"),
        ("0-1 caffe", "'caffe' is neither mean nor std"),
        ("\x1b[2J", "'\\x1b[2J' is no range"),
    ],
)
def test_other_words_are_refused_with_an_example(words: str, why: str) -> None:
    with pytest.raises(UserError) as raised:
        pixels_in(words)
    said = str(raised.value)
    assert why in said
    assert 'give "BGR 0-255 mean 103.939,116.779,123.68"' in said
    assert said.isprintable()


@pytest.mark.parametrize("text", ["", "x", "256-", "-1", "512-256", "0", "1-2-3", "9" * 6, "٣"])
def test_what_is_no_scale_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="S is a side|no side of pictures"):
        scale_in(text)
    assert scale_in("256-512") == (256, 512)


# --- files that say nothing of their pixels

GUESS = (
    "pixels are a guess: RGB, 0 to 1, minus 0.485 0.456 0.406, divided by 0.229 0.224 0.225, as "
    "torchvision trains; say --pixels if they were trained otherwise: the authors' own weights "
    "under torchvision's names want --pixels caffe"
)
SIZE = "S is a guess: 64, as the crop is; say --scale if it was trained at another"


def test_a_guess_is_told_by_import_and_by_show_of_either_file(verydeep: Run) -> None:
    path = theirs_saved()
    said = verydeep("weights", "import", path, "--out", "o.st").out
    assert f"note: {GUESS}\nnote: {SIZE}\n" in said
    for file in (path, "o.st"):
        shown = verydeep("weights", "show", file).out
        assert GUESS in shown
        assert SIZE in shown
        assert "S = 64, bilinear" in shown
    made = read_info("o.st").provenance["imported"]
    assert (made["guessed"], made["given"]) == (["pixels", "scale", "classes"], [])


def test_what_is_given_is_taken_and_no_longer_a_guess(verydeep: Run) -> None:
    words = "--pixels", "caffe", "--scale", "70-80"
    said = verydeep("weights", "import", theirs_saved(), "--out", "o.st", *words)
    assert "guess" not in said.out
    assert "BGR, 0 to 255, minus 103.939 116.779 123.68; S = 70-80, bilinear" in said.out
    made = read_info("o.st").provenance["imported"]
    assert (made["guessed"], made["given"]) == (["classes"], ["pixels", "scale"])
    said = verydeep("weights", "import", "theirs.pth", "--out", "p.st", "--pixels", "-1-1")
    assert load("p.st").pixels.mean == (127.5, 127.5, 127.5)
    assert SIZE in said.out


def test_the_authors_weights_under_torchvisions_names_are_the_caffemodels(verydeep: Run) -> None:
    network = build("D", 7, width=0.125, crop=64, fc=16, pixels=AUTHORS, initial="he")
    caffe_exporter.write(network, Path("d.caffemodel"))
    model = theirs.network("D")
    model.load_state_dict(
        {
            ours: tensor.view(model.state_dict()[ours].shape)
            for ours, tensor in zip(model.state_dict(), network.state_dict().values(), strict=True)
        }
    )
    torch.save(model.state_dict(), "vgg16_caffe.pth")
    words = "--pixels", "caffe", "--scale", "256"
    verydeep("weights", "import", "vgg16_caffe.pth", "--out", "a.st", *words)
    verydeep("weights", "import", "d.caffemodel", "--out", "b.st")
    a, b = load("a.st"), load("b.st")
    assert (hash_of(a), a.pixels) == (hash_of(b), b.pixels)


def test_nothing_is_guessed_of_a_published_file(
    verydeep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = theirs_saved()
    known(path, monkeypatch)
    assert "guess" not in verydeep("weights", "show", path).out
    assert "guess" not in verydeep("weights", "import", path, "--out", "o.st").out
    assert load("o.st").pixels == TORCHVISION


def test_mistakes_in_words_are_told_before_the_file_is_read(verydeep: Run) -> None:
    Path("w.pth").write_bytes(b"nothing")
    for words, line in (
        (("--pixels", "imagenet"), "--pixels is 'imagenet': 'imagenet' is no range; give"),
        (("--scale", "big"), "--scale is 'big'; S is a side such as 256, or 256-512"),
    ):
        said = verydeep("weights", "import", "w.pth", "--out", "o.st", *words)
        assert line in said.mistake
        assert said.err.count("\n") == 1


def test_s_is_the_crop_but_for_ilsvrcs() -> None:
    assert [likely_scale(crop) for crop in (32, 64, 150, 224)] == [32, 64, 150, 256]
    torch.save(theirs.network("A", crop=32).state_dict(), "cifar.pth")
    from verydeep.importers import state_dict
    from verydeep.importers.to_network import to_network

    parameters = state_dict.read("cifar.pth")
    assert to_network(parameters, "w").network.pixels.scale == (32, 32)
    parameters_file.write(parameters, Path("p"))
    assert parameters_file.read(Path("p"), "w").guessed == ("pixels", "scale")


# --- two sets of weights


def test_an_average_beside_the_weights_is_told_and_left(verydeep: Run) -> None:
    """As torchvision's reference script writes it: 'model', and 'model_ema' of an AveragedModel."""
    model = theirs.network("A")
    average = torch.optim.swa_utils.AveragedModel(model)
    with torch.no_grad():
        for tensor in average.parameters():
            tensor.add_(1)
    torch.save({"model": model.state_dict(), "model_ema": average.state_dict()}, "two.pth")
    torch.save(average.state_dict(), "average.pth")
    said = verydeep("weights", "import", "two.pth", "--out", "a.st").out
    assert (
        "note: there are two sets of weights, 'model' and an average of them, 'model_ema'; 'model' "
        "is taken: import it with --which model_ema for the other\n"
    ) in said
    said = verydeep("weights", "import", "two.pth", "--which", "model_ema", "--out", "c.st").out
    assert "two sets" not in said
    said = verydeep("weights", "import", "average.pth", "--out", "b.st").out
    assert "two sets" not in said
    first, second, third = (load(f"{x}.st").state_dict()["fc8.bias"] for x in "abc")
    torch.testing.assert_close(second, first + 1)
    assert torch.equal(third, second)
