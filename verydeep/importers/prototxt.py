"""The text of Caffe's nets (`.prototxt`): what it says of layers, pictures and pixels.

In comes a file; out goes a `NetText`. Text is read into blocks of values by name, no deeper
than Caffe's own messages go; what is not asked for is passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verydeep.formats.protobuf import open_content
from verydeep.importers.caffe_layers import LayerText, normal_type
from verydeep.limits import FormatError, quoted, reading

Block = dict[str, list[Any]]
"""Values by name, in order: texts, and blocks for what stands in braces."""

MOST_BYTES = 4 << 20
DEEPEST = 16
MEND = "mend the text"
QUOTE = '"'
_TOKEN = re.compile(
    r"""\s+ | \#[^\n]*
    | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<word>[A-Za-z0-9_.+-]+)
    | (?P<sign>[{}<>\[\]:;,])""",
    re.VERBOSE,
)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class NetText:
    """What the text says: layers, the side of the pictures, and how their values are made.

    `gain` is what differences from the mean are multiplied by; `has_mean_file` tells of a mean that
    is in another file.
    """

    layers: tuple[LayerText, ...]
    crop: int | None
    mean: tuple[float, float, float] | None
    gain: float | None
    has_mean_file: bool


def read(path: Path) -> NetText:
    """The description of a net; UserError names the file where it is none."""
    content = open_content(path)
    with reading(path, "a prototxt"):
        if len(content) > MOST_BYTES:
            raise FormatError(f"it has {len(content):,} bytes", "such texts have a few thousand")
        net = parse(bytes(content).decode("utf-8", errors="replace"))
        blocks = [*_blocks(net, "layers"), *_blocks(net, "layer")]
        if not blocks:
            raise FormatError("it has no layers", MEND)
        transforms = [t for b in blocks for t in _blocks(b, "transform_param")]
        return NetText(
            tuple(_layer(block) for block in blocks),
            _crop(net, blocks),
            _mean(blocks),
            _gain(transforms),
            any("mean_file" in t for t in transforms),
        )


def parse(text: str) -> Block:
    """The text's blocks; FormatError where it is out of form or nests too deep."""
    stack: list[Block] = [{}]
    tokens = _tokens(text)
    for name in tokens:
        if name in "}>":
            if len(stack) == 1:
                raise FormatError("a brace closes that was not opened", MEND)
            stack.pop()
        elif _WORD.fullmatch(name):
            _value(name, tokens, stack)
        elif name not in ";,":
            raise FormatError(f"{quoted(name)} stands where a name should be", MEND)
    if len(stack) > 1:
        raise FormatError("it ends within braces")
    return stack[0]


def _value(name: str, tokens: Iterator[str], stack: list[Block]) -> None:
    """Reads what stands after a name into the innermost block, or opens one."""
    values = stack[-1].setdefault(name, [])
    token = next(tokens, "")
    if token == ":":
        token = next(tokens, "")
    if token and token in "{<":
        if len(stack) == DEEPEST:
            raise FormatError(f"it nests deeper than {DEEPEST} braces", MEND)
        values.append({})
        stack.append(values[-1])
    elif token == "[":
        values.extend(_list(tokens))
    elif not token or token in "}>]:;,":
        raise FormatError(f"{quoted(name)} has no value", MEND)
    else:
        values.append(token.removeprefix(QUOTE))


def _list(tokens: Iterator[str]) -> Iterator[str]:
    for token in tokens:
        if token == "]":
            return
        if token in "{<[}>:;":
            break
        if token != ",":
            yield token.removeprefix(QUOTE)
    raise FormatError("a list that does not end", MEND)


def _tokens(text: str) -> Iterator[str]:
    """Words, signs, and texts after a quote."""
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match:
            line = text.count("\n", 0, place) + 1
            raise FormatError(f"line {line} has {quoted(text[place])} where a name should be", MEND)
        place = match.end()
        if match["text"] is not None:
            yield QUOTE + match["text"][1:-1]
        elif match[0].strip() and not match[0].startswith("#"):
            yield match[0]


