"""Pieces of Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar within a cell is escaped."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"


def paragraph(text: str) -> str:
    """A paragraph in lines of at most 100 characters."""
    words = " ".join(text.split())
    return textwrap.fill(words, width=100, break_long_words=False, break_on_hyphens=False) + "\n"


def code(text: object) -> str:
    """A value in code marks."""
    return f"`{text}`"


def listed(items: Iterable[str], *, last: str = "and") -> str:
    """Items as an enumeration: a, b and c."""
    *most, end = items
    return f"{', '.join(most)} {last} {end}" if most else end


def fence(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
