"""An Android phone: follows a link, saves the pass, shows it, deletes it.

Promises: it knows only what a phone would: the link it was given and what Google's wallet answers.
Refuses: to follow a link anywhere but loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

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

    def __init__(self, wallet_url: str, *, user: str) -> None:
        self.user = user
        self._wallet = wallet_url
        self._http = requests.Session()
        self._http.headers["X-User"] = user
        self._http.trust_env = False

    def __enter__(self) -> AndroidPhone:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._http.close()

    def save(self, link: str) -> tuple[str, ...]:
        """Open a link, ours or Google's, and save; returns the ids of the saved objects."""
        url = link
        for _ in range(5):
            if urlsplit(url).hostname not in _LOOPBACK:
                raise NotSavedError(f"{urlsplit(url).hostname} is not on loopback.")
            if urlsplit(url).path.startswith("/gp/v/save/"):
                answer = self._http.post(url, timeout=10)
                if answer.status_code != 200:
                    raise NotSavedError(f"Something went wrong: {answer.text}")
                return tuple(answer.json()["saved"])
            answer = self._http.get(url, timeout=10, allow_redirects=False)
            if not answer.is_redirect:
                raise NotSavedError(f"The link answered {answer.status_code}, no redirect.")
            url = urljoin(url, answer.headers["Location"])
        raise NotSavedError("The link went in circles.")

    def passes(self) -> dict[str, ShownPass]:
        """Open the wallet: every pass in it by object id."""
        answer = self._http.get(f"{self._wallet}/wallet", timeout=10)
        answer.raise_for_status()
        return {one["id"]: drawn(one) for one in answer.json()["objects"]}

    def notifications(self) -> list[str]:
        """Return the texts of the notifications that this phone's passes got."""
        answer = self._http.get(f"{self._wallet}/wallet", timeout=10).json()
        mine = {one["id"] for one in answer["objects"]}
        return [seen["text"] for seen in answer["notifications"] if seen["objectId"] in mine]

    def delete(self, object_id: str) -> None:
        """Remove a pass from this phone."""
        answer = self._http.delete(f"{self._wallet}/wallet/{object_id}", timeout=10)
        if answer.status_code != 200:
            raise NotSavedError(f"{object_id} is not on this phone.")


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
