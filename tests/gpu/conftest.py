"""What tests of a GPU share: the device, and convolutions in full float32."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch


@pytest.fixture
def device() -> str:
    """ "cuda"; the test is skipped where there is none.

    VERYDEEP_GPU_TESTS=cpu runs the same tests on a CPU against itself, to try them.
    """
    wanted = os.environ.get("VERYDEEP_GPU_TESTS", "cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    return wanted


@pytest.fixture
def cuda(device: str) -> str:
    """The same for what has no meaning on a CPU, not even to try it."""
    if device != "cuda":
        pytest.skip("of CUDA alone")
    return device


@pytest.fixture
def exactly() -> Iterator[None]:
    """Float32 means float32, also in convolutions, for which PyTorch takes TF32 by default."""
    backends: Any = torch.backends  # whose types lack these
    kinds = backends.cudnn.conv, backends.cuda.matmul
    before = [kind.fp32_precision for kind in kinds]
    for kind in kinds:
        kind.fp32_precision = "ieee"
    yield
    for kind, precision in zip(kinds, before, strict=True):
        kind.fp32_precision = precision
