"""What maps of a picture cost, in what the network itself takes: occlusion, and Grad-CAM.

    uv run python bench/maps.py [--net D] [--width 1] [--crop 224] [--runs 5]

Occlusion is held against the same engine on as many crops, in batches of eight; Grad-CAM, which
wants gradients, against a forward pass by PyTorch. Both take turns with what they are held against,
on all cores; medians of the turns, with the extremes.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch
from turns import in_turns

from verydeep import build
from verydeep.engines.engine import chosen, engine_for
from verydeep.insight.attribution import gradcam, usual_row
from verydeep.insight.occlusion import BATCH, STRIDE, centres, occluded, scaled
from verydeep.insight.signals import frozen
from verydeep.runtime.machine import Machine


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--net", default="D")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    threads = Machine.this().threads
    torch.set_num_threads(threads)
    network = build(given.net, width=given.width, crop=given.crop)
    engine = engine_for(network, chosen(None, "cpu"), threads)
    image = np.random.default_rng(0).integers(256, size=(given.crop, given.crop, 3), dtype=np.uint8)
    count = len(centres(given.crop, scaled(STRIDE, given.crop))) ** 2
    crops = torch.from_numpy(np.stack([image] * count))
    shown, row = frozen(network), usual_row(network.table)
    given_picture = network.pixels.normalise(crops[:1])

    def inference() -> None:
        with torch.inference_mode():
            for first in range(0, count, BATCH):
                engine.posteriors(crops[first : first + BATCH])

    def forwards() -> None:
        with torch.inference_mode():
            network(given_picture)

    hiding = in_turns(
        {"occlusion": lambda: occluded(engine, image, 0), "inference": inference}, given.runs
    )
    seeing = in_turns(
        {"gradcam": lambda: gradcam(shown, given_picture, 0, row), "forwards": forwards}, given.runs
    )
    for name, held, turns in (("occlusion", "inference", hiding), ("gradcam", "forwards", seeing)):
        ratios = [
            ours.clock / theirs.clock for ours, theirs in zip(turns[name], turns[held], strict=True)
        ]
        seconds = [statistics.median(turn.clock for turn in turns[each]) for each in (name, held)]
        times = f"{statistics.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{name} {seconds[0]:.2f} s, {held} {seconds[1]:.2f} s: {times}")
    print(f"{given.net}, crop {given.crop}, {count} places, {threads} threads, {engine.name}")


if __name__ == "__main__":
    main()
