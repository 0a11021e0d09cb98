"""An Android phone: follows a link, saves the pass, shows it, deletes it.

Promises: it knows only what a phone would: the link it was given and what Google's wallet answers.
All its requests go over a `LossyLine`, which may lose and double them; `Lost` is raised then. It
does not follow a link anywhere but loopback.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from app.sandbox.line import LossyLine, Lost, ServiceAnswer

__all__ = ["AndroidPhone", "NotSavedError", "ShownPass", "drawn"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class NotSavedError(Exception):
    """The wallet said no ("Something went wrong"), or the link led nowhere."""


@dataclass(frozen=True, slots=True)
class ShownPass:
    """A pass as the wallet draws it.

    ``state`` is Google's word (ACTIVE, COMPLETED, EXPIRED, INACTIVE); ``balance_micros`` is None
    for an offer; ``texts`` are the pass's own text modules by header.
    """

    object_id: str
    title: str
    state: str
    barcode: str | None
    balance_micros: int | None
    currency: str | None
    ends: str | None
    texts: Mapping[str, str]
    messages: tuple[str, ...]


class AndroidPhone:
    """One user's phone, with the wallet at ``wallet_url`` (the stand-in's address)."""

    def __init__(self, wallet_url: str, *, user: str, line: LossyLine | None = None) -> None:
        self.user = user
        self._wallet = wallet_url
        self._line = line or LossyLine(connections=1)
        self._shared = line is not None

    def __enter__(self) -> AndroidPhone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections, unless they are those of others as well."""
        if not self._shared:
            self._line.close()

    def save(self, link: str) -> tuple[str, ...]:
        """Open a link, ours or Google's, and save; returns the ids of the saved objects."""
        url = link
        for _ in range(5):
            if urlsplit(url).hostname not in _LOOPBACK:
                raise NotSavedError(f"{urlsplit(url).hostname} is not on loopback.")
            if urlsplit(url).path.startswith("/gp/v/save/"):
                answer = self._send("POST", url)
                if answer.status != 200:
                    raise NotSavedError(f"Something went wrong: {answer.body.decode()}")
                return tuple(json.loads(answer.body)["saved"])
            answer = self._send("GET", url)
            if answer.status not in (301, 302, 303, 307, 308):
                raise NotSavedError(f"The link answered {answer.status}, no redirect.")
            url = urljoin(url, answer.headers["location"])
        raise NotSavedError("The link went in circles.")

    def passes(self) -> dict[str, ShownPass]:
        """Open the wallet: every pass in it by object id."""
        return {one["id"]: drawn(one) for one in self._opened()["objects"]}

    def notifications(self) -> list[str]:
        """Return the texts of the notifications that this phone's passes got."""
        answer = self._opened()
        mine = {one["id"] for one in answer["objects"]}
        return [seen["text"] for seen in answer["notifications"] if seen["objectId"] in mine]

    def delete(self, object_id: str) -> None:
        """Remove a pass from this phone."""
        answer = self._send("DELETE", f"{self._wallet}/wallet/{object_id}")
        if answer.status != 200:
            raise NotSavedError(f"{object_id} is not on this phone.")

    def _opened(self) -> dict[str, Any]:
        answer = self._send("GET", f"{self._wallet}/wallet")
        if answer.status != 200:
            raise Lost(f"The wallet answered {answer.status}.")
        opened: dict[str, Any] = json.loads(answer.body)
        return opened

    def _send(self, method: str, url: str) -> ServiceAnswer:
        return self._line.request(method, url, headers={"X-User": self.user})


def drawn(resource: Mapping[str, Any]) -> ShownPass:
    """Draw an object, its class under ``classReference``, as the wallet does."""
    template = resource["classReference"]
    balance = resource.get("balance")
    return ShownPass(
        object_id=resource["id"],
        title=_local(template, "title")
        or _local(template, "merchantName")
        or template["issuerName"],
        state=resource["state"],
        barcode=resource.get("barcode", {}).get("value"),
        balance_micros=int(balance["micros"]) if balance else None,
        currency=balance["currencyCode"] if balance else None,
        ends=resource.get("validTimeInterval", {}).get("end", {}).get("date"),
        texts={
            _local(text, "header"): _local(text, "body")
            for text in resource.get("textModulesData", ())
        },
        messages=tuple(_local(message, "body") for message in resource.get("messages", ())),
    )


def _local(resource: Mapping[str, Any], member: str) -> str:
    """Read a member, or its localised form's default, as the phone in the default language does."""
    if member in resource:
        return str(resource[member])
    localised = resource.get(f"localized{member[0].upper()}{member[1:]}", {})
    return str(localised.get("defaultValue", {}).get("value", ""))
