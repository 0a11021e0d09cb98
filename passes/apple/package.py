"""Files → manifest → zip: what Apple calls a pass package.

Promises that the manifest lists every file but itself and the signature, that names stand at the
root or in one `.lproj` folder, and that the same files give the same bytes. Constant files are
hashed, compressed and laid out once, in a `Layout`; a pass costs its own three files only.

Zip as APPNOTE.TXT 6.3 describes it, without zip64: a pass is far below 4 GB.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha1
from struct import Struct

import orjson

from passes.errors import PackageError

MOST_PASSES = 10
"""The most passes of one bundle (Apple, Distributing and updating a pass)."""
LARGEST_BUNDLE = 150_000_000
MIME_PASS = "application/vnd.apple.pkpass"  # noqa: S105 - a media type
MIME_BUNDLE = "application/vnd.apple.pkpasses"

_LOCAL = Struct("<IHHHHHIIIHH").pack
_CENTRAL = Struct("<IHHHHHHIIIHHHHHII").pack
_END = Struct("<IHHHHIIH").pack
_STORED, _DEFLATED = 0, 8
_UTF8_NAMES = 0x800
_DATE = 0x21  # 1980-01-01, the first day a zip can name: a build has no other date that is true


def digest(data: bytes) -> str:
    """Return what a manifest says of a file: its SHA-1 in hex, as Apple's format wants it."""
    return sha1(data, usedforsecurity=False).hexdigest()


class Layout:
    """Constant files, hashed, compressed and laid out, to which each pass adds its own.

    One that is laid upon another shares its files and adds some to them.
    """

    __slots__ = ("_blobs", "_count", "_directory", "_length", "manifest")

    def __init__(self, files: Mapping[str, bytes], upon: Layout | None = None) -> None:
        own = orjson.dumps({name: digest(data) for name, data in files.items()})[:-1]
        entries = (_entry(name.encode(), data) for name, data in files.items())
        start = upon._length if upon is not None else 0
        count = upon._count if upon is not None else 0
        below = upon._blobs if upon is not None else ()
        known = upon._directory if upon is not None else b""
        self.manifest = own
        if upon is not None:
            self.manifest = (
                upon.manifest + (b"," if count and files else b"") + own.removeprefix(b"{")
            )
        blob, directory = _lay_out(entries, start)
        self._blobs: tuple[bytes, ...] = (*below, blob)
        self._length: int = start + len(blob)
        self._directory: bytes = known + directory
        self._count: int = count + len(files)

    @property
    def size(self) -> int:
        """How many bytes its files take."""
        return self._length

    def extend_manifest(self, files: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the manifest of the constant files and these (name in ASCII, data)."""
        new = b",".join(b'"%b":"%b"' % (name, digest(data).encode()) for name, data in files)
        return self.manifest + (b"," if self._count else b"") + new + b"}"

    def archive(self, files: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Return the zip of the constant files and these, which are stored as they are."""
        start = self._length
        body, directory = _lay_out(
            ((name, _STORED, zlib.crc32(data), len(data), data) for name, data in files), start
        )
        directory = self._directory + directory
        count = self._count + len(files)
        end = _END(0x06054B50, 0, 0, count, count, len(directory), start + len(body), 0)
        return b"".join((*self._blobs, body, directory, end))


_Entry = tuple[bytes, int, int, int, bytes]


def _entry(name: bytes, data: bytes) -> _Entry:
    """Return name, method, CRC, size and packed data; PNGs do not shrink and stay as they are."""
    if not name.endswith(b".png"):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(data) + packer.flush()
        if len(packed) < len(data):
            return name, _DEFLATED, zlib.crc32(data), len(data), packed
    return name, _STORED, zlib.crc32(data), len(data), data


def _lay_out(entries: Iterable[_Entry], start: int) -> tuple[bytes, bytes]:
    parts: list[bytes] = []
    directory: list[bytes] = []
    for name, method, crc, size, packed in entries:
        length, packed_size = len(name), len(packed)
        header = (20, _UTF8_NAMES, method, 0, _DATE, crc, packed_size, size, length, 0)
        parts += (_LOCAL(0x04034B50, *header), name, packed)
        directory += (_CENTRAL(0x02014B50, 20, *header, 0, 0, 0, 0, start), name)
        start += 30 + length + packed_size
    return b"".join(parts), b"".join(directory)


def bundle(passes: Sequence[bytes]) -> bytes:
    """Return the `.pkpasses` of up to ten finished passes, which Safari adds in one go.

    Raises PackageError for none, more than ten, over 150 MB, or something that is no `.pkpass`.
    """
    if not 1 <= len(passes) <= MOST_PASSES:
        raise PackageError(
            "bundle",
            f"A bundle of {len(passes)} passes cannot be added.",
            f"Put 1 to {MOST_PASSES} into each.",
        )
    for number, each in enumerate(passes, 1):
        if not each.startswith(b"PK\x03\x04"):
            raise PackageError(
                f"bundle[{number - 1}]", "It is not a .pkpass.", "Give finished passes."
            )
    if sum(map(len, passes)) > LARGEST_BUNDLE:
        raise PackageError(
            "bundle", "It is larger than 150 MB.", "Make several bundles of fewer passes."
        )
    return Layout({}).archive(
        [(b"pass-%d.pkpass" % number, each) for number, each in enumerate(passes, 1)]
    )
