"""Testing by the paper's protocols: ours beside torchvision's VGG, in pictures a second.

    uv run python bench/protocols.py [FOLDER] [--net D] [--width 0.25] [--pictures 6] [--json]
    uv run python bench/protocols.py --memory

FOLDER holds pictures of mixed shapes; without it drawn ones are made, of the commonest shapes of
ILSVRC's. Both networks have the same weights, and the posteriors are held against each other.

- dense: the whole picture at Q = 256, 384, 512, and its mirror image. The peer is torchvision's
  VGG with its FC layers made convolutions, shown one picture, scale and mirror image at a time;
- crops: 150 crops of 224 a picture, at the same Q. The peer is torchvision's VGG on the same
  crops, the 50 of a scale together.

The ways take turns within one run; medians of five. What is timed begins with a file and ends with
its posteriors, reading included. On a GPU both run in bf16 autocast.

`--memory` tells the most memory that testing D takes, whole, densely at Q = 512: three pictures and
a panorama ten times as wide as high.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models import vgg as peers  # type: ignore[import-untyped]
from turns import in_turns, rates

from verydeep.drawings.drawing import draw
from verydeep.engines.engine import chosen
from verydeep.evaluation.posteriors import posteriors
from verydeep.evaluation.views import Pass, protocol
from verydeep.nets.network import Network, build
from verydeep.nets.rows import FC, Conv, MaxPool
from verydeep.parts.dataset import Part
from verydeep.runtime.machine import Machine
from verydeep.runtime.runtime import Runtime

SCALES = (256, 384, 512)
RUNS = 5
SHAPES = ((375, 500), (375, 500), (333, 500), (500, 375), (375, 500), (500, 334))
Test = Callable[[], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--net", default="D", choices=["A", "B", "D", "E"])
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    machine = Machine.this()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    if given.memory:
        memory(machine)
        return
    network = build(given.net, width=given.width).to(machine.device)
    with tempfile.TemporaryDirectory() as made:
        paths = pictures_of(given.folder or drawn(Path(made)), given.pictures)
        found = {
            name: measure(*ways(network, paths, name, machine), len(paths))
            for name in ("dense", "crops")
        }
    print(json.dumps({"machine": str(machine), **found}, indent=1) if given.json else table(found))


def memory(machine: Machine) -> None:
    """Prints the peak before the first picture, and after all."""
    network = build("D").to(machine.device)
    images = [draw(0, i, shape).image for i, shape in enumerate((*SHAPES[1:4], (512, 5120)))]
    part = Part([str(i) for i in range(4)], np.zeros(4, np.int64), lambda i: images[i])
    before = peak()
    posteriors(
        network, part, protocol(network, "dense", (512,)), Runtime(machine),
        engine=chosen(None, machine.device),
    )  # fmt: skip
    print(f"{before:.2f} GB at most before the first picture, {peak():.2f} GB after all")


def peak() -> float:
    """The most memory that this process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def pictures_of(folder: Path, count: int) -> list[Path]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    return paths[:: max(1, len(paths) // count)][:count]


def drawn(folder: Path) -> Path:
    for i, shape in enumerate(SHAPES):
        Image.fromarray(draw(0, i, shape).image).save(folder / f"{i}.jpg", quality=90)
    return folder


def ways(
    network: Network,
    paths: list[Path],
    name: str,
    machine: Machine,
    scales: tuple[int, ...] = SCALES,
) -> tuple[Test, Test]:
    """Ours, and the peer's."""
    part = Part([str(p) for p in paths], np.zeros(len(paths), np.int64), lambda i: paths[i])
    shown, runtime = protocol(network, name, scales), Runtime(machine)
    peer = (dense_peer if name == "dense" else crops_peer)(network, scales)
    gpu = machine.device == "cuda"

    def ours() -> np.ndarray:
        precision = "bf16" if gpu else "float32"
        engine = chosen(None, machine.device)
        return posteriors(network, part, shown, runtime, precision=precision, engine=engine)

    @torch.inference_mode()
    def theirs() -> np.ndarray:
        with torch.autocast("cuda", torch.bfloat16, enabled=gpu):
            return np.stack([peer(path) for path in paths])

    return ours, theirs


def torchvisions(network: Network) -> tuple[nn.Sequential, nn.Sequential]:
    """The VGG of torchvision with the same layers and weights: features and classifier."""
    convs = [row for row in network.table.rows if isinstance(row, Conv) and not isinstance(row, FC)]
    words: list[Any] = ["M" if isinstance(r, MaxPool) else r.channels for r in network.table.rows
                        if isinstance(r, MaxPool) or r in convs]  # fmt: skip
    model = peers.VGG(peers.make_layers(words), num_classes=len(network.classes))
    fc = [row for row in network.table.rows if isinstance(row, FC)]
    sides = [convs[-1].channels * (network.table.crop // 32) ** 2, *(row.channels for row in fc)]
    for place, inside, outside in zip((0, 3, 6), sides, sides[1:], strict=False):
        model.classifier[place] = nn.Linear(inside, outside)
    weights = [p.detach().clone() for p in network.parameters()]
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.copy_(weight.reshape(parameter.shape))
    model.to(network.device).eval()
    return model.features, model.classifier


def dense_peer(network: Network, scales: tuple[int, ...]) -> Callable[[Path], np.ndarray]:
    """A picture, a scale and a mirror image at a time, the FC layers as convolutions."""
    features, classifier = torchvisions(network)
    layers: list[nn.Module] = list(features)
    for i, layer in enumerate(classifier):
        if isinstance(layer, nn.Linear):
            side = network.table.crop // 32 if i == 0 else 1
            conv = nn.Conv2d(layer.in_features // side**2, layer.out_features, side)
            conv.weight.data = layer.weight.data.view_as(conv.weight)
            conv.bias = layer.bias
            layers.append(conv)
        else:
            layers.append(layer)
    dense = nn.Sequential(*layers).to(network.device).eval()

    def peer(path: Path) -> np.ndarray:
        shown = []
        for scale in scales:
            image = normalised(network, path, scale)
            for view in (image, image.flip(2)):
                rows, columns = map(network.table.shown, view.shape[1:])
                scores = dense(view[None, :, rows, columns]).float().mean((2, 3))
                shown.append(scores.softmax(1)[0])
        return torch.stack(shown).mean(0).cpu().numpy()

    return peer


def crops_peer(network: Network, scales: tuple[int, ...]) -> Callable[[Path], np.ndarray]:
    """The 50 crops of a scale in one batch."""
    features, classifier = torchvisions(network)
    model, crop = nn.Sequential(features, nn.Flatten(), classifier), network.table.crop

    def peer(path: Path) -> np.ndarray:
        shown = []
        for scale in scales:
            image = normalised(network, path, scale)
            places = Pass("grid", crop, scale).places(*image.shape[1:])
            crops = torch.stack([image[:, y : y + crop, x : x + crop] for y, x in places])
            scores = model(torch.cat([crops, crops.flip(3)])).float()
            shown.append(scores.softmax(1).mean(0))
        return torch.stack(shown).mean(0).cpu().numpy()

    return peer


def normalised(network: Network, path: Path, scale: int) -> Tensor:
    """The picture read by Pillow, its smaller side `scale`, less the mean: [3, H, W]."""
    image = network.pixels.rescale(np.array(Image.open(path).convert("RGB")), scale)
    values = torch.from_numpy(image).permute(2, 0, 1).contiguous().float()
    return (values - torch.tensor(network.pixels.mean)[:, None, None]).to(network.device)


def measure(ours: Test, theirs: Test, pictures: int, runs: int = RUNS) -> dict[str, Any]:
    """Pictures a second, with the spread, and how far the posteriors are apart."""
    apart = float(np.abs(ours() - theirs()).max())
    turns = in_turns({"verydeep": ours, "torchvision": theirs}, runs)
    found = {name: rates(spent, pictures) for name, spent in turns.items()}
    medians = {name: statistics.median(values) for name, values in found.items()}
    told = {
        name: {"pictures_a_second": medians[name], "from": min(values), "to": max(values)}
        for name, values in found.items()
    }
    return {
        **told,
        "times_as_fast": medians["verydeep"] / medians["torchvision"],
        "apart": apart,
    }


def table(found: dict[str, dict[str, Any]]) -> str:
    lines = [
        "             verydeep, a second      torchvision, a second   times   posteriors apart"
    ]
    for name, about in found.items():
        cells = [
            f"{a['pictures_a_second']:6.2f} ({a['from']:.2f} to {a['to']:.2f})"
            for a in (about["verydeep"], about["torchvision"])
        ]
        ratio = f"{about['times_as_fast']:.2f}"
        lines.append(f"{name:10}   {cells[0]:23} {cells[1]:23} {ratio:7} {about['apart']:.1e}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
