"""Phones that Apple's push service reaches by their tokens."""

import threading
from queue import Empty, SimpleQueue

from app.sandbox.iphone.phone import Phone


class Fleet:
    """Phones that Apple's push service reaches by their tokens; some threads play them all.

    Give `reach` to the push service's stand-in as its `on_push`.
    """

    def __init__(self, *, threads: int = 2) -> None:
        self._phones: dict[str, Phone] = {}
        self._queue: SimpleQueue[Phone | None] = SimpleQueue()
        self._busy = 0
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._play, name=f"phones-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def join(self, phone: Phone) -> Phone:
        """Let pushes to the phone's present token reach it; call again when the token changed."""
        with self._lock:
            self._phones[phone.push_token] = phone
        return phone

    def reach(self, token: str) -> None:
        """Hand a push to the phone with that token, if there is one."""
        with self._lock:
            phone = self._phones.get(token)
            if phone is None or phone.push_token != token:
                return
            self._busy += 1
        self._queue.put(phone)

    def idle(self) -> bool:
        """Say whether no phone is reacting to a push at the moment."""
        with self._lock:
            return self._busy == 0

    def close(self) -> None:
        """Let the phones finish and stop."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(30)

    def _play(self) -> None:
        while True:
            try:
                phone = self._queue.get(timeout=60)
            except Empty:
                continue
            if phone is None:
                return
            try:
                phone.pushed()
            finally:
                with self._lock:
                    self._busy -= 1
