"""State dicts of torchvision and timm: read to the same scores, written to the same bits.

torchvision runs its own networks, which are the independent reference; timm's names are written
down in `tests/theirs.py`. Damaged and hostile files meet one line each, and nothing of theirs runs.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save as safetensors_bytes
from safetensors.torch import save_file
from torch import nn

from tests import theirs
from tests.conftest import images
from tests.nets.test_folding import network as network_with_norms
from verydeep.errors import UserError
from verydeep.exporters import state_dict as state_dict_exporter
from verydeep.exporters.constructors import loaded_by
from verydeep.importers import state_dict
from verydeep.importers.parameters import Parameters
from verydeep.importers.to_network import to_network
from verydeep.nets import vgg
from verydeep.nets.network import Network, build
from verydeep.nets.rewording import with_norms
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import Pixels
from verydeep.safetensors_layout import LARGEST_HEADER, pieces
from verydeep.weights import hash_of

TORCHVISION = Pixels((256, 256), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), maximum=1)


def ours(path: Path | str) -> Network:
    return to_network(state_dict.read(path), path).network


def small(letter: str = "A", norms: bool = False) -> theirs.State:
    """The state dict of a net of a few thousand parameters."""
    built = theirs.network(letter, norms, channels=2, crop=32, fc=4, classes=3)
    return OrderedDict(built.state_dict())


def saved(state: Any, path: str, **how: Any) -> Path:
    if path.endswith(".safetensors"):
        save_file(state, path)
    else:
        torch.save(state, path, **how)
    return Path(path)


# --- what comes in


@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("letter", list(theirs.NAMES))
def test_scores_are_torchvisions(letter: str, norms: bool) -> None:
    built = theirs.network(letter, norms)
    read = ours(saved(built.state_dict(), "w.pth"))
    assert read.table.name == letter + ("-BN" if norms else "")
    crop = images(2, 64, 64) / 50
    with torch.inference_mode():
        expected = built(crop)
        assert expected.std() > 0.01
        torch.testing.assert_close(read(crop), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("letter", list(theirs.NAMES))
def test_scores_of_whole_nets_are_torchvisions(letter: str, norms: bool) -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    name = theirs.NAMES[letter] + ("_bn" if norms else "")
    built = theirs.with_random_norms(getattr(torchvision.models, name)(weights=None))
    read = ours(saved(built.state_dict(), "w.pth"))
    crop = images(1, 224, 224) / 50
    with torch.inference_mode():
        torch.testing.assert_close(read(crop), built(crop), rtol=1e-4, atol=1e-5)
    Path("w.pth").unlink()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("norms", [False, True])
def test_timms_names_give_the_same_network(norms: bool, suffix: str) -> None:
    built = theirs.network("D", norms)
    first = ours(saved(built.state_dict(), "torchvision.pth"))
    named = {k: t.contiguous() for k, t in theirs.as_timm(built.state_dict(), 2).items()}
    path = saved(named, f"timm{suffix}")
    assert state_dict.read(path).family == "timm"
    assert hash_of(ours(path)) == hash_of(first)


def test_files_of_before_the_archive_are_read() -> None:
    state = small()
    old = saved(state, "old.pth", _use_new_zipfile_serialization=False)
    assert hash_of(ours(old)) == hash_of(ours(saved(state, "new.pth")))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": s, "optimizer": {"state": {}}},
        lambda s: {"epoch": 1, "model": {"state_dict": s}},
        lambda s: {f"module.{k}": t for k, t in s.items()},
        lambda s: {"state_dict": {f"module.{k}": t for k, t in s.items()}},
        lambda s: {k.replace("features.", "features.module."): t for k, t in s.items()},
        lambda s: {f"_orig_mod.module.{k}": t for k, t in s.items()},
        lambda s: {f"backbone.{k}": t for k, t in s.items()},
        lambda s: {f"timm_model.{k}": t for k, t in s.items()},
        lambda s: {"state_dict": {f"net.vgg16.{k}": t for k, t in s.items()}},
    ],
)
def test_wrapped_state_dicts_are_found(wrap: Callable[[Any], Any]) -> None:
    state = small("B", norms=True)
    wrapped = saved(wrap(state), "wrapped.pth")
    assert hash_of(ours(wrapped)) == hash_of(ours(saved(state, "bare.pth")))


@pytest.mark.parametrize(
    ("name", "wrap", "words"),
    [
        ("model", lambda s: s, "'model'"),
        ("model", lambda s: {"epoch": 1, "state_dict": s}, "'model'"),
        ("model_state_dict", lambda s: s, "'model_state_dict'"),
        ("ema", lambda s: {"decay": 0.9, "module": s}, "an average of them, 'ema'"),
        ("model", lambda s: {"letter": "A"}, None),
        ("ema", lambda s: {"decay": 0.9}, None),
    ],
)
def test_another_set_of_weights_is_told(
    name: str, wrap: Callable[[Any], Any], words: str | None
) -> None:
    first, second = small("A"), small("A")
    path = saved({"state_dict": first, name: wrap(second)}, "two.pth")
    note = (
        f"there are two sets of weights, 'state_dict' and {words}; 'state_dict' is taken: import "
        f"it with --which {name} for the other"
    )
    same = saved({"state_dict": first, "model": first}, "one.pth")
    others = state_dict.read(same).notes
    assert not any("two sets" in other for other in others)
    assert state_dict.read(path).notes == ((note,) if words else ()) + others


def with_classifier(*modules: Callable[..., Any]) -> Any:
    """torchvision's net with its FC layers among other modules."""
    built = theirs.network("A", True, seed=3)
    linears = iter([built.classifier[i] for i in (0, 3, 6)])
    made = [next(linears) if module is nn.Linear else module() for module in modules]
    built.classifier = nn.Sequential(*made)
    return built.eval()


