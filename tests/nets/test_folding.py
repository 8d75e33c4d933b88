"""Batch normalisation: as torchvision's networks have it, and folded away.

Parameter counts are those that torchvision publishes (`num_params` of its weights).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.conftest import images
from verydeep import load, save
from verydeep.nets import vgg
from verydeep.nets.cost import cost
from verydeep.nets.folding import folded, without_mean
from verydeep.nets.network import Network, build
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import IMAGENET
from verydeep.weights import hash_of, start_from


def words_with_norms(name: str, width: float = 0.125) -> list[str]:
    words = vgg.table(name, 3, width, 32, 16).words
    return [f"{word}-bn" if word.startswith("conv") else word for word in words]


def network(name: str = "D", seed: int = 0) -> Network:
    table = read_table(f"{name}-BN", words_with_norms(name), 32)
    empty = Network.empty(table, ["cat", "dog", "newt"], IMAGENET)
    draw = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randn(t.shape, generator=draw) * (2 / t[0].numel()) ** 0.5
        if t.ndim == 4
        else torch.rand(t.shape, generator=draw) + (0.5 if "var" in name else -0.25)
        for name, t in empty.state_dict().items()
    }
    empty.load_state_dict(state, assign=True)
    return empty.eval()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("A", 132_868_840), ("B", 133_053_736), ("D", 138_365_992), ("E", 143_678_248)],
)
def test_counts_are_torchvisions(name: str, parameters: int) -> None:
    words = [f"{w}-bn" if w.startswith("conv") else w for w in vgg.CONFIGURATIONS[name]]
    costs = cost(read_table(f"{name}-BN", words, 224))
    assert costs.parameters == parameters
    assert costs.weight_layers == cost(vgg.table(name)).weight_layers


def test_a_mean_over_space_is_a_part_of_the_layer_after_it() -> None:
    """To the same scores, of a crop and of a larger picture, in the words of a net without it."""
    given = build("A", 3, width=0.125, crop=64, fc=0, initial="he")
    plain = without_mean(given)
    assert plain.table.words == tuple(word for word in given.table.words if word != "avepool")
    assert plain.table.first_fc.kernel == 2
    for side in (64, 100):
        shown = images(2, side, side)
        torch.testing.assert_close(
            plain.score_map(shown), given.score_map(shown), rtol=1e-5, atol=1e-4
        )
    assert without_mean(plain) is plain


def test_a_norm_stands_between_a_convolution_and_its_relu() -> None:
    rows = read_table("A-BN", words_with_norms("A"), 32).rows
    assert [row.name for row in rows[:5]] == ["conv1_1", "bn1_1", "relu1_1", "pool1", "conv2_1"]
    assert rows[2].inputs == ("bn1_1",)


def test_a_norm_is_what_its_paper_says() -> None:
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, written out."""
    built = network("A")
    found = built.activations(images(2, 32, 32), ["conv1_1", "bn1_1"])
    state = {k.removeprefix("bn1_1."): v[:, None, None] for k, v in built.state_dict().items()
             if k.startswith("bn1_1.")}  # fmt: skip
    deviation = (state["running_var"] + 1e-5).sqrt()
    expected = (found["conv1_1"] - state["running_mean"]) / deviation
    expected = expected * state["weight"] + state["bias"]
    torch.testing.assert_close(found["bn1_1"], expected)


@pytest.mark.parametrize("name", ["A", "B", "B-shallow", "C", "D", "E"])
def test_a_folded_network_scores_the_same(name: str) -> None:
    built = network(name)
    plain = folded(built)
    crop = images(2, 64, 48)
    assert plain.table == vgg.table(name, 3, 0.125, 32, 16)
    ours, theirs = plain.score_map(crop), built.score_map(crop)
    assert ours.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * theirs.abs().max().item())


def test_a_network_without_norms_is_left_as_it_is() -> None:
    built = build("A", 2, width=0.125, crop=32)
    assert folded(built) is built


def test_a_network_with_norms_comes_back_from_its_file(tmp_path: Path) -> None:
    built = network()
    digest = save(built, tmp_path / "w.safetensors")
    read = load(tmp_path / "w.safetensors")
    assert (read.table, hash_of(read)) == (built.table, digest)
    assert torch.equal(read(images(1, 32, 32)), built(images(1, 32, 32)))


def test_layers_with_norms_start_a_network_without(tmp_path: Path) -> None:
    built = network("A")
    save(built, tmp_path / "w.safetensors")
    started = build("A", ["cat", "dog", "newt"], width=0.125, crop=32, fc=16)
    copied, digest = start_from(started, tmp_path / "w.safetensors")
    assert len(copied) == 11
    assert digest == hash_of(built)
    crop = images(2, 32, 32)
    torch.testing.assert_close(started(crop), built(crop), rtol=1e-4, atol=1e-4)
