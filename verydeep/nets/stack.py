"""A stack: networks that each describe a picture, and one linear classifier over all of it.

A descriptor may be several put one after another, of other networks or at other Q (the paper's
appendix B). The scores of a linear classifier of the whole are then the sum of what each part adds
to them, and each part is a network with a mean row, and its share of the classifier behind that
(`describing.classifying`). Scales that are averaged are several Q of one member.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from verydeep.errors import UserError
from verydeep.nets.network import Answer, Network, answer_of
from verydeep.nets.rows import Dropout
from verydeep.nets.table import Table
from verydeep.parts.entries import some
from verydeep.parts.given import answered
from verydeep.pictures.preprocessing import with_mirror
from verydeep.pictures.reading import Source
from verydeep.runtime.progress import Progress

MOST = 64
"""Members of a stack at most, and Q of all of them together."""
Evidence = Callable[[UInt8[Tensor, "B h w 3"]], Float[Tensor, "B D"]]
"""From views of a picture to what the mean row of a member gives of each."""


@dataclass(frozen=True)
class Member:
    """A network with a mean row, and the Q whose evidence is averaged."""

    network: Network
    scales: tuple[int, ...]

    @property
    def layer(self) -> str:
        """The name of the row whose map is meant, which describes pictures."""
        return described_by(self.network.table)

    def scores(self, evidence: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """What it adds to the class scores, by the mean `evidence` of each picture's views."""
        return self.network.scores_by(evidence)

    def evidence_of(self, source: Source, evidence: Evidence) -> Float[Tensor, "1 D"]:
        """The mean evidence of a picture and its mirror image at every Q.

        Raises PictureError where it cannot be read.
        """
        pixels, device = self.network.pixels, self.network.device
        each = []
        for scale in self.scales:
            views = torch.from_numpy(with_mirror(pixels.read(source, scale))).to(device)
            each.append(evidence(views).mean(0, keepdim=True))
        return torch.stack(each).mean(0)


@dataclass(frozen=True)
class Stack:
    """Networks of the same classes whose scores are summed; a picture is shown to each at its Q.

    Raises UserError where they have not the same classes and the same end, or one has no mean row.
    """

    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        refuse_misfits([(m.network.table, m.scales) for m in self.members])
        for number, member in enumerate(self.members, 1):
            if member.network.classes != self.classes:
                raise UserError(f"member {number} of a stack has other classes than the first")

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks of its members."""
        return tuple(member.network for member in self.members)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, which all members have."""
        return self.members[0].network.classes

    @property
    def has_several(self) -> bool:
        """Whether a picture may be of several classes, or none: each has a posterior by itself."""
        return self.members[0].network.has_several

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.members[0].network.device

    @property
    def scales(self) -> tuple[int, ...]:
        """All Q that a picture is shown at, from the smallest."""
        return tuple(sorted({scale for member in self.members for scale in member.scales}))

    def likely(self, scores: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Posteriors of class scores: their soft-max, or the sigmoid of each."""
        return self.members[0].network.likely(scores)

    def verdict(self, evidence: Sequence[Float[Tensor, "B _"]]) -> Float[Tensor, "B K"]:
        """Posteriors by the mean evidence of each picture's views, member by member."""
        pairs = zip(self.members, evidence, strict=True)
        return self.likely(torch.stack([m.scores(own) for m, own in pairs]).sum(0))

    @torch.inference_mode()
    def posteriors_of(
        self, source: Source, evidence: Sequence[Evidence] | None = None
    ) -> Float[Tensor, " K"]:
        """Class posteriors of a picture; PictureError where it cannot be read.

        `evidence` has what runs each member, by default PyTorch.
        """
        run = evidence or [_by_torch(network) for network in self.networks]
        pairs = zip(self.members, run, strict=True)
        return self.verdict([member.evidence_of(source, by) for member, by in pairs])[0]

    def answer(self, posteriors: Float[Tensor, " K"], top: int | None = None) -> Answer:
        """The `top` most probable classes of a picture, as `Network.answer` gives them."""
        return answer_of(self.classes, posteriors, top, several=self.has_several)

    def predict(
        self, pictures: Any, top: int | None = None, progress: Progress | None = None
    ) -> list[Any]:
        """The `top` most probable classes of a picture, as (class name, posterior).

        Pictures and answers are those of `Network.predict`; each is shown whole, with its mirror
        image, at every member's Q.

        >>> stack.predict("cat.jpg", top=1)
        [('cat', 0.9...)]
        """
        if top is not None and top < 1:
            raise UserError(f"top {top} names no class; at least 1 is needed")

        def answer(source: Source) -> Answer:
            return self.answer(self.posteriors_of(source), top)

        return answered(pictures, answer, progress)

    def __repr__(self) -> str:
        each = "; ".join(
            f"{m.network.table.name} to {m.layer} at Q = {in_words(m.scales)}" for m in self.members
        )
        classes = f"{len(self.classes):,} classes ({some([c[:30] for c in self.classes])})"
        return f"Stack of {len(self.members)}: {classes}, {each}, on {self.device}"


def described_by(table: Table) -> str:
    """The name of the row that a table's mean row reads, but for dropout, as a net is tested."""
    assert table.pooled is not None
    (name,) = table[table.pooled].inputs
    row = next((row for row in table.rows if row.name == name), None)
    return row.inputs[0] if isinstance(row, Dropout) else name


def in_words(scales: Sequence[int]) -> str:
    """Several Q in a line."""
    return ", ".join(map(str, scales))


def refuse_misfits(members: Sequence[tuple[Table, Sequence[int]]]) -> None:
    """Raises UserError where tables, each with its Q, are none of one stack."""
    if not 0 < len(members) <= MOST:
        raise UserError(f"a stack of {len(members)} networks; it has from 1 to {MOST}")
    first, _ = members[0]
    for number, (table, scales) in enumerate(members, 1):
        where = f"member {number} of a stack"
        if table.pooled is None or not table.has_scores:
            raise UserError(f"{where}, {table.name}, has no mean row before its scores")
        if (table.class_count, table.has_several) != (first.class_count, first.has_several):
            raise UserError(f"{where} has not as many classes as the first, or another end")
        if not scales or len({*scales}) < len(scales):
            raise UserError(f"{where} has no Q, or one twice: {in_words(scales)}")
        if min(scales) < table.least:
            raise UserError(
                f"{where} is to see pictures at Q = {min(scales)}, and {table.name} needs "
                f"{table.least} at least"
            )
    if (count := len({scale for _, scales in members for scale in scales})) > MOST:
        raise UserError(f"a stack with {count} different Q; it has {MOST} at most")


def _by_torch(network: Network) -> Evidence:
    return lambda views: network.evidence(network.pixels.normalise(views))
