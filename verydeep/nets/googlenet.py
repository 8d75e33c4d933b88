"""GoogLeNet (Szegedy et al., CVPR 2015), Table 1 as it is printed, and torchvision's form of it.

No norms; pools of stride 2 round up; LRN, which the table leaves out, stands as in Fig. 3 and with
Caffe's k. The heads beside it are cut in a test: GoogLeNet-aux is what is trained, GoogLeNet what
is tested.
"""

from __future__ import annotations

from collections.abc import Iterator

from verydeep.nets.paper import Family, PaperNet, lines

TABLE_1 = """
type           | patch | output     | depth | 1x1 | 3x3r | 3x3 | 5x5r | 5x5 | pool | params | ops
convolution    | 7x7/2 | 112x112x64 | 1     |     |      |     |      |     |      | 2.7K   | 34M
max pool       | 3x3/2 | 56x56x64   | 0     |     |      |     |      |     |      |        |
convolution    | 3x3/1 | 56x56x192  | 2     |     | 64   | 192 |      |     |      | 112K   | 360M
max pool       | 3x3/2 | 28x28x192  | 0     |     |      |     |      |     |      |        |
inception (3a) |       | 28x28x256  | 2     | 64  | 96   | 128 | 16   | 32  | 32   | 159K   | 128M
inception (3b) |       | 28x28x480  | 2     | 128 | 128  | 192 | 32   | 96  | 64   | 380K   | 304M
max pool       | 3x3/2 | 14x14x480  | 0     |     |      |     |      |     |      |        |
inception (4a) |       | 14x14x512  | 2     | 192 | 96   | 208 | 16   | 48  | 64   | 364K   | 73M
inception (4b) |       | 14x14x512  | 2     | 160 | 112  | 224 | 24   | 64  | 64   | 437K   | 88M
inception (4c) |       | 14x14x512  | 2     | 128 | 128  | 256 | 24   | 64  | 64   | 463K   | 100M
inception (4d) |       | 14x14x528  | 2     | 112 | 144  | 288 | 32   | 64  | 64   | 580K   | 119M
inception (4e) |       | 14x14x832  | 2     | 256 | 160  | 320 | 32   | 128 | 128  | 840K   | 170M
max pool       | 3x3/2 | 7x7x832    | 0     |     |      |     |      |     |      |        |
inception (5a) |       | 7x7x832    | 2     | 256 | 160  | 320 | 32   | 128 | 128  | 1072K  | 54M
inception (5b) |       | 7x7x1024   | 2     | 384 | 192  | 384 | 48   | 128 | 128  | 1388K  | 71M
avg pool       | 7x7/1 | 1x1x1024   | 0     |     |      |     |      |     |      |        |
dropout (40%)  |       | 1x1x1024   | 0     |     |      |     |      |     |      |        |
linear         |       | 1x1x1000   | 1     |     |      |     |      |     |      | 1000K  | 1M
softmax        |       | 1x1x1000   | 0     |     |      |     |      |     |      |        |
"""
COLUMNS = ("1x1", "3x3r", "3x3", "5x5r", "5x5", "pool")
"""Numbers of filters; r are those that reduce channels before, and pool those after the pool."""
_ROWS = lines(TABLE_1)

HEAD = ("avepool5 /3", "conv1-128", "FC-1024 dropout 0.7", "FC-1000")
"""What stands beside 4a and 4d in training, its loss counted 0.3 times (Sect. 5)."""
TRUNK = ("conv7-64 /2", "maxpool3 /2 ceil", "LRN k 1", "conv1-64", "conv3-192", "LRN k 1",
         "maxpool3 /2 ceil")  # fmt: skip
"""The rows before the modules, LRN among them."""
TOP = ("avepool", "dropout 0.4", "FC-1000", "soft-max")


def inception(*n: int) -> tuple[str, ...]:
    """The words of a module by its columns."""
    return (
        "(", f"conv1-{n[0]}", "|", f"conv1-{n[1]}", f"conv3-{n[2]}",
        "|", f"conv1-{n[3]}", f"conv5-{n[4]}", "|", "maxpool3 pad 1", f"conv1-{n[5]}", ")",
    )  # fmt: skip


def _modules(heads: bool) -> Iterator[str]:
    """The words of the modules, and of the pools between them."""
    first = next(i for i, row in enumerate(_ROWS) if row["type"].startswith("inception"))
    number = 1
    for row in _ROWS[first:]:
        if row["type"] == "max pool":
            yield "maxpool3 /2 ceil"
        elif row["type"].startswith("inception"):
            yield from inception(*(int(row[column]) for column in COLUMNS))
        if heads and row["type"] in ("inception (4a)", "inception (4d)"):
            yield from (f"<aux{number} 0.3", *HEAD, ">")
            number += 1


def _torchvisions() -> Iterator[str]:
    """The form of torchvision: norms in place of biases and LRN, 3x3 for 5x5, a pool of 2x2."""
    words = [word for word in (*TRUNK, *_modules(heads=False)) if not word.startswith("LRN")]
    last = max(i for i, word in enumerate(words) if word == "maxpool3 /2 ceil")
    words[last] = "maxpool2 /2 ceil"
    for word in (*words, *TOP):
        kind, *options = word.replace("conv5-", "conv3-").split(" ")
        if kind.startswith("conv"):
            yield " ".join([f"{kind}-bn", *options, "no bias epsilon 0.001"])
        else:
            yield word.replace("dropout 0.4", "dropout 0.2")


TESTED = (*TRUNK, *_modules(heads=False), *TOP)
TRAINED = (*TRUNK, *_modules(heads=True), *TOP)
NORMALISED = "LRN behind the first max pool and before the second, with a k of 1"
OTHERWISE = "norms in place of biases and LRN, 3x3 for 5x5, a last max pool of 2x2, and dropout 0.2"
HEADED = "side heads at (4a) and (4d), whose losses count 0.3 times"

FAMILY = Family(
    "GoogLeNet",
    "Szegedy et al., CVPR 2015",
    (
        PaperNet("GoogLeNet", TESTED, TABLE_1, also=("inceptionv1",), has=NORMALISED),
        PaperNet("GoogLeNet-aux", TRAINED, TABLE_1, has=f"{NORMALISED}, and {HEADED}"),
        PaperNet(
            "GoogLeNet-torchvision",
            tuple(_torchvisions()),
            TABLE_1,
            also=("googlenettv",),
            has=OTHERWISE,
        ),
    ),
)
