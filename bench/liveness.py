"""Which nets can learn from which first weights: a picture's gradient over decay, layers' mean.

    uv run python bench/liveness.py DATA
    uv run python bench/liveness.py DATA --nets A --width 1 --crop 224 --initials gaussian:0.01

One batch of 32 crops (of a whole net some of it); pixels less the mean, and divided by the set's
deviation, too. What came of training such nets is in docs/results.md.
"""

from __future__ import annotations

import argparse

from verydeep.datasets import open_dataset
from verydeep.nets.network import build
from verydeep.pictures.preprocessing import Pixels
from verydeep.training.colours import colours
from verydeep.training.liveness import LEAST, mean_of, strengths
from verydeep.training.loader import CropSource
from verydeep.training.settings import STEP, Settings

INITIALS = ("he", "glorot", "whole-gaussian:0.01", "gaussian:0.01")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument(
        "--nets", nargs="+", default=["A", "A-LRN", "B", "B-shallow", "C", "D", "E"]
    )
    parser.add_argument("--initials", nargs="+", default=INITIALS)
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--crop", type=int, default=64)
    given = parser.parse_args()
    dataset = open_dataset(given.data)
    scale = (given.crop + STEP,) * 2
    found = colours(dataset.train, Pixels(scale, (0.0, 0.0, 0.0)))
    print(f"less the mean; and divided by {found.deviation}; {LEAST} is needed")
    for net in given.nets:
        for initial in given.initials:
            settings = Settings(
                net=net, width=given.width, crop=given.crop, scale=scale, batch=32, initial=initial
            )
            network = build(
                net, dataset.classes, width=given.width, crop=given.crop, initial=initial
            )
            line = []
            for deviation in (1.0, found.deviation):
                pixels = Pixels(scale, found.mean, (deviation,) * 3)
                by_layer, _ = strengths(
                    network, CropSource(dataset.train, pixels, found.axes), settings
                )
                line.append(f"{mean_of(by_layer):8.2g} (fc6 {by_layer['fc6']:.2g})")
            print(f"{net:9} {initial:20} {'  '.join(line)}", flush=True)


if __name__ == "__main__":
    main()
