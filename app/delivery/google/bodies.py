"""The body of a PATCH: nothing stays at Google that the database no longer says.

Members that the present state lacks are sent as null, which removes them; lists are whole
already. It does not touch members that are Google's or the messages', which have calls of their
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.delivery.google.rest import Collection

_LOCALIZED = {"defaultValue": None, "translatedValues": None}
_OBJECT: dict[str, Any] = {
    "barcode": {"alternateText": None, "renderEncoding": None, "showCodeText": None},
    "validTimeInterval": {"start": None, "end": None},
    "merchantLocations": None,
    "textModulesData": None,
}
_CLASS: dict[str, Any] = {
    "heroImage": {},
    "linksModuleData": {},
    "merchantLocations": None,
    "textModulesData": None,
}
#: Members that may come and go, and what may come and go inside them.
_OPTIONAL: dict[Collection, dict[str, Any]] = {
    "offerObject": _OBJECT | {"disableExpirationNotification": None},
    "giftCardObject": _OBJECT | {"pin": None, "balanceUpdateTime": {}},
    "offerClass": _CLASS
    | {
        "shortTitle": None,
        "finePrint": None,
        "localizedTitle": _LOCALIZED,
        "localizedShortTitle": _LOCALIZED,
        "localizedDetails": _LOCALIZED,
        "localizedFinePrint": _LOCALIZED,
    },
    "giftCardClass": _CLASS
    | {"localizedCardNumberLabel": _LOCALIZED, "localizedPinLabel": _LOCALIZED},
}


def patch_body(collection: Collection, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the PATCH that makes Google's copy equal to a whole resource.

    ``id`` and an object's ``classId`` name it and cannot change, so they are left out.
    """
    body = {name: value for name, value in resource.items() if name not in ("id", "classId")}
    for name, inner in _OPTIONAL[collection].items():
        if name not in body:
            body[name] = None
        elif inner and isinstance(body[name], Mapping):
            body[name] = {**inner, **body[name]}
    return body
