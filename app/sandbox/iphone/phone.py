"""One device and its Wallet: what it holds, what it still has to do, and what it complains of."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from cryptography import x509

from app.sandbox.line import LossyLine, Lost, ServiceAnswer
from app.sandbox.pkpass import Opened, Rejected, judge

# Wallet complains of an update that changed nothing only after some quiet minutes.
_QUIET = timedelta(seconds=300)


Key = tuple[str, str]
"""Pass type identifier and serial number."""


@dataclass(slots=True)
class WalletCard:
    """A pass in the wallet: what it shows now, and when it last changed."""

    opened: Opened
    changed_at: datetime
    last_modified: str | None = None
    registered: bool = False
    changes: int = 0

    @property
    def content(self) -> dict[str, Any]:
        return self.opened.content


@dataclass(slots=True)
class _Todo:
    """What the phone still has to tell or ask, because it is new or because it failed."""

    register: set[Key] = field(default_factory=set)
    unregister: dict[Key, WalletCard] = field(default_factory=dict)
    ask: dict[str, WalletCard] = field(default_factory=dict)
    fetch: set[Key] = field(default_factory=set)
    logs: list[tuple[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.register or self.unregister or self.ask or self.fetch or self.logs)


class Phone:
    """One device: an iPhone or a watch.

    `roots` are the authorities it trusts for passes. A phone is used by one thread at a time; its
    lock lets the fleet and a test share it.
    """

    def __init__(
        self,
        line: LossyLine,
        *,
        roots: Sequence[x509.Certificate],
        chance: random.Random | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._line = line
        self._roots = roots
        self._chance = chance or random.Random()  # noqa: S311
        self._clock = clock
        self._todo = _Todo()
        self._tags: dict[str, str] = {}
        self._told_at: dict[str, datetime] = {}
        self._stored_push = False
        self._asked_by_push: set[str] = set()
        self.lock = threading.RLock()
        self.cards: dict[Key, WalletCard] = {}
        self.online = True
        self.faults: list[str] = []
        self.fetches = 0
        self.library_id = ""
        self.push_token = ""
        self._new_identity()

    def install(self, url: str) -> WalletCard:
        """Add the pass behind a link, as Safari hands it over: judged first, then registered."""
        answer = self._line.request("GET", url, headers={"accept": "*/*"})
        if answer.status != 200:
            raise Rejected(f"the link answered {answer.status}")
        if answer.headers.get("content-type") != "application/vnd.apple.pkpass":
            raise Rejected(f"the link answered {answer.headers.get('content-type')}")
        return self.add(answer.body)

    def add(self, package: bytes) -> WalletCard:
        """Add a package that came by other ways (mail, another device); it replaces its like."""
        with self.lock:
            opened = judge(package, roots=self._roots)
            key = (opened.type_id, opened.serial)
            card = self.cards.get(key)
            if card is None:
                card = self.cards[key] = WalletCard(opened, self._clock())
            else:
                self._replace(card, opened)
            card.last_modified = None
            self._todo.unregister.pop(key, None)
            if "webServiceURL" in opened.content:
                self._todo.register.add(key)
            self.settle()
            return card

    def delete(self, serial: str) -> None:
        """Remove a pass from the wallet and tell the web service."""
        with self.lock:
            for key in [key for key in self.cards if key[1] == serial]:
                card = self.cards.pop(key)
                self._todo.register.discard(key)
                self._todo.fetch.discard(key)
                if "webServiceURL" in card.content:
                    self._todo.unregister[key] = card
            self.settle()

    def pushed(self) -> None:
        """React to a push: ask what changed. Offline, the last push waits as Apple keeps it."""
        with self.lock:
            if not self.online:
                self._stored_push = True
                return
            for card in self.cards.values():
                if card.registered:
                    self._todo.ask[card.opened.type_id] = card
                    self._asked_by_push.add(card.opened.type_id)
            self.settle()

    def go_offline(self) -> None:
        """Lose the network."""
        with self.lock:
            self.online = False

    def go_online(self) -> None:
        """Get the network back, and with it the push that Apple kept."""
        with self.lock:
            self.online = True
            if self._stored_push:
                self._stored_push = False
                self.pushed()
            else:
                self.settle()

    def change_token(self) -> None:
        """Get a new push token, as after an update of iOS, and register everything again."""
        with self.lock:
            self.push_token = self._hex(32)
            self._todo.register.update(self.cards)
            self.settle()

    def register_again(self) -> None:
        """Register everything again although nothing changed, as toggling updates does."""
        with self.lock:
            self._todo.register.update(self.cards)
            self.settle()

    def restore(self) -> None:
        """Come back from a backup: other ids, the same passes, sometimes the old tag."""
        with self.lock:
            self._new_identity()
            self._todo = _Todo()
            if self._chance.random() < 0.5:
                self._tags.clear()
            for card in self.cards.values():
                card.registered = False
            self._todo.register.update(self.cards)
            self.settle()

    def pair_watch(self) -> "Phone":
        """Return a watch that shows the same passes and registers under an id of its own."""
        with self.lock:
            watch = Phone(self._line, roots=self._roots, chance=self._chance, clock=self._clock)
            for key, card in self.cards.items():
                watch.cards[key] = WalletCard(card.opened, card.changed_at, card.last_modified)
                watch._todo.register.add(key)
            watch.settle()
            return watch

    def settle(self) -> bool:
        """Do what is to be done; return whether nothing is left (call again for what failed)."""
        with self.lock:
            if not self.online:
                return not self._todo
            for key in list(self._todo.unregister):
                self._unregister(key)
            for key in list(self._todo.register):
                self._register(key)
            for type_id in list(self._todo.ask):
                self._what_changed(type_id)
            for key in list(self._todo.fetch):
                self._fetch(key)
            for report in list(self._todo.logs):
                self._report(report)
            return not self._todo

    def _new_identity(self) -> None:
        self.library_id = self._hex(16)
        self.push_token = self._hex(32)

    def _hex(self, octets: int) -> str:
        return self._chance.randbytes(octets).hex()

    def _register(self, key: Key) -> None:
        card = self.cards[key]
        url = f"{_service(card)}/devices/{self.library_id}/registrations/{key[0]}/{key[1]}"
        body = orjson.dumps({"pushToken": self.push_token})
        headers = {"authorization": _pass_auth(card), "content-type": "application/json"}
        answer = self._ask("POST", url, headers, body)
        if answer is None:
            return
        if answer.status in (200, 201):
            card.registered = True
            self._todo.register.discard(key)
            # Devices ask for everything right after an install.
            if answer.status == 201:
                self._tags.pop(key[0], None)
            self._todo.ask[key[0]] = card
        else:
            self._task_failed(card, f"Register task ({self._named(key, card)})", answer)
            if answer.status == 401:
                self._todo.register.discard(key)

    def _unregister(self, key: Key) -> None:
        card = self._todo.unregister[key]
        url = f"{_service(card)}/devices/{self.library_id}/registrations/{key[0]}/{key[1]}"
        answer = self._ask("DELETE", url, {"authorization": _pass_auth(card)})
        if answer is None:
            return
        if answer.status in (200, 401):
            del self._todo.unregister[key]
        if answer.status != 200:
            self._task_failed(card, f"Unregister task ({self._named(key, card)})", answer)

    def _what_changed(self, type_id: str) -> None:
        card = self._todo.ask[type_id]
        tag = self._tags.get(type_id)
        url = f"{_service(card)}/devices/{self.library_id}/registrations/{type_id}"
        if tag is not None:
            # Wallet leaves characters such as + and & bare: a tag must not contain any.
            url += f"?passesUpdatedSince={tag}"
        answer = self._ask("GET", url, {})
        if answer is None:
            return
        by_push = type_id in self._asked_by_push
        quiet = self._clock() - self._told_at.get(type_id, datetime.min.replace(tzinfo=UTC))
        if answer.status == 204:
            if by_push and tag is not None and quiet >= _QUIET:
                self._complain(
                    card,
                    "Device received spurious push. Request for passesUpdatedSince "
                    f"'{tag}' returned no serial numbers. (Device = {self.library_id})",
                )
        elif answer.status == 200:
            self._take_list(card, type_id, tag, orjson.loads(answer.body))
        else:
            named = f"for device {self.library_id}, pass type {type_id}, last updated {tag}"
            self._task_failed(card, f"Get serial #s task ({named})", answer)
            return
        del self._todo.ask[type_id]
        self._asked_by_push.discard(type_id)

    def _take_list(
        self, card: WalletCard, type_id: str, tag: str | None, listed: dict[str, Any]
    ) -> None:
        serials = listed.get("serialNumbers")
        told = listed.get("lastUpdated")
        if not isinstance(serials, list) or not serials:
            self._complain(card, "Response to 'What changed?' request included no serial numbers.")
            return
        question = f"Response to 'What changed?' request included {len(serials)} serial numbers"
        if not isinstance(told, str):
            self._complain(card, f"{question} but omitted a lastUpdated tag.")
        else:
            if told == tag:
                self._complain(
                    card, f"{question} but the lastUpdated tag ({tag}) remained the same."
                )
            self._tags[type_id] = told
            self._told_at[type_id] = self._clock()
        for serial in serials:
            if (type_id, serial) in self.cards:
                self._todo.fetch.add((type_id, serial))
            elif (type_id, serial) not in self._todo.unregister:
                self._complain(card, f"Update requested for unregistered serial number {serial}")

    def _fetch(self, key: Key) -> None:
        card = self.cards[key]
        headers = {"authorization": _pass_auth(card)}
        since = card.last_modified
        if since is not None:
            headers["if-modified-since"] = since
        answer = self._ask("GET", f"{_service(card)}/passes/{key[0]}/{key[1]}", headers)
        if answer is None:
            return
        now = self._clock()
        if answer.status == 304:
            if now - card.changed_at >= _QUIET:
                self._complain(
                    card,
                    f"Server requested update to serial number '{key[1]}', "
                    "but the pass was unchanged.",
                )
        elif answer.status == 200:
            self._take_pass(key, card, answer)
        else:
            named = f"pass type {key[0]}, serial number {key[1]}, if-modified-since {since}"
            self._task_failed(card, f"Get pass task ({named})", answer)
            if answer.status != 401:
                return
        self._todo.fetch.discard(key)

    def _take_pass(self, key: Key, card: WalletCard, answer: ServiceAnswer) -> None:
        try:
            opened = judge(answer.body, roots=self._roots)
        except Rejected as verdict:
            self._complain(card, f"Received invalid pass data ({verdict})")
            return
        if (opened.type_id, opened.serial) != key:
            self._complain(card, "Received invalid pass data (it is another pass)")
            return
        told = answer.headers.get("last-modified")
        if told is None:
            self._complain(
                card,
                f"Server returned the pass data for serial number '{key[1]}' "
                "but did not provide a 'last-modified' header.",
            )
        if opened.content == card.content and card.last_modified is not None:
            self._complain(
                card,
                f"Server ignored the 'if-modified-since' header ({card.last_modified}) and "
                f"returned the full unchanged pass data for serial number '{key[1]}'.",
            )
        self.fetches += 1
        card.last_modified = told
        self._replace(card, opened)

    def _replace(self, card: WalletCard, opened: Opened) -> None:
        if opened.content != card.content:
            card.changes += 1
            card.changed_at = self._clock()
        card.opened = opened

    def _ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> ServiceAnswer | None:
        try:
            return self._line.request(method, url, headers=headers, body=body)
        except Lost:
            return None

    def _named(self, key: Key, card: WalletCard) -> str:
        return (
            f"for device {self.library_id}, pass type {key[0]}, serial number {key[1]}; "
            f"with web service url {card.content['webServiceURL']}"
        )

    def _task_failed(self, card: WalletCard, task: str, answer: ServiceAnswer) -> None:
        if answer.status == 401:
            self._complain(card, f"{task} encountered error: Authentication failure")
        else:
            self._complain(
                card, f"{task} encountered error: Unexpected response code {answer.status}"
            )

    def _complain(self, card: WalletCard, fault: str) -> None:
        """Keep the fault for whoever watches this phone, and report it as Wallet does."""
        self.faults.append(fault)
        base = card.content["webServiceURL"]
        stamp = self._clock().strftime("%Y-%m-%d %H:%M:%S %z")
        text = f"[{stamp}] Web service error for {card.opened.type_id} ({base}): {fault}"
        if "task (" in fault:
            text = f"[{stamp}] {fault}"
        self._todo.logs.append((f"{_service(card)}/log", text))

    def _report(self, report: tuple[str, str]) -> None:
        url, text = report
        body = orjson.dumps({"logs": [text]})
        answer = self._ask("POST", url, {"content-type": "application/json"}, body)
        if answer is not None:
            self._todo.logs.remove(report)


def _service(card: WalletCard) -> str:
    return f"{card.content['webServiceURL']}/v1"


def _pass_auth(card: WalletCard) -> str:
    return f"ApplePass {card.content['authenticationToken']}"
