"""State dicts of torchvision's nets beside VGG: read to its scores, written back to its bits.

torchvision's own networks are the reference, with random weights and norms, as it writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import timm
import torch
import torchvision  # type: ignore[import-untyped]
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.conftest import images
from tests.theirs import with_random_norms
from verydeep.errors import UserError
from verydeep.exporters import state_dict as exporter
from verydeep.importers import state_dict
from verydeep.importers.parameters import TORCHVISION
from verydeep.importers.to_network import Imported, to_network
from verydeep.importers.torchvision_names import PEERS
from verydeep.nets import named
from verydeep.nets.network import build
from verydeep.weights.releases import RELEASES

CLASSES = 3
MORE: dict[str, dict[str, Any]] = {"googlenet": {"aux_logits": False, "init_weights": False}}
State = dict[str, Tensor]


def theirs(function: str, **more: Any) -> nn.Module:
    more = {"num_classes": CLASSES, **MORE.get(function, {}), **more}
    with torch.device("meta"):  # its own initialisations take long
        net: Any = getattr(torchvision.models, function)(weights=None, **more)
        if function == "alexnet":  # of 57 million weights else
            sizes = ((9216, 16), (16, 16), (16, CLASSES))
            for place, (reads, gives) in zip((1, 4, 6), sizes, strict=True):
                net.classifier[place] = nn.Linear(reads, gives)
    torch.manual_seed(0)
    net.to_empty(device="cpu")
    for module in net.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return cast(nn.Module, with_random_norms(net))


def imported(state: Any, path: str = "w.pth") -> Imported:
    torch.save(state, path)
    return to_network(state_dict.read(path), path)


@pytest.fixture(scope="module")
def resnet18() -> State:
    return dict(theirs("resnet18").state_dict())


# --- what comes in


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("alexnet", "AlexNet-one-tower"),
        ("googlenet", "GoogLeNet-torchvision"),
        ("resnet50", "ResNet-50-v1.5"),
        ("squeezenet1_0", "SqueezeNet-1.0"),
        pytest.param("squeezenet1_1", "SqueezeNet-1.1", marks=pytest.mark.slow),
        *(
            pytest.param(f"resnet{depth}", f"ResNet-{depth}-v1.5", marks=pytest.mark.slow)
            for depth in (18, 34, 101, 152)
        ),
    ],
)
def test_scores_are_torchvisions_and_go_back_to_its_bits(function: str, name: str) -> None:
    net = theirs(function)
    ours = imported(net.state_dict()).network
    assert ours.table.name == name
    assert function == "alexnet" or ours.table == named.table(name, CLASSES, crop=224)
    crop = images(1, 224, 224) / 50
    with torch.inference_mode():
        expected = net(crop)
        assert expected.std() > 0.001
        torch.testing.assert_close(ours(crop), expected, rtol=1e-4, atol=1e-4)
    said = exporter.write(ours, "back.pth", "torchvision")
    assert function == "alexnet" or f"torchvision.models.{function}(num_classes=3" in said
    written = torch.load("back.pth", weights_only=True)
    assert list(written) == list(net.state_dict())
    assert all(torch.equal(written[k], t) for k, t in net.state_dict().items() if "num_b" not in k)
    for path in (Path("w.pth"), Path("back.pth")):
        path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.function)
def test_layers_are_called_as_torchvision_has_them_in_its_order(peer: Any) -> None:
    net = theirs(peer.function)
    kinds = nn.Conv2d | nn.BatchNorm2d | nn.Linear
    assert list(peer.layers) == [
        n for n, module in net.named_modules() if isinstance(module, kinds)
    ]
    if peer.also_timm:
        with torch.device("meta"):
            timms = timm.create_model(peer.function, num_classes=CLASSES).state_dict()
        assert list(timms) == list(net.state_dict())


def test_side_heads_are_left_out_and_pixels_are_what_the_weights_want() -> None:
    """Torchvision's `transform_input` makes of its pixels (x - 0.5) / 0.5 of values up to 1."""
    whole = theirs("googlenet", aux_logits=True, transform_input=True)
    found = imported(whole.state_dict())
    assert any("aux1 and aux2, are of training alone" in note for note in found.notes)
    assert "pixels" in found.guessed
    pixels = found.network.pixels
    picture = torch.randint(256, (1, 224, 224, 3), dtype=torch.uint8)
    with torch.inference_mode():
        expected = whole(TORCHVISION.normalise(picture))
        found_scores = found.network(pixels.normalise(picture))
        torch.testing.assert_close(found_scores, expected, rtol=1e-4, atol=1e-4)


