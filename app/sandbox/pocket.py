"""A customer's two phones: they take the passes behind some links, and say what changes on them.

Promises: what it tells is what the phones hold after they were pushed and have fetched, or after
Google's wallet has changed; never what the service says of itself. A phone that cannot take a
pass says why and leaves the other alone.
Refuses: to end the program it runs in; whatever goes wrong on a phone is told as a line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

from app.sandbox import face
from app.sandbox.android import AndroidPhone, NotSavedError, ShownPass
from app.sandbox.iphone import Key, LossyLine, Lost, Phone
from app.sandbox.pkpass import Rejected

__all__ = ["Pocket"]

#: How often the phones are looked at, and how long a pass is tried (seconds).
_GLANCE = 0.2
_PATIENCE = 60.0
_WORDS = {
    "ACTIVE": "valid",
    "COMPLETED": "used",
    "EXPIRED": "expired",
    "INACTIVE": "withdrawn",
}


@dataclass(slots=True)
class _Seen:
    """What was seen last: pass.json by key, and Android's passes by object."""

    apple: dict[Key, Mapping[str, Any]] = field(default_factory=dict)
    android: dict[str, ShownPass] = field(default_factory=dict)


class Pocket:
    """The phones, watched by a thread for as long as the `with` block lasts.

    Args:
        links: customers' pages, whose passes both phones take once `alive` answers.
        alive: an address that answers 200 when the service is up.
        tell: called with (phone, text) for everything that happens on a phone.
        line: the iPhone's way to the service.
    """

    def __init__(
        self,
        *,
        links: Sequence[str],
        alive: str,
        tell: Callable[[str, str], None],
        line: LossyLine,
        iphone: Phone | None = None,
        android: AndroidPhone | None = None,
    ) -> None:
        self._links = links
        self._alive = alive
        self._tell = tell
        self._line = line
        self._iphone = iphone
        self._android = android
        self._seen = _Seen()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pocket", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(15)

    def _watch(self) -> None:
        while not self._up():
            if self._over.wait(_GLANCE):
                return
        for link in self._links:
            self._take(link)
        while not self._over.wait(_GLANCE):
            self._look_at_iphone()
            self._look_at_android()

    def _up(self) -> bool:
        try:
            return self._line.request("GET", self._alive, headers={}).status == 200
        except Lost:
            return False

    def _take(self, link: str) -> None:
        """Take the pass behind one link on both phones, again while the service is warming up."""
        if self._iphone is not None:
            self._insist("iPhone", partial(self._install, self._iphone, link))
        if self._android is not None:
            self._insist("Android", partial(self._save, self._android, link))

    def _insist(self, name: str, take: Callable[[], str]) -> None:
        until = time.monotonic() + _PATIENCE
        while not self._over.is_set():
            try:
                self._tell(name, take())
            except (Lost, Rejected, NotSavedError) as fault:
                if time.monotonic() > until:
                    self._tell(name, f"could not take a pass: {fault}")
                    return
                self._over.wait(1.0)
            else:
                return

    def _install(self, phone: Phone, link: str) -> str:
        card = phone.install(f"{link}/apple")
        shown = face.drawn(card.content)
        self._seen.apple[card.opened.type_id, card.opened.serial] = card.content
        return f"“{shown.title}” is in the wallet. {_front(shown)}"

    def _save(self, phone: AndroidPhone, link: str) -> str:
        saved = phone.save(f"{link}/google")
        held = phone.passes()
        self._seen.android.update({each: held[each] for each in saved})
        return " ".join(
            f"“{held[each].title}” is in the wallet. {_state(held[each])}" for each in saved
        )

    def _look_at_iphone(self) -> None:
        phone = self._iphone
        if phone is None:
            return
        phone.settle()
        with phone.lock:
            held = {key: card.content for key, card in phone.cards.items()}
        for key, content in held.items():
            before = self._seen.apple.get(key)
            self._seen.apple[key] = content
            if before is not None and before != content:
                self._tell("iPhone", _change(before, content))

    def _look_at_android(self) -> None:
        phone = self._android
        if phone is None:
            return
        try:
            held = phone.passes()
        except Lost:
            return
        for name, shown in held.items():
            before = self._seen.android.get(name)
            self._seen.android[name] = shown
            if before is not None and _state(before) != _state(shown):
                self._tell(
                    "Android", f"“{shown.title}” changed: {_state(before)} → {_state(shown)}"
                )


def _front(shown: face.Face) -> str:
    """The pass's first line: what it is worth."""
    return next((value for _, value in shown.lines.values()), "")


def _state(shown: ShownPass) -> str:
    word = _WORDS.get(shown.state, shown.state)
    if shown.balance_micros is None:
        return word
    return f"{word}, {shown.balance_micros / 1_000_000:.2f} {shown.currency}"


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What is another than before, and what the lock screen says of it."""
    old, new = face.drawn(before), face.drawn(after)
    changed = []
    for key, (label, value) in new.lines.items():
        _, was = old.lines.get(key, ("", ""))
        if was != value:
            name = f"{label}: " if label else ""
            changed.append(f"{name}{was} → {value}" if was else f"{name}{value}")
    if new.grey and not old.grey:
        changed.append("it is drawn grey")
    texts = face.announced(before, after)
    rings = f" · lock screen: {' / '.join(texts)}" if texts else ""
    what = "; ".join(changed) or "its details"
    return f"“{new.title}” changed: {what}{rings}"
