"""Nets that branch, end to end: scored, tested densely, trained, saved, exported, run by engines.

torchvision's ResNet-18 and GoogLeNet, with their random weights, are the independent
implementation, in training and in test mode; for dense testing it is the network itself on the
parts of a picture that positions see.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from math import ceil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torchvision  # type: ignore[import-untyped]
from torch import nn
from torch.nn import functional as F

from tests.conftest import TWO_CORES, images
from tests.nets.others import GOOGLENET, ODD, RESNET_18, small, with_weights_of
from verydeep import load, save
from verydeep.datasets import open_dataset
from verydeep.engines.engine import ENGINES, engine_for
from verydeep.errors import UserError
from verydeep.evaluation.dense import in_tiles
from verydeep.exporters import keras, state_dict
from verydeep.exporters.onnx import write_onnx
from verydeep.exporters.torch_export import exported
from verydeep.nets import layers
from verydeep.nets.folding import folded
from verydeep.nets.network import Network
from verydeep.nets.norms import Norms, keep, learnt_norms
from verydeep.nets.rows import PICTURE, BatchNorm
from verydeep.nets.table import SCORES
from verydeep.nets.words import read_table
from verydeep.pictures.preprocessing import IMAGENET, Pixels
from verydeep.training.loader import CropSource
from verydeep.training.loop import fit
from verydeep.training.settings import Settings, checked
from verydeep.training.state import Training, tuned_layers

NETS = {"ResNet-18": RESNET_18, "GoogLeNet": GOOGLENET}
ALL = {**NETS, "odd": ODD}


def peer(name: str) -> nn.Module:
    """torchvision's net, with random weights that keep values in range."""
    torch.manual_seed(0)
    more = {"aux_logits": False, "init_weights": True} if name == "GoogLeNet" else {}
    built = getattr(torchvision.models, name.lower().replace("-", ""))(weights=None, **more)
    assert isinstance(built, nn.Module)
    return built


@pytest.fixture(scope="module", params=NETS)
def both(request: pytest.FixtureRequest) -> tuple[nn.Module, Network]:
    """torchvision's net, and ours with its weights."""
    theirs = peer(request.param)
    return theirs, with_weights_of(theirs, request.param, NETS[request.param], 224)


