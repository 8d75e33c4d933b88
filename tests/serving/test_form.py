"""Forms as browsers and curl send them, by hand from RFC 7578, and ones that are none."""

from __future__ import annotations

import pytest

from tests.serving.at_work import form_of
from verydeep.serving.form import FormError, files_of, is_form

HEAD = b'Content-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
TYPE = "multipart/form-data; boundary=x"


def test_files_come_in_order_with_every_byte_of_theirs() -> None:
    each = [b"\r\n--other\r\n\0\xff", b"--x", b"\r\n"]
    body, header = form_of(*each)
    assert files_of(header["content-type"], body) == each


def test_other_fields_and_files_that_nobody_chose_are_left_out() -> None:
    body = (
        b'preamble\r\n--x\r\nContent-Disposition: form-data; name="filename"\r\n\r\nno\r\n'
        b'--x \t\r\nContent-Disposition: form-data; name="p"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n"
        b"--x\r\ncontent-type: image/png\r\n"
        b"CONTENT-DISPOSITION: form-data; name=p; filename*=UTF-8''a%20b\r\n\r\nyes\r\n--x--end"
    )
    assert files_of(TYPE, body) == [b"yes"]


def test_only_a_line_of_that_name_says_that_a_part_is_a_file() -> None:
    body = (
        b'--x\r\nX-Content-Disposition: form-data; filename="a"\r\n\r\nno\r\n'
        b'--x\r\nX: y\r\nContent-Disposition: form-data; filename="a"\r\n\r\nyes\r\n--x--'
    )
    assert files_of(TYPE, body) == [b"yes"]


@pytest.mark.parametrize(
    ("kind", "is_one"),
    [
        (TYPE, True),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b"', True),
        ("multipart/mixed; boundary=x", False),
        ("image/png", False),
        ("", False),
    ],
)
def test_a_form_is_known_by_its_type(kind: str, is_one: bool) -> None:
    assert is_form(kind) == is_one


def test_a_boundary_may_stand_in_quotes() -> None:
    body = b"--a b\r\n" + HEAD + b"yes\r\n--a b--"
    assert files_of('multipart/form-data; boundary="a b"', body) == [b"yes"]


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("multipart/form-data", b"--x--", "its boundary"),
        ("multipart/form-data; boundary=", b"--x--", "its boundary"),
        ("multipart/form-data; boundary=" + "x" * 71, b"--x--", "its boundary"),
        (TYPE, b"", "not begin"),
        (TYPE, b"--y\r\n" + HEAD + b"\r\n--y--", "not begin"),
        (TYPE, b"--x\r\n" + HEAD + b"cut", "not end"),
        (TYPE, b"--x\r\nno header\r\n--x--", "no header"),
        (TYPE, b"--x\r\n" + b"a" * 9000 + b"\r\n\r\nb\r\n--x--", "too long"),
        (TYPE, b"--x\r\n" + (HEAD + b"\r\n--x\r\n") * 300 + b"--x--", "more than 256 parts"),
    ],
)
def test_what_is_no_form_is_refused(kind: str, body: bytes, said: str) -> None:
    with pytest.raises(FormError, match=said):
        files_of(kind, body)
