"""What papers printed of single nets on ILSVRC-2012's validation set, and of other nets elsewhere.

Errors and accuracies are in %; how pictures were shown differs from paper to paper, and is said in
each line.
Nets of VGG's paper are as its Tables 3 and 4 have them.
"""

from __future__ import annotations

from dataclasses import dataclass

from verydeep.evaluation.published import PUBLISHED

ILSVRC = """
AlexNet           | 10 crops                | 40.7  | 18.2  | Krizhevsky et al., 2012, Sect. 6
ZFNet-a           | 10 crops                | 38.4  | 16.5  | Zeiler & Fergus, 2014, Table 2
ZFNet-b           | 10 crops                | 37.5  | 16.0  | Zeiler & Fergus, 2014, Table 2
OverFeat-fast     | 4 scales, fine stride   | 38.57 | 16.39 | Sermanet et al., 2014, Table 2
OverFeat-accurate | 4 scales, fine stride   | 35.74 | 14.18 | Sermanet et al., 2014, Table 2
NiN               | as released, how unsaid | 40.64 |       | the authors' released files
GoogLeNet         | 1 crop                  |       | 10.07 | Szegedy et al., 2015, Table 3
GoogLeNet         | 10 crops                |       | 9.15  | Szegedy et al., 2015, Table 3
GoogLeNet         | 144 crops               |       | 7.89  | Szegedy et al., 2015, Table 3
Plain-18          | 10 crops                | 27.94 |       | He et al., 2016, Table 2
Plain-34          | 10 crops                | 28.54 | 10.02 | He et al., 2016, Table 3
ResNet-18-A       | 10 crops                | 27.88 |       | He et al., 2016, Table 2
ResNet-34-A       | 10 crops                | 25.03 | 7.76  | He et al., 2016, Table 3
ResNet-34         | 10 crops                | 24.52 | 7.46  | He et al., 2016, Table 3
ResNet-34         | dense, 5 scales         | 21.84 | 5.71  | He et al., 2016, Table 4
ResNet-34-C       | 10 crops                | 24.19 | 7.40  | He et al., 2016, Table 3
ResNet-34-C       | dense, 5 scales         | 21.53 | 5.60  | He et al., 2016, Table 4
ResNet-50         | 1 crop                  | 24.7  | 7.8   | the authors' released files
ResNet-50         | 10 crops                | 22.85 | 6.71  | He et al., 2016, Table 3
ResNet-50         | dense, 5 scales         | 20.74 | 5.25  | He et al., 2016, Table 4
ResNet-101        | 1 crop                  | 23.6  | 7.1   | the authors' released files
ResNet-101        | 10 crops                | 21.75 | 6.05  | He et al., 2016, Table 3
ResNet-101        | dense, 5 scales         | 19.87 | 4.60  | He et al., 2016, Table 4
ResNet-152        | 1 crop                  | 23.0  | 6.7   | the authors' released files
ResNet-152        | 10 crops                | 21.43 | 5.71  | He et al., 2016, Table 3
ResNet-152        | dense, 5 scales         | 19.38 | 4.49  | He et al., 2016, Table 4
"""
"""Net, how it was shown pictures, top-1 and top-5 error, source."""

SMALL = """
LeNet-5     | MNIST           | 0.95  | LeCun et al., 1998, Fig. 9
NiN-CIFAR   | CIFAR-10, plain | 10.41 | Lin et al., 2014, Table 1
NiN-CIFAR   | CIFAR-10        | 8.81  | Lin et al., 2014, Table 1
ResNet-20   | CIFAR-10        | 8.75  | He et al., 2016, Table 6
ResNet-32   | CIFAR-10        | 7.51  | He et al., 2016, Table 6
ResNet-44   | CIFAR-10        | 7.17  | He et al., 2016, Table 6
ResNet-56   | CIFAR-10        | 6.97  | He et al., 2016, Table 6
ResNet-110  | CIFAR-10        | 6.43  | He et al., 2016, Table 6
ResNet-1202 | CIFAR-10        | 7.93  | He et al., 2016, Table 6
"""
"""Net, data (CIFAR-10 with mirror images and shifts, or as it is), test error, source."""

