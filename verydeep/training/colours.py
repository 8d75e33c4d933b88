"""What the training set's colours are like: its mean, its deviation, its principal axes.

The axes are for the random shift of colour (Sect. 3.1, after Krizhevsky et al., 2012): to every
pixel of a crop is added the sum of a_i l_i p_i, with p_i and l_i the eigenvectors and eigenvalues
of the covariance of RGB values, and a_i normal. The papers do not say in which range values are
meant; only with values in 0-1 is the shift one that a picture can bear (the largest l_i of ILSVRC
is about 0.2), so covariance and shift are taken there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np
from jaxtyping import Float

from verydeep import randomness
from verydeep.errors import PictureError, UserError
from verydeep.files import cache_home, write_atomic
from verydeep.parts.dataset import Part
from verydeep.pictures.preprocessing import Pixels
from verydeep.pictures.reading import bytes_of

BLOCK = 2**20
"""Values that are worked on at once."""
SAMPLE = 2000
"""Pictures that are looked at: of 2,000, the mean is known to a fraction of a grey level."""


@dataclass(frozen=True)
class Colours:
    """RGB values of a training set, 0-255: `mean`, one `deviation` from it over all channels.

    `axes` are the rows l_i p_i x 255: a shift of colour is a @ axes, in grey levels.
    """

    mean: tuple[float, float, float]
    deviation: float
    axes: tuple[tuple[float, float, float], ...]


def colours(part: Part, pixels: Pixels) -> Colours:
    """The colours of a training set, from some of its pictures; kept in the user's cache.

    The key is a fingerprint of those pictures' very bytes, and of the scale they are looked at.
    """
    sample = randomness.generator(0, "choice").permutation(len(part))[:SAMPLE].tolist()
    kept = cache_home() / "verydeep" / "colours" / f"{_fingerprint(part, pixels, sample)}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(kept.read_bytes())
        return Colours(tuple(found["mean"]), found["deviation"], tuple(map(tuple, found["axes"])))
    measured = from_moments(_moments(part, pixels, sample))
    with suppress(UserError):  # it is measured again another time
        write_atomic(kept, json.dumps(asdict(measured)).encode())
    return measured


def _fingerprint(part: Part, pixels: Pixels, sample: Sequence[int]) -> str:
    versions = " ".join(map(version, ("verydeep", "torch", "pillow", "simplejpeg", "numpy")))
    digest = hashlib.sha256(f"{pixels.test_scale} {pixels.resize} {versions}".encode())
    for i in sample:
        source = part.source(i)
        if isinstance(source, np.ndarray):
            digest.update(f"{source.shape}".encode() + np.ascontiguousarray(source).data)
        else:
            with suppress(PictureError):  # left out when it is measured
                digest.update(bytes_of(source))
    return digest.hexdigest()[:32]


def from_moments(moments: tuple[int, Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]) -> Colours:
    """Colours from (count, sum, sum of outer products) of RGB values, 0-255."""
    count, total, products = moments
    mean = total / count
    covariance = products / count - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance / 255**2)
    largest_first = np.argsort(values)[::-1]
    # an eigenvector's sign is free: its largest entry is made positive
    axes = []
    for i in largest_first:
        vector = vectors[:, i] * np.sign(vectors[np.abs(vectors[:, i]).argmax(), i])
        axes.append(_rounded(vector * values[i] * 255))
    deviation = max(1.0, round(float(np.sqrt(np.trace(covariance) / 3)), 3))
    return Colours(_rounded(mean), deviation, tuple(axes))


def _moments(
    part: Part, pixels: Pixels, sample: Sequence[int]
) -> tuple[int, Float[np.ndarray, 3], Float[np.ndarray, "3 3"]]:
    """Count, sum and sum of outer products of the RGB values of some pictures."""
    count, total, products = 0, np.zeros(3), np.zeros((3, 3))
    for i in sample:
        try:
            image = pixels.read(part.source(i), pixels.test_scale)
        except PictureError:  # named, or skipped, when it is read to be trained on
            continue
        for rows in np.array_split(image.reshape(-1, 3), -(-image.size // BLOCK)):
            values = rows.astype(np.float64)
            count, total = count + len(values), total + values.sum(0)
            products += values.T @ values
    if not count:
        raise UserError(f"none of the pictures can be read, {part.names[0]} among them")
    return count, total, products


def _rounded(values: Float[np.ndarray, 3]) -> tuple[float, float, float]:
    first, second, third = (round(float(v), 3) for v in values)
    return first, second, third