class Joined(nn.Module):
    """mmpretrain's: ConvModules of a convolution, a norm and a ReLU, and poolings, in one list."""

    def __init__(self, built: Any, norms: bool) -> None:
        super().__init__()
        self.features, rest = nn.Sequential(), list(built.features)
        while rest:
            module = rest.pop(0)
            if isinstance(module, nn.Conv2d):
                parts: OrderedDict[str, nn.Module] = OrderedDict(conv=module)
                if norms:
                    parts["bn"] = rest.pop(0)
                parts["activate"] = rest.pop(0)
                module = nn.Sequential(parts)
            self.features.append(module)
        self.classifier = built.classifier

    def forward(self, crop: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.classifier(self.features(crop).flatten(1))
        return scores


class Papers(nn.Module):
    """The paper's names as attributes, as ports of Caffe's nets have them."""

    def __init__(self, built: Any) -> None:
        super().__init__()
        rest = [m for m in built.features if not isinstance(m, nn.ReLU)]
        block, self.order = 1, list[str]()
        for module in rest:
            place = 1 + sum(name.startswith(f"conv{block}") for name in self.order)
            pools = isinstance(module, nn.MaxPool2d)
            self.order.append(f"pool{block}" if pools else f"conv{block}_{place}")
            self.add_module(self.order[-1], module)
            block += pools
        self.fc6, self.fc7, self.fc8 = (built.classifier[i] for i in (0, 3, 6))

    def forward(self, crop: torch.Tensor) -> torch.Tensor:
        for name in self.order:
            crop = self.get_submodule(name)(crop).relu()
        scores: torch.Tensor = self.fc8(self.fc7(self.fc6(crop.flatten(1)).relu()).relu())
        return scores


@pytest.mark.parametrize(
    "make",
    [
        lambda: with_classifier(
            nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Linear
        ),
        lambda: with_classifier(nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear),
        lambda: Joined(theirs.network("D", True), True),
        lambda: Joined(theirs.network("E"), False),
        lambda: nn.ModuleDict({"backbone": Joined(theirs.network("A"), False)}),
        lambda: Papers(theirs.network("D")),
    ],
    ids=["dropout first", "no dropout", "joined with norms", "joined", "backbone", "papers"],
)
def test_scores_of_other_numberings_are_those_of_their_modules(make: Callable[[], Any]) -> None:
    built = make().eval()
    read = ours(saved(built.state_dict(), "w.pth"))
    crop = images(2, 64, 64) / 50
    with torch.inference_mode():
        expected = (built["backbone"] if isinstance(built, nn.ModuleDict) else built)(crop)
        torch.testing.assert_close(read(crop), expected, rtol=1e-4, atol=1e-4)


def test_convolutions_within_modules_may_be_numbered_as_torchvisions() -> None:
    state = small("B")
    within = {re.sub(r"(features.\d+)", r"backbone.\1.conv", k): t for k, t in state.items()}
    within = {k if "conv" in k else f"backbone.{k}": t for k, t in within.items()}
    assert hash_of(ours(saved(within, "w.pth"))) == hash_of(ours(saved(state, "bare.pth")))


def test_the_papers_names_come_with_a_guess_of_the_authors_pixels() -> None:
    state = Papers(theirs.network("A", channels=2, crop=32, fc=4, classes=3)).state_dict()
    for kept in (state, {k: t for k, t in state.items() if k.startswith("conv")}):
        read = state_dict.read(saved(OrderedDict(kept), "w.pth"))
        assert read.pixels == Pixels((256, 256), (103.939, 116.779, 123.68), order="BGR")
        assert read.guessed == ("pixels", "scale")


def test_a_last_map_of_one_position_is_a_guess() -> None:
    """A net that averages its last map has the weights of one of crop 32, and other scores."""
    built = theirs.network("A", channels=2, crop=32, fc=4, classes=3)
    built.avgpool = nn.AdaptiveAvgPool2d(1)
    read = state_dict.read(saved(built.state_dict(), "w.pth"))
    assert any("that its crop is 32 is a guess" in note for note in read.notes)
    state = theirs.network("A", crop=64).state_dict()
    assert not state_dict.read(saved(state, "w.pth")).notes
    state_dict_exporter.write(build("A", 3, width=0.125, crop=32, fc=8), "w.pth", "torchvision")
    assert not state_dict.read("w.pth").notes


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_made_float32_and_said(kind: torch.dtype) -> None:
    state = {k: t.to(kind) for k, t in small().items()}
    read = state_dict.read(saved(state, "w.pth"))
    assert read.notes[0] == f"weights of {str(kind).removeprefix('torch.')}, made float32"
    assert read.tensors["conv1_1.weight"].dtype == np.float32
    expected = state["features.0.weight"].float().numpy()
    assert np.array_equal(read.tensors["conv1_1.weight"], expected)


def test_parameters_have_caffes_names() -> None:
    read = state_dict.read(saved(small("B", norms=True), "w.pth"))
    names = list(read.tensors)
    for layer in ("conv1_1", "conv1_2", "conv2_1", "conv5_2"):
        assert {f"{layer}.weight", f"{layer}.bias"} <= set(names)
        norm = {f"{k}" for k in names if k.startswith(f"{layer.replace('conv', 'bn')}.")}
        assert len(norm) == 4
    assert read.tensors["fc6.weight"].shape == (4, 16, 1, 1)
    assert not any("num_batches" in name for name in names)


# --- pixels


def test_pixels_are_torchvisions_where_nothing_is_said() -> None:
    found = state_dict.read(saved(small(), "w.pth"))
    assert (found.pixels, found.guessed) == (TORCHVISION, ("pixels", "scale"))


def test_pixels_are_timms_where_it_says_them() -> None:
    about = {
        "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1), "input_size": (3, 224, 224),
        "crop_pct": 0.875, "interpolation": "bicubic", "label_names": ["a", "b", "c"],
    }  # fmt: skip
    expected = Pixels((256, 256), (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), maximum=1, resize="bicubic")
    in_pickle = saved({"state_dict": small(), "pretrained_cfg": about}, "w.pth")
    said = {"pretrained_cfg": json.dumps(about)}
    Path("w.safetensors").write_bytes(safetensors_bytes(small(), said))
    for path in (in_pickle, "w.safetensors"):
        read = state_dict.read(path)
        assert (read.pixels, read.guessed) == (expected, ())
        assert read.classes == ("a", "b", "c")


@pytest.mark.parametrize(
    "about",
    [
        "not json", "[" * 5000, "3", '{"mean": [1], "std": [1], "input_size": [1]}',
        '{"mean": [0, 0, 0], "std": [0, 1, 1], "input_size": [3, 224, 224]}',
        '{"mean": [0, 0, 0], "std": [1, 1, 1], "input_size": [3, 224, 224], "crop_pct": 0}',
        '{"pixels": {"scale": [1, 2]}}', '{"label_names": [1, 2]}', '{"mean": "NaN"}',
    ],
)  # fmt: skip
def test_records_that_say_nothing_sensible_are_not_believed(about: str) -> None:
    Path("w.safetensors").write_bytes(safetensors_bytes(small(), {"pretrained_cfg": about}))
    read = state_dict.read("w.safetensors")
    assert (read.pixels, read.classes, read.guessed) == (TORCHVISION, None, ("pixels", "scale"))


def test_class_names_are_what_the_file_has_or_it_is_refused() -> None:
    for name in ("Misc.", "東京\u3000駅"):
        about = json.dumps({"label_names": ["a", name]})
        Path("w.safetensors").write_bytes(safetensors_bytes(small(), {"pretrained_cfg": about}))
        assert state_dict.read("w.safetensors").classes == ("a", name)
    about = json.dumps({"label_names": ["a", "\r\x1b[2Kcat"]})
    Path("w.safetensors").write_bytes(safetensors_bytes(small(), {"pretrained_cfg": about}))
    with pytest.raises(UserError, match=r"w.safetensors .* control character, '\\r\\x1b\[2Kcat'"):
        state_dict.read("w.safetensors")


def test_fc_layers_of_nan_are_left_out_with_the_authors_pixels() -> None:
    state = {k: t * torch.nan if "classifier" in k else t for k, t in small("D").items()}
    read = state_dict.read(saved(state, "w.pth"))
    assert not any(name.startswith("fc") for name in read.tensors)
    assert read.pixels.mean == (0.48235, 0.45882, 0.40784)
    assert read.pixels.std == (1 / 255,) * 3
    assert "FC layers are NaN" in read.notes[0]
    network = to_network(read, "w.pth").network
    assert (network.table.name, network.table.has_scores, network.classes) == ("D", False, ())


@pytest.mark.parametrize("prefix", ["features.", ""])
def test_convolutions_alone_are_a_net_without_its_top(prefix: str) -> None:
    """`features` of torchvision's network alone: what it gives is what theirs gives."""
    built = theirs.network("D", True)
    state = {prefix + name: t for name, t in built.features.state_dict().items()}
    network = to_network(state_dict.read(saved(state, "w.pth")), "w.pth").network
    assert (network.table.name, network.table.rows[-1].name) == ("D-BN", "pool5")
    crop = images(1, 96, 64)
    found = network.activations(crop, ["pool5"])["pool5"]
    torch.testing.assert_close(found, built.features(crop), rtol=1e-4, atol=1e-4)


# --- what goes out


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("family", ["torchvision", "timm"])
@pytest.mark.parametrize("name", ["A", "B", "B-shallow", "C", "D", "E", "D-BN"])
def test_a_network_comes_back_to_the_same_bits(name: str, family: str, suffix: str) -> None:
    pixels = Pixels((40, 60), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), order="BGR", resize="bicubic")
    if name == "D-BN":
        written = network_with_norms("D")
    else:
        written = build(name, ["cat", "dög", "x"], width=0.125, crop=64, fc=16, pixels=pixels)
    state_dict_exporter.write(written, f"out/w{suffix}", family)
    read = ours(f"out/w{suffix}")
    assert hash_of(read) == hash_of(written)
    assert (read.table, read.pixels, read.classes) == (
        written.table, written.pixels, written.classes,
    )  # fmt: skip


