"""Nets that tell faces: FaceNet's NN1 and NN2, and DeepFace.

FaceNet (Schroff, Kalenichenko & Philbin, CVPR 2015): a face is 128 numbers of length one, without
classes. Pools of stride 2 are padded, by the sides in its tables; NN2-BN is as others trained it.
DeepFace (Taigman et al., CVPR 2014): three layers are untied, so that it takes faces of one size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from verydeep.nets.paper import Family, PaperNet, columns, lines
from verydeep.nets.rewording import with_norms

TABLE_1 = """
layer  | out        | kernel   | params
conv1  | 110x110x64 | 7x7,2    | 9K
pool1  | 55x55x64   | 3x3,2    |
rnorm1 | 55x55x64   |          |
conv2a | 55x55x64   | 1x1,1    | 4K
conv2  | 55x55x192  | 3x3,1    | 111K
rnorm2 | 55x55x192  |          |
pool2  | 28x28x192  | 3x3,2    |
conv3a | 28x28x192  | 1x1,1    | 37K
conv3  | 28x28x384  | 3x3,1    | 664K
pool3  | 14x14x384  | 3x3,2    |
conv4a | 14x14x384  | 1x1,1    | 148K
conv4  | 14x14x256  | 3x3,1    | 885K
conv5a | 14x14x256  | 1x1,1    | 66K
conv5  | 14x14x256  | 3x3,1    | 590K
conv6a | 14x14x256  | 1x1,1    | 66K
conv6  | 14x14x256  | 3x3,1    | 590K
pool4  | 7x7x256    | 3x3,2    |
fc1    | 1x32x128   | maxout 2 | 103M
fc2    | 1x32x128   | maxout 2 | 34M
fc7128 | 1x1x128    |          | 524K
L2     | 1x1x128    |          |
"""
"""NN1, for faces of 220."""

TABLE_2 = """
type           | output     | 1x1 | 3x3r | 3x3   | 5x5r | 5x5   | pool     | params | ops
conv1          | 112x112x64 |     |      |       |      |       |          | 9K     | 119M
max pool, norm | 56x56x64   |     |      |       |      |       | m 3x3,2  |        |
inception (2)  | 56x56x192  |     | 64   | 192   |      |       |          | 115K   | 360M
norm, max pool | 28x28x192  |     |      |       |      |       | m 3x3,2  |        |
inception (3a) | 28x28x256  | 64  | 96   | 128   | 16   | 32    | m, 32p   | 164K   | 128M
inception (3b) | 28x28x320  | 64  | 96   | 128   | 32   | 64    | L2, 64p  | 228K   | 179M
inception (3c) | 14x14x640  | 0   | 128  | 256,2 | 32   | 64,2  | m 3x3,2  | 398K   | 108M
inception (4a) | 14x14x640  | 256 | 96   | 192   | 32   | 64    | L2, 128p | 545K   | 107M
inception (4b) | 14x14x640  | 224 | 112  | 224   | 32   | 64    | L2, 128p | 595K   | 117M
inception (4c) | 14x14x640  | 192 | 128  | 256   | 32   | 64    | L2, 128p | 654K   | 128M
inception (4d) | 14x14x640  | 160 | 144  | 288   | 32   | 64    | L2, 128p | 722K   | 142M
inception (4e) | 7x7x1024   | 0   | 160  | 256,2 | 64   | 128,2 | m 3x3,2  | 717K   | 56M
inception (5a) | 7x7x1024   | 384 | 192  | 384   | 48   | 128   | L2, 128p | 1.6M   | 78M
inception (5b) | 7x7x1024   | 384 | 192  | 384   | 48   | 128   | m, 128p  | 1.6M   | 78M
avg pool       | 1x1x1024   |     |      |       |      |       |          |        |
fully conn     | 1x1x128    |     |      |       |      |       |          | 131K   | 0.1M
L2             | 1x1x128    |     |      |       |      |       |          |        |
"""
"""NN2, for faces of 224."""

DEEPFACE = """
layer | DeepFace
C1    | conv11-32 pad 0
M2    | maxpool3 /2 ceil
C3    | conv9-16 pad 0
L4    | local9-16
L5    | local7-16 /2
L6    | local5-16
F7    | FC-4096
F8    | FC-4030
      | soft-max
"""

POOL = "maxpool3 /2 pad 1"


def _nn1() -> Iterator[str]:
    """The words of Table 1."""
    for row in lines(TABLE_1):
        channels, kind = row["out"].split("x")[-1], row["layer"]
        if kind.startswith("conv"):
            yield f"conv{row['kernel'][0]}-{channels}" + (" /2" if row["kernel"][-1] == "2" else "")
        elif kind.startswith("pool"):
            yield POOL
        elif kind.startswith("rnorm"):
            yield "LRN"
        elif row["kernel"]:
            yield f"FC-4096 {row['kernel']} dropout 0"
        else:
            yield "L2" if kind == "L2" else f"FC-{channels}"


def _module(row: dict[str, str]) -> Iterator[str]:
    """The words of a module: a branch for each pair of columns that is not nought."""
    yield "("
    if row["1x1"] != "0":
        yield from (f"conv1-{row['1x1']}", "|")
    for side in "35":
        channels, _, stride = row[f"{side}x{side}"].partition(",")
        yield f"conv1-{row[f'{side}x{side}r']}"
        yield from (f"conv{side}-{channels}" + (f" /{stride}" if stride else ""), "|")
    means, projected = row["pool"][:2], re.search(r"(\d+)p", row["pool"])
    if projected is None:
        yield POOL
    else:
        yield "L2pool3 pad 1" if means == "L2" else "maxpool3 pad 1"
        yield f"conv1-{projected[1]}"
    yield ")"


def _nn2() -> Iterator[str]:
    """The words of Table 2."""
    yield from ("conv7-64 /2", POOL, "LRN", "conv1-64", "conv3-192", "LRN", POOL)
    for row in lines(TABLE_2):
        if row["5x5"]:
            yield from _module(row)
    yield from ("avepool", "FC-128", "L2")


NN2 = tuple(_nn2())
SCHROFF, TAIGMAN = "Schroff et al., CVPR 2015", "Taigman et al., CVPR 2014"
FAMILY = Family(
    "FaceNet and DeepFace",
    f"{SCHROFF}; {TAIGMAN}",
    (
        PaperNet("NN1", tuple(_nn1()), TABLE_1, 220, also=("facenetnn1",), source=SCHROFF),
        PaperNet("NN2", NN2, TABLE_2, also=("facenetnn2", "facenet"), source=SCHROFF),
        PaperNet(
            "NN2-BN", with_norms(NN2), TABLE_2, source=SCHROFF, has="norms behind its convolutions"
        ),
        PaperNet("DeepFace", columns(DEEPFACE)["DeepFace"], DEEPFACE, 152, source=TAIGMAN),
    ),
)
