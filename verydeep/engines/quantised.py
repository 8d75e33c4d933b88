"""Networks in int8, by post-training quantisation with ONNX Runtime's tools, as one ONNX file.

Weights are int8 with a scale for each channel, values int8 with a scale and a zero for each row,
from the least and the largest that calibration pictures give. Weights use seven of their eight
bits: with all of them the sums of two products that AVX2 makes in 16 bits overflow. The first and
the last layer stay float32, which changes posteriors less and costs hardly any time. Norms are put
into the convolutions before them first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from verydeep.engines.engine import Engine
from verydeep.engines.runtimes import core
from verydeep.errors import UserError
from verydeep.exporters.onnx import PICTURES, POSTERIORS, SCORES, onnx_bytes
from verydeep.nets.folding import folded
from verydeep.nets.network import Network

NEEDED = ("onnx", "onnxruntime")


def require() -> None:
    """Raises UserError where what quantises is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(f"--int8 needs {' and '.join(missing)}: pip install 'verydeep[engines]'")


def write_int8(network: Network, crops: Sequence[UInt8[np.ndarray, "h w 3"]], path: Path) -> None:
    """Writes a network's `.onnx` in int8, calibrated with pictures as the network is shown them.

    In and out go what `exporters.onnx.write_onnx` says. Raises UserError where ONNX Runtime is not
    installed.
    """
    require()
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        """Hands out the pictures one by one, as the calibration asks for them."""

        def __init__(self) -> None:
            self.rest = iter(crops)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(({PICTURES: crop[None]} for crop in self.rest), None)

    model = onnx.load_from_string(onnx_bytes(folded(network), [SCORES, POSTERIORS]))
    layers = [node.name for node in model.graph.node if node.op_type == "Conv"]
    with _quietly():
        quantization.quantize_static(
            model,
            path,
            Reader(),
            op_types_to_quantize=["Conv", "Relu", "MaxPool"],
            nodes_to_exclude=[layers[0], layers[-1]],
            per_channel=True,
            reduce_range=True,
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the advice that the tools log about graphs that are not ours."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@dataclass(frozen=True)
class Whole(Engine):
    """A whole network in a file of ONNX, run by OpenVINO where it is there, or ONNX Runtime."""

    run: Callable[[np.ndarray], np.ndarray]

    @property
    def columns(self) -> int:
        """As many as there are classes, whatever the network averages over views."""
        return self.network.table.outputs

    def posteriors(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B K"]:
        """Class posteriors, as the file gives them."""
        return torch.from_numpy(self.run(views.numpy()))

    def evidence(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B K"]:
        """Posteriors, which are all that comes out of the file."""
        return self.posteriors(views)

    def verdict(self, evidence: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Their mean over a picture's views."""
        return evidence


def whole(path: Path, engine: Engine, threads: int) -> Whole:
    """What runs an ONNX file that was written of an engine's network, for `threads` callers."""
    runner = "openvino" if find_spec("openvino") else "onnxruntime"
    run = (_openvino if runner == "openvino" else _onnxruntime)(path, threads)
    return Whole(f"int8 by {runner}", engine.network, engine.trunk, run)


def _openvino(path: Path, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    settings = {"NUM_STREAMS": threads, "INFERENCE_NUM_THREADS": threads}
    model = core().compile_model(path, "CPU", settings)
    place = [output.get_any_name() for output in model.outputs].index(POSTERIORS)
    return lambda views: np.array(model.create_infer_request().infer({0: views})[place])


def _onnxruntime(path: Path, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda views: np.asarray(session.run([POSTERIORS], {PICTURES: views})[0])
