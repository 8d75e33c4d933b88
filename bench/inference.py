"""Inference on a CPU: our engines beside torchvision's net, and whole networks in other programs.

    uv run python bench/inference.py [--net ResNet-50-v1.5] [--width 1] [--crop 224] [--json]

Weights are random. In go pictures, uint8 [B, H, W, 3], or for torchvision floats that are there
already; out come posteriors. The ways take turns within one run; medians of `--runs` turns after
one that is not counted. Two times are told of each: by the clock, and of the processor, over all
threads, which tells more where others use the same cores.

- `--compile` adds torchvision's network through torch.compile, which wants a C++ compiler;
- `--int8` adds networks quantised by OpenVINO's NNCF and by ONNX Runtime, where those are
  installed, calibrated with noise: their time says something and their answers nothing;
- `--floor` measures what the machine can do at most: multiply-adds in float32 in a matrix product
  that fits the caches, and bytes read from memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from peers import FUNCTIONS, torchvisions
from turns import Way, in_turns

from verydeep.engines.engine import ENGINES, PACKAGED, engine_for
from verydeep.exporters.onnx import PICTURES, POSTERIORS, onnx_bytes
from verydeep.nets.cost import cost
from verydeep.nets.network import Network, build
from verydeep.runtime.threads import one_thread_each

Times = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", default="D", choices=list(FUNCTIONS))
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--floor", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    network = build(given.net, width=given.width, crop=given.crop)
    found: dict[str, Any] = {"threads": threads, "net": given.net, "width": given.width}
    if given.floor:
        found["floor"] = floor(network)
    for batch in map(int, given.batches.split(",")):
        size = (batch, given.crop, given.crop, 3)
        views = torch.randint(256, size, dtype=torch.uint8)
        found[f"batch {batch}"] = measure(ways(network, views, threads, given), given.runs)
    print(json.dumps(found, indent=1) if given.json else table(found))


def measure(chosen: dict[str, Way], runs: int) -> Times:
    """Milliseconds of each way, turn by turn: medians by the clock and of the processor."""
    with torch.inference_mode():
        taken = in_turns(chosen, runs)
    return {
        name: {
            "ms": 1e3 * statistics.median(turn.clock for turn in turns),
            "least": 1e3 * min(turn.clock for turn in turns),
            "processor_ms": 1e3 * statistics.median(turn.processor for turn in turns),
        }
        for name, turns in taken.items()
    }


def ways(
    network: Network, views: torch.Tensor, threads: int, given: argparse.Namespace
) -> dict[str, Way]:
    """Ours by every engine that is installed, and the peers."""
    found: dict[str, Way] = {}
    for name in ENGINES:
        if name not in PACKAGED or find_spec(name):
            found[f"verydeep, {name}"] = ours(network, name, views, threads)
    if network.table.crop == 224 and given.width == 1:
        found.update(by_torchvision(given.net, views, given.compile))
    if all(map(find_spec, PACKAGED)):
        model = onnx_bytes(network, [POSTERIORS])
        found["OpenVINO, whole"] = by_openvino(model, views, threads, "f32")
        found["OpenVINO, as it comes"] = by_openvino(model, views, threads)
        found["ONNX Runtime, whole"] = by_onnxruntime(model, views, threads)
        if given.int8:
            found.update(quantised(model, views, threads))
    return found


def ours(network: Network, name: str, views: torch.Tensor, threads: int) -> Way:
    """As `verydeep evaluate` does it: a share of the batch for each thread, or all for one view."""
    shares = torch.split(views, -(-len(views) // threads))
    engine = engine_for(network, name, threads, calls=len(shares))
    if len(shares) == 1:
        return lambda: engine.posteriors(views)
    pool = ThreadPoolExecutor(threads)
    run = torch.inference_mode()(engine.posteriors)

    def way() -> object:
        with one_thread_each():
            return torch.cat(list(pool.map(run, shares)))

    return way


def by_torchvision(net: str, views: torch.Tensor, compiled: bool) -> dict[str, Way]:
    """Torchvision's network, with all threads inside each operation."""
    model = torchvisions(net).eval()
    images = views.permute(0, 3, 1, 2).float().contiguous()
    last = torchvisions(net).eval()
    last.load_state_dict(model.state_dict())
    last = last.to(memory_format=torch.channels_last)
    images_last = images.contiguous(memory_format=torch.channels_last)
    found: dict[str, Way] = {
        "torchvision": lambda: model(images).softmax(1),
        "torchvision, channels last": lambda: last(images_last).softmax(1),
    }
    if compiled:
        better: Any = torch.compile(last)
        found["torchvision, compiled"] = lambda: better(images_last).softmax(1)
    return found


