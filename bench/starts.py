"""How D begins: from Glorot's weights, from layers of A, from a gaussian of 0.01; three curves.

    verydeep train DATA --net A --out A ...                              (four runs, the same ...)
    verydeep train DATA --net D --out D-glorot --set initial=glorot ...
    verydeep train DATA --net D --out D-from-A --from A --set initial=glorot ...
    verydeep train DATA --net D --out D-gaussian --set initial=gaussian:0.01 ...
    uv run python bench/starts.py D-glorot D-from-A D-gaussian --out docs/pictures/starts.svg

Draws the top-1 error of each run after each epoch, from their log.csv.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with rc_context({"svg.hashsalt": "verydeep", "svg.fonttype": "none"}):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for run in given.runs:
            with (run / "log.csv").open() as file:
                rows = list(csv.DictReader(file))
            epochs, errors = [int(r["epoch"]) for r in rows], [float(r["top1"]) for r in rows]
            axes.plot(epochs, errors, marker=".", label=run.name)
        axes.set(xlabel="epoch", ylabel="top-1 error, %", ylim=(0, 100))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(given.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
