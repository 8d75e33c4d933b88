"""Our networks as OpenVINO's files, run by OpenVINO, which is the independent implementation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
import torch
from torch import Tensor

from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.exporters.test_onnx import (
    BGR,
    CLASSES,
    SIZES,
    assert_the_same,
    net_of_places,
    network,
    ours,
    pictures,
)
from tests.nets.test_folding import network as network_with_norms
from verydeep import save
from verydeep.errors import UserError
from verydeep.exporters.openvino import write_openvino
from verydeep.nets import vgg
from verydeep.nets.network import Network


def compiled(path: str) -> Any:
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return openvino.Core().compile_model(path, "CPU", settings)


def run(model: Any, rgb: np.ndarray) -> dict[str, Tensor]:
    """What OpenVINO makes of pictures: every output by name."""
    return {k.any_name: torch.tensor(v) for k, v in model({"pictures": rgb}).items()}


def assert_it_scores_as(built: Network, path: str) -> None:
    model = compiled(path)
    for i, size in enumerate(SIZES):
        rgb = pictures(*size, count=1 + i)
        found = run(model, rgb)
        assert set(found) == {"scores", "posteriors"}
        assert_the_same(found, ours(built, rgb))


@pytest.mark.parametrize("name", vgg.CONFIGURATIONS)
def test_openvino_gives_the_networks_scores(name: str) -> None:
    built = network(name, BGR, 70)
    said = write_openvino(built, "out/a.xml")
    assert said == (
        "its weights are in a.bin; in go 'pictures', RGB, uint8 [B, H, W, 3]; out come 'scores', "
        "'posteriors'"
    )
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.bin", "a.xml"]
    assert_it_scores_as(built, "out/a.xml")


def test_norms_go_along() -> None:
    built = network_with_norms("D")
    write_openvino(built, "a.xml")
    assert_it_scores_as(built, "a.xml")


def test_a_net_of_boxes_gives_them_at_each_position() -> None:
    built = net_of_places("boxes", 4)
    write_openvino(built, "a.xml")
    model = compiled("a.xml")
    for size in SIZES:
        rgb = pictures(*size)
        assert_the_same(run(model, rgb), {"score_map": ours(built, rgb)["score_map"]})


def test_weights_stay_float32_and_the_file_says_what_a_user_has_to_know() -> None:
    built = network("A")
    write_openvino(built, "a.xml")
    size = sum(parameter.nbytes for parameter in built.parameters())
    assert size <= Path("a.bin").stat().st_size < 1.02 * size
    said = json.loads(openvino.Core().read_model("a.xml").get_rt_info("verydeep").value)
    assert tuple(said["classes"]) == CLASSES
    assert said["pixels"]["mean"] == [0.4, 0.5, 0.6]
    assert said["table"]["name"] == "A"


def test_without_openvino_it_says_how_to_get_it(
    verydeep: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(network("A"), "ours.safetensors")
    words = ("weights", "export", "ours.safetensors", "--to", "openvino", "--out")
    assert "a.onnx does not end in .xml" in verydeep(*words, "a.onnx").mistake
    said = verydeep(*words, "a.xml")
    assert said.out.startswith("a.xml: for openvino; its weights are in a.bin; in go 'pictures'")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert verydeep(*words, "b.xml").mistake.endswith("is missing: `pip install openvino`")
    assert not Path("b.xml").exists()


def test_what_was_there_stays_where_nothing_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = network("A")
    Path("text").write_text("hello")
    with pytest.raises(UserError, match=r"^cannot write text/a.xml: "):
        write_openvino(built, "text/a.xml")
    write_openvino(built, "a.xml")
    before = Path("a.xml").read_bytes(), Path("a.bin").read_bytes()

    def full(*given: object, **named: object) -> None:
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(openvino, "save_model", full)
    with pytest.raises(UserError, match=r"^cannot write a.xml: No space left on device"):
        write_openvino(network("B"), "a.xml")
    assert (Path("a.xml").read_bytes(), Path("a.bin").read_bytes()) == before
    assert sorted(path.name for path in Path().iterdir()) == ["a.bin", "a.xml", "text"]
