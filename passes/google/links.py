"""Google's save links: a JWT that says which object to put into a wallet.

By default the link names the object only, which must have been inserted before; so nothing secret
stands in a URL. `carrying_link` is the fallback for a coupon whose object is not inserted yet.
Both keep to 1,800 characters, where browsers begin to cut (Google, Issuing passes with JWTs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from passes.content import Kind
from passes.errors import ResourceError
from passes.google.account import ServiceAccount

SAVE_URL = "https://pay.google.com/gp/v/save/"
LONGEST = 1800
_OBJECTS: dict[Kind, str] = {"coupon": "offerObjects", "gift_card": "giftCardObjects"}
_CLASSES: dict[Kind, str] = {"coupon": "offerClasses", "gift_card": "giftCardClasses"}


def save_link(
    account: ServiceAccount, *, kind: Kind, object_id: str, class_id: str, now: datetime
) -> str:
    """Return the link that saves an inserted object. Raises ResourceError if it is too long."""
    payload = {_OBJECTS[kind]: [{"id": object_id, "classId": class_id}]}
    link = _link(account, payload, now)
    if link is None:
        raise ResourceError(
            "object_id", "The save link is longer than 1,800 characters.", "Use shorter suffixes."
        )
    return link


@dataclass(frozen=True, slots=True)
class Saved:
    """An inserted object that a link saves."""

    kind: Kind
    object_id: str


def save_links(account: ServiceAccount, objects: Sequence[Saved], *, now: datetime) -> str:
    """Return one link that saves several inserted objects.

    Raises ResourceError when they do not fit into one link, which about ten do.
    """
    payload: dict[str, list[dict[str, str]]] = {}
    for each in objects:
        # The id is enough for Google, and ten with their classes would not fit.
        payload.setdefault(_OBJECTS[each.kind], []).append({"id": each.object_id})
    link = _link(account, payload, now)
    if link is None:
        raise ResourceError(
            "objects", "The save link is longer than 1,800 characters.", "Save fewer at once."
        )
    return link


def carrying_link(
    account: ServiceAccount,
    *,
    resource: Mapping[str, Any],
    now: datetime,
    class_resource: Mapping[str, Any] | None = None,
) -> str:
    """Return a link that carries a coupon's object, and its class if that fits.

    Raises ResourceError for a gift card, whose number and PIN must not stand in a URL, and for an
    object that does not fit either.
    """
    if "cardNumber" in resource or "pin" in resource:
        raise ResourceError(
            "cardNumber",
            "A gift card's number and PIN must not stand in a link.",
            "Insert the object first and link to it; ask the customer to try again.",
        )
    objects = {_OBJECTS["coupon"]: [resource]}
    choices: list[dict[str, list[Mapping[str, Any]]]] = [objects]
    if class_resource is not None:
        choices.insert(0, {_CLASSES["coupon"]: [class_resource], **objects})
    for payload in choices:
        link = _link(account, payload, now)
        if link is not None:
            return link
    raise ResourceError(
        "object",
        "The link that carries it is longer than 1,800 characters.",
        "Insert the object first and link to it.",
    )


def _link(account: ServiceAccount, payload: Mapping[str, Any], now: datetime) -> str | None:
    token = account.jwt(
        {
            "iss": account.email,
            "aud": "google",
            "typ": "savetowallet",
            "iat": int(now.timestamp()),
            "origins": [],
            "payload": payload,
        }
    )
    return SAVE_URL + token if len(token) <= LONGEST else None
