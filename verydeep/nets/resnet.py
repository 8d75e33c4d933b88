"""Residual networks (He, Zhang, Ren & Sun, CVPR 2016): Table 1, its plain nets, and CIFAR's.

A convolution has a norm and no bias; a block's last ReLU follows its sum. Where a stage begins, the
stride is the first layer's, as in the authors' files; "v1.5" has it in the 3 x 3 layer, as
torchvision does. Shortcuts: A, every second place and channels of zeros; B, projections where
widths change; C, projections everywhere; in a plain net none. The first pool rounds up, as the
authors'; torchvision's is padded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from verydeep.nets.paper import Family, PaperNet, lines

TABLE_1 = """
layer   | side | 18                     | 34                     | 50                                | 101                                | 152
conv1   | 112  | conv7-64 /2            | conv7-64 /2            | conv7-64 /2                       | conv7-64 /2                        | conv7-64 /2
conv2_x | 56   | maxpool3 /2            | maxpool3 /2            | maxpool3 /2                       | maxpool3 /2                        | maxpool3 /2
        |      | [3x3, 64; 3x3, 64]x2   | [3x3, 64; 3x3, 64]x3   | [1x1, 64; 3x3, 64; 1x1, 256]x3    | [1x1, 64; 3x3, 64; 1x1, 256]x3     | [1x1, 64; 3x3, 64; 1x1, 256]x3
conv3_x | 28   | [3x3, 128; 3x3, 128]x2 | [3x3, 128; 3x3, 128]x4 | [1x1, 128; 3x3, 128; 1x1, 512]x4  | [1x1, 128; 3x3, 128; 1x1, 512]x4   | [1x1, 128; 3x3, 128; 1x1, 512]x8
conv4_x | 14   | [3x3, 256; 3x3, 256]x2 | [3x3, 256; 3x3, 256]x6 | [1x1, 256; 3x3, 256; 1x1, 1024]x6 | [1x1, 256; 3x3, 256; 1x1, 1024]x23 | [1x1, 256; 3x3, 256; 1x1, 1024]x36
conv5_x | 7    | [3x3, 512; 3x3, 512]x2 | [3x3, 512; 3x3, 512]x3 | [1x1, 512; 3x3, 512; 1x1, 2048]x3 | [1x1, 512; 3x3, 512; 1x1, 2048]x3  | [1x1, 512; 3x3, 512; 1x1, 2048]x3
        | 1    | avepool                | avepool                | avepool                           | avepool                            | avepool
        |      | FC-1000                | FC-1000                | FC-1000                           | FC-1000                            | FC-1000
        |      | soft-max               | soft-max               | soft-max                          | soft-max                           | soft-max
"""  # noqa: E501

CIFAR = """
layer  | side | 6n+2 layers
conv1  | 32   | conv3-16
conv2x | 32   | [3x3, 16; 3x3, 16]xn
conv3x | 16   | [3x3, 32; 3x3, 32]xn
conv4x | 8    | [3x3, 64; 3x3, 64]xn
       | 1    | avepool
       |      | FC-10
       |      | soft-max
"""
"""Sect. 4.2; shortcuts A."""

DEPTHS = ("18", "34", "50", "101", "152")
CIFAR_DEPTHS = (8, 14, 20, 32, 44, 56, 110, 1202)
"""8 and 14 are not in the paper: as deep as two cores can train."""
SHORTCUTS = {
    "A": "shortcuts A (every second place, zeros for new channels)",
    "B": "shortcuts B (projections where widths change)",
    "C": "shortcuts C (projections everywhere)",
    "plain": "no shortcuts",
}
LATE = ", as torchvision has it, and a first pool that is padded"
MOST_SPELLED = 40
"""Blocks that stand there one by one, each to be named; of more, how many they are."""
_STAGE = re.compile(r"\[(.+)\]x(\d+)")


def _words(cells: list[str], shortcut: str, late: bool = False) -> Iterator[str]:
    """The words of a column; `late` is v1.5's stride, and the pool that goes with it."""
    channels, stages = 64, 0
    for cell in cells:
        if match := _STAGE.fullmatch(cell):
            layers = [(layer.strip()[0], int(layer.split(",")[1])) for layer in match[1].split(";")]
            stages += 1
            first = _block(layers, channels, 2 if stages > 1 else 1, shortcut, late)
            channels = layers[-1][1]
            rest, times = _block(layers, channels, 1, shortcut, late), int(match[2]) - 1
            yield from first
            if times > MOST_SPELLED:
                yield from (*rest[:-1], f"] x {times}")
            else:
                yield from rest * times
        elif cell.startswith("conv"):
            kind, *options = cell.split(" ")
            channels = int(kind.split("-")[1])
            yield " ".join([f"{kind}-bn", *options, "no bias"])
        elif cell == "maxpool3 /2":
            yield f"{cell} pad 1" if late else f"{cell} ceil"
        else:
            yield cell


