"""What a till scanned or typed, as the thing to look for: a genuine token, or codes.

One reader accepts every barcode profile and the typed code. What scanners do to a payload is
undone where that is unambiguous: control characters around it, an AIM symbology prefix (`]Q3`,
ISO/IEC 15424), letter case, spaces and dashes. Where two readings are possible both are looked
for; if both exist the answer is `ambiguous`, never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain import codes
from app.domain.codes import Purpose
from app.store.keyring import Keyring

#: The longest payload that is looked at; longer ones are nobody's code.
MAX_LENGTH = 512

# C0 and C1 controls (CR, LF, tab, GS, STX, ETX …), the byte-order mark and zero-width characters.
_NOISE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200d\u2060\ufeff]+")
_AIM = re.compile(r"^\][A-Za-z][0-9A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A payload as understood.

    Attributes:
        public_id: of the voucher, when the payload is a genuine token.
        key_id: of the master key that made that token, which must be the voucher's.
        lookups: lookup hashes of the codes that it may be, most likely first.
        forged: whether it looks like a token of ours and is not.
        prefix: the first four characters of the likeliest code, to count guesses by.
    """

    public_id: int | None = None
    key_id: int | None = None
    lookups: tuple[bytes, ...] = ()
    forged: bool = False
    prefix: str = ""


def read(keyring: Keyring, payload: str) -> Reading:
    """Understand `payload`; never fails, an unknown one is simply found nowhere."""
    plain = _NOISE.sub("", payload[:MAX_LENGTH]).strip()
    bare = _AIM.sub("", plain)
    compact = codes.normalise(bare)
    token = keyring.verify(compact, Purpose.BARCODE)
    if token is not None:
        return Reading(public_id=token.public_id, key_id=token.key_id)
    forms = [form for form in dict.fromkeys((compact, codes.normalise(plain))) if form]
    return Reading(
        lookups=tuple(keyring.lookup_normalised(form) for form in forms),
        forged=codes.parse_token(compact, Purpose.BARCODE) is not None,
        prefix=compact[:4],
    )
