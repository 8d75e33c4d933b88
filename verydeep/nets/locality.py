"""Where a network looks: what the values of a row see of the picture, along one of its sides.

In comes a table; out go pixels of a picture of a size, by the reach of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from verydeep.nets.table import Table


@dataclass(frozen=True)
class Sight:
    """What one value sees along a side: from pixel `first` of the picture to before `end`.

    Of that the network is given what is in `shown`; the rest is zeros to it, be it
    beyond the picture or cut off.
    """

    first: int
    end: int
    shown: slice

    @property
    def centre(self) -> float:
        """Its middle, in pixels from the picture's edge; that of the first pixel is 0.5."""
        return (self.first + self.end) / 2

    @property
    def padding(self) -> tuple[int, int]:
        """Pixels of zeros before and after what it is given."""
        return max(0, self.shown.start - self.first), max(0, self.end - self.shown.stop)


@dataclass(frozen=True)
class Locality:
    """What the values of the row `name` see, in pixels of what the network is shown.

    Value p along a side sees from p * `stride` - `before` to before (p + 1) * `stride` + `after`.
    """

    name: str
    stride: int
    before: int
    after: int

    @classmethod
    def of(cls, table: Table, name: str) -> Locality:
        """That of a row of a table."""
        reach = table.reaches[name]
        return cls(name, reach.stride, reach.before, reach.after)

    def sight(self, place: int, shown: slice) -> Sight:
        """What value `place` sees of a side of which the network is `shown` this part.

        >>> d = vgg.table("D")
        >>> middle = Locality.of(d, "fc8").sight(1, d.shown(300))  # the second of three positions
        >>> middle.first, middle.end, middle.centre, middle.padding
        (-52, 352, 150.0, (58, 58))
        """
        start = shown.start + place * self.stride
        return Sight(start - self.before, start + self.stride + self.after, shown)
