"""One step of training: gradients, summed over micro-batches and processes, and the update.

On a CPU a micro-batch is worked on by one thread; they are summed in their order, whichever is done
first: one after another, or as a tree where several processes are to add in the same order. On a
GPU a process's whole share of the batch is one micro-batch, but where sums are in order.

A loss of the whole batch together, as of triplets, is known from the scores of all its pictures.
These are worked out first, of all micro-batches and processes, and with them what the loss pulls
each score by: then micro-batches go on as for any other loss, and their sum is the same gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import torch
from torch import Tensor

from verydeep import randomness
from verydeep.errors import UserError
from verydeep.nets.dropout import dropout, streams_of
from verydeep.nets.network import Network, Rules
from verydeep.nets.norms import Norms, keep, learnt_norms
from verydeep.nets.rows import BatchNorm, Dropout
from verydeep.parts.dataset import Part
from verydeep.runtime.distributed import Ranks, tree_merges
from verydeep.tasks.task import ClassWeights, Each, Targets
from verydeep.training.loader import Batch
from verydeep.training.settings import Settings
from verydeep.training.state import Training, learning_heads
from verydeep.training.sums import Sums, Twin

NAMED = 5
"""Pictures named, at most, where a loss is not finite."""
AT_ONCE = 16
"""Pictures of which all layers' values are kept, to see where they stop being finite."""


class NotFiniteError(UserError):
    """The loss is no finite number any more: `what` says where, `step` counts from 0."""

    def __init__(self, what: str, hint: str, step: int) -> None:
        super().__init__(f"{what}; {hint}")
        self.what, self.hint, self.step = what, hint, step


class Step:
    """A step of a training, to be called with one batch after another."""

    def __init__(
        self,
        training: Training,
        settings: Settings,
        pool: Executor,
        ranks: Ranks,
        weights: ClassWeights | None = None,
    ) -> None:
        self.training, self.settings, self.weights = training, settings, weights
        self.pool, self.ranks = pool, ranks
        network = training.network
        self.learnt = training.optimiser.weights
        self.on_gpu = network.device.type != "cpu"
        self.norms, self.streams = learnt_norms(network), streams_of(network.table)
        heads = learning_heads(network.table, settings.tune)
        self.ends = {network.table.learnt: 1.0} | {head.name: head.weight for head in heads}
        self.forward = torch.compile(_scores) if settings.compiled else _scores
        self._twins: list[Twin] = []

    def __call__(self, batch: Batch, number: int) -> Tensor:
        """Learns from this process's share of batch `number`; its mean loss over all processes.

        The loss is NaN where a gradient is not finite. On a CPU nothing is learnt from a batch
        whose loss is not; on a GPU, which is not waited for, that is found some steps later.
        """
        loss, gradients, statistics = self.gradients(batch, number)
        if self.on_gpu or loss.isfinite():
            self.training.optimiser.step(gradients)
            keep(self.training.network, self.norms, statistics)
            self.training.update_average(self.settings.average, number)
        return loss

    def gradients(self, batch: Batch, number: int) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The mean loss over the whole batch, each parameter's gradient of it, norms' statistics.

        Those are of each norm that learns the mean over micro-batches of their means and variances.
        """
        size, starts = self._micro_batches(batch)
        if self.training.task.jointly:
            batch = self._pulled(batch, number)
        one_by_one = [min(1, number) for number in range(len(starts))]
        merges = tree_merges(len(starts)) if self.ranks.in_order else one_by_one
        sums = Sums(1 + len(self.learnt) + 2 * len(self.norms), merges)

        def work(start: int) -> None:
            try:
                piece = batch.part(start, size, self.training.network.device)
                self._add(piece, number, sums, start // size)
            except BaseException:
                sums.fail()
                raise

        for _ in map(work, starts) if self.on_gpu else self.pool.map(work, starts):
            pass
        totals = sums.totals
        loss, *statistics = totals[len(self.learnt) :]
        gradients = totals[: len(self.learnt)]
        self.ranks.all_reduce([loss, *gradients], f"step {number + 1}")
        self.ranks.all_reduce(statistics, f"norms of step {number + 1}", exactly=True)
        if_finite: Tensor = 0 * torch.stack(torch._foreach_norm(gradients)).sum()
        return loss[0] + if_finite, gradients, statistics

    def _micro_batches(self, batch: Batch) -> tuple[int, range]:
        """How many pictures a micro-batch has, and where each begins."""
        local = len(batch.samples)
        whole = self.on_gpu and not self.ranks.in_order
        size = local if whole else self.settings.micro_batch
        return size, range(0, local, size)

    def _pulled(self, batch: Batch, number: int) -> Batch:
        """The batch with its targets replaced, [B, 1 + K]: each picture's loss, and its gradient.

        Both are of the loss of the whole batch, over all processes; pictures that could not be
        read have no part in it.
        """
        size, starts = self._micro_batches(batch)

        def scores_of(start: int) -> Tensor:
            piece = batch.part(start, size, self.training.network.device)
            with torch.no_grad():  # which is each thread's own
                return self._scores_of(self.training.network, piece, number, Norms(self.norms))[0]

        found = [*(map if self.on_gpu else self.pool.map)(scores_of, starts)]
        scores = torch.cat(found).float()
        told = torch.stack([batch.targets.to(scores), batch.weight.to(scores)], 1)
        own = torch.cat([scores, told], 1)
        sizes = [
            len(some) for some in torch.arange(batch.whole).tensor_split(self.ranks.world_size)
        ]
        ours = slice(sum(sizes[: self.ranks.rank]), sum(sizes[: self.ranks.rank + 1]))
        everything = own.new_zeros(batch.whole, own.shape[1])
        everything[ours] = own
        self.ranks.all_reduce([everything], f"scores of step {number + 1}", exactly=True)
        pulls = torch.zeros_like(everything[:, :-1])
        read = everything[:, -1].nonzero()[:, 0]
        given = everything[read, :-2].requires_grad_()
        targets = everything[read, -2].to(batch.targets.dtype)
        losses = self.training.task.loss(given, targets, self.weights)
        (gradient,) = torch.autograd.grad(losses.sum(), given)
        pulls[read] = torch.cat([losses.detach()[:, None], gradient], 1)
        return replace(batch, targets=pulls[ours])

    def _add(self, piece: Batch, number: int, sums: Sums, place: int) -> None:
        """Adds a micro-batch's share of the loss, [1], and of each gradient, to the sums."""
        if self.on_gpu:  # where one comes after another
            network, norms = self.training.network, Norms(self.norms)
            loss = self._loss(network, piece, number, norms)
            for i, gradient in enumerate(torch.autograd.grad(loss, [*self.learnt.values()])):
                sums.add(i, place, gradient)
        else:
            twin = self._twins.pop() if self._twins else Twin(self.training.network, self.learnt)
            norms = Norms(self.norms)
            loss = self._loss(twin.network, piece, number, norms)
            twin.backward(loss, sums, place)
            self._twins.append(twin)
        share = len(piece.samples) / piece.whole
        for i, value in enumerate([loss.detach()[None], *(share * s for s in norms.statistics)]):
            sums.add(len(self.learnt) + i, place, value)

    def _loss(self, network: Network, piece: Batch, number: int, norms: Norms) -> Tensor:
        """A micro-batch's share of the batch's mean loss."""
        scores = self._scores_of(network, piece, number, norms)
        with self._precision():
            each = (self._losses(s, piece.targets) for s in scores)
            pairs = zip(self.ends.values(), each, strict=True)
            losses = torch.stack([share * values for share, values in pairs]).sum(0)
        loss: Tensor = (losses * piece.weight).sum() / piece.whole
        return loss

    def _scores_of(self, network: Network, piece: Batch, number: int, norms: Norms) -> list[Tensor]:
        """The scores of each end for a micro-batch."""
        seeds = randomness.words(self.settings.seed, "dropout", number, piece.samples)
        given = piece.given(network.pixels)
        drawn = torch.from_numpy(seeds).to(network.device)
        with self._precision():
            return self.forward(network, given, drawn, self.streams, norms, [*self.ends])

    def _precision(self) -> torch.autocast:
        """Within, PyTorch works in the precision of the settings."""
        half = self.settings.precision == "bf16"
        return torch.autocast(self.training.network.device.type, torch.bfloat16, enabled=half)

    def _losses(self, scores: Tensor, targets: Targets) -> Each:
        """The loss of each picture, with its label smoothed where that is asked for.

        Of a loss of the whole batch it is the one that is known, with what pulls at the scores.
        """
        task, share = self.training.task, self.settings.smoothing
        if task.jointly:
            scores = scores.float()
            return targets[:, 0] + ((scores - scores.detach()) * targets[:, 1:]).sum(1)
        if share and task.smoothed is not None:
            return task.smoothed(scores, targets, self.weights, share)
        return task.loss(scores, targets, self.weights)


