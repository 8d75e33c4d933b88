"""Our networks as programs of torch.export, loaded again by PyTorch alone.

What they must give is what the network itself gives, whose FC rows take another way.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.exporters.test_onnx import (
    BGR,
    CLASSES,
    SIZES,
    UNIT,
    assert_the_same,
    network,
    ours,
    pictures,
)
from tests.nets.test_folding import network as network_with_norms
from verydeep import save
from verydeep.errors import UserError
from verydeep.exporters.torch_export import write_torch_export
from verydeep.nets import vgg
from verydeep.nets.named import Sizes
from verydeep.nets.network import Network
from verydeep.nets.rounding import pooling_up
from verydeep.nets.rows import PICTURE
from verydeep.nets.table import EMBEDDING

pytestmark = pytest.mark.filterwarnings("ignore:The given buffer is not writable")
"""PyTorch 2.11 warns of its own way of loading such a file."""

PLAIN = """
import sys, torch
sys.modules["verydeep"] = None
program = torch.export.load("a.pt2").module()
torch.save([program(rgb) for rgb in torch.load("pictures.pt")], "found.pt")
"""
"""Runs a file without our code."""


def assert_it_scores_as(built: Network, path: str) -> None:
    program = torch.export.load(path).module()
    for i, size in enumerate(SIZES):
        rgb = pictures(*size, count=1 + i)
        assert_the_same(named(program(torch.tensor(rgb))), ours(built, rgb))


def named(found: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return dict(zip(("scores", "posteriors"), (t.detach() for t in found), strict=True))


@pytest.mark.slow
def test_none_of_our_code_is_needed() -> None:
    built = network("D", UNIT)
    write_torch_export(built, "a.pt2")
    given = [pictures(*size, count=1 + i) for i, size in enumerate(SIZES)]
    torch.save([torch.tensor(rgb) for rgb in given], "pictures.pt")
    subprocess.run([sys.executable, "-W", "error", "-c", PLAIN], check=True)
    for rgb, found in zip(given, torch.load("found.pt"), strict=True):
        assert_the_same(named(found), ours(built, rgb))


@pytest.mark.parametrize(
    "name",
    [
        name if name == "A-LRN" else pytest.param(name, marks=pytest.mark.slow)
        for name in vgg.CONFIGURATIONS
    ],
)
def test_a_loaded_program_gives_the_networks_scores(name: str) -> None:
    built = network(name, BGR, 70)
    said = write_torch_export(built, "a.pt2")
    assert said == "in go RGB pictures, uint8 [B, H, W, 3]; out come scores and posteriors"
    assert_it_scores_as(built, "a.pt2")


@pytest.mark.slow
def test_pools_round_up_there_too() -> None:
    built = pooling_up(network("A"))
    write_torch_export(built, "a.pt2")
    assert_it_scores_as(built, "a.pt2")


def test_norms_go_along() -> None:
    built = network_with_norms("A")
    write_torch_export(built, "a.pt2")
    assert_it_scores_as(built, "a.pt2")


def test_of_a_net_of_embeddings_come_those() -> None:
    table = Sizes("A", 0.0625, 32, 16).table(("FC-128", "L2"))
    built = Network.random(table, (), UNIT, "he", 0)
    said = write_torch_export(built, "a.pt2")
    assert said.endswith("out comes the embedding of each position")
    rgb = torch.tensor(pictures(32, 64, count=2))
    found = torch.export.load("a.pt2").module()(rgb)
    with torch.inference_mode():
        expected = built.run({PICTURE: built.pixels.normalise(rgb)}, [EMBEDDING])[EMBEDDING]
    assert found.shape == (2, 128, 1, 2)
    torch.testing.assert_close(found.detach(), expected)


def test_the_command_writes_a_file_that_says_what_a_user_has_to_know(verydeep: Run) -> None:
    save(network("A"), "ours.safetensors")
    words = ("weights", "export", "ours.safetensors", "--to", "torch-export", "--out")
    assert "a.pt does not end in .pt2" in verydeep(*words, "a.pt").mistake
    said = verydeep(*words, "a.pt2")
    assert said.out == (
        "a.pt2: for torch-export; in go RGB pictures, uint8 [B, H, W, 3]; out come scores and "
        "posteriors\n"
    )
    files = {"verydeep.json": ""}
    torch.export.load("a.pt2", extra_files=files)
    about = json.loads(files["verydeep.json"])
    assert tuple(about["classes"]) == CLASSES
    assert (about["pixels"]["mean"], about["table"]["name"]) == ([0.4, 0.5, 0.6], "A")


def test_what_was_there_stays_where_nothing_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("a.pt2").write_text("before")

    def full(*given: object, **named: object) -> None:
        raise RuntimeError("No space left on device\nat inline_container.cc")

    monkeypatch.setattr(torch.export, "save", full)
    with pytest.raises(UserError, match=r"^cannot write a.pt2: No space left on device$"):
        write_torch_export(network("A"), "a.pt2")
    assert [path.name for path in Path().iterdir()] == ["a.pt2"]
    assert Path("a.pt2").read_text() == "before"
    with pytest.raises(UserError, match="^cannot write a.pt2/b.pt2: "):
        write_torch_export(network("A"), "a.pt2/b.pt2")
