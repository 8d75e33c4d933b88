"""Files that are often taken for weights, and halves of such: called what they are, in one line."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as safetensors_bytes

from verydeep.errors import UserError
from verydeep.importers import families

WEIGHTS = b"\x80\x02weights"


def zipped(name: str = "vgg.pth") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, WEIGHTS)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("vgg.pth")
        member.size = len(WEIGHTS)
        archive.addfile(member, io.BytesIO(WEIGHTS))
    return file.getvalue()


def arrays() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    return file.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
UNPACK = "unpack it and give the file within"
FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "lfs.pth": (lambda: LFS, "is a pointer of Git LFS and no weights; run git lfs pull"),
    "drive.pth": (lambda: b"<!DOCTYPE html><html>", "is a web page or XML and no weights"),
    "page.pth": (lambda: b"\xef\xbb\xbf\n <html>", "is a web page or XML and no weights"),
    "unknown.bin": (lambda: b"<" + bytes(range(255, 0, -1)), "is of no kind that is read"),
    "page.xml": (lambda: b"<?XML\xff", "is a web page or XML and no weights"),
    "answer.pth": (lambda: b'{"message": "Not Found"}', "is a text and no weights, '{\"message\""),
    "limit.h5": (lambda: b"Too many requests", "is a text and no weights, 'Too many requests'"),
    "none.pth": (lambda: b"", "is empty"),
    "spaces.pth": (lambda: b"\n \n", "is empty"),
    "zeros.pth": (lambda: bytes(9000), "begins with nothing but zeros, and is damaged"),
    "vgg.pth.gz": (lambda: gzip.compress(WEIGHTS), f"is compressed by gzip; {UNPACK}"),
    "vgg.pth.bz2": (lambda: bz2.compress(WEIGHTS), f"is compressed by bzip2; {UNPACK}"),
    "vgg.pth.xz": (lambda: lzma.compress(WEIGHTS), f"is compressed by xz; {UNPACK}"),
    "vgg.7z": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(50), f"is an archive of 7-Zip; {UNPACK}"),
    "vgg.zip": (zipped, f"none of PyTorch's or Keras's (vgg.pth in it); {UNPACK}"),
    "vgg.pth": (zipped, f"it is a zip archive of other files (vgg.pth); {UNPACK}"),
    "half.zip": (lambda: zipped()[:40], "is a zip archive, cut short, or something follows"),
    "vgg.tar": (tarred, f"is a tar archive; {UNPACK}"),
    "tar.pth": (tarred, f"it is a tar archive of other files (vgg.pth); {UNPACK}"),
    "a.npz": (arrays, "is arrays of NumPy and no file of a net"),
    "vgg.tflite": (lambda: b"\x1c\0\0\0TFL3" + bytes(50), "is a model of TensorFlow Lite, which"),
    "other.bin": (lambda: bytes(range(1, 256)), "is of no kind that is read; there are PyTorch"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(FILES))
def test_what_is_no_weights_is_called_what_it_is(name: str) -> None:
    content, words = FILES[name]
    Path(name).write_bytes(content())
    with pytest.raises(UserError) as caught:
        families.read(Path(name))
    assert words in str(caught.value)
    assert str(caught.value).startswith(name)
    assert str(caught.value).isprintable()


def test_bytes_after_the_end_of_an_archive_are_told_of() -> None:
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, "w.pth")
    Path("w.pth").write_bytes(Path("w.pth").read_bytes() + bytes(70_000))
    with pytest.raises(UserError, match="it is cut short, or something follows its end"):
        families.read(Path("w.pth"))


def test_half_a_file_is_called_cut_short() -> None:
    """Each with what a download that broke off leaves: its first half."""
    state = {"features.0.weight": torch.zeros(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
    new, old = io.BytesIO(), io.BytesIO()
    torch.save(state, new)
    torch.save(state, old, _use_new_zipfile_serialization=False)
    for name, content in (
        ("new.pth", new.getvalue()),
        ("old.pth", old.getvalue()),
        ("x.safetensors", safetensors_bytes(state)),
    ):
        Path(name).write_bytes(content[: len(content) // 2])
        with pytest.raises(UserError, match="it is cut short"):
            families.read(Path(name))