def test_a_net_is_found_in_the_module_that_holds_it(resnet18: State) -> None:
    first = imported(resnet18, "first.pth")
    within = imported({"state_dict": {f"module.net.{k}": t for k, t in resnet18.items()}}, "in.pth")
    beside = {f"model.{k}": t for k, t in resnet18.items()}
    average = {f"ema.{k}": t + 1 if k == "fc.bias" else t for k, t in resnet18.items()}
    both = imported({**beside, **average})
    wanted = first.network.get_parameter("fc3.bias")
    for found in (within, both):
        assert torch.equal(found.network.get_parameter("fc3.bias"), wanted)
    assert any("--which ema for the other" in note for note in both.notes)
    torch.save({**beside, **average}, "both.pth")
    other = to_network(state_dict.read("both.pth", "ema"), "both.pth").network
    assert torch.equal(other.get_parameter("fc3.bias"), wanted + 1)


def test_a_head_of_another_kind_is_left_out_and_told(resnet18: State) -> None:
    trunk = {k: t for k, t in resnet18.items() if not k.startswith("fc.")}
    wrapped = {f"backbone.{k}": t for k, t in trunk.items()}
    for state, note in (
        (trunk, "it has no layer of classes, fc, and ends before it"),
        ({**trunk, "fc.1.weight": torch.ones(2, 512), "fc.1.bias": torch.ones(2)}, "fc.1 is left"),
        ({**wrapped, "top.weight": torch.ones(2, 512)}, "top is left out: the net ends before its"),
    ):
        found = imported(state)
        assert any(note in line for line in found.notes), found.notes
        assert not found.network.table.has_scores
        assert found.network.table.rows[-1].name == "pool2"
    alexnet = {k: t for k, t in theirs("alexnet").state_dict().items() if "classifier.6" not in k}
    assert imported(alexnet).network.table.last == "fc5"


def test_a_crop_that_nothing_tells_is_told_as_a_guess(resnet18: State) -> None:
    assert any("its crop of 224 is a guess" in note for note in imported(resnet18).notes)
    found = state_dict.read(timms(resnet18))
    assert found.family == "timm"
    assert found.table is not None
    assert found.table.crop == 96
    assert not any("crop" in note for note in found.notes)


def timms(state: State) -> Path:
    """A file with the record that timm keeps of a net."""
    from safetensors.torch import save_file

    cfg = {"architecture": "resnet18", "input_size": [3, 96, 96], "mean": [0.5] * 3,
           "std": [0.5] * 3, "crop_pct": 0.75}  # fmt: skip
    save_file(state, "timm.safetensors", {"pretrained_cfg": json.dumps(cfg)})
    return Path("timm.safetensors")


