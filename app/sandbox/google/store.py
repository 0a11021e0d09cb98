"""What the Google stand-in holds: classes, objects, who saved them, what it told them.

Promises: insert, patch, update, addMessage and save behave as Google documents them, or refuse with
Google's status: 400 for content, 404 for what is missing, 409 for what exists, 429 for the message
quota. Nothing can be deleted. Refuses: pictures that cannot be fetched, and fetching any picture
from anywhere but loopback.
"""

from __future__ import annotations

import copy
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from .schema import CLASS_OF, COLLECTIONS, SCHEMAS, faults, message_faults

__all__ = ["GoogleRefusal", "Notification", "Saved", "WalletStore"]

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_DAY = timedelta(hours=24)
_MESSAGES_KEPT: Final = 10


class GoogleRefusal(Exception):
    """Google's "no": an HTTP status and a sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Notification:
    """One lock-screen notification: ``message_id`` may be empty, ``at`` is aware UTC."""

    object_id: str
    message_id: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Saved:
    """An object was saved or deleted by a user; ``event`` is ``save`` or ``del``."""

    class_id: str
    object_id: str
    event: str
    callback_url: str | None


class WalletStore:
    """The stand-in's memory, safe to use from many threads.

    ``clock`` gives aware UTC; ``fetch_pictures`` off leaves pictures unlooked at. ``taken`` counts
    how often each message (object id, message id) was appended.
    """

    def __init__(
        self,
        *,
        issuer_id: str,
        clock: Callable[[], datetime],
        messages_per_day: int = 3,
        fetch_pictures: bool = True,
    ) -> None:
        self.issuer_id = issuer_id
        self.messages_per_day = messages_per_day
        self.notifications: list[Notification] = []
        self.taken: Counter[tuple[str, str]] = Counter()
        self.pictures: dict[str, bytes] = {}
        self._clock = clock
        self._fetch = fetch_pictures
        self._lock = threading.RLock()
        self._resources: dict[str, tuple[str, dict[str, Any]]] = {}
        self._holders: dict[str, list[str]] = {}

    def insert(self, collection: str, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Store a new class or object (409 when any resource of the issuer has its id)."""
        stored = copy.deepcopy(dict(resource))
        self._check(collection, stored)
        self._look_at_pictures(stored)
        with self._lock:
            if stored["id"] in self._resources:
                raise GoogleRefusal(409, f"Resource {stored['id']} already exists.")
            return self._put(collection, stored)

    def get(self, collection: str, resource_id: str) -> dict[str, Any]:
        """Return a resource, with ``hasUsers`` and the class of an object (404 when absent)."""
        with self._lock:
            return self._shown(*self._find(collection, resource_id))

    def change(
        self, collection: str, resource_id: str, body: Mapping[str, Any], *, whole: bool
    ) -> dict[str, Any]:
        """Apply PATCH (members merge, lists are replaced) or, with ``whole``, PUT."""
        with self._lock:
            _, present = self._find(collection, resource_id)
            if body.get("id", resource_id) != resource_id:
                raise GoogleRefusal(400, "Invalid resource ID: the id of a resource cannot change.")
            changed = {"id": resource_id, **body} if whole else _merged(present, body)
            if collection in CLASS_OF and changed.get("classId") != present["classId"]:
                raise GoogleRefusal(400, "classId cannot be changed.")
            if collection not in CLASS_OF and body.get("reviewStatus") not in (
                "UNDER_REVIEW",
                "DRAFT",
            ):
                raise GoogleRefusal(400, "Invalid review status: an update must say UNDER_REVIEW.")
        changed = copy.deepcopy(changed)
        self._check(collection, changed)
        self._look_at_pictures(changed)
        with self._lock:
            return self._put(collection, changed)

    def add_message(
        self, collection: str, resource_id: str, message: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Append a message; TEXT_AND_NOTIFY also notifies, at most three times a day and pass."""
        with self._lock:
            _, present = self._find(collection, resource_id)
            wrong = message_faults(message)
            if wrong:
                raise GoogleRefusal(400, "; ".join(wrong))
            messages = list(present.get("messages", ()))
            if len(messages) >= _MESSAGES_KEPT:
                raise GoogleRefusal(400, f"{resource_id} already carries 10 messages.")
            if message.get("messageType") == "TEXT_AND_NOTIFY":
                now = self._clock()
                recent = [
                    seen
                    for seen in self.notifications
                    if seen.object_id == resource_id and now - seen.at < _DAY
                ]
                if len(recent) >= self.messages_per_day:
                    raise GoogleRefusal(
                        429, "QuotaExceededException: message quota of the pass is used."
                    )
                self.notifications.append(
                    Notification(resource_id, message.get("id", ""), _text_of(message), now)
                )
            self.taken[resource_id, message.get("id", "")] += 1
            present["messages"] = [*messages, copy.deepcopy(dict(message))]
            return self._shown(collection, present)

    def save(self, payload: Mapping[str, Any], *, user: str) -> list[Saved]:
        """Save what a link's payload names into a user's wallet.

        A class or object that does not exist yet is inserted from the payload when the payload
        carries it whole; one that exists is taken as it is, whatever the payload says.
        """
        saved: list[Saved] = []
        for collection in ("offerClass", "giftCardClass", "offerObject", "giftCardObject"):
            for item in payload.get(_plural(collection), ()):
                with self._lock:
                    known = item.get("id") in self._resources
                if not known:
                    if set(item) <= {"id", "classId"}:
                        raise GoogleRefusal(404, f"Object {item.get('id')} not found.")
                    self.insert(collection, item)
                if collection in CLASS_OF:
                    saved.append(self._hold(collection, item["id"], user))
        if not saved:
            raise GoogleRefusal(400, "The link names no object.")
        return saved

    def forget(self, object_id: str, *, user: str) -> Saved:
        """Delete an object from a user's wallet; the object itself stays."""
        with self._lock:
            if user not in self._holders.get(object_id, []):
                raise GoogleRefusal(404, f"{user} has not saved {object_id}.")
            self._holders[object_id].remove(user)
            collection, resource = self._resources[object_id]
            return self._event(collection, resource, "del")

    def lose(self, resource_id: str) -> None:
        """Forget a resource, which Google never does, but an issuer's new account looks like it."""
        with self._lock:
            del self._resources[resource_id]
            self._holders.pop(resource_id, None)

    def reject(self, class_id: str) -> None:
        """Let a class fail Google's review."""
        with self._lock:
            self._resources[class_id][1]["reviewStatus"] = "REJECTED"

    def wallet(self, user: str) -> list[dict[str, Any]]:
        """Return the objects a user holds, each with its class under ``classReference``."""
        with self._lock:
            return [
                self._shown(*self._resources[object_id])
                for object_id, users in self._holders.items()
                if user in users
            ]

    def resources(self, collection: str) -> list[dict[str, Any]]:
        """Return everything stored in a collection, as a GET would."""
        with self._lock:
            return [
                self._shown(kind, resource)
                for kind, resource in self._resources.values()
                if kind == collection
            ]

    def _hold(self, collection: str, object_id: str, user: str) -> Saved:
        with self._lock:
            _, resource = self._find(collection, object_id)
            template = self._resources[resource["classId"]][1]
            if template["reviewStatus"] == "DRAFT":
                raise GoogleRefusal(400, f"Class {template['id']} is a draft; nobody can save it.")
            users = self._holders.setdefault(object_id, [])
            holders = template.get("multipleDevicesAndHoldersAllowedStatus", "MULTIPLE_HOLDERS")
            if users and user not in users and holders != "MULTIPLE_HOLDERS":
                raise GoogleRefusal(403, f"{object_id} is saved by somebody else already.")
            if user not in users:
                users.append(user)
            return self._event(collection, resource, "save")

    def _event(self, collection: str, resource: Mapping[str, Any], event: str) -> Saved:
        template = self._resources[resource["classId"]][1]
        url = template.get("callbackOptions", {}).get("url")
        return Saved(resource["classId"], resource["id"], event, url)

    def _check(self, collection: str, resource: Mapping[str, Any]) -> None:
        members = SCHEMAS[COLLECTIONS[collection]]
        known = {name: value for name, value in resource.items() if name not in _OUTPUT_ONLY}
        if collection not in CLASS_OF and known.get("reviewStatus") == "APPROVED":
            known["reviewStatus"] = "UNDER_REVIEW"
        wrong = faults(COLLECTIONS[collection], known, self.issuer_id)
        if wrong:
            raise GoogleRefusal(400, "; ".join(wrong))
        if "messages" in members:
            for message in resource.get("messages", ()):
                if message_faults(message):
                    raise GoogleRefusal(400, "; ".join(message_faults(message)))
        if collection in CLASS_OF:
            with self._lock:
                parent = self._resources.get(resource["classId"])
            if parent is None or parent[0] != CLASS_OF[collection]:
                raise GoogleRefusal(404, f"Class {resource['classId']} not found.")

    def _look_at_pictures(self, resource: Mapping[str, Any]) -> None:
        if not self._fetch:
            return
        for uri in _picture_uris(resource):
            if uri in self.pictures:
                continue
            try:
                answer = requests.get(on_loopback(uri), timeout=5, allow_redirects=False)
            except ValueError as error:
                raise GoogleRefusal(400, f"Image cannot be loaded: {error}") from error
            except requests.RequestException as error:
                raise GoogleRefusal(400, f"Image cannot be loaded: {uri}") from error
            kind = answer.headers.get("Content-Type", "")
            if answer.status_code != 200 or not kind.startswith("image/"):
                raise GoogleRefusal(
                    400, f"Image cannot be loaded: {uri} answered {answer.status_code}."
                )
            self.pictures[uri] = answer.content

    def _put(self, collection: str, resource: dict[str, Any]) -> dict[str, Any]:
        if collection not in CLASS_OF and resource["reviewStatus"] == "UNDER_REVIEW":
            resource["reviewStatus"] = "APPROVED"  # Google approves by itself.
        for name in _OUTPUT_ONLY:
            resource.pop(name, None)
        self._resources[resource["id"]] = (collection, resource)
        return self._shown(collection, resource)

    def _find(self, collection: str, resource_id: str) -> tuple[str, dict[str, Any]]:
        found = self._resources.get(resource_id)
        if found is None or found[0] != collection:
            raise GoogleRefusal(404, f"{collection} {resource_id} not found.")
        return found

    def _shown(self, collection: str, resource: Mapping[str, Any]) -> dict[str, Any]:
        shown = copy.deepcopy(dict(resource)) | {"kind": f"walletobjects#{collection}"}
        if collection in CLASS_OF:
            shown["hasUsers"] = bool(self._holders.get(resource["id"]))
            shown["classReference"] = copy.deepcopy(self._resources[resource["classId"]][1])
        return shown


def on_loopback(url: str) -> str:
    """Return where to reach a public https address of this machine, which has no TLS of its own.

    Raises:
        ValueError: it is not on loopback.
    """
    parts = urlsplit(url)
    if parts.hostname not in _LOOPBACK:
        raise ValueError(f"{url} is not on loopback.")
    return parts._replace(scheme="http").geturl()


_OUTPUT_ONLY: Final = ("kind", "hasUsers", "hasLinkedDevice", "classReference", "review", "version")


def _merged(present: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(present)
    for name, value in change.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(name), Mapping):
            merged[name] = _merged(merged[name], value)
        elif isinstance(value, Mapping):
            merged[name] = _merged({}, value)
        else:
            merged[name] = value
    return merged


def _picture_uris(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        source = value.get("sourceUri")
        if isinstance(source, Mapping) and isinstance(source.get("uri"), str):
            yield source["uri"]
        for member in value.values():
            yield from _picture_uris(member)
    elif isinstance(value, list):
        for member in value:
            yield from _picture_uris(member)


def _text_of(message: Mapping[str, Any]) -> str:
    localized = message.get("localizedBody", {}).get("defaultValue", {}).get("value", "")
    return str(message.get("body") or localized or json.dumps(message))


def _plural(collection: str) -> str:
    return f"{collection}es" if collection.endswith("Class") else f"{collection}s"
