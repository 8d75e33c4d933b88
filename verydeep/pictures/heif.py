"""HEIC and AVIF, as phones and the web have them, where what decodes them is installed.

HEIC is decoded by pillow-heif, an extra of ours, and AVIF by Pillow itself, unless it was built
without. Both are files of boxes (ISO/IEC 14496-12), known by the brands that begin them; the
decoders take no more memory than for the size that the boxes tell.
"""

from importlib.util import find_spec
from io import BytesIO

from PIL import features
from PIL.ImageFile import ImageFile

from verydeep.errors import PictureError

HEIC_SUFFIXES, AVIF_SUFFIXES = (".heic", ".heif", ".hif"), (".avif",)
HEIC_BRANDS = {*b"heic heix heim heis hevc hevx hevm hevs mif1 msf1".split()}
AVIF_BRANDS = {b"avif", b"avis"}
HOW_TO_READ = {
    **dict.fromkeys(HEIC_SUFFIXES, "pip install 'verydeep[heic]' to have them read, or "),
    **dict.fromkeys(AVIF_SUFFIXES, "a Pillow with AVIF reads them, or "),
}
"""What to do about files that cannot be read here, before another way is named."""


def _has_avif() -> bool:
    """Whether Pillow reads AVIF; before 11.2 it does not know of it, and would warn if asked."""
    return bool(find_spec("PIL.AvifImagePlugin")) and bool(features.check("avif"))


def readable_suffixes() -> frozenset[str]:
    """Ends of names of the pictures of these kinds that can be decoded here."""
    heic = HEIC_SUFFIXES if find_spec("pillow_heif") else ()
    return frozenset((*heic, *(AVIF_SUFFIXES if _has_avif() else ())))


def format_of(data: bytes) -> str | None:
    """HEIC or AVIF by a file's first bytes; None of any other, such as a film."""
    if data[4:8] != b"ftyp":
        return None
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[at : at + 4] for at in (8, *range(16, size, 4))]
    if brands[0] in AVIF_BRANDS or (brands[0] in HEIC_BRANDS and AVIF_BRANDS & {*brands}):
        return "AVIF"
    return "HEIC" if brands[0] in HEIC_BRANDS else None


def open_heic(data: bytes) -> ImageFile:
    """Its first picture, not yet decoded; its decoder turns it upright."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise PictureError(
            "is a HEIC picture, which needs pip install 'verydeep[heic]'; or save it as JPEG or PNG"
        ) from None
    image: ImageFile = HeifImageFile(BytesIO(data))
    return image


def open_avif(data: bytes) -> ImageFile:
    """Its first picture, not yet decoded, with the EXIF block that tells how it is turned."""
    if not _has_avif():
        raise PictureError(
            "is an AVIF picture, which this build of Pillow does not read; save it as JPEG or PNG"
        )
    from PIL.AvifImagePlugin import AvifImageFile  # which Pillow has since 11.2

    return AvifImageFile(BytesIO(data))
