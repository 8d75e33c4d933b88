"""The whole of it on narrow nets: what the paper found of initialisation, and that it is exact.

The paper (Sect. 3.1): A learns from random weights, deeper nets stall unless they begin with
layers of A; Glorot's initialisation makes that unnecessary.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import images
from verydeep import save
from verydeep.errors import UserError
from verydeep.nets.network import build
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime
from verydeep.studies import initialisation as module
from verydeep.studies.initialisation import INITIALS, NETS, FromA, Initialisation, initialisation
from verydeep.studies.signals import Signals, signals

CROP, WIDTH, CLASSES = 32, 0.125, 4
SHOWN, LABELS = images(8, CROP, CROP), torch.arange(8) % CLASSES


class Heard(Progress):
    """Notes how far work is."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        self.steps.append((what, done, total))


@pytest.fixture(autouse=True)
def no_lecture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its figures have tests of their own."""
    monkeypatch.setattr(module, "reruns_of_stack", lambda *_: ())


def found_with(threads: int, seed: int = 0, heard: Progress | None = None) -> Initialisation:
    runtime = Runtime(Machine("cpu", threads), progress=heard or Progress())
    return initialisation(SHOWN, LABELS, CLASSES, WIDTH, CROP, seed, runtime=runtime)


@pytest.fixture(scope="module")
def narrow() -> Initialisation:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "reruns_of_stack", lambda *_: ())
        return found_with(threads=2)


def signals_of(found: Initialisation, net: str, initial: str) -> Signals:
    return next(each for each in found.of(net) if each.initial == initial)


def least_gradient(found: Initialisation, net: str, initial: str) -> float:
    return min(layer.weight_gradient for layer in signals_of(found, net, initial).layers)


def test_every_net_comes_with_every_initialisation_in_order(narrow: Initialisation) -> None:
    assert [(s.net, s.initial) for s in narrow.signals] == [(n, i) for n in NETS for i in INITIALS]
    assert narrow.nets == NETS
    assert [len(narrow.of(net)[0].layers) for net in NETS] == [11, 13, 16, 16, 19] * 2
    assert not any(s.not_finite for s in narrow.signals)


def test_threads_change_no_bit_and_another_seed_does(narrow: Initialisation) -> None:
    """Compared as records of floats, which are equal to the last bit or not at all."""
    heard = Heard()
    assert found_with(threads=1, heard=heard) == narrow
    assert heard.steps == [("signals", n, 50) for n in range(1, 51)]
    assert found_with(threads=2, seed=1) != narrow


def test_by_the_gains_of_the_papers_gaussian_deeper_nets_pass_on_less(
    narrow: Initialisation,
) -> None:
    initial = "whole-gaussian:0.01"
    scores = [signals_of(narrow, net, initial).layers[-1].std for net in ("A", "B", "D", "E")]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 1000 * scores[-1]
    assert least_gradient(narrow, "A", initial) > 100 * least_gradient(narrow, "E", initial)


@pytest.mark.parametrize("net", [*"ABCDE"])
def test_from_glorots_weights_gradients_reach_every_layer(narrow: Initialisation, net: str) -> None:
    """Of the weights' own size, within two decades in each layer; from 0.01 norms alone do so."""
    assert least_gradient(narrow, net, "glorot") > 1e-3
    assert least_gradient(narrow, net, "gaussian:0.01") < 1e-7
    assert least_gradient(narrow, f"{net}-BN", "gaussian:0.01") > 1e-3


def test_a_net_is_what_signals_of_it_alone_are(narrow: Initialisation) -> None:
    network = build("C", CLASSES, width=WIDTH, crop=CROP, initial="he", seed=0)
    alone = signals(network, "he", SHOWN, LABELS)
    assert alone == signals_of(narrow, "C", "he")
    half = signals(network, "half", SHOWN[:4], LABELS[:4])
    assert half != replace(alone, initial="half")


def test_nets_with_norms_and_other_beginnings_can_be_asked_for() -> None:
    found = initialisation(
        SHOWN, LABELS, CLASSES, WIDTH, CROP, 0, nets=("A-BN",), initials=("gaussian:0.3",),
        runtime=Runtime(Machine("cpu", 1), progress=Progress()),
    )  # fmt: skip
    assert [(s.net, s.initial) for s in found.signals] == [("A-BN", "gaussian:0.3")]


def test_deeper_nets_begin_with_layers_of_a_too() -> None:
    """The layers that the paper names (Sect. 3.1), the last among them, put in here by hand."""
    a = build("A", CLASSES, width=WIDTH, crop=CROP, fc=24, initial="he", seed=5)
    save(a, "a.safetensors")
    found = initialisation(
        SHOWN, LABELS, CLASSES, WIDTH, CROP, 0, nets=("A", "D", "D-BN"), initials=("he",), fc=24,
        after={"A": FromA(Path("a.safetensors"), "glorot")},
        runtime=Runtime(Machine("cpu", 1), progress=Progress()),
    )  # fmt: skip
    begun = [(s.net, s.initial) for s in found.signals]
    assert begun == [("A", "he"), ("D", "he"), ("D", "from A"), ("D-BN", "he")]
    d = build("D", CLASSES, width=WIDTH, crop=CROP, fc=24, initial="glorot", seed=0)
    for layer in ("conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8"):
        d.get_submodule(layer).load_state_dict(a.get_submodule(layer).state_dict())
    assert signals_of(found, "D", "from A") == signals(d, "from A", SHOWN, LABELS)


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"pictures of 32 x 32 for nets of crop 64; give .* 64 x 64"
    ):
        initialisation(SHOWN, LABELS, CLASSES, WIDTH, 64, 0)
    with pytest.raises(UserError, match="no initialisation 'xavier'; there are glorot, he"):
        initialisation(SHOWN, LABELS, CLASSES, WIDTH, CROP, 0, initials=("xavier",))
