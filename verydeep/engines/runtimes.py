"""Other programs' engines: the trunk of a network in ONNX, run by them.

Each is imported when it is asked for. The FC rows after it stay PyTorch's: nine tenths of a
network's bytes, of which a runtime would make one copy more or two.
"""

from __future__ import annotations

from functools import cache
from threading import local as own_of_each_thread
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from verydeep.exporters.onnx import PICTURES, onnx_bytes
from verydeep.nets.network import Network


class OnnxRuntime:
    """ONNX Runtime, whose session any number of threads may call, each with `threads` inside."""

    def __init__(self, network: Network, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        model = onnx_bytes(network, [network.table.trunk])
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B C r c"]:
        """What the last row of the trunk gives."""
        return torch.from_numpy(self._session.run(None, {PICTURES: views.numpy()})[0])


class OpenVino:
    """OpenVINO on a CPU: `calls` streams of `threads` each, one for every thread that calls."""

    def __init__(self, network: Network, threads: int = 1, calls: int = 1) -> None:
        model = core().read_model(onnx_bytes(network, [network.table.trunk]), b"")
        settings = {
            "NUM_STREAMS": calls,
            "INFERENCE_NUM_THREADS": calls * threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._model = core().compile_model(model, "CPU", settings)
        self._own = own_of_each_thread()

    def __call__(self, views: UInt8[Tensor, "B h w 3"]) -> Float[Tensor, "B C r c"]:
        """What the last row of the trunk gives."""
        if not hasattr(self._own, "request"):
            self._own.request = self._model.create_infer_request()
        found = self._own.request.infer({0: views.numpy()}, share_inputs=True)
        return torch.from_numpy(found[0])


@cache
def core() -> Any:
    """OpenVINO's core, kept for as long as the process lives.

    Its plugin for CPUs gives the thread that first asks for it a stack for signals, and unmaps that
    stack when the last that holds the plugin lets it go (2026.4). Where that were another thread,
    say one of a pool with a request of its own, the first would still point there: the next signal,
    Ctrl-C among them, would bring the process down in C.
    """
    import openvino

    return openvino.Core()