def by_openvino(
    model: bytes | Any, views: torch.Tensor, threads: int, precision: str | None = None
) -> Way:
    """A whole network in OpenVINO, in float32 where that is asked for.

    As it comes it works in bfloat16 on a processor that knows it.
    """
    import openvino

    core = openvino.Core()
    read = core.read_model(model, b"") if isinstance(model, bytes) else model
    hint = "LATENCY"  # with one request at a time the faster at every batch
    settings = {"PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    settings |= {"INFERENCE_PRECISION_HINT": precision} if precision else {}
    request = core.compile_model(read, "CPU", settings).create_infer_request()
    pictures = views.numpy()
    return lambda: request.infer({0: pictures}, share_inputs=True)


def by_onnxruntime(model: bytes | str, views: torch.Tensor, threads: int) -> Way:
    """A whole network in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = {PICTURES: views.numpy()}
    return lambda: session.run(None, given)


def quantised(model: bytes, views: torch.Tensor, threads: int) -> dict[str, Way]:
    """The network in int8, by each tool that is installed."""
    found: dict[str, Way] = {}
    noise = [np.random.default_rng(i).integers(0, 256, views.shape[1:], np.uint8)[None]
             for i in range(4)]  # fmt: skip
    if find_spec("nncf"):
        import nncf
        import openvino

        read = openvino.Core().read_model(model, b"")
        made = nncf.quantize(read, nncf.Dataset(noise), subset_size=len(noise))
        found["OpenVINO, int8 by NNCF"] = by_openvino(made, views, threads)
    if find_spec("onnx"):
        from onnxruntime import quantization

        class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
            def __init__(self) -> None:
                self.rest: Iterator[np.ndarray] = iter(noise)

            def get_next(self) -> dict[str, np.ndarray] | None:
                return next(({PICTURES: shown} for shown in self.rest), None)

        with tempfile.TemporaryDirectory() as folder:
            plain, small = Path(folder) / "a.onnx", Path(folder) / "b.onnx"
            plain.write_bytes(model)
            quantization.quantize_static(
                plain, small, Reader(), per_channel=True, reduce_range=True,
            )  # fmt: skip
            found["ONNX Runtime, int8"] = by_onnxruntime(str(small), views, threads)
            found["OpenVINO, the same int8"] = by_openvino(small.read_bytes(), views, threads)
    return found


def floor(network: Network) -> dict[str, float]:
    """What the machine gives at most, on all threads, and the least time of a picture by it."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    large = torch.ones(2**27)
    flops = 2 * 2048**3 / min(timed(lambda: a @ b) for _ in range(9))
    read = large.nbytes / min(timed(large.sum) for _ in range(9))
    whole = cost(network.table)
    weights = sum(p.nbytes for p in network.parameters())
    return {
        "multiply_adds_per_s": flops / 2,
        "bytes_read_per_s": read,
        "least_ms_by_plain_multiply_adds": 1e3 * 2 * whole.multiply_adds / flops,
        "least_ms_by_weights_read": 1e3 * weights / read,
    }


def timed(work: Way) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def table(found: dict[str, Any]) -> str:
    """A block for each batch: milliseconds, and how many times as fast as the slowest peer."""
    lines = [f"{found['net']}, width {found['width']}, {found['threads']} threads"]
    lines += [f"  {name:34} {value:.4g}" for name, value in found.get("floor", {}).items()]
    for name, times in found.items():
        if name.startswith("batch"):
            own = times["verydeep, winograd"]
            lines += ["", f"{name:28} {'ms':>9} {'least':>9} {'processor':>9}  winograd is faster"]
            for way, t in times.items():
                ratio = f"{t['ms'] / own['ms']:6.2f} {t['processor_ms'] / own['processor_ms']:6.2f}"
                lines.append(
                    f"{way:28} {t['ms']:9.1f} {t['least']:9.1f} {t['processor_ms']:9.1f}  {ratio}"
                )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
