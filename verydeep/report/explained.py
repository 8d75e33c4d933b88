"""Explained pictures: a page with their maps side by side, all on one scale, and a PNG of each map.

What the colours stand for is told in numbers, and is the same for all pictures of a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from verydeep.errors import UserError
from verydeep.insight.maps import Map
from verydeep.pictures.reading import Picture, read_picture
from verydeep.report.file_names import FileNames
from verydeep.report.heat import (
    CLASSES,
    Scale,
    bar,
    colours_of,
    in_classes,
    painted,
    scales_of,
)
from verydeep.report.html import section, table, write_html
from verydeep.report.thumbnails import data_uri
from verydeep.verbs.explain import Explanation

TITLES = {
    "scores": "Score map",
    "gradient": "Gradient",
    "guided": "Guided backpropagation",
    "deconvnet": "DeconvNet",
    "gradcam": "Grad-CAM",
    "integrated": "Integrated gradients",
    "occlusion": "Occlusion: posterior",
    "occlusion-activation": "Occlusion: strongest map",
    "occlusion-classes": "Occlusion: class",
}
MEANING = {
    "scores": "The posterior at each place, exact: the network run densely.",
    "gradient": "How much a grey level more or less of a pixel would change the class score "
    "(Simonyan et al. 2014).",
    "guided": "The same with what is negative left out at every ReLU (Springenberg et al. 2015). "
    "It shows edges, and hardly depends on the class: see its sanity.",
    "deconvnet": "One value of a layer, the one that says most for the class, projected down "
    "through the switches of the pools (Zeiler &amp; Fergus 2014).",
    "gradcam": "The maps of a layer, each by its mean gradient (Selvaraju et al. 2017).",
    "integrated": "What each pixel adds to the score on the way from black (Sundararajan et al. "
    "2017): warm for the class, cold against it.",
    "occlusion": "The class posterior while a grey square hides what is about each place (Zeiler "
    "&amp; Fergus 2014): cold where the class is lost.",
    "occlusion-activation": "What the map that is strongest on the whole picture sums to then.",
    "occlusion-classes": "The most probable class then.",
}
SIDE = 320
"""Pixels of the larger side of a picture on the page."""
LARGEST, LEAST = 1024, 320
"""Of the larger side of a PNG, whatever the picture has."""


@dataclass(frozen=True)
class Palette:
    """What the colours of all maps of some pictures stand for."""

    scales: Mapping[str, Scale]
    classes: Mapping[int, tuple[int, int, int]]

    @classmethod
    def of(cls, maps: Sequence[Map]) -> Palette:
        """One for all of these maps."""
        return cls(scales_of(maps), colours_of(maps))

    def paint(self, image: Picture, method: str, values: np.ndarray) -> Picture:
        """The map of a picture in colours."""
        if method == CLASSES:
            return in_classes(image, values, dict(self.classes))
        return painted(image, values, self.scales[method])


def write_explained(
    found: Sequence[Explanation],
    path: Path,
    network: str,
    extra: Mapping[int, str] | None = None,
    sections: Sequence[str] = (),
) -> Path:
    """Writes a page of explained pictures, and gives its path.

    `network` says what explains them; `extra` has more HTML of a picture by its number, and
    `sections` what stands behind all of them.
    """
    palette = palette_of(found)
    classes = {each.class_name for each in found}
    what = f"the class {escape(classes.pop())}" if len(classes) == 1 else "a class"
    title = f"Where {what} is seen" if found else "What it sees"
    head = (
        f"<header><p>verydeep</p><h1>{title}</h1><p>By {escape(network)}. Maps are of the score of "
        f"one class, before the soft-max, in the picture as it is; `verydeep predict` means its "
        f"posteriors and those of the mirror image.</p></header>"
    ).replace("`verydeep predict`", "<code>verydeep predict</code>")
    bodies = [
        section(escape(Path(each.name).name), _picture(each, palette) + (extra or {}).get(i, ""))
        for i, each in enumerate(found)
    ]
    legend = section("What the colours stand for", _legend(palette)) if found else ""
    return write_html(path, "Explained pictures", [head, *bodies, legend, *sections])


def palette_of(found: Sequence[Explanation]) -> Palette:
    """One palette for all maps of explained pictures."""
    return Palette.of([one for each in found for one in each.maps])


def _picture(one: Explanation, palette: Palette) -> str:
    """A picture with its posteriors, and its maps beside it."""
    image = one.view.image
    said = f"<b>{escape(one.class_name)}</b> {one.posterior:.1%}, score {one.score:.3g}"
    if one.true_name is not None:
        said += f"; labelled {escape(one.true_name)}"
    first = f"<div>{_figure(image, said, one.name)}{_posteriors(one)}</div>"
    maps = "".join(_map_figure(image, each, one, palette) for each in one.maps)
    return f'<div class="cards seen">{first}{maps}</div>'


def _posteriors(one: Explanation) -> str:
    """The most probable classes with bars."""
    rows = [
        f'<li style="--share:{100 * p:.1f}%"><span>{escape(name)}</span>{p:.1%}</li>'
        for name, p in one.top()
    ]
    return f'<ol class="top">{"".join(rows)}</ol>'


def _map_figure(image: Picture, each: Map, one: Explanation, palette: Palette) -> str:
    shown = palette.paint(image, each.method, each.values)
    caption = f"<b>{TITLES[each.method]}</b> {escape(each.said)}"
    if each.method == CLASSES:
        caption += _named_colours(each, one, palette)
    return _figure(shown, caption, f"{TITLES[each.method]} of {one.name}")


def _named_colours(each: Map, one: Explanation, palette: Palette) -> str:
    """The classes on a map, with their colours."""
    there = np.unique(each.values.astype(np.int64)).tolist()
    marks = "".join(
        f'<span><i style="background:rgb{palette.classes[k]}"></i>{escape(one.classes[k])}</span>'
        for k in there
    )
    return f'<span class="key">{marks}</span>'


def _figure(image: Picture, caption: str, name: str) -> str:
    shown = f'<img src="{data_uri(image, SIDE)}" alt="{escape(name)}">'
    return f'<figure title="{escape(name)}">{shown}<figcaption>{caption}</figcaption></figure>'


def _legend(palette: Palette) -> str:
    """What the colours of each method's maps stand for."""
    rows = [
        (
            f"<b>{TITLES[name]}</b>",
            f'<span class="scale"><img src="{data_uri(bar(scale))}" alt=""></span>{scale}',
            MEANING[name],
        )
        for name, scale in palette.scales.items()
    ]
    if palette.classes:
        rows.append((f"<b>{TITLES[CLASSES]}</b>", "by name", MEANING[CLASSES]))
    return table(("map", "scale", ""), rows, "legends") + (
        "<p>Each method has one scale for all pictures of this page, so that what is faint is "
        "faint. It ends where the values of the map in the middle do, of those by pixels all but 2 "
        "in 1,000; larger ones look like its end.</p>"
    )


