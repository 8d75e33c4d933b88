"""Style: a network and two pictures in, the one in the style of the other out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from verydeep.ascent.styling import STRENGTH, STRONGEST, styled
from verydeep.errors import UserError
from verydeep.insight.signals import frozen
from verydeep.nets.network import Network
from verydeep.runtime.machine import Machine
from verydeep.runtime.progress import Progress, Shown
from verydeep.verbs.dream import Made, grown, read, refuse_seed
from verydeep.verbs.explain import loaded

STEPS = 200
"""Steps of L-BFGS where nobody says how many."""


def style(
    weights_path: str | Path | Network,
    content: Any,
    style: Any,
    *,
    strength: float = STRENGTH,
    from_noise: bool = False,
    steps: int = STEPS,
    size: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Made:
    """A picture that shows what `content` does in the style of `style` (Gatys et al., 2016).

    `strength` is how much the style counts. It begins with the content, or with noise of this seed.
    `size` is the smaller side of both pictures in pixels, by default the training crop's. Ctrl-C
    ends it after the step, with what there is; `out` is written as it grows.

    >>> verydeep.style("vgg19", "cat.jpg", "waves.jpg", size=384).save("cat-in-waves.png")
    """
    progress = progress or Shown()
    for name, value in (("steps", steps), ("size", size)):
        if value is not None and not value > 0:
            raise UserError(f"--{name} {value}; give more than 0")
    if not 0 < strength <= STRONGEST:  # nor NaN
        raise UserError(f"--strength {strength}; give more than 0, and {STRONGEST:g} at most")
    refuse_seed(seed)
    network = frozen(loaded(weights_path, Machine.this(device), progress))
    side = size or network.table.crop
    shown, like = (read(network, one, side) for one in (content, style))
    frames = styled(network, shown, like, steps, seed if from_noise else None, strength)
    place = None if out is None else Path(out)
    return grown(frames, "taking on the style", "style loss", progress, place)
