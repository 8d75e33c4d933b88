"""The codes that LeNet-5 tells classes by: a picture of each digit, 7 x 12, of +-1.

The paper has them as pictures alone (LeCun et al., 1998, Fig. 3), "chosen by hand and kept fixed";
these were drawn by hand after the same idea: digits that look alike have codes that are alike.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from verydeep import randomness

ROWS, COLUMNS = 12, 7

DRAWN = """
..###.. ...#... .#####. .#####. #....## ####### ..####. ####### .#####. .#####.
.#...#. ..##... ##...## ##...## ##...## ##..... .##..## .....## ##...## ##...##
##...## .###... .....## .....## ##...## ##..... ##..... .....## ##...## ##...##
##...## ...#... .....## .....## ##...## ##..... ##..... ....##. ##...## ##...##
##...## ...#... ....##. ....##. ##...## ######. ##..... ....##. .##.##. ##...##
##...## ...#... ...##.. ..####. ####### .....## ######. ...##.. ..###.. .######
##...## ...#... ..##... .....## .....## .....## ##...## ...##.. .##.##. .....##
##...## ...#... .##.... .....## .....## .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... .....## .....## .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... .....## .....## ##...## ##...## .##.... ##...## .....##
.#...#. ...#... ##..... ##...## .....## ##...## .##.##. .##.... ##...## ##..##.
..###.. .#####. ####### .#####. .....## .#####. ..###.. ##..... .#####. .####..
"""
"""Digits 0 to 9 beside one another; # is +1."""


def codes(classes: int, length: int) -> Float32[np.ndarray, "K C"]:
    """A code of +-1 for each class: the digits' where there are ten of 84 numbers, else drawn ones.

    "They could have been chosen at random with equal probabilities of -1 and +1", the paper says.
    """
    if (classes, length) == (10, ROWS * COLUMNS):
        lines = [line.split(" ") for line in DRAWN.split("\n")[1:-1]]
        pictures = ["".join(line[digit] for line in lines) for digit in range(10)]
        signs = [[1 if mark == "#" else -1 for mark in picture] for picture in pictures]
        return np.array(signs, np.float32)
    drawn = randomness.generator(0, "codes").integers(0, 2, (classes, length))
    return (2 * drawn - 1).astype(np.float32)
