"""Gradients of micro-batches, summed as they come in an order that no thread changes.

Threads work on micro-batches side by side. The backward pass of each waits at a layer until those
before it have added theirs there, so that beside the sum there is the gradient of one layer at a
time for each thread, and not that of a whole network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from threading import Condition
from typing import Any

import torch
from torch import Tensor, nn

from verydeep.nets.network import Network


class Sums:
    """A sum for each of some tensors; what a micro-batch adds waits for those before it.

    `merges` says how many sums of two are due after each (`distributed.tree_merges`): 1 after
    each but the first is one after another.
    """

    def __init__(self, tensors: int, merges: Sequence[int]) -> None:
        self._merges = merges
        self._next = [0] * tensors
        self._partial: list[list[Tensor]] = [[] for _ in range(tensors)]
        self._changed = Condition()
        self._failed = False

    def wait(self, tensor: int, micro_batch: int) -> None:
        """Returns when it is this micro-batch's turn."""
        with self._changed:
            self._changed.wait_for(lambda: self._failed or self._next[tensor] == micro_batch)
            if self._next[tensor] != micro_batch:
                raise RuntimeError("another micro-batch has failed")

    @torch.no_grad()
    def add(self, tensor: int, micro_batch: int, value: Tensor) -> None:
        """Adds a micro-batch's value, in its turn; the memory is from now on the sum's."""
        self.wait(tensor, micro_batch)
        partial = self._partial[tensor]
        partial.append(value)
        for _ in range(self._merges[micro_batch]):
            last = partial.pop()
            partial[-1].add_(last)
        with self._changed:
            self._next[tensor] = micro_batch + 1
            self._changed.notify_all()

    def fail(self) -> None:
        """Lets go of those who wait for a micro-batch that will not come."""
        with self._changed:
            self._failed = True
            self._changed.notify_all()

    @property
    def totals(self) -> list[Tensor]:
        """The sums, when every micro-batch has added its own."""
        return [total for (total,) in self._partial]


@dataclass
class _Turn:
    """The sums that gradients go to, and the micro-batch that they are of.

    It is all that a twin's hooks know: by more a weight would be held by its own hook, which
    Python's collector does not see, and its network for ever.
    """

    sums: Sums
    micro_batch: int


class Twin:
    """The network once more, on the same weights, whose gradients go straight to a sum.

    Each thread has one, for a gradient is kept at the weights that it is of.
    """

    def __init__(self, network: Network, learnt: Mapping[str, Tensor]) -> None:
        same: dict[int, Any] = {id(buffer): buffer for buffer in network.buffers()}
        for weight in network.parameters():
            same[id(weight)] = nn.Parameter(weight.detach(), weight.requires_grad)
        self.network = deepcopy(network, same)
        self._turn = _Turn(Sums(0, ()), 0)
        weights = dict(self.network.named_parameters())
        for number, name in enumerate(learnt):
            self._follow(number, name, weights[name])

    def backward(self, loss: Tensor, sums: Sums, micro_batch: int) -> None:
        """Adds the gradient of a micro-batch's loss to the sums."""
        self._turn.sums, self._turn.micro_batch = sums, micro_batch
        loss.backward()  # type: ignore[no-untyped-call]

    def _follow(self, number: int, name: str, weight: Tensor) -> None:
        """Has a weight's gradient, which is the sums' tensor `number`, waited for and passed on."""
        turn = self._turn

        def wait(gradient: Tensor) -> None:
            turn.sums.wait(number, turn.micro_batch)

        def wait_before(layer: nn.Module, given: Any, values: Tensor) -> None:
            if values.requires_grad:
                values.register_hook(wait)  # type: ignore[no-untyped-call]

        def add(weight: Tensor) -> None:
            assert weight.grad is not None
            gradient, weight.grad = weight.grad, None
            turn.sums.add(number, turn.micro_batch, gradient)

        self.network.get_submodule(name.rpartition(".")[0]).register_forward_hook(wait_before)
        weight.register_post_accumulate_grad_hook(add)  # type: ignore[no-untyped-call]
