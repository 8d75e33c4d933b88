"""Table 1 of the paper, in the paper's words, and the tables that are read from it.

The last column is the "shallow" net of Sect. 4.1, which the paper describes in its text: B with
each pair of 3 x 3 layers replaced by one 5 x 5 layer of the same receptive field.
"""

from __future__ import annotations

from verydeep.errors import UserError
from verydeep.nets.paper import columns
from verydeep.nets.rewording import body, scaled, with_classes, with_norms
from verydeep.nets.table import NORM_NAME, Table
from verydeep.nets.words import MEAN, read_table

TABLE_1 = """
A         | A-LRN     | B         | C         | D         | E         | B-shallow
conv3-64  | conv3-64  | conv3-64  | conv3-64  | conv3-64  | conv3-64  | conv5-64
          | LRN       | conv3-64  | conv3-64  | conv3-64  | conv3-64  |
maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool
conv3-128 | conv3-128 | conv3-128 | conv3-128 | conv3-128 | conv3-128 | conv5-128
          |           | conv3-128 | conv3-128 | conv3-128 | conv3-128 |
maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool
conv3-256 | conv3-256 | conv3-256 | conv3-256 | conv3-256 | conv3-256 | conv5-256
conv3-256 | conv3-256 | conv3-256 | conv3-256 | conv3-256 | conv3-256 |
          |           |           | conv1-256 | conv3-256 | conv3-256 |
          |           |           |           |           | conv3-256 |
maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool
conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv5-512
conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv3-512 |
          |           |           | conv1-512 | conv3-512 | conv3-512 |
          |           |           |           |           | conv3-512 |
maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool
conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv5-512
conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv3-512 | conv3-512 |
          |           |           | conv1-512 | conv3-512 | conv3-512 |
          |           |           |           |           | conv3-512 |
maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool   | maxpool
FC-4096   | FC-4096   | FC-4096   | FC-4096   | FC-4096   | FC-4096   | FC-4096
FC-4096   | FC-4096   | FC-4096   | FC-4096   | FC-4096   | FC-4096   | FC-4096
FC-1000   | FC-1000   | FC-1000   | FC-1000   | FC-1000   | FC-1000   | FC-1000
soft-max  | soft-max  | soft-max  | soft-max  | soft-max  | soft-max  | soft-max
"""


CONFIGURATIONS = columns(TABLE_1)
"""Words of each configuration, by its letter."""
HIDDEN_FC = "FC-4096"
"""The word of their hidden FC layers."""

OTHERS = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}
"""What others call configurations, by their weight layers; C has 16 as well, and they mean D."""


def configuration(name: str) -> str:
    """The name in Table 1 of what is called so elsewhere, or in small letters; else the name.

    >>> [configuration(name) for name in ("VGG-16", "vgg16_bn", "a-lrn", "x")]
    ['D', 'D-BN', 'A-LRN', 'x']
    """
    bare = name.lower().replace("-", "").replace("_", "")
    ours = {known.lower().replace("-", ""): known for known in CONFIGURATIONS} | OTHERS
    if bare.removesuffix("bn") in ours:
        return ours[bare.removesuffix("bn")] + (NORM_NAME if bare.endswith("bn") else "")
    return name


def table(
    name: str, classes: int = 1000, width: float = 1.0, crop: int = 224, fc: int | None = None
) -> Table:
    """Table of a configuration, whole by default, or scaled down for small data.

    "A-BN" and the like have a norm after each convolution, as released re-trainings do; "vgg16" and
    the like are what `configuration` takes them for.

    `width` multiplies the channels of every hidden layer (rounded to eights); `fc` sets those of
    the hidden FC layers by themselves, and 0 has the mean of the last map over space in their
    place (Lin et al., 2014); `crop` is the side of the training crop, in pixels.
    Raises UserError for an unknown name or a size that leaves nothing to learn.
    """
    name = configuration(name)
    plain = name.removesuffix(NORM_NAME)
    if plain not in CONFIGURATIONS:
        names = ", ".join(CONFIGURATIONS)
        raise UserError(f"no configuration '{name}'; there are {names}, and A-BN and so on")
    refuse_sizes(classes, width)
    if fc is not None and fc < 0:
        raise UserError(
            f"{fc} channels for the hidden FC layers; 1 or more, or 0 for no such layer"
        )
    words = list(CONFIGURATIONS[plain])
    if fc == 0:
        words[words.index(HIDDEN_FC) : body(words)] = [MEAN]
    words = [_scaled(word, width, fc) for word in words]
    normed = words if name == plain else with_norms(words)
    return read_table(name, with_classes(normed, classes), crop)


def refuse_sizes(classes: int | None, width: float) -> None:
    """Raises UserError for a width or a number of classes that no net has."""
    if not 0 < width <= 4:
        raise UserError(f"a width of {width} is not in (0, 4]; 1 is the paper's net")
    if classes is not None and classes < 2:
        raise UserError(f"{classes} class(es) leave nothing to tell apart; at least 2 are needed")


def hidden_channels(width: float) -> int:
    """Channels of the hidden FC layers of a net of this width, where nothing is said of them."""
    return int(_scaled(HIDDEN_FC, width, None).removeprefix("FC-"))


def _scaled(word: str, width: float, fc: int | None) -> str:
    """The word with its channels scaled; of hidden FC layers `fc`, where it is said."""
    return f"FC-{fc}" if fc is not None and word.startswith("FC-") else scaled(word, width)