def changed(state: State, **tensors: Tensor | None) -> State:
    more = {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    return {k: t for k, t in {**state, **more}.items() if t is not None}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda s: changed(s, layer4__1__conv2__weight=None),
         "it lacks 'layer4.1.conv2.weight', which torchvision's resnet18 has"),
        (lambda s: changed(s, layer1__0__se__fc1__weight=torch.ones(4, 4, 1, 1)),
         "it has 'layer1.0.se.fc1.weight', which is at no place of torchvision's resnet18"),
        (lambda s: changed(s, conv1__bias=torch.ones(64)), "it has 'conv1.bias', which is at no"),
        (lambda s: changed(s, layer1__0__conv2__weight=torch.ones(64, 2, 3, 3)),
         "its 'layer1.0.conv2.weight' is 64 x 2 x 3 x 3, where ResNet-18-v1.5 has 64 x 64 x 3 x 3"),
        (lambda s: changed(s, layer2__0__bn2__bias=torch.ones(3)), "'layer2.0.bn2.bias' is 3, "),
        (lambda s: changed(s, fc__weight=torch.ones(0, 512)), "it is no ResNet-18-v1.5 of these"),
        (lambda s: changed(s, bn1__weight=torch.tensor(1.0)), "it lacks 'bn1.weight'"),
        (lambda s: changed(s, bn1__weight=torch.ones(64).int()), "torch.int32 in bn1_1"),
    ],
)  # fmt: skip
def test_files_of_other_nets_meet_a_line(
    change: Callable[[State], State], line: str, resnet18: State
) -> None:
    torch.save(change(resnet18), "w.pth")
    with pytest.raises(UserError) as refused:
        to_network(state_dict.read("w.pth"), "w.pth")
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


# --- what goes out


def test_other_widths_go_out_under_their_names_and_come_back() -> None:
    ours = build("ResNet-50-v1.5", classes=4, width=0.125, crop=64)
    said = exporter.write(ours, "narrow.safetensors", "timm")
    assert "names are those of timm's resnet50, whose constructor makes other widths" in said
    assert "layer4.2.conv3.weight" in load_file("narrow.safetensors")
    back = to_network(state_dict.read("narrow.safetensors"), "n").network
    assert back.table == ours.table
    assert back.pixels == ours.pixels
    assert all(torch.equal(t, back.state_dict()[k]) for k, t in ours.state_dict().items())


def test_nets_that_torchvision_has_not_are_refused_by_the_row() -> None:
    for name, family in (("ResNet-18", "torchvision"), ("SqueezeNet-1.1", "timm")):
        with pytest.raises(UserError, match=f"no place for 'conv1_1'.* of {name}; take --to onnx"):
            exporter.write(build(name, classes=2, crop=96), "w.pth", family)


def test_the_published_nets_have_names_hashes_and_places() -> None:
    """As torchvision's own records have them."""
    named_files = {release.called: release for release in RELEASES}
    for peer in PEERS:
        record = torchvision.models.get_model_weights(peer.function)["IMAGENET1K_V1"]
        release, measured = named_files[peer.function], record.meta["_metrics"]["ImageNet-1K"]
        assert release.url == record.url
        assert record.url.endswith(f"-{release.sha256}.pth")
        assert (release.top1, release.top5) == (measured["acc@1"], measured["acc@5"])
        assert release.megabytes == round(record.meta["_file_size"] * 2**20 / 1e6)
        assert release.net == peer.net


@pytest.mark.usefixtures("foreign_files_read_here")
def test_a_file_is_imported_shown_and_exported_by_the_commands(
    verydeep: Run, resnet18: State
) -> None:
    torch.save(resnet18, "theirs.pth")
    assert "net      ResNet-18-v1.5, crop 224" in verydeep("weights", "show", "theirs.pth").out
    made = verydeep("weights", "import", "theirs.pth", "--out", "ours.safetensors")
    assert (
        "ours.safetensors: ResNet-18-v1.5, crop 224, 11,178,051 parameters, 3 classes" in made.out
    )
    done = verydeep(
        "weights", "export", "ours.safetensors", "--to", "torchvision", "--out", "back.pth"
    )
    assert "torchvision.models.resnet18(num_classes=3)" in done.out
    cut = Path("theirs.pth").read_bytes()[:1_000_000]
    Path("cut.pth").write_bytes(cut)
    refused = verydeep("weights", "import", "cut.pth", "--out", "cut.safetensors")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
