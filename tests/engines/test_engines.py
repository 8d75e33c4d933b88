"""Engines against PyTorch's own run of the same network, and Winograd's against plain convolutions.

Expected numbers come from PyTorch's convolutions, in float64 where rounding is measured.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.nets.test_folding import network as network_with_norms
from verydeep import weights
from verydeep.commands.main import main
from verydeep.datasets import open_dataset
from verydeep.engines import engine as engines
from verydeep.engines import plain, trunk, winograd
from verydeep.engines.engine import ENGINES, chosen, engine_for
from verydeep.errors import UserError
from verydeep.evaluation import showing
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.scores import load_scores
from verydeep.evaluation.views import protocol
from verydeep.nets.describing import classifying, describing
from verydeep.nets.network import Network, build
from verydeep.nets.rows import PICTURE
from verydeep.pictures.preprocessing import IMAGENET
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime
from verydeep.runtime.threads import one_thread_each
from verydeep.verbs.evaluate import evaluate
from verydeep.verbs.measure import Identity
from verydeep.verbs.parts import to_test

OTHERS = [name for name in ENGINES if name != "torch"]


@pytest.fixture(autouse=True)
def winograd_of_few_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small nets are run by Winograd too, though they gain nothing from it."""
    monkeypatch.setattr(trunk, "CHANNELS", 4)


def there(name: str) -> None:
    if name in engines.PACKAGED:
        pytest.importorskip(name)


def net(name: str = "D", crop: int = 32) -> Network:
    """A small net with biases that are not zero, and scores of about 1 that differ."""
    network = build(name, classes=5, width=0.125, crop=crop, fc=32, initial="he")
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(3))
        network.get_submodule(network.table.scores).get_parameter("weight").div_(50)
    return network


def pictures(*shape: int) -> torch.Tensor:
    drawn = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    return torch.from_numpy(drawn)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("shape", [(1, 32, 32), (5, 32, 32), (2, 47, 70)])
@torch.inference_mode()
def test_every_engine_gives_the_scores_of_pytorch(name: str, shape: tuple[int, ...]) -> None:
    there(name)
    network, views = net(), pictures(*shape)
    shown = network.pixels.normalise(views)
    expected = network.score_map(shown)
    engine = engine_for(network, name, threads=2)
    found = engine.score_map(views)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(
        engine.posteriors(views), network.posteriors(shown), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("configuration", ["A-LRN", "C"])
@torch.inference_mode()
def test_rows_of_every_kind_are_run(name: str, configuration: str) -> None:
    there(name)
    network, views = net(configuration), pictures(2, 40, 33)
    expected = network.score_map(network.pixels.normalise(views))
    found = engine_for(network, name).score_map(views)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", OTHERS)
@torch.inference_mode()
def test_pixels_in_another_order_and_range_are_the_networks(name: str) -> None:
    there(name)
    network, views = net(), pictures(2, 32, 32)
    network.pixels = replace(
        IMAGENET, order="BGR", maximum=1, mean=(0.4, 0.5, 0.6), std=(0.2, 0.1, 0.3)
    )
    expected = network.score_map(network.pixels.normalise(views))
    found = engine_for(network, name).score_map(views)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", OTHERS)
def test_a_picture_that_is_too_small_is_refused(name: str) -> None:
    there(name)
    with pytest.raises(UserError, match="31 x 32 is too small"):
        engine_for(net(), name).score_map(pictures(1, 31, 32))


@pytest.mark.parametrize("name", ENGINES)
def test_threads_that_call_at_once_do_not_disturb_each_other(name: str) -> None:
    there(name)
    engine = engine_for(net(), name, threads=4, calls=4)
    views = [pictures(i % 3 + 1, 32 + i, 40) for i in range(12)]
    with one_thread_each(), ThreadPoolExecutor(4) as pool:
        run = torch.inference_mode()(engine.score_map)
        at_once = list(pool.map(run, views))
        in_turn = [run(v) for v in views]
    for one, other in zip(at_once, in_turn, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(4, 4), (5, 9), (7, 6), (16, 3)])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pool", [False, True])
