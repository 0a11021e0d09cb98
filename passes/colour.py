"""Colours as `#rrggbb`, and whether one can be read on another (WCAG 2.2, contrast minimum)."""

from __future__ import annotations

import re

from passes.errors import ContentError, ContrastError

DEFAULT_BACKGROUND = "#ffffff"
DEFAULT_INK = "#1a1a1a"
LEGIBLE = 4.5
"""The least contrast of text of usual size (WCAG 2.2, 1.4.3)."""
LEGIBLE_LARGE = 3.0
"""The least contrast of large text."""
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}").fullmatch

Rgb = tuple[int, int, int]


def check_colour(field: str, colour: str) -> None:
    """Raise ContentError unless `colour` is written `#rrggbb`."""
    if not isinstance(colour, str) or not _COLOUR(colour):
        raise ContentError(field, f"{colour!r} is not a colour.", "Write it as #rrggbb.")


def rgb(colour: str) -> Rgb:
    """Return `#rrggbb` as three numbers from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def luminance(colour: Rgb) -> float:
    """Return the relative luminance of an sRGB colour, from 0 to 1 (WCAG 2.2)."""
    red, green, blue = (
        part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Rgb, other: Rgb) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def check_legible(field: str, colour: str, background: str, *, least: float = LEGIBLE) -> None:
    """Raise ContrastError, suggesting a colour, unless text in `colour` can be read."""
    check_colour(field, colour)
    have = contrast(rgb(colour), rgb(background))
    if have < least:
        raise ContrastError(
            field,
            f"{colour} on {background} has a contrast of {have:.1f}, and {least:.1f} is the least"
            " that most people can read.",
            legible(colour, background, least=least),
        )


def legible(colour: str, background: str, *, least: float = LEGIBLE) -> str:
    """Return the colour nearest to `colour` that can be read on `background`, as `#rrggbb`."""
    start, ground = rgb(colour), rgb(background)
    for step in range(101):
        found = []
        for end in ((0, 0, 0), (255, 255, 255)):
            mixed = tuple(round(a + (b - a) * step / 100) for a, b in zip(start, end, strict=True))
            candidate: Rgb = (mixed[0], mixed[1], mixed[2])
            if contrast(candidate, ground) >= least:
                found.append(candidate)
        if found:
            best = max(found, key=lambda each: contrast(each, ground))
            return "#{:02x}{:02x}{:02x}".format(*best)
    return DEFAULT_INK  # unreachable: black or white has at least 4.58 on any colour
