"""From parameters to the table that they fill: which configuration of Table 1 they make.

Names and kernels tell the configuration, shapes its width, crop, FC layers and classes. A and A-LRN
have the same weights, and are taken for A where the file does not tell. A file without FC layers
may end after any convolution: what several configurations begin with is taken for the deepest of
them, and for pooled where the file does not tell. One whose head was left out ends with the FC
layers that there are. What a file calls itself counts for nothing, but for the table in files of
our own writing, which the tensors must fill.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from verydeep.errors import UserError, one_line
from verydeep.importers.known_nets import shapes_of
from verydeep.importers.other_nets import out_of_place
from verydeep.importers.parameters import Parameters
from verydeep.nets import vgg
from verydeep.nets.rows import FC, Conv
from verydeep.nets.table import NORM_NAME, NORM_WORD, Table
from verydeep.nets.words import HIDDEN, read_table

LAYER = re.compile(r"(conv|bn)\d{1,2}_\d{1,2}|fc[678]")
CROP = 224
"""Side of the training crop, in pixels, where there is no fc6 to tell it."""


def table_of(parameters: Parameters, source: Path | str) -> Table:
    """The table that parameters fill, by their names and shapes; UserError where there is none."""
    tensors = parameters.tensors
    table = parameters.table or _found(parameters, source)
    _refuse_misfits(table, tensors, source)
    return table


def _found(parameters: Parameters, source: Path | str) -> Table:
    """The table of Table 1 that has tensors of these names and kernels, or begins with them."""
    tensors = parameters.tensors
    layers = _layers(tensors)
    _refuse_other_nets(layers, source)
    for name in sorted({f"{layer}.weight" for layer in layers} | tensors.keys()):
        if name not in tensors or not tensors[name].size:
            raise UserError(f"{source} has nothing in {one_line(name)}")
    kernels = _kernels(tensors)
    configuration = _configuration(layers, kernels, parameters, source)
    norms = {name for name in layers if name.startswith("bn")}
    words = _words(configuration, tensors, layers)
    if words[-1] == "maxpool" and parameters.pooled is False:
        words = words[:-1]
    side = 32 * kernels["fc6"][0] if "fc6" in layers else CROP
    title = configuration + (NORM_NAME if norms else "")
    table = read_table(title, words, side)
    if table.class_count == 1:
        raise UserError(f"{source} has one class, which leaves nothing to tell apart")
    return table


def _words(configuration: str, tensors: Mapping[str, np.ndarray], layers: set[str]) -> list[str]:
    """The paper's words for a configuration with the channels of tensors, to their last layer."""
    words = []
    rows = iter([row for row in vgg.table(configuration).rows if isinstance(row, Conv)])
    for word in vgg.CONFIGURATIONS[configuration]:
        if "-" not in word or word == "soft-max":
            words.append(word)
            continue
        name = next(rows).name
        if name not in layers:
            break
        norm = NORM_WORD if f"bn{name.removeprefix('conv')}" in layers else ""
        words.append(f"{word.partition('-')[0]}-{len(tensors[f'{name}.weight'])}{norm}")
    return [*words[:-1], f"{words[-1]} {HIDDEN}"] if words[-1].startswith("FC-") else words


def _refuse_other_nets(layers: set[str], source: Path | str) -> None:
    unknown = sorted(name for name in layers if not LAYER.fullmatch(name))
    if unknown:
        raise UserError(f"{source} has {out_of_place(unknown)}; expected are conv1_1 ... fc8")


