"""Signals as a file: what comes back is what was written, whatever its figures are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from verydeep.errors import UserError
from verydeep.studies.deep_stack import CASES, Draw, Reruns
from verydeep.studies.initialisation import Initialisation
from verydeep.studies.signals import LayerSignals, Signals
from verydeep.studies.signals_file import Measured, load_signals, save_signals

OF = Measured("drawn:40x48", 0, 0, 32, 64, 32, 0.125, 512, ("ab12", "cd34"))
FIRST = LayerSignals("conv1_1", -0.1, 1 / 3, 0.25, 1e-300, 2.5, 0.7, 0.71)
NORMED = LayerSignals("conv1_2", 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, None)
BURST = LayerSignals("conv2_1", math.inf, math.inf, 0.0, math.inf, -math.inf, math.inf, 5.5)
DRAWS = Draw((0.1, 0.2), (1 / 3, 0.0)), Draw((0.3, 0.4), (0.5, 0.6))
FOUND = Initialisation(
    (Reruns(CASES[0], DRAWS),),
    (
        Signals("A", "he", 2.3, (FIRST,)),
        Signals("A-BN", "he", 2.4, (FIRST, NORMED)),
        Signals("A", "gaussian:100", math.inf, (FIRST, BURST)),
    ),
)


def test_what_is_written_comes_back_to_the_bit() -> None:
    save_signals(FOUND, OF, Path("s.safetensors"))
    assert load_signals(Path("s.safetensors")) == (FOUND, OF)


def test_what_is_no_number_comes_back_as_that() -> None:
    """NaN is equal to nothing, so it has a test of its own."""
    lost = LayerSignals("fc6", math.nan, math.nan, 0.0, math.nan, math.nan, math.nan, 1.5)
    found = Initialisation((), (Signals("A", "he", math.nan, (lost,)),))
    save_signals(found, OF, Path("s.safetensors"))
    (back,) = load_signals(Path("s.safetensors"))[0].signals
    assert repr(back) == repr(found.signals[0])


def test_a_file_that_is_damaged_is_refused() -> None:
    save_signals(FOUND, OF, Path("s.safetensors"))
    content = bytearray(Path("s.safetensors").read_bytes())
    content[-1] ^= 1
    Path("s.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="no whole file of signals of verydeep.*take it away"):
        load_signals(Path("s.safetensors"))
