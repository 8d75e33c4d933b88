"""A network asked for pictures: what it answers, what its layers are given, what is refused.

What is due comes of `read_picture`, `Pixels.normalise` and `posteriors`, which are tested by
themselves; sizes are worked out by hand.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import images
from verydeep import UserError, build, load, save
from verydeep.nets.network import Network

PICTURE = np.random.default_rng(1).integers(0, 256, (60, 90, 3), np.uint8)


@pytest.fixture(scope="module")
def network() -> Network:
    made = build("A", ["cat", "dog", "owl"], width=0.125, crop=32, fc=16)
    made.pixels = replace(made.pixels, scale=(40, 40))
    return made


def test_one_picture_has_one_answer_and_several_have_a_list(network: Network) -> None:
    Image.fromarray(PICTURE).save("a.png")
    alone = network.predict("a.png", top=2)
    assert [len(alone), len(alone[0])] == [2, 2]
    assert network.predict(["a.png", PICTURE], top=2) == [alone, alone]
    assert network.predict(".", top=2) == [alone]
    assert network.predict([]) == []


def test_what_the_layers_are_given_is_the_picture_rescaled_in_the_networks_pixels(
    network: Network,
) -> None:
    """The smaller side of 60 x 90 becomes 40, so the other is 60; mean and order are VGG's."""
    found = network.preprocess(PICTURE)
    assert found.shape == (1, 3, 40, 60)
    mean = torch.tensor([123.68, 116.779, 103.939])
    due = torch.from_numpy(network.pixels.rescale(PICTURE, 40)).float() - mean
    torch.testing.assert_close(found[0].permute(1, 2, 0), due)
    assert network.preprocess(PICTURE, 60).shape == (1, 3, 60, 90)
    mirrored = network.preprocess(PICTURE[:, ::-1])
    posteriors = (network.posteriors(found) + network.posteriors(mirrored))[0] / 2
    answer = dict(network.predict(PICTURE, top=3))
    for name, posterior in zip(network.classes, posteriors.tolist(), strict=True):
        assert answer[name] == pytest.approx(posterior, abs=1e-5)


def test_activations_of_a_picture_too_small_are_refused_only_where_nothing_is_left(
    network: Network,
) -> None:
    """A has five pools of 2: of 16 pixels 1 is left at pool4, and none at pool5."""
    small = images(1, 16, 16)
    assert network.activations(small, ["pool4"])["pool4"].shape[2:] == (1, 1)
    for rows in (["pool5"], ["relu1_1", "fc7"], ["scores"]):
        with pytest.raises(UserError, match="16 x 16 is too small for configuration A: nothing is"):
            network.activations(small, rows)
    assert list(network.activations(small, "relu1_1")) == ["relu1_1"]


REFUSED = """
import torch, verydeep
network = verydeep.build("A", 2, width=0.125, crop=32, fc=16)
for given in ("cat.jpg", torch.zeros(1, 3, 40, 40, dtype=torch.uint8), torch.zeros(3, 40, 40),
              torch.zeros(1, 1, 40, 40), torch.zeros(1, 3, 40, 40, device="meta")):
    for asked in (network, lambda x: network.activations(x, ["fc7"])):
        try:
            asked(given)
        except verydeep.UserError as error:
            print(error)
for verb in (verydeep.load, lambda x: verydeep.predict(x, "cat.jpg")):
    try:
        verb(network)
    except verydeep.UserError as error:
        print(error)
"""


def test_what_is_no_batch_and_what_is_no_weights_is_refused_in_a_line() -> None:
    """In a process of its own, where shapes of arguments are not checked as they are in tests."""
    done = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[::2] == lines[1::2]
    due = "where the network's own pixels are due, floats of [B, 3, H, W]; network.preprocess("
    for line, said in zip(
        lines[::2],
        [
            "a str is no batch; network.preprocess(picture) makes one",
            f"torch.uint8 of [1, 3, 40, 40] {due}",
            f"torch.float32 of [3, 40, 40] {due}",
            f"torch.float32 of [1, 1, 40, 40] {due}",
            "a batch on meta for a network on cpu; move one of them by .to()",
            "a Network came for weights; expected a file, the folder of a run or a name such as",
        ],
        strict=True,
    ):
        assert line.startswith(said)


def test_no_class_is_asked_for(network: Network) -> None:
    with pytest.raises(UserError, match="top 0 names no class"):
        network.predict(PICTURE, top=0)


def test_a_network_says_what_it_is_in_a_short_line() -> None:
    """D has 138,357,544 parameters, as others count them."""
    with torch.device("meta"):
        whole = Network(build("D", 1000, width=0.0625, crop=32).table, ["x" * 300] * 1000, PIXELS)
    assert len(repr(whole)) < 300
    small = build("A", ["cat", "dog"], width=0.125, crop=32, fc=16)
    count = sum(p.numel() for p in small.parameters())
    assert repr(small) == (
        f"Network A: 2 classes (cat, dog), {count:,} parameters, crop 32, on cpu"
    )


PIXELS = build("A", 2, width=0.125, crop=32, fc=16).pixels


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cuda", "no CUDA device 'cuda' on this machine; take cpu"),
        ("cuda:1", "no CUDA device 'cuda:1' on this machine"),
        ("cpu:7", "no device 'cpu:7'; all cores are the one device cpu"),
        ("gpu", "no device 'gpu'; there are cpu and cuda"),
        ("mps", "no device 'mps' on this machine; take cpu"),
        (torch.device("cuda"), "no CUDA device 'cuda'"),
    ],
)
def test_a_device_that_is_not_here_is_refused_in_a_line(
    network: Network, device: Any, said: str
) -> None:
    save(network, "w.safetensors")
    with pytest.raises(UserError, match=f"^{said}"):
        load("w.safetensors", device)
    assert load(Path("w.safetensors"), torch.device("cpu")).device == torch.device("cpu")
