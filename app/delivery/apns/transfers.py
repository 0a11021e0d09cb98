"""The transfers of one HTTP/2 connection, driven by curl's socket interface and a selector."""

import selectors
import time

import pycurl


class Transfers:
    """The transfers of one connection, driven by curl's socket interface and a selector.

    Curl's own `select` fails on descriptors above 1023, which a busy server process reaches.
    """

    def __init__(self, *, streams: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._due: float | None = None
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, 1)
        multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, streams)
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._remind)
        self._multi = multi

    def add(self, handle: pycurl.Curl) -> None:
        self._multi.add_handle(handle)

    def remove(self, handle: pycurl.Curl) -> None:
        self._multi.remove_handle(handle)

    def advance(self, longest: float) -> list[tuple[pycurl.Curl, tuple[int, str] | None]]:
        """Move the transfers and return those that ended, with curl's error or None.

        It waits for news for `longest` seconds at most.
        """
        due = longest if self._due is None else self._due - time.monotonic()
        wait = max(0.0, min(longest, due))
        for key, events in self._selector.select(wait):
            mask = (pycurl.CSELECT_IN if events & selectors.EVENT_READ else 0) | (
                pycurl.CSELECT_OUT if events & selectors.EVENT_WRITE else 0
            )
            self._multi.socket_action(key.fd, mask)
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        finished: list[tuple[pycurl.Curl, tuple[int, str] | None]] = []
        left = 1
        while left:
            left, good, bad = self._multi.info_read()
            finished.extend((handle, None) for handle in good)
            finished.extend((handle, (code, text)) for handle, code, text in bad)
        for handle, _ in finished:
            self._multi.remove_handle(handle)
        return finished

    def close(self) -> None:
        self._multi.close()
        self._selector.close()

    def _watch(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        known = descriptor in self._selector.get_map()
        if what == pycurl.POLL_REMOVE:
            if known:
                self._selector.unregister(descriptor)
            return
        events = (selectors.EVENT_READ if what & pycurl.POLL_IN else 0) | (
            selectors.EVENT_WRITE if what & pycurl.POLL_OUT else 0
        )
        if known:
            self._selector.modify(descriptor, events)
        else:
            self._selector.register(descriptor, events)

    def _remind(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