def _block(
    layers: list[tuple[str, int]], channels: int, stride: int, shortcut: str, late: bool
) -> list[str]:
    """The words of a block that reads so many channels."""
    strided = next(i for i, (side, _) in enumerate(layers) if side == "3") if late else 0
    out = layers[-1][1]
    words = [
        f"conv{side}-{width}-bn{' /2' if stride == 2 and i == strided else ''} no bias"
        for i, (side, width) in enumerate(layers)
    ]
    if shortcut == "plain":
        return words
    step = " /2" if stride == 2 else ""
    beside = []
    if shortcut == "C" or (shortcut == "B" and out != channels):
        beside = [f"conv1-{out}-bn{step} no bias linear"]
    elif out != channels:
        beside = [f"skip-{out}{step}"]
    return ["[", *words[:-1], f"{words[-1]} linear", "|", *beside, "]"]


def _of_imagenet(name: str, depth: str, shortcut: str, late: bool = False) -> PaperNet:
    """A net of Table 1, of which its column is told."""
    rows = lines(TABLE_1)
    printed = "\n".join(
        [f"layer | side | {depth}", *(f"{r['layer']} | {r['side']} | {r[depth]}" for r in rows)]
    )
    words = tuple(_words([row[depth] for row in rows], shortcut, late))
    strided = "3x3" if late else "first"
    has = f"{SHORTCUTS[shortcut]}, and the stride of 2 in the {strided} layer of conv3_1 to conv5_1"
    return PaperNet(name, words, printed, has=has + (LATE if late else ""))


def _of_cifar(name: str, depth: int, shortcut: str) -> PaperNet:
    n = (depth - 2) // 6
    cells = [row["6n+2 layers"].replace("xn", f"x{n}") for row in lines(CIFAR)]
    has = f"{n} for n, and {SHORTCUTS[shortcut]}"
    return PaperNet(name, tuple(_words(cells, shortcut)), CIFAR, 32, has=has)


def _nets() -> Iterator[PaperNet]:
    for depth in DEPTHS:
        yield _of_imagenet(f"ResNet-{depth}", depth, "B")
    for depth in DEPTHS:
        yield _of_imagenet(f"ResNet-{depth}-v1.5", depth, "B", late=True)
    for depth in DEPTHS[:2]:
        for shortcut in "AC":
            yield _of_imagenet(f"ResNet-{depth}-{shortcut}", depth, shortcut)
    for depth in DEPTHS[:2]:
        yield _of_imagenet(f"Plain-{depth}", depth, "plain")


def _cifar_nets() -> Iterator[PaperNet]:
    for depth in CIFAR_DEPTHS:
        yield _of_cifar(f"ResNet-{depth}", depth, "A")
    for depth in CIFAR_DEPTHS[:-1]:
        yield _of_cifar(f"Plain-{depth}", depth, "plain")


SOURCE = "He et al., CVPR 2016"
FAMILY = Family("ResNet", SOURCE, tuple(_nets()))
CIFAR_FAMILY = Family("ResNet for CIFAR", SOURCE, tuple(_cifar_nets()))