TOLD = """
AlphaGo-128 | moves in games of Go   | one symmetry             | 54.6  | Silver et al., 2016, Extended Data Table 3
AlphaGo-192 | moves in games of Go   | one symmetry             | 55.4  | Silver et al., 2016, Extended Data Table 3
AlphaGo-256 | moves in games of Go   | one symmetry             | 55.9  | Silver et al., 2016, Extended Data Table 3
AlphaGo-256 | moves in games of Go   | mean of 8 symmetries     | 57.0  | Silver et al., 2016, Extended Data Table 3
DeepFace    | pairs of LFW           | best of the paper        | 97.35 | Taigman et al., 2014
DeepFace    | pairs of YouTube Faces | best of the paper        | 91.4  | Taigman et al., 2014
NN1         | pairs of LFW           | best of the paper's nets | 99.63 | Schroff et al., 2015
NN2         | pairs of LFW           | best of the paper's nets | 99.63 | Schroff et al., 2015
"""  # noqa: E501
"""Net, what was told, how it was shown, accuracy, source: of nets that have no error elsewhere."""


def in_print(error: float | None) -> str:
    """An error as papers print it, "27.0" or "8.75"; "-" where they print none."""
    if error is None:
        return "-"
    return f"{error:.1f}" if round(error, 1) == error else f"{error:g}"


@dataclass(frozen=True)
class PrintedError:
    """What a paper printed of one net; None of what it did not print.

    `shown` says how pictures were shown, or which other pictures these are.
    """

    net: str
    shown: str
    top1: float | None
    top5: float | None
    source: str

    def __str__(self) -> str:
        found = (("top-1", self.top1), ("top-5", self.top5))
        errors = ", ".join(f"{what} error {value:g} %" for what, value in found if value)
        return f"{self.net} as printed: {errors}, {self.shown} ({self.source})"


@dataclass(frozen=True)
class PrintedAccuracy:
    """The share of things told right, in %, that a paper printed of one net or of its best."""

    net: str
    told: str
    shown: str
    accuracy: float
    source: str

    def __str__(self) -> str:
        return (
            f"printed of {self.net}: {self.accuracy:g} % of {self.told} right, {self.shown} "
            f"({self.source})"
        )


def _cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _of_table_1() -> list[PrintedError]:
    """The rows of one net each of Tables 3 and 4 of VGG's paper."""
    found = []
    for row in PUBLISHED:
        if row.table in ("Table 3", "Table 4"):
            ((net, smallest, largest),) = row.nets
            trained = f"{smallest}" if smallest == largest else f"{smallest}-{largest}"
            shown = f"dense, S = {trained}, Q = {', '.join(map(str, row.scales))}"
            source = f"ICLR 2015, {row.table}"
            found.append(PrintedError(net, shown, row.top1, row.top5, source))
    return found


PRINTED: tuple[PrintedError, ...] = (
    *_of_table_1(),
    *(
        PrintedError(net, shown, _number(top1), _number(top5), source)
        for net, shown, top1, top5, source in _cells(ILSVRC)
    ),
)
"""Of ILSVRC-2012's validation set."""
PRINTED_OF_SMALL: tuple[PrintedError, ...] = tuple(
    PrintedError(net, data, float(error), None, source)
    for net, data, error, source in _cells(SMALL)
)


PRINTED_ACCURACIES: tuple[PrintedAccuracy, ...] = tuple(
    PrintedAccuracy(net, told, shown, float(accuracy), source)
    for net, told, shown, accuracy, source in _cells(TOLD)
)


def printed_of(net: str) -> list[PrintedError]:
    """The errors that were printed of a net."""
    return [row for row in (*PRINTED, *PRINTED_OF_SMALL) if row.net == net]


def accuracies_of(net: str) -> list[PrintedAccuracy]:
    """The accuracies that were printed of a net."""
    return [row for row in PRINTED_ACCURACIES if row.net == net]


def best_of(net: str) -> PrintedError | None:
    """The lowest top-5 error that was printed of a net by itself."""
    found = [row for row in PRINTED if row.net == net and row.top5 is not None]
    return min(found, key=lambda row: row.top5 or 0.0, default=None)
