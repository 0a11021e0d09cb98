"""The till page's session: a cookie that stands for a terminal's key, and never contains it.

A page that must survive a reload keeps something in the browser. A key in `sessionStorage` could
be read by any script that ever ran on the page, and copied to another machine for good; a cookie
that is HttpOnly can be read by none, so this is what the page has. It holds the number of the key
and a moment at which it ends, sealed by a derived key; the key's row is asked at every request, so
a revoked key ends its sessions at once. Signing out ends the session on the server too: a copy of
the cookie is worth nothing afterwards, whichever process is shown it.

A browser sends cookies by itself, so a foreign page could try to use one (CSRF). Three things
stand against it: `SameSite=Strict`; a header of our own on every request, which a foreign page can
only send after a preflight that is never granted; and `Sec-Fetch-Site`, where the browser sends
it. The session opens the tills' door (`/pos/v1`) only, whatever else its key may do.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
from dataclasses import dataclass, replace

from flask import Response, request

from app.services import access
from app.services.access import Client, KeyRefusal, KeyRefused, Scope
from app.store.keyring import BrokenSeal, MissingKey
from app.web import deployment

#: How long a session lasts: a business day, so that nobody signs in during it.
LASTS = dt.timedelta(hours=16)
#: The header that shows that a request comes from the page's own script.
HEADER = "X-Passerelle-Till"

_ROW = b"till-session"
_DOOR = "/pos/v1"
_SCOPES = frozenset({Scope.POS.value, Scope.POS_SUPERVISOR.value})


@dataclass(frozen=True, slots=True)
class _Session:
    """What a genuine cookie says, and what the server calls it."""

    key_id: int
    ends_at: dt.datetime
    digest: bytes


def start(answer: Response, client: Client) -> None:
    """Let `answer` open a session for the client."""
    house = deployment()
    keyring = house.keyring
    ends = int((house.now() + LASTS).timestamp())
    sealed = keyring.seal(f"{client.id}:{ends}", row=_ROW)
    value = base64.urlsafe_b64encode(bytes((keyring.newest,)) + sealed).decode()
    answer.set_cookie(
        _name(),
        value,
        max_age=int(LASTS.total_seconds()),
        secure=_secure(),
        httponly=True,
        samesite="Strict",
        path="/",
    )


def end(answer: Response) -> None:
    """End the session that the request carries, on the server and in the browser."""
    carried = _carried()
    if carried is not None:
        house = deployment()
        with house.database.write() as session:
            access.sign_out(
                session, carried.key_id, carried.digest, ends_at=carried.ends_at, now=house.now()
            )
    answer.delete_cookie(_name(), secure=_secure(), httponly=True, samesite="Strict", path="/")


def from_own_page() -> bool:
    """Whether the request was made by the page's own script."""
    return request.headers.get(HEADER) == "1" and request.headers.get("Sec-Fetch-Site", "none") in (
        "same-origin",
        "none",
    )


def client() -> Client | KeyRefused:
    """The client whose session the present request carries, or why there is none."""
    if not request.path.startswith(_DOOR) or not from_own_page():
        return KeyRefused(KeyRefusal.MISSING)
    carried = _carried()
    if carried is None:
        return KeyRefused(KeyRefusal.MISSING)
    house = deployment()
    found = house.doorkeeper.signed_in(carried.key_id, carried.digest, now=house.now())
    if isinstance(found, KeyRefused):
        return found
    return replace(found, scopes=found.scopes & _SCOPES, from_page=True)


def _carried() -> _Session | None:
    """The session that the request's cookie stands for, if it is genuine and not over."""
    value = request.cookies.get(_name())
    if value is None:
        return None
    house = deployment()
    try:
        raw = base64.urlsafe_b64decode(value.encode())
        plain = house.keyring.open(raw[1:], row=_ROW, key_id=raw[0])
    except (binascii.Error, ValueError, IndexError, BrokenSeal, MissingKey):
        return None
    key_id, _, ends = plain.partition(":")
    ends_at = dt.datetime.fromtimestamp(int(ends), dt.UTC)
    if ends_at <= house.now():
        return None
    # Of the bytes, not of their spelling: base64 has several for the same.
    return _Session(int(key_id), ends_at, hashlib.sha256(raw).digest())


def _secure() -> bool:
    return deployment().settings.base_url.startswith("https:")


def _name() -> str:
    """A `__Host-` cookie cannot be set by a neighbouring subdomain; it needs https."""
    return "__Host-passerelle-till" if _secure() else "passerelle-till"
