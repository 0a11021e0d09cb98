"""Bytes of a file as text lines, looked at before they are read; a gzip bomb is refused.

Whatever the encoding, memory does not depend on the size of the file: of an endless line only the
beginning is kept, which no code is.
"""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterator
from typing import BinaryIO

from app.services.codes.formats.records import LONGEST_LINE, FileFault

SAMPLE_BYTES = 256 * 1024


#: What a gzip file may unpack to.
MOST_UNPACKED = 16 * 1024**3
#: How many times its own size a gzip file may unpack to: random codes do 2 to 4 times, coupon XML
#: and codes that count up 20.
MOST_RATIO = 50
#: Bytes that any gzip file may unpack to: of a short one the ratio says nothing.
_FREE_RATIO = 4 * 1024**2


#: Encodings that no mark tells apart, the most frequent first, and the characters that texts in
#: the catalogue's languages have beyond ASCII.
_ONE_BYTE = ("cp1252", "mac_roman", "cp1250")
_USUAL = frozenset("äöüßéèêëàâçùûîïôœæñóíúáãõìòąćęłńśźżÄÖÜÉÈÀÇÑÓÍÚÁÃÕĄĆĘŁŃŚŹŻÊÔ€£°º’«»\u00a0")


class Rewound(io.RawIOBase):
    """A stream whose beginning can be looked at before it is read."""

    def __init__(self, stream: BinaryIO | io.RawIOBase) -> None:
        self._stream = stream
        self._head = b""

    def sample(self, size: int) -> bytes:
        while len(self._head) < size:
            more = self._stream.read(size - len(self._head))
            if not more:
                break
            self._head += more
        return self._head

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            taken, self._head = self._head[:size], self._head[size:] if size >= 0 else b""
            return taken if size >= 0 else taken + (self._stream.read() or b"")
        return self._stream.read(size) or b""


class Unpacked(io.RawIOBase):
    """A gzip stream that refuses to be a bomb."""

    def __init__(self, packed: Rewound) -> None:
        self._counted = _Counted(packed)
        self._file = gzip.GzipFile(fileobj=self._counted, mode="rb")
        self._given = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, 1 << 20) if size > 0 else 1 << 20)
        self._given += len(data)
        if self._given > MOST_UNPACKED or (
            self._given > _FREE_RATIO and self._given > self._counted.taken * MOST_RATIO
        ):
            raise FileFault(
                "The gzip file unpacks to far more than it weighs: send the codes unpacked, or in "
                "several files."
            )
        return data


class _Counted(io.RawIOBase):
    def __init__(self, stream: Rewound) -> None:
        self._stream = stream
        self.taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.taken += len(data)
        return data


def encoding_of(start: bytes) -> str:
    """The encoding of a text that begins with `start`."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(mark):
            return name
    zeros = start[:4096].count(0)
    if zeros > len(start[:4096]) // 4:
        return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    if zeros:
        raise FileFault("The file is no text: export the codes as CSV, XML or one a line.")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return max(_ONE_BYTE, key=lambda name: _likelihood(start, name))
    return "utf-8"


def _likelihood(start: bytes, encoding: str) -> int:
    """How much a text reads like the catalogue's languages in an encoding of one byte each."""
    beyond = bytes(byte for byte in start if byte > 0x7F)[:4_096].decode(encoding, "replace")
    usual = sum(character in _USUAL for character in beyond)
    return usual - (len(beyond) - usual)


def decoded(start: bytes, encoding: str) -> str:
    """The beginning of a text, though a character be cut in two."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(start)


def lines_of(stream: Rewound, encoding: str) -> Iterator[str]:
    """Lines with their ends; of an endless line only the beginning, which no code is."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest = ""
    while True:
        data = stream.read(1 << 18)
        text = rest + decoder.decode(data, final=not data)
        lines = text.splitlines(keepends=True)
        if not data:
            yield from (line[:LONGEST_LINE] for line in lines)
            return
        # The last line goes on, or ends in a CR whose LF is still to come.
        rest = lines.pop() if lines else ""
        if len(rest) > LONGEST_LINE:
            rest = rest[:LONGEST_LINE]
        if max(map(len, lines), default=0) > LONGEST_LINE:
            lines = [line[:LONGEST_LINE] for line in lines]
        yield from lines
