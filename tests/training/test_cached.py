"""FC layers tuned on kept values, against the network itself on the very crops, and plain tuning.

Where there are as many views as epochs a cached training shows what the plain one does, without the
shift of colour: both must come to the same weights, but for the rounding of float16 (1 in 2,048).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import TWO_CORES
from tests.training.test_loop import PIXELS, broken_at, drawn, source_of, weights_of
from verydeep import tensors_file
from verydeep.datasets import open_dataset
from verydeep.errors import Stopped, UserError
from verydeep.nets.network import Network, build
from verydeep.nets.rows import PICTURE
from verydeep.parts.dataset import Part
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime
from verydeep.training import checkpoints, values
from verydeep.training.cached import Cached, cached
from verydeep.training.defaults import choose
from verydeep.training.loader import batches
from verydeep.training.loop import fit
from verydeep.training.run_toml import command_line
from verydeep.training.settings import Settings
from verydeep.training.state import Training, cached_row, trains_trunk
from verydeep.verbs.train import resume, train
from verydeep.weights.file import load, save

SETTINGS = Settings(
    net="A", width=0.125, crop=32, fc=16, scale=(40, 40), batch=10, micro_batch=4, epochs=4,
    patience=4, rate=0.01, colour=0.0, initial="he", start="x", tune="fc", cached=True, views=2,
)  # fmt: skip
FEW = 7 * 2 * 64
"""Bytes of a file of values, for one that has seven crops of 64 values each."""


def network(net: str = "A", fc: int = 16) -> Network:
    return build(net, 10, width=0.125, crop=32, fc=fc, pixels=PIXELS, initial="he")


def prepared(
    net: Network,
    settings: Settings = SETTINGS,
    folder: Path = Path(),
    threads: int = 2,
    while_making: Callable[[], None] = lambda: None,
    part: Part | None = None,
) -> Cached:
    source, (_, validation) = source_of(part or drawn()[0]), drawn()
    runtime = Runtime(Machine("cpu", threads))
    return cached(net, source, validation, settings, folder, runtime, while_making)


def tuned(
    settings: Settings = SETTINGS, threads: int = 2, net: Network | None = None
) -> tuple[Network, list[Any]]:
    net = net or network()
    train_part, validation = drawn()
    source, training = source_of(train_part), Training.of(net, settings)
    runtime = Runtime(Machine("cpu", threads))
    if not settings.cached:
        return net, [*fit(training, source, validation, settings, runtime)]
    ways = prepared(net, settings, threads=threads)
    epochs = fit(
        training, source, validation, settings, runtime, load=ways.batches, judge=ways.judge
    )
    return net, [*epochs]


def test_values_are_those_of_the_trunk_for_the_crops_of_the_first_epochs() -> None:
    net, (part, _) = network(), drawn()
    found, row = prepared(net), cached_row(net.table)
    for epoch in range(4):
        expected: dict[int, torch.Tensor] = {}
        for batch in batches(source_of(part), SETTINGS, epoch % 2, threads=1):
            given = net.run({PICTURE: batch.shown(PIXELS)}, [row])[row]
            expected |= dict(zip(batch.samples.tolist(), given, strict=True))
        shown = [*found.batches(source_of(part), SETTINGS, epoch, 1, 0)]
        samples = np.concatenate([batch.samples for batch in shown]).tolist()
        orders = [b.samples for b in batches(source_of(part), SETTINGS, epoch, threads=1)]
        assert samples == np.concatenate(orders).tolist()
        for batch in shown:
            (name, given), *_ = batch.given(PIXELS).items()
            assert name == row == "pool5"
            assert batch.targets.tolist() == part.labels[batch.samples].tolist()
            wanted = torch.stack([expected[i] for i in batch.samples.tolist()])
            torch.testing.assert_close(given, wanted.detach(), rtol=1e-3, atol=1e-3)


def test_with_a_view_for_each_epoch_it_is_plain_tuning() -> None:
    settings = replace(SETTINGS, views=4)
    one, log = tuned(settings)
    plain, plain_log = tuned(replace(settings, cached=False))
    torch.testing.assert_close(weights_of(one), weights_of(plain), rtol=1e-2, atol=1e-3)
    for ours, theirs in zip(log, plain_log, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, abs=2e-3)
        assert ours.validation_loss == pytest.approx(theirs.validation_loss, abs=2e-3)
        assert ours.figures == theirs.figures


@pytest.mark.parametrize(("net", "fc"), [("A-BN", 0), ("A-BN", 16), ("A", 0)])
def test_nets_with_norms_and_without_hidden_layers_are_tuned_alike(net: str, fc: int) -> None:
    settings = replace(SETTINGS, net=net, fc=fc, views=4)
    one, log = tuned(settings, net=network(net, fc))
    plain, plain_log = tuned(replace(settings, cached=False), net=network(net, fc))
    torch.testing.assert_close(weights_of(one), weights_of(plain), rtol=1e-2, atol=1e-3)
    assert log[-1].figures == plain_log[-1].figures


def test_threads_change_no_bit() -> None:
    shutil.rmtree("cached", ignore_errors=True)
    (one, log) = tuned(threads=1)
    shutil.rmtree("cached")
    (same, same_log) = tuned(threads=3)
    assert torch.equal(weights_of(one), weights_of(same))
    assert [e.line | {"seconds": 0, "waiting": 0} for e in log] == [
        e.line | {"seconds": 0, "waiting": 0} for e in same_log
    ]


def test_fc_layers_move_and_convolutions_stay() -> None:
    net, _ = tuned()
    before = dict(network().named_parameters())
    for name, weight in net.named_parameters():
        assert torch.equal(weight, before[name]) == name.startswith("conv"), name


def test_what_was_made_before_a_stop_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 pictures in 2 views and 10 centre crops, 70, seven a file, in groups of 4 and 3."""
    monkeypatch.setattr(values, "FILE", FEW)
    whole = prepared(network(), folder=folder("whole"))
    calls = []

    def stops() -> None:
        calls.append(1)
        if len(calls) == 6:
            raise Stopped

    with pytest.raises(Stopped):
        prepared(network(), folder=folder("cut"), while_making=stops)
    assert len([*Path("cut/cached").glob("*.safetensors")]) == 2
    again = prepared(network(), folder=Path("cut"), while_making=lambda: calls.append(1))
    assert len(calls) == 6 + 16
    assert np.array_equal(all_of(whole), all_of(again))
    prepared(network(), folder=Path("cut"), while_making=lambda: calls.append(1))
    assert len(calls) == 6 + 16


