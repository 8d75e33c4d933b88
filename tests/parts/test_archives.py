"""Zip and tar files in place of folders: safe ones as what is in them, hostile ones in one line.

The archives are written here by Python's own modules, and hostile names by hand.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import real_pictures
from verydeep.datasets import open_dataset
from verydeep.errors import UserError
from verydeep.parts import archives
from verydeep.parts.draws import stored


def archived(folder: Path, name: str, above: str = "") -> str:
    """A folder in an archive of that name, below folders of its own if so named."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    inside = [(path, f"{above}{path.relative_to(folder).as_posix()}") for path in files]
    if name.endswith(".zip"):
        with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as opened:
            for path, called in inside:
                opened.write(path, called)
    else:
        kind = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}
        with tarfile.open(name, kind.get(name.rpartition(".")[2], "w")) as opened:  # type: ignore[call-overload]
            for path, called in inside:
                opened.add(path, called)
    return name


@pytest.mark.parametrize("above", ["", "some/photos/"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "A.TGZ", "a.tar.bz2", "a.tar.xz"])
def test_an_archive_is_the_dataset_that_its_folder_is(
    photos: Callable[..., Path], name: str, above: str
) -> None:
    root = photos(4, 4)
    Path(root, "__MACOSX").mkdir()
    Path(root, "__MACOSX", "x.png").write_bytes(b"x")
    expected = open_dataset(root, 3)
    dataset = open_dataset(archived(root, name, above), 3)
    assert dataset.fingerprint == expected.fingerprint
    assert list(dataset.train.names) == list(expected.train.names)
    assert dataset.where == name
    assert Path(str(dataset.train.source(0))).read_bytes() == (
        Path(str(expected.train.source(0))).read_bytes()
    )
    assert f"{name} unpacked to" in dataset.notes[0]


