"""Stable names, each with its meaning in a sentence."""

from __future__ import annotations

from enum import StrEnum


class Explained(StrEnum):
    """A closed list of names for programs. The guide lists each with its `meaning`."""

    meaning: str

    def __new__(cls, name: str, meaning: str = "") -> Explained:
        # Members have a meaning; who looks one up by its name gives none.
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        return member