def folder(name: str) -> Path:
    Path(name).mkdir()
    return Path(name)


def all_of(found: Cached) -> np.ndarray:
    return np.asarray(found.kept.of(np.arange(len(found.shown))).values)


@pytest.mark.parametrize("of", ["damaged", "other weights", "another seed"])
def test_values_that_are_damaged_or_of_others_are_made_again(of: str) -> None:
    found = all_of(prepared(network()))
    (path,) = Path("cached").iterdir()
    net, settings = network(), SETTINGS
    if of == "damaged":
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    elif of == "other weights":
        net = build("A", 10, width=0.125, crop=32, fc=16, pixels=PIXELS, initial="he", seed=1)
    else:
        settings = replace(SETTINGS, seed=1)
    made: list[int] = []
    again = all_of(prepared(net, settings, while_making=lambda: made.append(1)))
    assert made
    assert np.array_equal(found, again) == (of == "damaged")


def test_other_fc_layers_leave_what_is_kept_as_it_is() -> None:
    prepared(network())
    net = network()
    torch.nn.init.zeros_(net.get_submodule("fc7").get_parameter("weight"))
    prepared(net, while_making=lambda: pytest.fail("made again"))


@pytest.mark.parametrize("choice", ["skip", "substitute"])
def test_a_picture_that_cannot_be_read_is_skipped_or_substituted_as_ever(choice: Any) -> None:
    settings = replace(SETTINGS, bad_picture=choice)
    part = broken_at(drawn()[0], 3, 20)
    source = source_of(part)
    found = prepared(network(), settings, part=part)
    for epoch in range(2):
        pairs = zip(
            found.batches(source, settings, epoch, 1, 0),
            batches(source, settings, epoch, threads=1),
            strict=True,
        )
        for ours, theirs in pairs:
            assert ours.weight.tolist() == theirs.weight.tolist()
            assert ours.shown_of == theirs.shown_of
            assert ours.faults == theirs.faults
            assert ours.targets.tolist() == theirs.targets.tolist()