def test_winograds_convolution_is_the_plain_one(
    size: tuple[int, int], relu: bool, pool: bool
) -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randn(3, 6, *size, generator=random)
    filters, bias = torch.randn(5, 6, 3, 3, generator=random), torch.randn(5, generator=random)
    expected = F.conv2d(images.double(), filters.double(), bias.double(), padding=1)
    expected = expected.relu() if relu else expected
    expected = F.max_pool2d(expected, 2) if pool else expected
    found = winograd.convolution(
        images.permute(0, 2, 3, 1), winograd.transformed(filters), bias, relu=relu, pool=pool
    )
    torch.testing.assert_close(found.permute(0, 3, 1, 2).double(), expected, rtol=0, atol=3e-5)


def test_winograds_rounding_is_two_thirds_of_that_at_the_usual_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against float64; plain convolutions differ by five times from one processor to another."""
    random = torch.Generator().manual_seed(0)
    images = torch.randn(1, 256, 16, 16, generator=random).relu()
    filters = torch.randn(64, 256, 3, 3, generator=random) / 48
    exact = F.conv2d(images.double(), filters.double(), padding=1)

    def error() -> float:
        rows, points = images.permute(0, 2, 3, 1), winograd.transformed(filters)
        found = winograd.convolution(rows, points, torch.zeros(64)).permute(0, 3, 1, 2)
        return (found - exact).square().mean().sqrt().item()

    ours = error()
    monkeypatch.setattr(winograd, "A", 1.0)
    monkeypatch.setattr(winograd, "B", 2.0)
    assert ours < 2 / 3 * error()
    assert ours < 2e-6


def test_strips_of_a_convolution_are_joined_without_a_seam(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, filters = torch.randn(2, 30, 21, 4), winograd.transformed(torch.randn(4, 4, 3, 3))
    whole = winograd.convolution(images, filters, torch.zeros(4))
    monkeypatch.setattr(winograd, "TILES", 1)
    torch.testing.assert_close(winograd.convolution(images, filters, torch.zeros(4)), whole)


def test_how_many_threads_share_a_call_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trunk, "SMALL", 0)
    monkeypatch.setattr(plain, "PLACES", 100)
    network, views = net(), pictures(1, 64, 64)
    with torch.inference_mode(), one_thread_each():
        two, three = (trunk.WinogradTrunk(network, threads)(views) for threads in (2, 3))
    assert torch.equal(two, three)


@pytest.mark.parametrize("row", ["relu1_1", "relu3_2", "pool3", "relu5_2", "pool5", "data"])
def test_rows_on_the_way_are_those_of_the_network(row: str) -> None:
    network, images = net(), torch.randn(2, 3, 67, 96)
    engine = engine_for(network, "winograd", 2)
    with torch.inference_mode():
        (expected,) = network.run({PICTURE: images}, [row]).values()
        found = engine.up_to(images, row)
        after = engine.up_to(images, network.table.trunk)
        (last,) = network.run({PICTURE: images}, [network.table.trunk]).values()
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(after, last, atol=2e-4, rtol=1e-3)  # which is as it was


def test_on_a_cpu_our_own_is_the_default_and_elsewhere_pytorch() -> None:
    assert chosen(None, "cpu") == "winograd"
    assert chosen(None, "cuda") == chosen(None, "cpu", "bf16") == "torch"
    assert "--engine torch" in engines.words("winograd", asked=False)


@pytest.mark.parametrize(
    ("name", "device", "precision", "said"),
    [
        ("tensorrt", "cpu", "float32", "no engine 'tensorrt'; there are winograd"),
        ("winograd", "cuda", "float32", "works on a CPU in float32"),
        ("openvino", "cpu", "bf16", "works on a CPU in float32"),
    ],
)
def test_an_engine_that_cannot_is_refused(
    name: str, device: str, precision: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        chosen(name, device, precision)


@pytest.mark.parametrize("name", engines.PACKAGED)
def test_an_engine_that_is_missing_is_one_line_on_how_to_install_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=rf"{name} is not installed: pip install 'verydeep\[eng"):
        chosen(name, "cpu")


def test_nothing_is_imported_for_an_engine_that_is_not_asked_for() -> None:
    """In a process of its own, for other tests ask for every engine."""
    program = (
        "import sys\n"
        "from verydeep.engines.engine import PACKAGED, engine_for\n"
        "from verydeep.nets.network import build\n"
        "for name in ('winograd', 'torch'):\n"
        "    engine_for(build('A', classes=2, width=0.125, crop=32), name)\n"
        "print([name for name in PACKAGED if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file whose classes are those of the drawn pictures."""
    path = tmp_path_factory.mktemp("engines") / "w.safetensors"
    names = open_dataset("drawn").classes
    weights.save(build("A", names, width=0.125, crop=32, fc=16), path)
    return path


