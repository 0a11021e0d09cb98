"""Codes that are made here: patterns, alphabets, a check character and what is left to chance.

A pattern is text with `{random:N}`, `{recipient}` and `{date}`; a `#` is one random character.
Readable parts can be guessed, so that a pattern without a random part gets a random tail. The
check character (Luhn mod N over the random characters) tells a mistyped code from an unknown one
before anything is looked up; it adds nothing to the bits that are left to chance.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.codes import normalise
from app.domain.kinds import KINDS
from app.faults import Fault

#: 32 characters, none of which is easily taken for another one of them: no 0, O, 1, I.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LONGEST_CODE = 64
#: Most characters of a recipient's id that go into a code.
LONGEST_RECIPIENT = 24

_PART = re.compile(r"\{(?P<name>[a-z]+)(?::(?P<count>\d{1,2}))?\}|(?P<hashes>#+)|(?P<text>[^{}#]+)")
_LITERAL = re.compile(r"[A-Za-z0-9._/+ -]+")
_SYMBOL = re.compile(r"[A-Z0-9]+")


class RecipeFault(Fault):
    """A pattern or alphabet cannot be used; says why and what to write."""


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    text: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a campaign's codes are made; `read` makes one from a pattern."""

    parts: tuple[_Part, ...]
    alphabet: str
    check: bool

    @classmethod
    def read(
        cls, pattern: str, *, alphabet: str = ALPHABET, check: bool = True, tail: int = 10
    ) -> Recipe:
        """Parse `pattern`; without a random part it gets `tail` random characters at its end.

        Raises:
            RecipeFault: the pattern or the alphabet cannot be used.
        """
        if len(alphabet) < 8 or len(set(alphabet)) != len(alphabet):
            raise RecipeFault(
                "The alphabet has fewer than eight characters, or one of them twice.",
                f"Use one such as {ALPHABET}.",
            )
        if not _SYMBOL.fullmatch(alphabet):
            raise RecipeFault(
                "The alphabet has other characters than A to Z and 0 to 9, which tills do not tell "
                "apart.",
                f"Use one such as {ALPHABET}.",
            )
        parts = list(_parse(pattern))
        if not any(part.name == "random" for part in parts):
            parts.append(_Part("random", count=tail))
        recipe = cls(parts=tuple(parts), alphabet=alphabet, check=check)
        if recipe.longest > LONGEST_CODE:
            raise RecipeFault(
                f"The codes would have up to {recipe.longest} characters.",
                f"Shorten the pattern to {LONGEST_CODE}.",
            )
        return recipe

    @classmethod
    def of(cls, kind: str, options: Mapping[str, Any]) -> Recipe:
        """Read the recipe of a campaign of `kind` from its stored options, which were checked."""
        return cls.read(
            options.get("pattern") or KINDS[kind].code_pattern,
            alphabet=options["alphabet"],
            check=options["check"],
            tail=KINDS[kind].code_tail,
        )

    @property
    def random_characters(self) -> int:
        return sum(part.count for part in self.parts)

    @property
    def bits(self) -> float:
        """How many bits of a code nobody can know."""
        return self.random_characters * math.log2(len(self.alphabet))

    def characters_for(self, bits: float) -> int:
        """Random characters that leave at least `bits` to chance."""
        return math.ceil(bits / math.log2(len(self.alphabet)))

    @property
    def personal(self) -> bool:
        """Whether a code names its recipient, and so can be made only when it is issued."""
        return any(part.name == "recipient" for part in self.parts)

    @property
    def longest(self) -> int:
        """Most characters of a code."""
        lengths = {"recipient": LONGEST_RECIPIENT, "date": 8}
        return (
            sum(lengths.get(part.name, len(part.text) + part.count) for part in self.parts)
            + self.check
        )

    def widest(self) -> str:
        """Return a code as long as any, of the characters that barcodes need most room for."""
        letter = next(filter(str.isalpha, self.alphabet), self.alphabet[0])
        texts = {"recipient": "A" * LONGEST_RECIPIENT, "date": "20261231"}
        written = (texts.get(part.name, part.text) + letter * part.count for part in self.parts)
        return "".join(written) + letter * self.check

    @property
    def hides_40_bits(self) -> bool:
        """Whether 40 bits stay unknown to who sees the last four characters."""
        shown = max(0, 4 - self.check)
        return (self.random_characters - shown) * math.log2(len(self.alphabet)) >= 40

    def mint(
        self,
        count: int,
        *,
        today: dt.date,
        recipient: str = "",
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> list[str]:
        """`count` codes; two of them may be equal, with the probability that `bits` leaves.

        Args:
            today: the campaign's local day, for `{date}`.
            recipient: what `{recipient}` becomes: its letters and digits, upper case.
            entropy: bytes from the system's generator.
        """
        size = self.random_characters
        symbols = _symbols(self.alphabet, count * size, entropy)
        chunks = [symbols[at : at + size] for at in range(0, count * size, size)]
        prefix, template, suffix = self._layout(today=today, recipient=recipient)
        if template is None:
            if not self.check:
                return [f"{prefix}{chunk}{suffix}" for chunk in chunks]
            checks = _checks(symbols, self.alphabet, size)
            return [f"{prefix}{chunk}{suffix}{c}" for chunk, c in zip(chunks, checks, strict=True)]
        codes = []
        for chunk in chunks:
            taken = iter(chunk)
            text = "".join(next(taken) if item is None else item for item in template)
            codes.append(text + (_check(chunk, self.alphabet) if self.check else ""))
        return codes

    def mistyped(self, code: str) -> bool | None:
        """Whether the check character of `code` is wrong; None when it cannot be told."""
        # Parts of unknown length leave the random characters where they cannot be found.
        if not self.check or self.personal:
            return None
        text = normalise(code)
        body, given = text[:-1], text[-1:]
        at, chosen = 0, []
        for part in self.parts:
            length = {"date": 8}.get(part.name, len(normalise(part.text)) + part.count)
            if part.name == "random":
                chosen.append(body[at : at + length])
            at += length
        symbols = "".join(chosen)
        if at != len(body) or any(symbol not in self.alphabet for symbol in symbols):
            return True
        return _check(symbols, self.alphabet) != given

    def _layout(
        self, *, today: dt.date, recipient: str
    ) -> tuple[str, list[str | None] | None, str]:
        """Text before and after one run of random characters; a template when there are several."""
        cleaned = re.sub(r"[^A-Z0-9]", "", recipient.upper())[:LONGEST_RECIPIENT]
        texts = {"recipient": cleaned, "date": f"{today:%Y%m%d}"}
        runs = [number for number, part in enumerate(self.parts) if part.name == "random"]
        written = [texts.get(part.name, part.text) for part in self.parts]
        if len(runs) == 1:
            return "".join(written[: runs[0]]), None, "".join(written[runs[0] + 1 :])
        template: list[str | None] = []
        for part, text in zip(self.parts, written, strict=True):
            template.extend([None] * part.count if part.name == "random" else [text])
        return "", template, ""


def _parse(pattern: str) -> Iterator[_Part]:
    at = 0
    for match in _PART.finditer(pattern):
        if match.start() != at:
            break
        at = match.end()
        if match["text"] is not None:
            if not _LITERAL.fullmatch(match["text"]):
                raise RecipeFault(
                    f"{match['text']!r} has characters that tills cannot scan or type.",
                    "Use letters, digits and - . _ / + in the pattern.",
                )
            yield _Part("text", match["text"].upper())
        elif match["hashes"] is not None:
            yield _Part("random", count=len(match["hashes"]))
        elif match["name"] == "random" and match["count"] and int(match["count"]) > 0:
            yield _Part("random", count=int(match["count"]))
        elif match["name"] in ("recipient", "date") and match["count"] is None:
            yield _Part(match["name"])
        else:
            raise RecipeFault(
                f"{match[0]} is not known.", "Use {random:10}, #, {recipient} and {date}."
            )
    if at != len(pattern):
        raise RecipeFault(
            f"The pattern cannot be read from {pattern[at:]!r} on.",
            "Use text, {random:10}, #, {recipient} and {date}.",
        )


def _symbols(alphabet: str, count: int, entropy: Callable[[int], bytes]) -> str:
    """`count` random characters: bytes that would favour some characters are thrown away."""
    size = len(alphabet)
    fair = 256 - 256 % size
    table = bytes(ord(alphabet[byte % size]) for byte in range(256))
    unfair = bytes(range(fair, 256))
    found = b""
    while len(found) < count:
        wanted = (count - len(found)) * 256 // fair + 16
        found += entropy(wanted).translate(table, unfair)
    return found[:count].decode()


def _check(symbols: str, alphabet: str) -> str:
    """The check character of a run of symbols: Luhn mod N."""
    return _checks(symbols, alphabet, len(symbols))[0]


def _checks(symbols: str, alphabet: str, size: int) -> list[str]:
    """The check characters of runs of `size` symbols each."""
    base = len(alphabet)
    plain, doubled = bytearray(256), bytearray(256)
    for value, symbol in enumerate(alphabet):
        plain[ord(symbol)] = value
        doubled[ord(symbol)] = 2 * value // base + 2 * value % base
    raw = symbols.encode()
    ones, twos = raw.translate(plain), raw.translate(doubled)
    # Doubling starts at the last symbol and goes on with every other one.
    first = (size - 1) % 2
    return [
        alphabet[
            -(sum(twos[at + first : at + size : 2]) + sum(ones[at + 1 - first : at + size : 2]))
            % base
        ]
        for at in range(0, len(raw), size)
    ]
