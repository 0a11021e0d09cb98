"""The table of translations that a pass carries: `xx.lproj/pass.strings`.

The key of a text is the text in the default language, so that a phone in any other language, and a
reader that ignores translations, shows that. Where two texts agree in the default language but not
in the others, or a text without translations reads like a key, an invisible word joiner (U+2060)
keeps them apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from passes.language import bases
from passes.text import Localized, Text

_JOINER = "\u2060"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})


def folders(languages: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the `.lproj` folders of a pass by name, each with the language that fills it.

    A language that is there in regions alone has a folder of its own, too, for its other regions.
    """
    return (*((each, each) for each in languages), *bases(languages).items())


class Strings:
    """Texts by key. `extra` tables of a holder lie over the constant one of a template."""

    __slots__ = ("_below", "_languages", "texts")

    def __init__(self, languages: tuple[str, ...], below: Strings | None = None) -> None:
        self._languages = languages
        self._below: Mapping[str, Localized] = {} if below is None else below.texts
        self.texts: dict[str, Localized] = {}

    def key(self, text: Text) -> str:
        """Return what to write into pass.json for `text`, adding its translations."""
        below, own = self._below, self.texts
        if isinstance(text, str):
            while text in below or text in own:
                text += _JOINER
            return text
        key = text[self._languages[0]]
        if len(self._languages) == 1:
            return key
        while True:
            known = below.get(key) or own.get(key)
            if known is None:
                own[key] = text
                return key
            if known == text:
                return key
            key += _JOINER

    def files(self) -> dict[str, bytes]:
        """Return the strings file of every language by its name in the package."""
        table = {**self._below, **self.texts}
        if not table:
            return {}
        return {
            f"{folder}.lproj/pass.strings": "".join(
                f'"{key.translate(_ESCAPES)}" = "{text[language].translate(_ESCAPES)}";\n'
                for key, text in table.items()
            ).encode()
            for folder, language in folders(self._languages)
        }