def test_an_archive_is_unpacked_once_by_what_is_in_it(
    photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(photos(4, 4), "a.zip")
    first = open_dataset("a.zip").train.source(0)
    Path("a.zip").rename("b.zip")
    monkeypatch.setattr(archives, "_unpack", lambda *_: pytest.fail("unpacked again"))
    assert open_dataset("b.zip").train.source(0) == first


def test_an_archive_that_was_not_touched_is_not_read_again(
    photos: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(photos(4, 4), "a.zip")
    monkeypatch.setattr(archives, "A_WHILE", 0)
    first = archives.unpacked(Path("a.zip"))
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert archives.unpacked(Path("a.zip")) == first
    monkeypatch.setattr(hashlib, "file_digest", digest)
    times = Path("a.zip").stat()
    archived(photos(4, 4, root="others", first=9), "a.zip")
    os.utime("a.zip", ns=(times.st_atime_ns, times.st_mtime_ns))  # of the same age as it was
    assert archives.unpacked(Path("a.zip"))[0] != first[0]


def test_what_was_found_of_a_file_just_written_is_not_kept(photos: Callable[..., Path]) -> None:
    """It may be written again within the same tick of the file system's clock."""
    archived(photos(4, 4), "a.zip")
    home = archives.unpacked(Path("a.zip"))[0].parents[1]
    assert not [*home.rglob("*.known")]


def test_what_a_killed_process_left_half_unpacked_is_not_taken(
    photos: Callable[..., Path], tmp_path: Path
) -> None:
    archived(photos(4, 4), "a.zip")
    whole = archives.unpacked(Path("a.zip"))[0]
    whole.rename(whole.with_name(f"{whole.name}.part"))
    next(whole.with_name(f"{whole.name}.part").rglob("*.png")).unlink()
    assert len(open_dataset("a.zip").everything) == 8
    assert not [*whole.parent.glob("*.part")]


def zipped(*members: tuple[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile("bad.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            opened.writestr(info, data)
    return Path("bad.zip")


def tarred(name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> Path:
    with tarfile.open("bad.tar", "w") as opened:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = len(data), kind, link
        opened.addfile(info, io.BytesIO(data))
    return Path("bad.tar")


HOSTILE: dict[str, tuple[Callable[[], Path], str]] = {
    "a name that leads up": (lambda: zipped(("a/../../x.jpg", b"x")), "leads out of its folder"),
    "the same in a tar": (lambda: tarred("../x.jpg"), "leads out of its folder"),
    "the same with a backslash": (lambda: zipped(("a\\..\\..\\x.jpg", b"x")), "leads out"),
    "an absolute name": (lambda: tarred("/tmp/x.jpg"), "leads out of its folder"),
    "a link": (lambda: tarred("a", b"", tarfile.SYMTYPE, "/etc"), "link or a device"),
    "a hard link": (lambda: tarred("a", b"", tarfile.LNKTYPE, "b"), "link or a device"),
    "a device": (lambda: tarred("a", b"", tarfile.CHRTYPE), "link or a device"),
    "a link in a zip": (lambda: zipped(("a", b"/etc"), mode=stat.S_IFLNK | 0o777), "link or a d"),
    "a bomb": (lambda: zipped(("a.bmp", bytes(2**27))), "more than 100 times its size"),
    "a file where a folder is": (
        lambda: zipped(("a", b"x"), ("a/b.jpg", b"x")),
        "two things called a",
    ),
}


@pytest.mark.parametrize("which", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(which: str, tmp_path: Path) -> None:
    made, words = HOSTILE[which]
    archive = made()
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    with pytest.raises(UserError, match=words) as refused:
        open_dataset(archive)
    assert "\n" not in str(refused.value)
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before
    assert not [*Path("cache/verydeep/archives").iterdir()]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused() -> None:
    with pytest.raises(UserError, match="it has two things called a.jpg"):
        open_dataset(zipped(("a.jpg", b"x"), ("a.jpg", b"y")))


def test_a_header_that_asks_for_all_memory_is_refused() -> None:
    """Of names that go on for 32 MB, which tarfile would read in one piece."""
    with pytest.raises(UserError, match="a header is too long"):
        open_dataset(tarred("x", bytes(2**25), tarfile.XHDTYPE))


def test_more_than_is_free_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(UserError, match="more than 9 bytes, nine tenths of what is free"):
        open_dataset(zipped(("a.jpg", b"0123456789")))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_an_archive_that_is_cut_short_or_none_is_refused_in_one_line(
    photos: Callable[..., Path], name: str
) -> None:
    data = Path(archived(photos(4, 4), name)).read_bytes()
    for part in (data[: len(data) // 2], b"<html>no such page</html>" * 99, b""):
        Path(name).write_bytes(part)
        with pytest.raises(UserError, match=f"{name} is not unpacked: .*fetch it again") as refused:
            open_dataset(name)
        assert "\n" not in str(refused.value)


def test_what_is_wrong_with_the_folder_inside_is_told_with_the_archives_name() -> None:
    with pytest.raises(UserError, match=r"^bad.zip, unpacked: .* 2 pictures but no class folders"):
        open_dataset(zipped(("a.jpg", b"x"), ("b.jpg", b"y")))


def test_any_kind_of_dataset_may_be_in_an_archive() -> None:
    xml = "<annotation><object><name>{}</name></object></annotation>"
    members = [(f"VOCdevkit/V/Annotations/{i}.xml", xml.format("ab"[i % 2])) for i in range(6)]
    members += [(f"VOCdevkit/V/JPEGImages/{i}.jpg", "x") for i in range(6)]
    archive = zipped(*((name, text.encode()) for name, text in members))
    assert open_dataset(archive, several=True).classes == ("a", "b")
    table = "file,class\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(6))
    pictures = [(f"images/{i}.jpg", b"x") for i in range(6)]
    assert open_dataset(zipped(("labels.csv", table.encode()), *pictures)).classes == ("a", "b")


def test_stored_splits_in_an_archive_are_found() -> None:
    names = [f"{c}/{i}.jpg" for c in "ab" for i in range(3)]
    splits = b'{"splits": [{"train": ["a/0.jpg", "b/0.jpg"], "test": ["a/1.jpg"]}]}'
    archive = zipped(("splits.json", splits), *((name, b"x") for name in names))
    assert len(stored(open_dataset(archive))[0].train) == 2


def test_coco_in_its_tar_is_what_its_folder_is() -> None:
    folder = real_pictures("coco256")
    dataset = open_dataset(archived(folder, "coco.tar", "coco256/"), several=True)
    assert dataset.fingerprint == open_dataset(folder, several=True).fingerprint


def test_a_member_that_is_shorter_than_its_archive_says_is_refused() -> None:
    """Its size stands 24 bytes behind the beginning of its line in the directory at the end."""
    data = bytearray(zipped(("a.jpg", b"0123456789")).read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (20).to_bytes(4, "little")
    Path("bad.zip").write_bytes(data)
    with pytest.raises(UserError, match=r"cannot be read \(cut short\)"):
        open_dataset("bad.zip")