def _configuration(
    layers: set[str],
    kernels: Mapping[str, tuple[int, ...]],
    parameters: Parameters,
    source: Path | str,
) -> str:
    """The configuration that has these layers with these kernels; UserError says what is nearest.

    Of several that have the same, the deepest; of A and A-LRN, A.
    """
    differences = _differences(layers, kernels, parameters)
    best = min(differences, key=lambda name: (differences[name].count, -_depth(name)))
    nearest = differences[best]
    if not nearest.count:
        if "fc6" in layers and ("fc6" not in kernels or kernels["fc6"][0] < 1):
            raise UserError(f"{source} has an fc6 that looks at no map")
        return best
    parts = [
        f"lacks {', '.join(nearest.lacks)}" if nearest.lacks else "",
        f"has {', '.join(nearest.more)} more" if nearest.more else "",
        f"has {', '.join(nearest.other_kernels)} of other kernels" if nearest.other_kernels else "",
    ]
    needed = "all layers" if "fc" in "".join(layers) else "all layers up to its last"
    raise UserError(
        f"{source} is no whole net of Table 1: nearest to it is {best}, "
        f"{' and '.join(filter(None, parts))}; a file of {needed} is needed"
    )


@dataclass(frozen=True)
class _Difference:
    """Layers that a file lacks, has more, or has of other kernels than a configuration."""

    lacks: list[str]
    more: list[str]
    other_kernels: list[str]

    @property
    def count(self) -> int:
        return len(self.lacks) + len(self.more) + len(self.other_kernels)


def _differences(
    layers: set[str], kernels: Mapping[str, tuple[int, ...]], parameters: Parameters
) -> dict[str, _Difference]:
    """In what these layers differ from each configuration.

    Where there are no FC layers, a configuration ends with the last convolution that there is, and
    where the head was left out, with the last layer.
    Where response normalisation is told of, only configurations with it, or without, count.
    """
    layers = {name for name in layers if not name.startswith("bn")}
    differences = {}
    for name, words in vgg.CONFIGURATIONS.items():
        if parameters.lrn not in (None, "LRN" in words):
            continue
        rows = [row for row in vgg.table(name).rows if isinstance(row, Conv)]
        if parameters.cut or not any(layer.startswith("fc") for layer in layers):
            there = [i for i, row in enumerate(rows) if row.name in layers]
            rows = rows[: max(there, default=-1) + 1]
        expected = {row.name: (row.kernel,) * 2 for row in rows}
        convs = [row.name for row in rows if not isinstance(row, FC)]
        differences[name] = _Difference(
            sorted(expected.keys() - layers),
            sorted(layers - expected.keys()),
            sorted(k for k in convs if k in layers and kernels.get(k) != expected[k]),
        )
    return differences


def alike(parameters: Parameters) -> list[str]:
    """The configurations that these layers are, or begin."""
    tensors = parameters.tensors
    differences = _differences(_layers(tensors), _kernels(tensors), parameters)
    return [name for name, difference in differences.items() if not difference.count]


def _depth(name: str) -> int:
    """Number of a configuration's weight layers."""
    return sum(isinstance(row, Conv) for row in vgg.table(name).rows)


def _layers(tensors: Mapping[str, np.ndarray]) -> set[str]:
    return {name.rpartition(".")[0] for name in tensors}


def _kernels(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name.rpartition(".")[0]: a.shape[2:] for name, a in tensors.items() if a.ndim == 4}


def _refuse_misfits(table: Table, tensors: Mapping[str, np.ndarray], source: Path | str) -> None:
    """Raises UserError for the first tensor that does not fit those before it."""
    expected = shapes_of(table)
    for name, shape in expected.items():
        if name not in tensors:
            raise UserError(f"{source} lacks {name}, which its other layers need")
        if tensors[name].shape != shape:
            raise UserError(
                f"{source} has {name} of {_shape(tensors[name].shape)}; after the layers before "
                f"it, it must be {_shape(shape)}"
            )
        if name.endswith(".running_var") and tensors[name].min() < 0:
            raise UserError(f"{source} has a variance below 0 in {name}; it is damaged")
    more = sorted(tensors.keys() - expected.keys())
    if more:
        raise UserError(
            f"{source} has {out_of_place(more)}; expected are weights and biases of conv1_1 ... fc8"
        )


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