def test_scores_are_torchvisions_in_test_mode(both: tuple[nn.Module, Network]) -> None:
    theirs, ours = (net.eval() for net in both)
    crop = images(2, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(ours(crop), theirs(crop), rtol=1e-4, atol=1e-4)


def test_scores_and_statistics_are_torchvisions_in_training(
    both: tuple[nn.Module, Network],
) -> None:
    """GoogLeNet's dropout is left out of both, for theirs draws as it likes."""
    theirs, ours = both
    for net in both:
        for module in net.train().modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    crop = images(4, 224, 224)
    norms = Norms(learnt_norms(ours))
    with torch.no_grad():
        found = ours.run({PICTURE: crop}, [SCORES], {BatchNorm: norms})[SCORES].mean((2, 3))
        keep(ours, norms.learnt, norms.statistics)
        torch.testing.assert_close(found, theirs(crop), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours(crop), found, rtol=1e-4, atol=1e-4)
    kept = [m for m in theirs.modules() if isinstance(m, nn.BatchNorm2d)]
    for name, other in zip(norms.learnt, kept, strict=True):
        mean, variance = (ours.get_buffer(f"{name}.running_{kind}") for kind in ("mean", "var"))
        # ours has moved twice: by the rule, and by the module itself
        assert other.running_mean is not None
        assert other.running_var is not None
        torch.testing.assert_close(mean / 1.9, other.running_mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close((variance - 0.81) / 0.19, (other.running_var - 0.9) / 0.1,
                                   rtol=1e-2, atol=1e-3)  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@torch.inference_mode()
def test_a_position_of_the_map_is_the_score_of_what_it_sees(name: str) -> None:
    """A step to the right in the picture is a position to the right in the map."""
    built = small(ALL[name], 5)
    step, reach = built.table.step, built.table.reaches[built.table.scores]
    ours = built.score_map(wide := images(1, 64, 1280))
    assert ours.shape == (1, 5, 1, (1280 - 64) // step + 1)
    moved = built.score_map(wide[:, :, :, step:])
    edge = ceil(max(reach.before, reach.after) / step) + 1
    assert moved[..., edge:-edge].numel()
    torch.testing.assert_close(moved[..., edge:-edge], ours[..., edge + 1 : -edge])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("engine", ENGINES)
@torch.inference_mode()
def test_every_engine_gives_the_scores_whole_and_in_tiles(name: str, engine: str) -> None:
    built = small(ALL[name], 5)
    views = torch.randint(0, 256, (2, 96, 131, 3)).to(torch.uint8)
    expected = built.score_map(built.pixels.normalise(views))
    run = engine_for(built, engine, 2)
    torch.testing.assert_close(run.score_map(views), expected, rtol=1e-3, atol=1e-3)
    large = torch.randint(0, 256, (1, 400, 450, 3)).to(torch.uint8)
    whole = built.score_map(built.pixels.normalise(large))
    tiled = in_tiles(run, large, 300 * 300)
    torch.testing.assert_close(tiled, whole, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_a_graph_of_onnx_gives_the_scores(name: str, tmp_path: Path) -> None:
    built = small(ALL[name], 5)
    write_onnx(built, tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    for side in (64, 97):
        pictures = torch.randint(0, 256, (2, side, side + 32, 3)).to(torch.uint8)
        expected = built(built.pixels.normalise(pictures))
        found = session.run(["scores"], {"pictures": pictures.numpy()})[0]
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
@torch.no_grad()
def test_a_program_of_torch_export_gives_the_scores(name: str) -> None:
    built = small(ALL[name], 5)
    program = exported(built).module()
    for side in (64, 97):
        pictures = torch.randint(0, 256, (2, side, side + 32, 3)).to(torch.uint8)
        expected = built(built.pixels.normalise(pictures))
        torch.testing.assert_close(program(pictures)[0], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_formats_of_vggs_refuse_it_by_the_row(name: str, tmp_path: Path) -> None:
    built = small(ALL[name], 5)
    writers: list[tuple[Callable[[], object], str]] = [
        (lambda: keras.write(built, tmp_path / "x.weights.h5"), "Keras's VGG"),
    ]
    if name != "ResNet-18":  # which timm has under torchvision's names
        writers.append((lambda: state_dict.write(built, tmp_path / "x.pth", "timm"), "timm's VGG"))
    for write, whom in writers:
        with pytest.raises(UserError, match=f"{whom} has no place for 'conv1_1' .*; take --to"):
            write()


@pytest.mark.parametrize("name", ALL)
@torch.inference_mode()
def test_norms_are_folded_along_every_branch(name: str) -> None:
    built, crop = small(ALL[name], 5), images(2, 64, 64)
    for module in built.modules():
        if isinstance(module, layers.BatchNorm):
            module.get_buffer("running_var").uniform_(0.5, 2.0)
            module.get_buffer("running_mean").normal_()
    plain = folded(built)
    assert not any("bn" in key for key in plain.state_dict())
    torch.testing.assert_close(plain(crop), built(crop), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_it_is_trained_and_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    dataset = open_dataset("drawn:40x64")
    given = {"crop": 32, "scale": 64, "batch": 20, "epochs": 1, "rate": 0.01, "micro_batch": 10}
    settings = Settings(**checked(given))
    built = small(ALL[name], 10, crop=32)
    built.pixels = Pixels((64, 64), (120.0,) * 3, (60.0,) * 3)
    before = {key: tensor.clone() for key, tensor in built.state_dict().items()}
    training = Training.of(built, settings)
    source = CropSource(dataset.train, built.pixels)
    (epoch,) = fit(training, source, dataset.validation, settings, TWO_CORES)
    assert np.isfinite(epoch.loss)
    after = built.state_dict()
    assert all(not torch.equal(after[key], tensor) for key, tensor in before.items())
    save(built, tmp_path / "net.safetensors")
    back = load(tmp_path / "net.safetensors")
    assert back.table == built.table
    crop = images(2, 32, 32)
    with torch.inference_mode():
        assert torch.equal(back(crop), built.eval()(crop))


def test_a_side_head_is_kept_but_not_trained() -> None:
    words = ("conv3-64", "<aux", "FC-40", ">", "maxpool", "FC-64", "FC-40", "soft-max")
    built = small(words, 5, crop=32)
    assert built.table.class_layers == {"aux_fc1", "fc3"}
    assert tuned_layers(built.table, "all") == ["conv1_1", "fc2", "fc3"]
    assert tuned_layers(built.table, "fc") == ["fc2", "fc3"]
    assert tuned_layers(built.table, "last") == ["fc3"]


def test_where_scores_are_averaged_the_last_layer_is_a_convolution_with_its_norm() -> None:
    built = small(("conv3-64", "conv1-40-bn linear", "avepool", "soft-max"), 5, crop=32)
    assert built.table.class_layers == {"conv1_2", "bn1_2"}
    assert tuned_layers(built.table, "fc") == tuned_layers(built.table, "last")
    assert tuned_layers(built.table, "last") == ["conv1_2", "bn1_2"]


@torch.inference_mode()
def test_engines_begin_where_one_row_is_all_that_is_read_later() -> None:
    """Two FC rows in branches: nothing before them is all that later rows read."""
    words = ("conv3-8", "(", "conv3-8", "FC-8", "|", "conv3-8", "FC-8", ")", "FC-5", "soft-max")
    table = read_table("X", words, 32)
    assert table.trunk == "relu1_1"
    built = Network.random(table, list("abcde"), IMAGENET, "he", 0)
    views = torch.randint(0, 256, (1, 40, 40, 3)).to(torch.uint8)
    expected = built.score_map(built.pixels.normalise(views))
    for engine in ENGINES:
        found = engine_for(built, engine).score_map(views)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


ONE_GRAPH = """
import torch
from concurrent.futures import ThreadPoolExecutor
from tests.nets.others import RESNET_18, small
from verydeep.nets.norms import Norms
from verydeep.runtime.distributed import Ranks
from verydeep.training.settings import Settings
from verydeep.training.state import Training
from verydeep.training.step import Step, _scores
built = small((*RESNET_18[:-2], "FC-64", *RESNET_18[-2:]), 5, crop=32).train()
settings = Settings(crop=32, scale=(32, 32))
step = Step(Training.of(built, settings), settings, ThreadPoolExecutor(1), Ranks())
compiled = torch.compile(_scores, backend="eager", fullgraph=True)
images = {"data": torch.randn(4, 3, 32, 32)}
given = images, torch.arange(4), step.streams, Norms(step.norms), ["scores"]
torch.testing.assert_close(compiled(built, *given), _scores(built, *given))
"""


@pytest.mark.slow
def test_a_step_of_training_is_one_graph_to_compile() -> None:
    """Nothing in it that Dynamo must leave for Python; without the checks of types in tests."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_GRAPH], cwd=Path(__file__).parents[2], capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_side_heads_loss_reaches_the_rows_before_it() -> None:
    """GoogLeNet's first auxiliary head as its paper has it, after 4a (Szegedy et al., 2014)."""
    end = GOOGLENET.index(")", GOOGLENET.index("maxpool3 /2 ceil", 20)) + 1
    head = ["< side", "avepool5 /3", "conv1-128", "FC-1024", "FC-1000", ">"]
    built = small((*GOOGLENET[:end], *head, *GOOGLENET[end:]), 5, crop=224)
    found = built.run({PICTURE: images(1, 224, 224)}, ["side", SCORES])
    assert {name: values.shape for name, values in found.items()} == {
        "side": (1, 5, 1, 1), SCORES: (1, 5, 1, 1),
    }  # fmt: skip
    F.cross_entropy(found["side"].mean((2, 3)), torch.tensor([1])).backward()  # type: ignore[no-untyped-call]
    assert built.get_parameter("conv1_1.weight").grad is not None
    assert built.get_parameter(f"{built.table.scores}.weight").grad is None
