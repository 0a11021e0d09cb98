"""Apple's rules for the files of a pass: names, pictures, translations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from struct import unpack

from passes.errors import PackageError

# Pixels at @1x that a picture may have at most: Apple's documents and its pass-builder.
LARGEST = {
    "icon": (38, 38),
    "logo": (160, 50),
    "strip": (375, 144),
    "artwork": (358, 448),
    "background": (358, 505),
    "primaryLogo": (126, 30),
    "secondaryLogo": (135, 12),
}
_IMAGE = re.compile(r"([A-Za-z]+)(@[23]x)?\.png").fullmatch
_FOLDER = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?\.lproj").fullmatch
_ENTRY = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*=\s*"((?:[^"\\]|\\.)*)"\s*;', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_MADE = {"pass.json", "manifest.json", "signature"}


def check_files(files: Mapping[str, bytes]) -> None:
    """Raise PackageError unless these files (without pass.json and the like) make a good pass."""
    for scale in ("", "@2x", "@3x"):
        name = f"icon{scale}.png"
        if name not in files:
            raise PackageError(
                name, "The icon is missing, and phones refuse the pass.", "Add it at the root."
            )
    folders: dict[str, dict[str, bytes]] = {}
    for name, data in files.items():
        folder, _, base = name.rpartition("/")
        if name in _MADE:
            raise PackageError(name, "The library makes this file.", "Leave it out.")
        if folder and not _FOLDER(folder):
            raise PackageError(
                name, "It lies in a folder that phones do not look into.", "Move it to the root."
            )
        if base == "pass.strings" and folder:
            read_strings(name, data)
        else:
            _check_image(name, base, data)
        if folder:
            folders.setdefault(folder, {})[base] = data
    _check_folders(files, folders)


def _check_image(name: str, base: str, data: bytes) -> None:
    found = _IMAGE(base)
    if not found or found[1] not in LARGEST:
        raise PackageError(
            name, "No phone knows this file.", f"Use {', '.join(LARGEST)} as .png, @2x and @3x."
        )
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 33:
        raise PackageError(name, "It is not a PNG.", "Export it as PNG.")
    scale = int((found[2] or "@1x")[1])
    width, height = unpack(">II", data[16:24])
    most = tuple(side * scale for side in LARGEST[found[1]])
    if width > most[0] or height > most[1]:
        raise PackageError(
            name,
            f"It has {width}×{height} pixels, and {most[0]}×{most[1]} are shown.",
            "Make it smaller: passes.artwork.prepare makes every size.",
        )


def _check_folders(files: Mapping[str, bytes], folders: dict[str, dict[str, bytes]]) -> None:
    reference: tuple[str, dict[str, bytes]] | None = None
    for folder, content in folders.items():
        for base in content:
            if base in files:
                raise PackageError(
                    base, f"It hides the one in {folder}.", "Keep it in the language folders only."
                )
        if reference is None:
            reference = folder, content
            continue
        first, model = reference
        if content.keys() != model.keys():
            odd = min(content.keys() ^ model.keys())
            raise PackageError(
                f"{folder}/{odd}" if odd in model else f"{first}/{odd}",
                "It is there in another language but not in this one.",
                "Give every language the same files.",
            )
        strings = [
            read_strings(f"{each}/pass.strings", table["pass.strings"]).keys()
            for each, table in ((folder, content), (first, model))
            if "pass.strings" in table
        ]
        if len(strings) == 2 and strings[0] != strings[1]:
            raise PackageError(
                f"{folder}/pass.strings",
                f"Its keys differ from those of {first}.",
                "Translate every key in every language.",
            )


def read_strings(name: str, data: bytes) -> dict[str, str]:
    """Return a strings file's texts by key, or raise PackageError where iOS would stop reading."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise PackageError(name, "It is not UTF-8.", "Save it as UTF-8.") from error
    texts: dict[str, str] = {}
    at = 0
    while text[at:].strip():
        entry = _ENTRY.match(text, at)
        if not entry:
            line = text.count("\n", 0, at) + 1
            raise PackageError(
                name,
                f"Line {line} is not an entry.",
                'Write "key" = "value"; and escape quotes and backslashes.',
            )
        key, value = (_ESCAPE.sub(_unescape, part) for part in entry.groups())
        if key in texts:
            raise PackageError(name, "A key is there twice.", "Remove one.")
        texts[key] = value
        at = entry.end()
    return texts


def _unescape(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[1], found[1])