# --- as files


class Folder:
    """A folder of PNGs, one for each map of each picture.

    Raises UserError where it holds something, or cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._names = folder, FileNames()
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} has files already; give a new folder to --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make {folder}: {error.strerror}; give another --out") from None

    def add(self, found: Sequence[Explanation]) -> Iterator[Path]:
        """Writes the maps of these pictures on one scale; the path of each.

        A PNG has the picture's own aspect and pixels, if they are not too many or too few.
        """
        palette = palette_of(found)
        for each in found:
            name = self._names.of(each.name)
            image = sized(read_picture(each.source))
            for one in each.maps:
                nearest = one.method == CLASSES
                values = resized(one.on_picture(), image.shape[:2], nearest)
                shown = palette.paint(image, one.method, values)
                yield self.write(shown, f"{name}-{one.method}")

    def write(self, image: Picture, name: str) -> Path:
        """Writes a PNG of that name, and gives its path."""
        path = self.folder / f"{name}.png"
        try:
            Image.fromarray(image).save(path)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror or error}") from None
        return path


def sized(image: Picture) -> UInt8[np.ndarray, "h w 3"]:
    """A picture with a larger side of no more than `LARGEST` pixels, and no less than `LEAST`."""
    largest = max(image.shape[:2])
    factor = min(LARGEST / largest, 1) * max(LEAST / largest, 1)
    if factor == 1:
        return image
    height, width = (max(1, round(factor * side)) for side in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def resized(values: np.ndarray, size: tuple[int, int], nearest: bool = False) -> np.ndarray:
    """A map of a picture for that picture at another size."""
    if values.shape[:2] == size:
        return values
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    channels = values[..., None] if values.ndim == 2 else values
    scaled = [
        np.asarray(Image.fromarray(np.ascontiguousarray(channels[..., c])).resize(size[::-1], how))
        for c in range(channels.shape[2])
    ]
    return scaled[0] if values.ndim == 2 else np.stack(scaled, 2)
