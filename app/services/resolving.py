"""This module reads what a till scanned or typed: a genuine token, or codes to look for.

One reader accepts every barcode profile, the page's own link and the typed code. What scanners and
their hosts do to a payload is undone where it is sure:

- control characters around it, an AIM symbology prefix (`]Q3`, ISO/IEC 15424), letter case, spaces
  and dashes, GS1's separators and parentheses, Code 39's asterisks, the zero that tells an EAN-13
  from a UPC-A;
- another keyboard layout on the host, and caps lock: whatever a layout would make of a token is
  tried against the token's own check of 80 bits, so that nothing wrong can come of it. A bare code
  has no such check: it is put right where no US keyboard could have typed what arrived, and where a
  layout would merely explain it, the cashier is told the cause and nothing is taken.

Where two readings are possible both are looked for; if both exist the answer is `ambiguous`, never
a guess.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.domain import codes
from app.domain.codes import TOKEN_LENGTH, Purpose, Token
from app.domain.layouts import DIGITLESS, TABLES, UNSHIFTED
from app.store.keyring import Keyring

#: The longest payload that is looked at; longer ones are nobody's code. A link to ten fits.
MAX_LENGTH = 512
#: The most readings of one payload that are looked for, beside those of the payload as it is.
MOST_MENDED = 4

# C0 and C1 controls (CR, LF, tab, GS, STX, ETX …), the byte-order mark and zero-width characters,
# and how scanners that type write GS1's separator, which no keyboard has.
_NOISE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200d\u2060\ufeff\u241d]+|<GS>|\{GS\}|\[GS\]|\^\]", re.IGNORECASE
)
_AIM = re.compile(r"^\][A-Za-z][0-9A-Za-z]")
_RUNS = re.compile(r"[A-Za-z2-7]+")
#: An article's number, as EAN-13 or, without its leading zero, as UPC-A.
_ARTICLE = re.compile(r"0?[0-9]{12}")
#: What a scan of another alphabet's layout is at least as long as; no list has such codes.
_LONG = 24
#: First keys of a scan that may be lost: what every token of a key begins with.
LOST = 3
_QWERTZ = "German (QWERTZ)"
_AZERTY = "French (AZERTY)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedPayload:
    """A payload as understood.

    Attributes:
        public_id: of the voucher, when the payload is a genuine token.
        key_id: of the master key that made that token, which must be the voucher's.
        link: whether that token is of the voucher's page, which may be withdrawn.
        several: whether there are genuine tokens of more than one voucher in it.
        lookups: lookup hashes of the codes that it may be, most likely first.
        mended: the same of what it is once put right; asked when none of `lookups` exists.
        suspected: code by layout that would explain it, as lookup hash and the layout's name; if it
            exists that is the cause of a misreading, and nothing is taken.
        forged: whether it looks like a token of ours and is not.
        misread: the layout by which it looks like what a token became on its way here, empty when
            none does and it can be nothing else; None of whatever else it may be.
        prefix: the first four characters of the likeliest code, to count guesses by.
    """

    public_id: int | None = None
    key_id: int | None = None
    link: bool = False
    several: bool = False
    lookups: tuple[bytes, ...] = ()
    mended: tuple[bytes, ...] = ()
    suspected: tuple[tuple[bytes, str], ...] = ()
    forged: bool = False
    misread: str | None = None
    prefix: str = ""


def read(keyring: Keyring, payload: str) -> ScannedPayload:
    """Understand `payload`; never fails, an unknown one is simply found nowhere."""
    plain = _NOISE.sub("", payload[:MAX_LENGTH]).strip()
    bare = _AIM.sub("", plain)
    compact = codes.normalise(bare)
    token = keyring.verify(compact, Purpose.BARCODE)
    if token is not None:
        return _genuine([(token, Purpose.BARCODE)])
    misread = None
    if len(plain) >= TOKEN_LENGTH - LOST:
        tokens, misread = _tokens(keyring, plain)
        if tokens:
            return _genuine(tokens)
    forms = [form for form in dict.fromkeys((compact, codes.normalise(plain))) if form]
    mended, suspected = _otherwise(plain, compact)
    return ScannedPayload(
        lookups=tuple(keyring.lookup_normalised(form) for form in forms),
        mended=tuple(keyring.lookup_normalised(form) for form in mended),
        suspected=tuple((keyring.lookup_normalised(form), name) for form, name in suspected),
        forged=codes.parse_token(compact, Purpose.BARCODE) is not None,
        misread=misread,
        prefix=compact[:4],
    )


def _genuine(tokens: Iterable[tuple[Token, Purpose]]) -> ScannedPayload:
    """The reading of genuine tokens: of one voucher, however often and in whatever form."""
    by_voucher = {token.public_id: (token, purpose) for token, purpose in tokens}
    if len(by_voucher) > 1:
        return ScannedPayload(several=True)
    (token, purpose) = next(iter(by_voucher.values()))
    return ScannedPayload(
        public_id=token.public_id, key_id=token.key_id, link=purpose is Purpose.LINK
    )


def _tokens(keyring: Keyring, plain: str) -> tuple[list[tuple[Token, Purpose]], str | None]:
    """Genuine tokens in a text by any layout, else by which layout it is what one became.

    The check is what makes it safe to try: a text that no token of ours became passes it once in
    2 to the 80th tries.
    """
    heads = sorted(codes.token_head(key_id) for key_id in keyring.ids)
    texts = {"": unicodedata.normalize("NFKC", plain)}
    texts |= {name: plain.translate(table) for name, table in TABLES.items()}
    misread: str | None = None
    tried: set[str] = set()
    for name, text in texts.items():
        runs = _RUNS.findall(_AIM.sub("", text.translate(UNSHIFTED)).upper())
        whole = [piece for run in runs for piece in _pieces(run, heads)]
        cut = runs[-1] if runs else ""
        if TOKEN_LENGTH - LOST <= len(cut) < TOKEN_LENGTH:
            pieces = [*whole, *(head[: TOKEN_LENGTH - len(cut)] + cut for head in heads)]
        else:
            pieces = whole
        new = [piece for piece in pieces if piece not in tried]
        tried.update(new)
        found = [token for piece in new for token in _verified(keyring, piece)]
        if found:
            return found, None
        if whole and misread is None:
            misread = name
    if misread is not None:
        # What has a token's form as it is needs no layout to explain it.
        return [], misread or None
    strange = sum(not each.isascii() for each in plain)
    return [], "" if len(plain) >= _LONG and 2 * strange > len(plain) else None


def _pieces(run: str, heads: list[str]) -> list[str]:
    """What in a run of letters and digits has the form of tokens of ours."""
    count, rest = divmod(len(run), TOKEN_LENGTH)
    starts = [at * TOKEN_LENGTH for at in range(count)] if not rest else [rest] if count else []
    chunks = (run[start : start + TOKEN_LENGTH] for start in starts)
    return [chunk for chunk in chunks if chunk[:LOST] in heads]


def _verified(keyring: Keyring, piece: str) -> Iterator[tuple[Token, Purpose]]:
    for purpose, text in ((Purpose.BARCODE, piece), (Purpose.LINK, piece.lower())):
        token = keyring.verify(text, purpose)
        if token is not None:
            yield token, purpose


def _otherwise(plain: str, compact: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Other codes that a text may be: put right for certain, and explained by a layout's name."""
    mended: list[str] = []
    suspected: dict[str, str] = {}
    if compact.isascii() and compact.isalnum():
        if _ARTICLE.fullmatch(compact):
            mended = [f"0{compact}" if len(compact) == 12 else compact[1:]]
        layouts = (_QWERTZ, _AZERTY) if compact.isalpha() else (_QWERTZ,)
        for name in layouts:
            text = compact.translate(TABLES[name]).upper()
            if text != compact and text.isalnum():
                suspected.setdefault(text, name)
        return mended, list(suspected.items())
    if len(compact) > 2 and compact[0] == compact[-1] == "*":
        mended.append(compact[1:-1])
    sure = not plain.isascii()
    if sure:
        mended.append(codes.normalise(unicodedata.normalize("NFKC", plain)))
    if not any("0" <= each <= "9" for each in plain):
        for name in DIGITLESS:
            text = codes.normalise(_AIM.sub("", plain.translate(TABLES[name])))
            if not text.isascii():
                continue
            if sure:
                mended.append(text)
            else:
                suspected.setdefault(text, name)
    unlike = [text for text in dict.fromkeys(mended) if text and text != compact]
    return unlike[:MOST_MENDED], list(suspected.items())[:MOST_MENDED]
