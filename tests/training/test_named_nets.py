"""The nets beside VGG as trainings choose, begin, keep and tune them.

What is chosen is held against the rule that a net for small pictures has its own crop, one whose
table cannot have a smaller crop its own too, and all others the one that pictures fill. S is the
crop of the first, 5/4 of it with norms, and else 32 above it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import images
from verydeep import load, save
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.evaluation.views import WAYS, protocol, takes
from verydeep.nets import named
from verydeep.nets.describing import describing, usual_layer
from verydeep.nets.network import build
from verydeep.runtime.machine import Machine
from verydeep.training.defaults import choose
from verydeep.training.run_toml import command_line
from verydeep.training.settings import Settings, checked
from verydeep.weights import start_from
from verydeep.weights.warm_start import Origin

CPU = Machine("cpu", 2)


def chosen(net: str, **given: Any) -> Settings:
    """What is chosen for a few pictures of 64 pixels a side."""
    part = open_dataset("drawn:20x64").train
    return choose(part, CPU, {"net": net, "epochs": 2, "batch": 10, **given}).settings


@pytest.mark.parametrize(
    ("net", "width", "crop", "scale", "fc", "rate", "fall"),
    [
        ("resnet18", 0.25, 64, 80, None, 0.05, "cosine"),
        ("resnet20", 0.25, 32, 40, None, 0.05, "cosine"),
        ("alexnet", 0.25, 227, 259, None, 0.005, "plateau"),
        ("googlenet", 0.25, 64, 96, None, 0.005, "plateau"),
        ("googlenet-aux", 0.25, 224, 256, None, 0.005, "plateau"),
        ("lenet", 1.0, 32, 32, None, 0.005, "plateau"),
        ("lenet-caffe", 0.25, 28, 28, None, 0.005, "plateau"),
        ("nin-cifar", 0.25, 32, 32, None, 0.005, "plateau"),
        ("A-BN", 0.25, 64, 80, 0, 0.05, "cosine"),
        ("A", 0.25, 64, 96, None, 0.005, "plateau"),
    ],
)
def test_settings_are_chosen_for_it(
    net: str, width: float, crop: int, scale: int, fc: int | None, rate: float, fall: str
) -> None:
    found = chosen(net)
    assert (found.width, found.crop, found.fc) == (width, crop, fc)
    assert (found.rate, found.fall) == (rate, fall)
    assert found.scale == (scale, scale)


def test_dropout_is_told_of_nets_that_have_it() -> None:
    assert "dropout" in chosen("resnet18").without_effect
    assert "dropout" in chosen("squeezenet").without_effect  # its own, which nothing changes
    assert "dropout" not in chosen("alexnet").without_effect
    assert "--fc" not in command_line("photos", chosen("resnet18"))


def test_a_file_of_it_comes_back_and_starts_another(tmp_path: Path) -> None:
    built = build("resnet18", 4, width=0.125, crop=48, initial="he")
    save(built, tmp_path / "r.safetensors")
    back, crop = load(tmp_path / "r.safetensors"), images(2, 48, 48)
    with torch.inference_mode():
        assert torch.equal(back(crop), built(crop))
    origin = Origin.of(tmp_path / "r.safetensors")
    assert origin.is_whole
    assert (origin.sizes.net, origin.sizes.width) == ("ResNet-18", 0.125)
    table = origin.table_for(replace(origin.sizes, crop=64), ["FC-7", "soft-max"])
    assert (table.class_count, table.crop) == (7, 64)
    other = build("resnet18", 7, width=0.125, crop=64, initial="he", seed=1)
    copied, _ = start_from(other, tmp_path / "r.safetensors")
    assert copied[0] == "conv1_1"
    assert "fc3" not in copied
    name = "conv2_9.weight"
    assert torch.equal(other.get_parameter(name), built.get_parameter(name))


@pytest.mark.parametrize("other", ["resnet18-v1.5", "A"])
def test_it_starts_no_other_net(other: str, tmp_path: Path) -> None:
    save(build("resnet18", 4, width=0.125, crop=48, initial="he"), tmp_path / "r.safetensors")
    network = build(other, 7, width=0.125, crop=64, initial="he")
    with pytest.raises(
        UserError, match=r"^these weights are of ResNet-18, which .*leave --net out"
    ):
        start_from(network, tmp_path / "r.safetensors")


@pytest.mark.parametrize(
    ("name", "more"),
    [("lenet", {}), ("squeezenet", {"width": 0.125, "crop": 48}), ("nn2", {"width": 0.0625}),
     ("googlenet-aux", {"width": 0.0625, "crop": 96}),
     ("deepface", {"width": 0.0625, "crop": 104})],
)  # fmt: skip
def test_files_of_every_kind_come_back(name: str, more: dict[str, Any], tmp_path: Path) -> None:
    built = build(name, initial="he", **more)
    save(built, tmp_path / "x.safetensors")
    back = load(tmp_path / "x.safetensors")
    assert back.table == built.table
    for key, tensor in built.state_dict().items():
        assert torch.equal(back.state_dict()[key], tensor), key


def test_faces_are_described_by_the_numbers_of_facenet() -> None:
    """Those of its own last layer, before their length is made one, with no ReLU on them."""
    built, crop = build("nn2", width=0.0625, crop=64, initial="he"), images(2, 64, 64)
    assert usual_layer(built.table) == "fc4"
    with torch.inference_mode():
        own = built.activations(crop, ["fc4"])["fc4"].flatten(1)
        torch.testing.assert_close(describing(built).evidence(crop), own)
    assert (own < 0).any()


def test_no_file_is_of_a_net_that_reads_planes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="AlphaGo-128 reads 48 planes, and weights files are of"):
        save(build("alphago-128"), tmp_path / "x.safetensors")


def test_a_width_is_read_off_a_net_whose_last_convolution_is_its_classes(tmp_path: Path) -> None:
    save(build("squeezenet", 5, width=0.25, crop=48), tmp_path / "s.safetensors")
    assert Origin.of(tmp_path / "s.safetensors").sizes.width == 0.25


def test_tasks_put_their_own_end_behind_scores_that_are_means() -> None:
    sizes = named.Sizes("SqueezeNet-1.0", width=0.125, crop=48)
    tagged = sizes.table(["FC-7", "sigmoid"])
    assert tagged.words[-3:] == ("conv1-7", "avepool", "sigmoid")
    assert (tagged.class_count, tagged.has_several) == (7, True)


def test_a_net_for_the_places_of_one_map_is_tested_by_crops() -> None:
    built = build("deepface", 10, width=0.0625, crop=104)
    expected = ["centre", "ten", "crops", "alexnet", "googlenet"]
    assert [name for name in WAYS if takes(built.table, name)] == expected
    with pytest.raises(
        UserError, match="DeepFace cannot be laid over whole pictures: its 'local2_2"
    ):
        protocol(built, "dense")
    assert protocol(built, "ten", 120).passes[0].count == 10


def test_a_runs_settings_take_a_net_as_people_type_it() -> None:
    assert checked({"net": "resnet50"})["net"] == "ResNet-50"
