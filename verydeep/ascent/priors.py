"""What makes a picture one to look at: how it is written down, how it is moved, how rough it is."""

from __future__ import annotations

from math import log, pi

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from verydeep import randomness
from verydeep.ascent.looking import Image
from verydeep.nets.network import Network

COLOURS = ((0.262, 0.087, 0.025), (0.271, 0.006, -0.046), (0.283, -0.086, 0.022))
"""RGB of the axes that photographs' colours vary along, each by as much as they do: columns l_i p_i
of the covariance of RGB values from 0 to 1, measured over Imagenette's pictures. The first is how
light a pixel is."""
MEAN = (0.462, 0.460, 0.434)
"""The mean colour of these."""
GAIN = 4 / 0.473
"""What the axes are multiplied by before the sigmoid: the first has a length of 0.473."""


class Canvas:
    """A picture written as waves, the slower the larger, in colours that do not go together.

    So a step of the same size for every number changes a picture as photographs differ from each
    other, and not pixel by pixel; a sigmoid keeps it in range (Olah, Mordvintsev & Schubert, 2017).
    """

    def __init__(self, network: Network, size: tuple[int, int], seed: int) -> None:
        height, width = size
        like = next(network.parameters())
        down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
        frequency = np.maximum(np.hypot(down, across), 1 / max(size))
        scale = np.sqrt(height * width) / (4 * frequency)
        drawn = randomness.generator(seed, "ascent").normal(0, 0.01, (1, 3, *scale.shape, 2))
        self.size = size
        self.scale = torch.from_numpy(scale).to(like)
        self.waves = torch.from_numpy(drawn).to(like).requires_grad_()
        self.colours = torch.tensor(COLOURS).to(like) * GAIN / 4
        self.ground = torch.tensor([log(m / (1 - m)) for m in MEAN]).to(like)

    def image(self) -> Image:
        """The picture that is written down."""
        waves = torch.view_as_complex(self.waves) * self.scale
        plane = torch.fft.irfft2(waves, self.size)
        colours = torch.einsum("rc,bchw->brhw", self.colours, plane)
        return 255 * (colours + self.ground[:, None, None]).sigmoid()


def moved(image: Image, seed: int, step: int) -> Image:
    """The picture turned, scaled and shifted a little, otherwise in each step.

    By up to 10 degrees, a tenth, and a sixteenth of a side: what must survive that is no speckle.
    Edges are mirrored.
    """
    drawn = randomness.generator(seed, "ascent", 1 + step).uniform(-1, 1, 4)
    turn, scale, right, down = drawn * (pi / 18, 0.1, 1 / 8, 1 / 8)
    height, width = image.shape[2:]
    cos, sin = np.cos(turn) * (1 + scale), np.sin(turn) * (1 + scale)
    rows = [[cos, -sin * height / width, right], [sin * width / height, cos, down]]
    places = F.affine_grid(image.new_tensor(np.array(rows))[None], list(image.shape),
                           align_corners=False)  # fmt: skip
    return F.grid_sample(image, places, padding_mode="reflection", align_corners=False)


def variation(u: Float[Tensor, "1 3 H W"]) -> Float[Tensor, ""]:
    """The sum over pixels of squared differences to the next ones, as a mean over all values.

    That is V of Mahendran & Vedaldi (2015) for beta = 2.
    """
    right, down = u[..., :, 1:] - u[..., :, :-1], u[..., 1:, :] - u[..., :-1, :]
    return (right.square().sum() + down.square().sum()) / u.numel()


def softened(values: Image) -> Image:
    """Values with as much again of their means over some pixels around: fewer speckles."""
    near = F.avg_pool2d(F.pad(values, (2, 2, 2, 2), mode="replicate"), 5, 1)
    return (values + near) / 2
