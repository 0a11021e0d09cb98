"""Codes that people type, and the tokens that barcodes and links carry.

A code is normalised before it is looked up, so that what a person types or a scanner adds does
not matter. A token is 20 bytes: format version, key id, a 64-bit random public id and an 80-bit
MAC over purpose, key id and public id; 20 bytes are exactly 32 characters of base32, so that
there are no spare bits and each altered character is another token. Tokens are derived, never
stored. This module refuses nothing by itself: `parse` answers None for what is no token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

TOKEN_VERSION = 1
TOKEN_LENGTH = 32
MAC_BYTES = 10

_SEPARATORS = re.compile(r"[\s\-‐-―]+")
#: GS1's element strings as people read them: each identifier in parentheses before its value.
_ELEMENTS = re.compile(r"(?:\(\d{2,4}\)[^()]+)+")
_IDENTIFIER = re.compile(r"\((\d{2,4})\)")
_BARCODE = re.compile(rf"[A-Z2-7]{{{TOKEN_LENGTH}}}")
_LINK = re.compile(rf"[a-z2-7]{{{TOKEN_LENGTH}}}")


class Purpose(StrEnum):
    """What a token opens; a token of one purpose is worth nothing for another."""

    BARCODE = "barcode"
    LINK = "link"
    APPLE = "apple"


@dataclass(frozen=True, slots=True)
class Token:
    """A token's parts, before its MAC has been checked: trust nothing but its form."""

    key_id: int
    public_id: int
    mac: bytes


def new_public_id() -> int:
    """A random signed 64-bit integer, which is what databases store."""
    return int.from_bytes(secrets.token_bytes(8), "big", signed=True)


def serial(public_id: int) -> str:
    """The public id as 16 hexadecimal digits: a pass's serial number, and its name in logs."""
    return public_id.to_bytes(8, "big", signed=True).hex()


def from_serial(text: str) -> int | None:
    """The public id behind a serial number, or None when it is none."""
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        return None
    return int.from_bytes(bytes.fromhex(text), "big", signed=True)


def looks_like_token(text: str) -> bool:
    """Say whether a text has the form of a barcode's or link's token, genuine or not."""
    return bool(_BARCODE.fullmatch(text.upper()))


def token_mac(key: bytes, purpose: Purpose, *, key_id: int, public_id: int) -> bytes:
    """The 80-bit MAC of a token: HMAC-SHA256 over version, purpose, key id and public id."""
    message = b"%c%s\0%c%s" % (
        TOKEN_VERSION,
        purpose.value.encode(),
        key_id,
        public_id.to_bytes(8, "big", signed=True),
    )
    return hmac.digest(key, message, hashlib.sha256)[:MAC_BYTES]


def write_token(key: bytes, purpose: Purpose, *, key_id: int, public_id: int) -> str:
    """A token as text: upper case in barcodes (QR's alphanumeric mode), lower case in links."""
    mac = token_mac(key, purpose, key_id=key_id, public_id=public_id)
    raw = bytes((TOKEN_VERSION, key_id)) + public_id.to_bytes(8, "big", signed=True) + mac
    text = base64.b32encode(raw).decode()
    return text if purpose is Purpose.BARCODE else text.lower()


def parse_token(text: str, purpose: Purpose) -> Token | None:
    """A token's parts when `text` has its form. Scanners may change a barcode's case; links not."""
    if len(text) != TOKEN_LENGTH:
        return None
    if purpose is Purpose.BARCODE:
        text = text.upper()
    if not (_BARCODE if purpose is Purpose.BARCODE else _LINK).fullmatch(text):
        return None
    raw = base64.b32decode(text.upper())
    if raw[0] != TOKEN_VERSION:
        return None
    return Token(
        key_id=raw[1],
        public_id=int.from_bytes(raw[2:10], "big", signed=True),
        mac=raw[10:],
    )


def normalise(code: str) -> str:
    """A code as it is looked up: upper case, without spaces and dashes of any kind.

    An issued `sun-20 ab` and a typed `SUN20AB` are the same code; two codes of one list that
    differ only there are duplicates, which imports report. So are `(01)0950…(21)A1` and
    `010950…21A1`: one GS1 symbol, as cameras and people read it and as scanners send it.
    """
    plain = _SEPARATORS.sub("", code).upper()
    if plain.startswith("(") and _ELEMENTS.fullmatch(plain):
        return _IDENTIFIER.sub(r"\1", plain)
    return plain


def token_head(key_id: int) -> str:
    """The three characters with which every token of a key begins."""
    return base64.b32encode(bytes((TOKEN_VERSION, key_id, 0, 0, 0)))[:3].decode()