@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_torchvision_runs_what_is_written_for_it(suffix: str, norms: bool) -> None:
    source = theirs.network("D", norms, seed=1)
    read = ours(saved(source.state_dict(), "theirs.pth"))
    state_dict_exporter.write(read, f"w{suffix}", "torchvision")
    again = theirs.network("D", norms, seed=2)
    if suffix == ".pth":
        state = torch.load("w.pth", weights_only=True)
    else:
        from safetensors.torch import load_file

        state = load_file("w.safetensors")
    assert list(again.state_dict()) == list(state) or suffix == ".safetensors"
    again.load_state_dict(state)
    crop = images(1, 64, 64) / 50
    with torch.inference_mode():
        assert torch.equal(again(crop), source(crop))


def built_by(words: str) -> Any:
    """The net that an export's last words build, without memory for its weights."""
    start, code = words.split(": ", 1)
    family = start.removeprefix("it is loaded by this net, of ").partition(".")[0]
    assert start == f"it is loaded by this net, of {family}.models.vgg and torch.nn"
    made = {**vars(import_module(f"{family}.models.vgg")), **vars(torch.nn)}
    with torch.device("meta"):
        exec(code, made)
    return made["net"]


@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("letter", list(theirs.NAMES))
def test_the_constructor_that_is_named_loads_what_is_written(
    letter: str, norms: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole nets, by names and shapes alone: nothing here has values."""
    torchvision = pytest.importorskip("torchvision")
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: self)
    plain = vgg.table(letter, 10)
    words = with_norms(plain.words) if norms else plain.words
    table = read_table(letter, words, 224 + 16 * norms)  # 240 / 32 is 7 too, rounded down
    written = Network.empty(table, list("abcdefghij"), TORCHVISION)
    name = theirs.NAMES[letter] + ("_bn" if norms else "")
    expected = f"torchvision.models.{name}(num_classes=10)"
    assert loaded_by(table, "torchvision") == f"it is loaded by {expected}"
    with torch.device("meta"):
        eval(expected, {"torchvision": torchvision}).load_state_dict(
            state_dict_exporter._state(written, "torchvision")
        )
    said = f'timm.create_model("{name}", num_classes=10)'
    assert loaded_by(table, "timm") == f"it is loaded by {said}"
    with torch.device("meta"):
        eval(said, {"timm": timm}).load_state_dict(state_dict_exporter._state(written, "timm"))


@pytest.mark.parametrize("family", ["torchvision", "timm"])
@pytest.mark.parametrize(
    "name", ["A", "B-shallow", "C", "E", "D-BN", "norms here and there", "a mean over space"]
)
def test_what_is_said_to_load_a_net_of_other_sizes_does(name: str, family: str) -> None:
    """With every tensor, to the same scores."""
    if name == "D-BN":
        written = network_with_norms("D")
    elif name == "norms here and there":
        words = ["conv3-8-bn", "maxpool", "conv3-16", "maxpool", "FC-24", "FC-16", "FC-3"]
        table = read_table("A", words, 12)
        written = Network.random(table, list("abc"), TORCHVISION, "he", 0)
    elif name == "a mean over space":
        written = build("A-BN", 3, width=0.125, crop=64, fc=0, initial="he")
    else:
        written = build(name, 3, width=0.125, crop=64, fc=16, initial="he")
    words_said = state_dict_exporter.write(written, "w.pth", family)
    state = torch.load("w.pth", weights_only=True)
    net = built_by(words_said)
    assert net.load_state_dict(state, assign=True).missing_keys == []
    crop = images(2, written.table.crop, written.table.crop) / 50
    with torch.inference_mode():
        torch.testing.assert_close(net.eval()(crop), written(crop), rtol=1e-4, atol=1e-5)


def test_timms_own_files_are_read_to_its_scores() -> None:
    words = loaded_by(vgg.table("A", 3, width=0.125, crop=64, fc=16), "timm")
    built = built_by(words.replace("=3)", "=3, norm_layer=BatchNorm2d)"))
    torch.manual_seed(0)
    built = theirs.with_random_norms(built.to_empty(device="cpu"))
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    path = saved(built.state_dict(), "w.safetensors")
    crop = images(2, 64, 64) / 50
    with torch.inference_mode():
        torch.testing.assert_close(ours(path)(crop), built(crop), rtol=1e-4, atol=1e-5)


def test_only_what_a_family_has_is_written() -> None:
    with pytest.raises(UserError, match="torchvision has no VGG with a layer 'norm1_1'"):
        state_dict_exporter.write(build("A-LRN", 2, width=0.125, crop=32), "w.pth", "torchvision")
    with pytest.raises(UserError, match=r"w.h5 ends in no .pth, .pt or .safetensors"):
        state_dict_exporter.write(build("A", 2, width=0.125, crop=32), "w.h5", "timm")
    Path("file").touch()
    for name in ("file/w.pth", "file/w.safetensors"):
        with pytest.raises(UserError, match=rf"cannot write {name} \([\d,]+ bytes\)"):
            state_dict_exporter.write(build("A", 2, width=0.125, crop=32), name, "timm")


def test_a_file_has_no_bytes_of_other_tensors() -> None:
    written = build("A", 2, width=0.125, crop=32, fc=8)
    written.get_submodule("fc8").bias = torch.nn.Parameter(torch.zeros(10_000)[:2])
    state_dict_exporter.write(written, "w.pth", "timm")
    size = sum(p.nbytes for p in written.parameters())
    assert size < Path("w.pth").stat().st_size < size + 20_000


def test_pieces_are_a_safetensors_file() -> None:
    tensors = {"b": torch.arange(3.0), "ä": torch.ones(2, 2), "a": torch.zeros(1, 3)}
    for said in ({"x": 'quotes " and\nlines, dög' + "." * i} for i in range(16)):
        assert b"".join(pieces(tensors, said)) == safetensors_bytes(tensors, said)
    Path("w.safetensors").write_bytes(
        b"".join(pieces({"n": torch.tensor(3), "x": torch.ones(2)}, {}))
    )
    with __import__("safetensors").safe_open("w.safetensors", "pt") as file:
        assert file.get_tensor("n").item() == 3


# --- files that are none of ours


class Gadget:
    """What is pickled as a call: unpickled by one who trusts it, it makes a file."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


GADGETS: dict[str, Callable[[], Any]] = {
    "os.system": lambda: Gadget(os.system, "touch ran"),
    "nested": lambda: {"features.0.weight": {"a": [Gadget(os.system, "touch ran")]}},
    "beside": lambda: {**small(), "x": Gadget(os.system, "touch ran")},
    "wrapped": lambda: {"state_dict": small(), "epoch": Gadget(os.system, "touch ran")},
    "eval": lambda: Gadget(eval, "open('ran', 'w')"),
    "exec": lambda: [Gadget(exec, "open('ran', 'w').close()")],
    "open": lambda: Gadget(open, "ran", "w"),
    "getattr": lambda: Gadget(getattr, os, "system"),
    "Path.touch": lambda: Gadget(Path.touch, Path("ran")),
    "popen": lambda: Gadget(__import__("subprocess").Popen, ["touch", "ran"]),
    "torch.save": lambda: Gadget(torch.save, 1, "ran"),
    "torch.load": lambda: Gadget(torch.load, "ran"),
    "import": lambda: Gadget(__import__, "ran"),
}


def gadget_files(content: Any) -> dict[str, bytes]:
    """The same pickled thing as an archive, as the form before it, and as a pickle alone."""
    files = {}
    for name, how in (("zip", True), ("old", False)):
        file = BytesIO()
        torch.save(content, file, _use_new_zipfile_serialization=how)
        files[f"{name}.pth"] = file.getvalue()
    for protocol in (0, 2, 4, 5):
        files[f"bare{protocol}.pth"] = pickle.dumps(content, protocol)
    return files


def refusal(path: Path | str) -> str:
    """The one line that a file gets."""
    with pytest.raises(UserError) as raised:
        state_dict.read(path)
    line = str(raised.value)
    assert line.startswith(str(path))
    assert line.isprintable(), line
    assert len(line) < 600
    return line


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", list(GADGETS))
def test_nothing_that_is_pickled_runs(name: str) -> None:
    if name == "import":
        Path("ran.py").write_text("open('ran', 'w')")
    try:
        files = gadget_files(GADGETS[name]())
    except (TypeError, pickle.PicklingError):
        files = {}
        name = "os"  # a module, which only bytes made by hand can hold
        content = b"\x80\x02cos\nsystem\nq\0X\t\0\0\0touch ran\x85R."
        files["hand.pth"] = content
    for path, content in files.items():
        Path(path).write_bytes(content)
        refusal(path)
        assert not Path("ran").exists(), path


def test_what_a_pickle_asks_for_is_named() -> None:
    Path("w.pth").write_bytes(gadget_files(GADGETS["os.system"]())["zip.pth"])
    assert "asks for posix.system, which is no weights" in refusal("w.pth")


def test_the_gadgets_of_these_tests_do_work() -> None:
    """Unpickled by one who trusts them, they make the file that no other test may find."""
    pickle.loads(pickle.dumps(GADGETS["nested"]()))
    assert Path("ran").exists()


def test_a_whole_model_that_is_pickled_is_named() -> None:
    torch.save(theirs.network("A"), "model.pth")
    assert "asks for torchvision.models.vgg.VGG" in refusal("model.pth")


def archive(path: str, members: dict[str, bytes], **how: Any) -> Path:
    with zipfile.ZipFile(path, "w", **how) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return Path(path)


def members_of(state: Any) -> dict[str, bytes]:
    file = BytesIO()
    torch.save(state, file)
    with zipfile.ZipFile(file) as read:
        return {name: read.read(name) for name in read.namelist()}


@pytest.mark.parametrize(
    "name",
    [
        "../../ran", "/tmp/ran", "archive/../../ran", "archive/data/../../ran", "other/data/1",
        "archive/code/__torch__.py", "archive/data/1/x", "..\\ran", "archive/ran\n", "../data.pkl",
    ],
)  # fmt: skip
def test_members_that_pytorch_never_writes_are_refused(name: str) -> None:
    path = archive("w.pth", {**members_of(small()), name: b"x"})
    assert "which PyTorch writes into no file of weights" in refusal(path)
    assert not Path("ran").exists()
    assert not Path("/tmp/ran").exists()


def test_bombs_are_refused_before_they_go_off() -> None:
    members = members_of(small())
    members["archive/data/0"] = bytes(300 * 2**20)
    path = archive("w.pth", members, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    assert path.stat().st_size < 2**21
    assert "compressed members" in refusal(path)
    path = archive("p.pth", {"archive/data.pkl": bytes(17 * 2**20)})
    assert "has a pickle of 17,825,792 bytes" in refusal(path)
    path = archive("many.pth", {f"archive/data/{i}": b"" for i in range(5000)})
    assert "has 5,000 members" in refusal(path)
    refusal(archive("none.pth", {}))
    refusal(archive("empty.pth", {"archive/data.pkl": b""}))
    program = archive("script.pt", {**members_of(small()), "archive/constants.pkl": b""})
    assert "is a TorchScript program" in refusal(program)


def test_members_that_lie_over_each_other_are_refused() -> None:
    path = archive("w.pth", members_of(small()))
    with zipfile.ZipFile(path, "a") as file:
        largest = max(file.filelist, key=lambda member: member.file_size)
        for i in range(100, 200):
            again = zipfile.ZipInfo(f"archive/data/{i}")
            again.header_offset, again.CRC = largest.header_offset, largest.CRC
            again.compress_size = again.file_size = largest.file_size
            file.filelist.append(again)
        file._didModify = True  # type: ignore[attr-defined]
    assert "lie over each other" in refusal(path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (lambda: [1, 2], "holds no state dict but a list"),
        (lambda: {1: torch.zeros(1)}, "holds no state dict but a dict"),
        (lambda: {"features.0.weight": 3}, "it has features.0.weight in it"),
        (lambda: {"features.0.weight": torch.zeros(2, 2).to_sparse()}, "features.0.weight in it"),
        (lambda: {"features.0.weight": torch.zeros(1).expand(10**9)}, "more bytes than it has"),
        (lambda: {**small(), "features.module.0.bias": torch.zeros(2)}, "it has one name twice"),
        (lambda: {**small(), "module.features.0.bias": torch.zeros(2)}, "'module.features.0.bias'"),
        (lambda: {"aux.weight": torch.zeros(2), **small()}, "has 'aux.weight', which is at no"),
        (lambda: {"features.5.weight": torch.zeros(2, 3, 3, 3)}, "has 'features.5', which is at"),
        (lambda: {**small(), "classifier.0.weight": torch.zeros(4, 17)}, "fc6 has 17 columns"),
        (lambda: {k: t.int() for k, t in small().items()}, "weights of torch.int32"),
        (lambda: {"bn1.bias": torch.zeros(1), "layer1.0.conv1.weight": torch.zeros(1)},
         "has 'layer1.0.conv1.weight', as a ResNet has, which is at no place of a VGG; expected"),
        (lambda: {"features.0.weight": torch.zeros(8, 3, 3, 3),
                  "features.3.squeeze.weight": torch.zeros(1)}, "as a SqueezeNet has"),
        (lambda: {"features.denseblock1.denselayer1.norm1.weight": torch.zeros(1)}, "as a DenseN"),
        (lambda: {"classifier.1.weight": torch.zeros(1, 1)}, "has 'classifier.1.weight', which is"),
        (lambda: small() | {"features.99.bias": torch.zeros(1)}, "has 'features.99', which is at"),
    ],
)  # fmt: skip
def test_other_contents_are_named(content: Callable[[], Any], line: str) -> None:
    assert line in refusal(saved(content(), "w.pth"))


def test_a_tar_of_before_2017_is_refused() -> None:
    import tarfile

    with tarfile.open("w.pth", "w") as tar:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(GADGETS["os.system"](), 2)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    assert state_dict.is_statedict("w.pth")
    assert "is a tar file, as PyTorch wrote them before 2017" in refusal("w.pth")
    assert not Path("ran").exists()


def test_headers_that_are_too_long_are_not_read() -> None:
    for size, content in (
        (100 * 2**20, b'{"__metadata__":{}' + b" " * (100 * 2**20 - 19) + b"}"),
        (100 * 2**20, b"{"),
        (2**39, b"{}"),
        (LARGEST_HEADER + 1, b"{" + b" " * (LARGEST_HEADER - 1) + b"}"),
        (2**20, b'{"a":' * 200_000 + b" " * 48_576),
        (0, b"{"),
        (1, b"{"),
    ):
        Path("w.safetensors").write_bytes(struct.pack("<Q", size) + content)
        assert "its header is damaged or too long" in refusal("w.safetensors")


def test_only_such_files_are_taken_for_state_dicts() -> None:
    assert state_dict.is_statedict(saved(small(), "a.bin"))
    assert state_dict.is_statedict(saved(small(), "b", _use_new_zipfile_serialization=False))
    assert state_dict.is_statedict(saved(small(), "c.safetensors"))
    for name, content in (
        ("a.h5", b"\x89HDF\r\n\x1a\n"), ("b.caffemodel", b"\n\x0bVGG"), ("c", b""),
        ("d.mat", b"MATLAB 5.0 MAT-file"),
        ("e.onnx", b"\x08\x07\x12"), ("f.npz", b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.npy"),
    ):  # fmt: skip
        Path(name).write_bytes(content)
        assert not state_dict.is_statedict(name)


# --- damage


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The file cut, or some of its bits or bytes changed, mostly where it describes itself."""
    if draw.random() < 0.15:
        return content[: draw.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 8, 64))):
        place = draw.randrange(len(content))
        if draw.random() < 0.5:
            changed[place] ^= 1 << draw.randrange(8)
        else:
            changed[place] = draw.randrange(256)
    return bytes(changed)


def read_or_refused(path: Path, made: bool) -> Parameters | None:
    """What comes of a file, and of making a network of it where that is wanted."""
    try:
        read = state_dict.read(path)
        if made:
            to_network(read, path)
    except UserError as error:
        line = str(error)
    else:
        return read
    assert line.startswith(str(path))
    assert line.isprintable()
    return None


def kinds_of_file() -> dict[str, bytes]:
    state = small("A", norms=True)
    zipped, old = BytesIO(), BytesIO()
    torch.save(state, zipped)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    plain = {k: t.contiguous() for k, t in state.items()}
    return {
        "w.pth": zipped.getvalue(), "old.pth": old.getvalue(),
        "w.safetensors": safetensors_bytes(plain),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("w.pth", 300),
        ("old.pth", 100),
        ("w.safetensors", 200),
        pytest.param("w.pth", 1500, marks=pytest.mark.slow),
        pytest.param("old.pth", 500, marks=pytest.mark.slow),
        pytest.param("w.safetensors", 1000, marks=pytest.mark.slow),
    ],
)
def test_damaged_files_are_refused_or_harmless(name: str, count: int) -> None:
    """Of an archive, every damage is refused or changes no weight: each member has its CRC-32."""
    content = kinds_of_file()[name]
    path = Path(name)
    path.write_bytes(content)
    whole = state_dict.read(path)
    draw = random.Random(name)
    refused = 0
    for i in range(count):
        path.write_bytes(damaged(content, draw))
        read = read_or_refused(path, made=i % 10 == 0)
        refused += read is None
        if read is not None and name == "w.pth":
            assert read.tensors.keys() == whole.tensors.keys()
            for key, tensor in read.tensors.items():
                assert np.array_equal(tensor, whole.tensors[key])
    assert refused > count * (0.8 if name == "w.pth" else 0.15)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["w.pth", "old.pth", "w.safetensors"])
def test_damage_where_a_file_describes_itself_is_refused_or_harmless(name: str) -> None:
    """The pickle or the header alone is changed; the archive's CRC-32 is made right again."""
    content = kinds_of_file()[name]
    draw = random.Random(f"head of {name}")
    path = Path(name)
    if name == "w.pth":
        with zipfile.ZipFile(BytesIO(content)) as file:
            members = {member: file.read(member) for member in file.namelist()}
        for _ in range(300):
            data = damaged(members["archive/data.pkl"], draw)
            read_or_refused(archive(name, {**members, "archive/data.pkl": data}), made=True)
        return
    end = 8 + int.from_bytes(content[:8], "little") if name == "w.safetensors" else 4000
    for _ in range(700):
        path.write_bytes(damaged(content[:end], draw) + content[end:])
        read_or_refused(path, made=True)
