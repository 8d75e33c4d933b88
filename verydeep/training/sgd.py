"""Stochastic gradient descent with momentum and weight decay (Sect. 3.1).

The update is that of Krizhevsky et al. (2012), which the paper follows, and of Caffe:

    v <- momentum v - rate (g + decay w);  w <- w + v

What is kept of v is v / -rate, so that an update is what PyTorch's fused kernel does; when the rate
is cut, it is made larger by as much, and v itself goes on as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class SGD:
    """Updates weights, by name, from their gradients; `momentum` has the same names."""

    def __init__(
        self, weights: Mapping[str, Tensor], rate: float, momentum: float, decay: float
    ) -> None:
        self.weights = dict(weights)
        self.momentum = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        self.rate, self._keeps, self._decay = rate, momentum, decay

    @torch.no_grad()
    def set_rate(self, rate: float) -> None:
        """From here on another rate; the velocity stays what it is."""
        if rate != self.rate:
            torch._foreach_mul_([*self.momentum.values()], self.rate / rate)
            self.rate = rate

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """One update, with a gradient for each of the weights in their order."""
        weights, momentum = [*self.weights.values()], [*self.momentum.values()]
        if weights[0].device.type == "cuda":
            torch._fused_sgd_(
                weights,
                [*gradients],
                momentum,
                weight_decay=self._decay,
                momentum=self._keeps,
                lr=self.rate,
                dampening=0.0,
                nesterov=False,
                maximize=False,
                is_first_step=False,
            )
            return
        torch._foreach_mul_(momentum, self._keeps)
        torch._foreach_add_(momentum, [*gradients])
        torch._foreach_add_(momentum, weights, alpha=self._decay)
        torch._foreach_add_(weights, momentum, alpha=-self.rate)