def _layer(block: Block) -> LayerText:
    kind = normal_type(_text(block, "type"))
    settings = {
        name: [_setting(value) for value in values if isinstance(value, str)]
        for inner in _blocks(block, _PARAMETERS.get(kind, ""))
        for name, values in inner.items()
        if name in _SETTINGS
    }
    reads, gives = (
        [value for value in block.get(end, []) if isinstance(value, str)]
        for end in ("bottom", "top")
    )
    return LayerText(_text(block, "name"), kind, settings, reads, gives)


_PARAMETERS = {
    "convolution": "convolution_param", "innerproduct": "inner_product_param", "lrn": "lrn_param",
    "pooling": "pooling_param", "relu": "relu_param", "concat": "concat_param",
    "eltwise": "eltwise_param", "batchnorm": "batch_norm_param",
}  # fmt: skip
_SETTINGS = {
    "pad", "pad_h", "pad_w", "kernel_size", "kernel_h", "kernel_w", "stride", "stride_h",
    "stride_w", "dilation", "group", "pool", "global_pooling", "negative_slope", "num_output",
    "axis", "transpose", "local_size", "alpha", "beta", "k", "norm_region",
    "concat_dim", "operation", "coeff", "eps", "round_mode",
}  # fmt: skip
_SAID = {
    "MAX": 0, "AVE": 1, "STOCHASTIC": 2, "ACROSS_CHANNELS": 0, "WITHIN_CHANNEL": 1,
    "PROD": 0, "SUM": 1, "CEIL": 0, "FLOOR": 1, "false": 0, "true": 1,
}  # fmt: skip


def _setting(value: str) -> float:
    return _SAID[value] if value in _SAID else _number(value)


def _crop(net: Block, blocks: list[Block]) -> int | None:
    """The side of the pictures, from whichever place says it; refuses pictures without one."""
    dims = net.get("input_dim", [])
    shapes = [*_blocks(net, "input_shape")]
    shapes += [s for b in blocks for p in _blocks(b, "input_param") for s in _blocks(p, "shape")]
    if not dims and shapes:
        dims = shapes[0].get("dim", [])
    if dims:
        _, channels, height, width = [_number(d) for d in [*dims, "0", "0", "0", "0"][:4]]
        if channels != 3 or height != width or not 0 < height < 1 << 16:
            raise FormatError("its pictures are no squares of 3 channels", MEND)
        return int(height)
    transforms = [t for b in blocks for t in _blocks(b, "transform_param")]
    crop = _only([value for t in transforms for value in t.get("crop_size", [])])
    return int(crop) if crop else None


def _mean(blocks: list[Block]) -> tuple[float, float, float] | None:
    """The mean of each channel, one for all three being three."""
    means = {
        tuple(_numbers(t["mean_value"]))
        for b in blocks
        for t in _blocks(b, "transform_param")
        if "mean_value" in t
    }
    if not means:
        return None
    mean = means.pop()
    mean = mean * 3 if len(mean) == 1 else mean
    if means or len(mean) != 3:
        raise FormatError("its mean_value is not the same one or three numbers everywhere", MEND)
    return mean[0], mean[1], mean[2]


def _gain(transforms: list[Block]) -> float | None:
    """The scale, or None without any."""
    gain = _only([value for t in transforms for value in t.get("scale", [])])
    if gain is not None and not 1e-6 < gain < 1e6:
        raise FormatError(f"its scale of {gain:g} is none", MEND)
    return gain


def _only(values: list[Any]) -> float | None:
    """The number that all of them are, or None without any."""
    numbers = {_number(value) for value in values}
    if len(numbers) > 1:
        raise FormatError("its crop_size or scale is not the same everywhere", MEND)
    return numbers.pop() if numbers else None


def _blocks(block: Block, name: str) -> list[Block]:
    return [value for value in block.get(name, []) if isinstance(value, dict)]


def _text(block: Block, name: str) -> str:
    texts = [value for value in block.get(name, []) if isinstance(value, str)]
    return texts[-1] if texts else ""


def _numbers(values: list[Any]) -> list[float]:
    """The numbers among the values."""
    return [_number(v) for v in values if isinstance(v, str) and re.fullmatch(r"[\d.eE+-]+", v)]


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not abs(number) < 1e9:
        raise FormatError(f"{quoted(str(value))} stands where a number should be", MEND)
    return number