def test_a_value_beyond_float16_is_named_with_its_picture() -> None:
    net = network()
    with torch.no_grad():
        net.get_submodule("conv5_2").get_parameter("bias").fill_(1e5)
    with pytest.raises(UserError, match=r"pool5 of \S+ is beyond what float16 holds; train with"):
        prepared(net)


def test_values_for_which_there_is_no_room_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(UserError, match=r"values of 70 crops .* are free; take fewer --set views"):
        prepared(network())


# --- a whole run


SMALL: dict[str, Any] = {
    "batch": 10, "micro_batch": 5, "epochs": 3, "patience": 3, "views": 2, "average": 0.5,
}  # fmt: skip


@pytest.fixture
def origin() -> str:
    net = build("A", list("abc"), width=0.125, crop=32, fc=16, pixels=PIXELS, initial="he")
    save(net, Path("origin.safetensors"), {})
    return "origin.safetensors"


def ends(run: Path) -> dict[str, Any]:
    last = checkpoints.found(run / "checkpoints")[-1]
    tensors = tensors_file.read(last, checkpoints.KIND).arrays()
    best = (run / "best.safetensors").read_bytes()
    return {"best": best, **{name: array.tobytes() for name, array in tensors.items()}}


def test_a_run_that_goes_on_comes_to_the_same_bits(origin: str) -> None:
    runtime = replace(TWO_CORES, save_every=1)
    run = train("drawn:40x48", "whole", runtime, start=origin, cached=True, **SMALL)
    assert (run.settings.tune, run.settings.colour) == ("fc", 0)
    assert not Path("whole/cached").exists()
    shutil.copytree("whole", "cut")
    checkpoints.found(Path("cut/checkpoints"))[-1].unlink()
    resume("cut", TWO_CORES)
    assert ends(Path("cut")) == ends(Path("whole"))
    done = resume("cut", TWO_CORES)  # and one that has ended makes nothing
    assert len(done.epochs) == 3
    assert load("whole").classes == run.dataset.classes


def test_the_command_that_is_printed_makes_the_same_run(origin: str) -> None:
    part = open_dataset("drawn:40x48").train
    given = {"start": origin, "cached": True, "views": 3}
    settings = choose(part, TWO_CORES.machine, given).settings
    said = command_line("drawn:40x48", settings)
    assert " --cached" in said
    assert " --set views=3" in said
    assert "--cached" not in command_line("drawn", replace(settings, cached=False))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "layers of trained weights give; say whose: --from WEIGHTS"),
        ({"start": "x", "tune": "all"}, "and --tune all trains of it; take --tune fc"),
        ({"start": "x", "colour": 0.1}, "and colour 0.1 shifts them at every step"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_line(
    given: dict[str, Any], message: str, origin: str
) -> None:
    part = open_dataset("drawn:40x48").train
    given = {name: origin if name == "start" else value for name, value in given.items()}
    with pytest.raises(UserError, match=message):
        choose(part, TWO_CORES.machine, {"cached": True, **given})


def test_the_last_layer_alone_can_be_tuned_on_kept_values(origin: str) -> None:
    part = open_dataset("drawn:40x48").train
    given = {"start": origin, "cached": True, "tune": "last"}
    assert choose(part, TWO_CORES.machine, given).settings.tune == "last"


def test_a_layer_of_the_trunk_is_known_for_one() -> None:
    for net in ("A", "C", "E", "D-BN"):
        table = network(net).table
        assert [trains_trunk(table, tune) for tune in ("all", "fc", "last")] == [True, False, False]


def test_what_a_run_keeps_is_told_of_before_it_is_made(
    origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: 2 views of 40 and 10 centre crops, of 64 values, 2 bytes each: 11,520."""
    said: list[str] = []

    class Told(Progress):
        def say(self, line: str) -> None:
            said.append(line)

        def step(self, what: str, done: int, total: int, note: str = "") -> None:
            said.append(what)

    monkeypatch.setattr(values.Files, "need_space", lambda files, _: said.append(f"{files.bytes}"))
    train("drawn:40x48", "run", TWO_CORES, progress=Told(), start=origin, cached=True, **SMALL)
    (line,) = (line for line in said if line.startswith("pool5 of 2 views of 40 pictures"))
    assert said.index(line) < said.index("11520") < said.index("pool5 of fixed views")
