"""A published net from its file to its error, by the commands: SqueezeNet by Caffe's door.

Its weights are known to be right on 62.0 % of 200 ILSVRC pictures at first and on 82.0 % among five
answers, with one view a picture. Skipped where weights or pictures are not there.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests import caffe_nets
from tests.commands.test_commands import Run
from tests.commands.test_commands import verydeep as verydeep  # a fixture
from tests.conftest import real_pictures

PICTURES = 200


@pytest.mark.slow
def test_squeezenet_from_a_caffemodel_comes_to_what_is_known_of_it(verydeep: Run) -> None:
    arrays = np.load(real_pictures("weights") / "squeezenet_v1.0_imagenet.npz")
    message = caffe_nets.squeezenet({name: arrays[name] for name in arrays.files})
    Path("squeezenet.caffemodel").write_bytes(message.SerializeToString())
    means = " ".join(f"mean_value: {value}" for value in (104, 117, 123))
    Path("squeezenet.prototxt").write_text(
        f"{caffe_nets.text_of(message, 227)}\n"
        f'layer {{ name: "data" type: "Data" transform_param {{ {means} }} }}'
    )
    made = verydeep(
        "weights", "import", "squeezenet.caffemodel", "--prototxt", "squeezenet.prototxt",
        "--out", "ours.safetensors",
    )  # fmt: skip
    assert "SqueezeNet-1.0, crop 227, 1,248,424 parameters, 1,000 classes" in made.out, made.err

    folder = real_pictures("ilsvrc_samples224")
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:PICTURES]
    for row in rows:
        place = Path("pictures", row["class_index"])
        place.mkdir(parents=True, exist_ok=True)
        (place / Path(row["file"]).name).symlink_to(folder / row["file"])
    done = verydeep(
        "evaluate", "ours.safetensors", "pictures", "--protocol", "centre", "--scales", "256",
        "--part", "all", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["top1"] == pytest.approx(38.0, abs=1.0)
    assert found["top5"] == pytest.approx(18.0, abs=1.0)
