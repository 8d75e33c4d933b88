"""Which part of a picture a view shows, exactly: how its pixels lie in those of the picture.

A window begins as the whole picture and is changed with the pixels, step by step: decoded smaller,
rescaled, cut, mirrored. The picture is the original one, upright by its EXIF orientation, whatever
was decoded of it and however it is kept. Places are continuous: a pixel is one wide, the first from
0 to 1, so that rescaling is a factor and nothing else, as all of our resampling has it.
"""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]
"""Height, width."""


@dataclass(frozen=True, slots=True)
class Window:
    """A view of a picture: what is at (y, x) there is at `scale` * (y, x) + `offset` in the view.

    `picture` and `size` are height and width of the picture and of the view, all in (y, x) order.
    A view may reach beyond its picture. The scale along x is negative in one that is mirrored.

    >>> crop = Window.whole((100, 200)).rescaled((50, 100)).cropped(10, 20, (30, 30))
    >>> crop.shown
    (40.0, 20.0, 100.0, 80.0)
    """

    picture: Size
    size: Size
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def whole(cls, size: Size) -> Window:
        """That of a picture as it is."""
        return cls(size, size)

    @classmethod
    def decoded(cls, stored: Size, by: int, orientation: int) -> Window:
        """That of a picture stored with a size, shrunk in its decoder, and turned upright.

        A pixel decoded at 1 / `by` is that many of the file's. The last of a side that they do not
        divide reaches beyond the picture, and comes first where the picture is turned round.

        >>> Window.decoded((80, 101), by=2, orientation=3).shown
        (-1.0, 0.0, 101.0, 80.0)
        """
        swapped, flipped = turns(orientation)
        picture = (stored[1], stored[0]) if swapped else stored
        height, width = (-(-side // by) for side in picture)
        beyond = height - picture[0] / by, width - picture[1] / by
        y, x = (more if flip else 0.0 for more, flip in zip(beyond, flipped, strict=True))
        return cls(picture, (height, width), (1 / by, 1 / by), (y, x))

    @property
    def mirrored(self) -> bool:
        """Whether left is right in it."""
        return self.scale[1] < 0

    @property
    def shown(self) -> tuple[float, float, float, float]:
        """What it shows, as a box of the picture: x_min, y_min, x_max, y_max."""
        height, width = self.size
        (sy, sx), (oy, ox) = self.scale, self.offset
        left, right = sorted(((0 - ox) / sx, (width - ox) / sx))
        return left, (0 - oy) / sy, right, (height - oy) / sy

    def rescaled(self, size: Size) -> Window:
        """That of the same at another size, each axis by its own factor."""
        if size == self.size:
            return self
        y, x = size[0] / self.size[0], size[1] / self.size[1]
        (sy, sx), (oy, ox) = self.scale, self.offset
        return Window(self.picture, size, (sy * y, sx * x), (oy * y, ox * x))

    def cropped(self, top: float, left: float, size: Size) -> Window:
        """That of a part of the view, from a place in it; it may begin before 0 or end beyond."""
        oy, ox = self.offset
        return Window(self.picture, size, self.scale, (oy - top, ox - left))

    def mirror(self) -> Window:
        """That of its mirror image."""
        (sy, sx), (oy, ox) = self.scale, self.offset
        return Window(self.picture, self.size, (sy, -sx), (oy, self.size[1] - ox))

    def then(self, view: Window) -> Window:
        """That of a view of what this one shows; `view.picture` has this one's size.

        >>> kept = Window.whole((100, 200)).rescaled((50, 100))
        >>> kept.then(Window.whole((50, 100)).mirror()) == kept.mirror()
        True
        """
        (sy, sx), (oy, ox), (y, x) = self.scale, self.offset, view.scale
        offset = oy * y + view.offset[0], ox * x + view.offset[1]
        return Window(self.picture, view.size, (sy * y, sx * x), offset)


def turns(orientation: int) -> tuple[bool, tuple[bool, bool]]:
    """Whether an EXIF orientation swaps rows and columns, and then reverses each of the two."""
    return orientation >= 5, (orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7))
