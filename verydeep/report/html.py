"""What pages are made of: sections, tables, cards, and the file itself with its style inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from verydeep.errors import escaped_lines
from verydeep.files import write_atomic

CUE = '<p class="cue">↔ wider than the screen: scroll it sideways</p>'
"""Stands before what scrolls by itself where the screen is narrow; shown there alone."""


def write_html(path: Path, title: str, sections: Sequence[str]) -> Path:
    """Writes a page without outside links, and gives its path; UserError where it cannot be."""
    css = files("verydeep.report").joinpath("page.css").read_text(encoding="utf-8")
    page = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}</style>\n<main>\n"
        + "\n".join(sections)
        + "\n</main>\n</html>\n"
    )
    write_atomic(path, escaped_lines(page).encode())
    return path


def section(title: str, body: str) -> str:
    """A part of a page; nothing where there is nothing in it."""
    return f"<section><h2>{title}</h2>{body}</section>" if body else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table whose cells are HTML already; it scrolls by itself where the screen is narrow."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def card(uri: str | None, caption: str, name: str) -> str:
    """A picture with its caption, which is HTML already; `name` shows when it is pointed at.

    Without a link it says that the picture was not found.
    """
    shown = (
        f'<img src="{uri}" alt="{escape(name)}">' if uri else '<div class="gone">not found</div>'
    )
    return f'<figure title="{escape(name)}">{shown}<figcaption>{caption}</figcaption></figure>'