def _scores(
    network: Network,
    given: Mapping[str, Tensor],
    seeds: Tensor,
    streams: Mapping[str, int],
    norms: Norms,
    ends: Sequence[str],
) -> list[Tensor]:
    """Scores of ends in training, [B, K]: dropout by the pictures' seeds, norms by the batch."""
    rules: Rules = {Dropout: dropout(seeds, streams), BatchNorm: norms}
    found = network.run(given, ends, rules)
    return [found[end].mean((2, 3)) for end in ends]


@torch.no_grad()
def why_not_finite(
    training: Training, batch: Batch, number: int, source: Part, ranks: Ranks
) -> NotFiniteError:
    """Names the step, the first layer that gives what is not finite, and the pictures."""
    network, rate = training.network, training.optimiser.rate
    end = network.table.ends[network.table.learnt]
    names = [row.name for row, _ in network.table.path({end}, {batch.row})]
    found: set[str] = set()
    pictures: list[str] = []
    network.eval()
    for start in range(0, len(batch.samples), AT_ONCE):
        piece = batch.part(start, AT_ONCE, network.device)
        rules: Rules = {BatchNorm: Norms(learnt_norms(network))}
        values = network.run(piece.given(network.pixels), names, rules)
        found |= {name for name in names if not values[name].isfinite().all()}
        scores = values[end].mean((2, 3))
        losses = training.task.loss(scores, piece.targets, None)
        seen = (~losses.isfinite() & (piece.weight > 0)).nonzero()[:, 0].tolist()
        pictures += [source.names[piece.shown_of[i]] for i in seen]
    network.train()
    bad = [name for name in names if name in found]
    where = (
        f"the first layer is {bad[0]}" if bad else "in a gradient; the layers' values are finite"
    )
    if pictures:
        more = f" and {len(pictures) - NAMED} more" if len(pictures) > NAMED else ""
        where += f"; pictures {', '.join(pictures[:NAMED])}{more}"
    whose = f" of process {ranks.rank}" if ranks.world_size > 1 else ""
    return NotFiniteError(
        f"the loss is not finite at step {number + 1}{whose} (rate {rate:g}): {where}",
        f"try --rate {rate / 10:g}",
        number,
    )


def burst(epoch: int, count: int, rate: float) -> NotFiniteError:
    """What is said where the check that ends an epoch of so many steps gives no finite loss."""
    return NotFiniteError(
        f"the validation loss is not finite after epoch {epoch + 1} (rate {rate:g})",
        f"try --rate {rate / 10:g}",
        (epoch + 1) * count - 1,
    )
