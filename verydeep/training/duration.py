"""The time that a training takes on a CPU, reckoned beforehand, and what fits into it.

What is reckoned depends on the net, on the number of pictures and of cores: never on a clock.
"""

from __future__ import annotations

from verydeep.nets import named, vgg
from verydeep.nets.cost import Cost, cost
from verydeep.nets.named import Sizes
from verydeep.nets.table import NORM_NAME, Table

BUDGET = 540.0
"""Seconds that training may take, as `seconds_a_picture` reckons them, up to `MANY` pictures; of
more, as much again for every further `MANY`."""
MANY = 10_000
NETS = (
    ("A-BN", 0.125, 64), ("A-BN", 0.25, 64), ("A-BN", 0.25, 96), ("A-BN", 0.5, 96),
    ("D-BN", 0.5, 128),
)  # fmt: skip
"""(net, width, crop) from small to large; the largest is taken whose training fits."""
BATCH = 32
"""Pictures of a step, where they are no more than some tens of thousands."""
EPOCHS, STEPS = 14, 1500
"""What training must have room for: so many epochs, and so many steps where pictures are few."""
MOST_EPOCHS = 74
"""Epochs beyond which nothing is to be gained, where pictures are not few: the paper's."""
TUNED_EPOCHS, TUNED_STEPS = 20, 1000
"""What tuning weights that are trained already is worth, in the same way."""
LEAST_EPOCHS, HOURS = 3, 1.0
"""Epochs that there are at the least; the hours that as many may take, up to `MANY` pictures, for
every layer of trained weights to be tuned."""
LAST = ("FC-10", "soft-max")
"""Last rows that stand for those of any task, where it is asked how long a net would take."""


def seconds_a_picture(table: Table, cores: int, passes: int = 3) -> float:
    """About how long one picture takes in training on so many cores.

    Three passes (one where only FC layers are trained) of 40 thousand million multiply-adds a
    second and 1.5 ns for each value, 0.4 ms for the rest, on one core of a server, in float32; each
    further core adds four fifths. One with AVX2 does 25 and takes 1.6 ns and 0.3 ms, one with
    AVX-512 60, 1.4 ns and 0.6 ms, each fitted to a few small nets: this is between the two.
    """
    return _seconds(cost(table), cores, passes)


def seconds_a_cached_picture(table: Table, cores: int) -> float:
    """The same where what the trunk gives is at hand, and the rows behind it are trained."""
    end = table.scores if table.has_scores else table.rows[-1].name
    behind = {row.name for row, _ in table.path({end}, {table.trunk})}
    rows = tuple(row for row in cost(table).rows if row.name in behind)
    return _seconds(Cost(rows), cores, passes=3)


def minutes_of_features(pictures: int, cores: int) -> int:
    """About how many minutes D's trunk takes for pictures of 256 x 341 and their mirror images."""
    table = vgg.table("D")
    trunk = {row.name for row, _ in table.path({table.trunk})}
    rows = tuple(row for row in cost(table, 256, 341).rows if row.name in trunk)
    return max(1, round(pictures * _seconds(Cost(rows), cores, passes=2) / 60))


def _seconds(price: Cost, cores: int, passes: int) -> float:
    alone = passes * (price.multiply_adds / 40e9 + 1.5e-9 * price.values) + 0.4e-3
    return alone / (1 + 0.8 * (cores - 1))


def hidden_unsaid(net: str) -> int | None:
    """What `fc` is chosen where it is not said: 0 for Table 1's nets with norms, else theirs."""
    return 0 if net.endswith(NORM_NAME) and named.is_of_table_1(net) else None


def budget(pictures: int) -> float:
    """Seconds that training on so many pictures may take."""
    return BUDGET * max(1, pictures / MANY)


def hours_of_tuning(table: Table, pictures: int, cores: int) -> float | None:
    """The hours that tuning all layers would take at the least, where those are too many."""
    hours = LEAST_EPOCHS * pictures * seconds_a_picture(table, cores) / 3600
    return hours if hours > HOURS * budget(pictures) / BUDGET else None


def net_in_time(
    pictures: int, side: int, cores: int, net: str | None, fc: int | None
) -> tuple[str, float, int]:
    """(net, width, crop) of the largest net for whose training there is time.

    Its crops are such that pictures of that smaller side fill them. `net` and `fc` are what is
    asked for.
    """
    asked = [(net or own, width, crop) for own, width, crop in NETS]
    nets = [(name, *named.fitting(name, width, crop), crop) for name, width, crop in asked]
    best, shown = nets[0][:3], max(EPOCHS * pictures, STEPS * BATCH)
    for name, width, crop, usual in nets[1:]:
        sizes = Sizes(name, width, crop, hidden_unsaid(name) if fc is None else fc)
        seconds = seconds_a_picture(sizes.table(LAST), cores)
        if usual + 32 <= max(96, side) and seconds * shown <= budget(pictures):
            best = name, width, crop
    return best


def epochs_in_time(seconds_a_picture: float, pictures: int, enough: int) -> tuple[int, int]:
    """How many epochs there is time for, up to what is `enough`, and the minutes they take."""
    seconds = seconds_a_picture * pictures
    epochs = max(LEAST_EPOCHS, min(enough, int(budget(pictures) / seconds)))
    return epochs, max(1, round(epochs * seconds / 60))


def views_in_time(table: Table, pictures: int, cores: int, most: int) -> tuple[int, int]:
    """How many fixed views there is time to work out, up to `most`, and the minutes they take."""
    seconds = seconds_a_picture(table, cores, passes=1) * pictures
    views = min(most, max(LEAST_EPOCHS, int(budget(pictures) / seconds)))
    return views, max(1, round(views * seconds / 60))


def are_few(pictures: int) -> bool:
    """Whether pictures are so few that training from random weights needs more epochs of them."""
    return epochs_worth(pictures) > MOST_EPOCHS


def epochs_worth(pictures: int) -> int:
    """Epochs of training from random weights that so many pictures are good for."""
    return max(MOST_EPOCHS, round(STEPS * BATCH / pictures))


def tuned_epochs_worth(pictures: int) -> int:
    """Epochs of tuning trained weights that so many pictures are good for."""
    return max(TUNED_EPOCHS, round(TUNED_STEPS * BATCH / pictures))
