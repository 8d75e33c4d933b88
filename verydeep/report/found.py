"""Pictures with what was found in them drawn on them, as files in a folder."""

from __future__ import annotations

from pathlib import Path

from verydeep.errors import UserError
from verydeep.localisation.predictor import Found, Guess, Point
from verydeep.pictures.reading import read_picture
from verydeep.report.file_names import FileNames
from verydeep.report.overlay import COLOURS, Mark, drawn


class Drawings:
    """A folder of pictures with marks on them, one JPEG each, called as the picture is.

    Raises UserError where the folder holds something, or cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._names = folder, FileNames()
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} has files already; give a new folder to --save")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"cannot make {folder}: {error.strerror}; give another --save"
            ) from None

    def add(self, picture: str, found: Found) -> Path:
        """Draws what was found in a picture; the path of the drawing."""
        path = self.folder / f"{self._names.of(picture)}.jpg"
        canvas = drawn(read_picture(picture), [_mark(i, one) for i, one in enumerate(found)])
        try:
            canvas.save(path, "JPEG", quality=92, subsampling=0)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror or error}") from None
        return path


def _mark(number: int, found: Guess | Point) -> Mark:
    """What is drawn of a guess or a point: its place, and in words what it is."""
    colour = COLOURS[number % len(COLOURS)]
    if isinstance(found, Point):
        return Mark((found.x, found.y), colour, found.name)
    sure = "" if found.posterior is None else f"{found.posterior:.3f}"
    return Mark(found.box, colour, f"{found.name or ''} {sure}".strip())
