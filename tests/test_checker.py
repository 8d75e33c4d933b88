"""That functions are held to their types while the tests run, with and without shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from verydeep.evaluation.metrics import top_error
from verydeep.nets import vgg
from verydeep.parts.annotations import Objects
from verydeep.runtime.machine import Machine


def test_an_argument_of_another_type_is_refused() -> None:
    width: Any = "half"
    with pytest.raises(TypeError, match="violates type hint"):
        vgg.table("A", width=width)


def test_a_field_of_another_type_is_refused() -> None:
    threads: Any = "two"
    with pytest.raises(TypeError, match="violates type hint"):
        Machine("cpu", threads)


def test_a_letter_means_one_size_throughout_a_call() -> None:
    with pytest.raises(TypeError, match="N=3"):
        top_error(np.zeros((3, 2), np.float32), np.zeros(4, np.int64))
    with pytest.raises(TypeError, match="R=3"):
        Objects(np.zeros((3, 4)), np.zeros(2, np.int64), np.zeros(3, bool))