@pytest.mark.parametrize("name", OTHERS)
def test_a_part_is_tested_with_every_engine_as_with_pytorch(name: str, trained: Path) -> None:
    there(name)
    network, part = weights.load(trained), open_dataset("drawn").parts["test"].only(range(24))
    chosen_protocol = protocol(network, "both")
    runtime = Runtime(Machine("cpu", 3))
    expected = posteriors(network, part, chosen_protocol, runtime)
    found = posteriors(network, part, chosen_protocol, runtime, engine=name)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_huge_pictures_go_through_an_engine_in_tiles(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, part = weights.load(trained), open_dataset("drawn").parts["test"].only(range(2))
    dense = protocol(network, "dense")
    expected = posteriors(network, part, dense)
    monkeypatch.setitem(showing.MEMORY, "cpu", 2**17)
    found = posteriors(network, part, dense, engine="winograd")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_the_score_file_and_the_journal_say_the_engine(
    trained: Path, tmp_path: Path, journals: list[Identity]
) -> None:
    for name in (None, "torch"):
        path = tmp_path / f"{name}.safetensors"
        evaluate(trained, "drawn", "centre", out=path, part_name="test", engine=name)
        assert load_scores(path).engine == (name or "winograd")
    assert [identity.execution.engine for identity in journals] == ["winograd", "torch"]


def test_a_test_by_another_engine_leaves_the_score_file_and_the_journal_of_the_usual_one(
    trained: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "w.safetensors"
    copy.write_bytes(trained.read_bytes())

    def tested(**way: Any) -> Path:
        path = evaluate(copy, "drawn:60", "centre", part_name="test", **way).path
        assert path is not None
        return path

    usual = tested()
    before, killed = usual.read_bytes(), usual.with_name(f"{usual.name}.unfinished")
    killed.mkdir()
    named = {w: tested(engine=w).name for w in ("winograd", "torch")}
    exact = tested(precision="bf16")
    assert named["winograd"] == usual.name
    data, whose = usual.name.split("-")[:-2], usual.name.split("-")[-2:]
    assert named["torch"] == "-".join([*data, "torch", *whose])
    assert exact.name == "-".join([*data, "bf16", *whose])
    assert (load_scores(exact).engine, load_scores(exact).precision) == ("torch", "bf16")
    assert load_scores(usual).precision == "float32"
    killed.mkdir(exist_ok=True)
    tested(engine="torch")
    assert killed.is_dir()
    assert usual.read_bytes() == before


def test_predict_says_its_engine_and_answers_alike_with_another(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from PIL import Image

    picture = tmp_path / "a.png"
    Image.fromarray(pictures(1, 50, 40)[0].numpy()).save(picture)
    said = []
    for options in ([], ["--engine", "torch"]):
        words = ["verydeep", "predict", str(trained), str(picture), "--top", "3", *options]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit):
            main()
        said.append(capsys.readouterr())
    assert said[0].out == said[1].out
    assert "engine winograd, the default on a CPU" in said[0].err
    assert "engine torch" in said[1].err


def test_an_int8_file_is_tested_before_and_after(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network with 8-bit weights answers like the whole one, and not to the last digit."""
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name)
    from verydeep.verbs import quantise

    out = tmp_path / "int8.onnx"
    monkeypatch.setattr(quantise, "CALIBRATION", 16)
    done = quantise.export_int8(trained, "drawn:300", out, Runtime(Machine("cpu", 2)))
    assert done.calibrated == 16
    difference = np.abs(done.after.posteriors - done.before.posteriors)
    assert 0 < difference.mean() < 0.02
    assert done.before.names == done.after.names
    np.testing.assert_allclose(done.after.posteriors.sum(1), 1, atol=1e-5)
    assert f"after {done.after.top(1):.2f} %" in str(done)
    assert out.stat().st_size < trained.stat().st_size / 2
    assert [path.name for path in tmp_path.glob("int8*")] == ["int8.onnx"]


def test_a_transferred_net_goes_to_int8_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its file posteriors come out, and not what it averages over views, of other numbers."""
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name)
    from verydeep.verbs import quantise

    describer = describing(build("A", 3, width=0.125, crop=32, fc=16, initial="he"), "pool5")
    weight = torch.randn(10, 64, generator=torch.Generator().manual_seed(0))
    network = classifying(describer, weight, torch.zeros(10), open_dataset("drawn").classes)
    weights.save(network, tmp_path / "t.safetensors")
    monkeypatch.setattr(quantise, "CALIBRATION", 16)
    runtime = Runtime(Machine("cpu", 2))
    done = quantise.export_int8(tmp_path / "t.safetensors", "drawn:100", tmp_path / "x", runtime)
    difference = np.abs(done.after.posteriors - done.before.posteriors)
    assert 0 < difference.mean() < 0.02


def test_an_int8_file_has_no_norms_and_its_values_are_int8(tmp_path: Path) -> None:
    """Read by ONNX's own code, and run by ONNX Runtime."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    from verydeep.engines import quantised

    network, shown = network_with_norms("A"), pictures(16, 32, 32)
    quantised.write_int8(network, list(shown.numpy()), tmp_path / "x.onnx")
    graph = onnx.load(tmp_path / "x.onnx").graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    zeros = {kinds[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"}
    assert zeros == {onnx.TensorProto.INT8}
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["posteriors"], {"pictures": shown.numpy()})
    with torch.inference_mode():
        expected = network.posteriors(network.pixels.normalise(shown)).numpy()
    assert expected.std() > 0.1
    assert 0 < np.abs(found - expected).mean() < 0.02


def test_int8_without_its_tools_is_one_line_on_how_to_install_them(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verydeep.engines import quantised
    from verydeep.verbs.quantise import export_int8

    monkeypatch.setattr(quantised, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs onnx and onnxruntime: pip install 'verydeep\[eng"):
        export_int8(trained, "drawn", tmp_path / "int8.onnx")


def test_int8_refuses_before_anything_is_calibrated(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from verydeep.verbs import quantise

    path = weights.find(trained)
    before = path.read_bytes()
    with pytest.raises(UserError, match="is the file that it is made of"):
        quantise.export_int8(path, "drawn:300", path)
    assert path.read_bytes() == before
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot write .*file/x.onnx: .*; choose another --out"):
        quantise.export_int8(path, "drawn:300", tmp_path / "file" / "x.onnx")


def test_int8_without_a_picture_to_test_on_is_refused_before_anything_is_calibrated(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from verydeep.verbs import quantise

    def all_learnt(*given: Any) -> Any:
        dataset, _, part, role = to_test(*given)
        parts = {"train": dataset.train, "validation": part.only([]), "test": part.only([])}
        return replace(dataset, parts=parts), "validation", parts["validation"], role

    monkeypatch.setattr(quantise, "to_test", all_learnt)
    monkeypatch.setattr(quantise, "_crops", lambda *given: pytest.fail("calibrated"))
    line = "no pictures to test on in the validation part of drawn:300"
    with pytest.raises(UserError, match=line):
        quantise.export_int8(trained, "drawn:300", tmp_path / "int8.onnx")


def test_int8_is_for_onnx_alone(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["weights", "export", str(trained), "--to", "caffe", "--int8", "drawn"]
    monkeypatch.setattr(sys, "argv", ["verydeep", *words, "--out", str(tmp_path / "a")])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "give --to onnx" in capsys.readouterr().err
