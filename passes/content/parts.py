"""The parts of a pass: barcode, place, date, link, field, design; each checked by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from passes.colour import DEFAULT_BACKGROUND, DEFAULT_INK, check_colour, check_legible
from passes.errors import ContentError
from passes.money import Money
from passes.symbology import Symbology, check_payload
from passes.text import Text, check_language, check_text

if TYPE_CHECKING:
    from passes.artwork import Artwork

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_LINK_SCHEMES = {"https", "tel", "mailto"}
# Keys of fields that the wallets' modules add themselves.
RESERVED_KEYS = frozenset(
    (
        *("balance", "card_number", "code", "issuer", "offer", "pin", "state", "status", "terms"),
        *("title", "uses_left", "valid_from", "valid_until"),
    )
)


class Status(Enum):
    """What a pass is good for at the moment."""

    # Members are single objects; Enum would hash their names in Python, for every pass built.
    __hash__ = object.__hash__

    ACTIVE = "active"
    NOT_YET_VALID = "not_yet_valid"
    USED = "used"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    NOT_ACTIVATED = "not_activated"
    BLOCKED = "blocked"
    PAUSED = "paused"

    @property
    def spent(self) -> bool:
        """Whether a till refuses it for good."""
        return self in _SPENT


_SPENT = frozenset({Status.USED, Status.EXPIRED, Status.WITHDRAWN})


class Slot(Enum):
    """Where a field stands: beside the logo, on the front, or among the details."""

    # Members are single objects; Enum would hash their names in Python, for every pass built.
    __hash__ = object.__hash__

    TOP = "top"
    FRONT = "front"
    DETAILS = "details"


@dataclass(frozen=True, slots=True)
class Uses:
    """How many of several uses a coupon has left: `Uses(2, 3)` is two of three."""

    left: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.left <= self.total or self.total < 2:
            raise ContentError(
                "uses",
                f"{self.left} of {self.total} uses cannot be left.",
                "Count from 0 to the total, for coupons that can be used more than once.",
            )

    def __str__(self) -> str:
        # Without words, so that it reads alike in every language.
        return f"{self.left} / {self.total}"


class Channel(Enum):
    """Where an offer can be redeemed."""

    IN_STORE = "in_store"
    ONLINE = "online"
    BOTH = "both"


class Holders(Enum):
    """Who may put one and the same pass into a wallet."""

    ONE_PERSON = "one_person"
    ANYBODY = "anybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Barcode:
    """What a till scans.

    `payload` is printable ASCII (an ISO-8859-1 or UTF-8 marker breaks some scanners); `text` is
    what a person can read and type, shown below. EAN-13, Code 39, Codabar and ITF are unknown to
    iPhones before iOS 27, so they need a `fallback` that every iPhone knows.
    """

    payload: str = field(repr=False)
    text: str | None = field(default=None, repr=False)
    symbology: Symbology = Symbology.QR
    fallback: Symbology | None = None

    def __post_init__(self) -> None:
        check_payload("barcode.payload", self.payload, self.symbology)
        if self.text is not None:
            check_text("barcode.text", self.text)
        if self.fallback is None:
            if not self.symbology.classic:
                raise ContentError(
                    "barcode.fallback",
                    f"iPhones before iOS 27 show no {self.symbology.value}, and nothing in its"
                    " place.",
                    "Set fallback to QR, PDF417, AZTEC or CODE128.",
                )
        else:
            if not self.fallback.classic:
                raise ContentError(
                    "barcode.fallback",
                    f"{self.fallback.value} is unknown before iOS 27 itself.",
                    "Use QR, PDF417, AZTEC or CODE128.",
                )
            check_payload("barcode.payload", self.payload, self.fallback)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A shop near which a phone may show the pass; `text` is what its lock screen says."""

    latitude: float
    longitude: float
    text: Text | None = None

    def __post_init__(self) -> None:
        for name, value, limit in (
            ("latitude", self.latitude, 90),
            ("longitude", self.longitude, 180),
        ):
            # A NaN fails the comparison, too.
            if isinstance(value, bool) or not -limit <= value <= limit:
                raise ContentError(
                    f"place.{name}",
                    f"{value!r} is no {name} in degrees.",
                    f"Give a number from -{limit} to {limit}.",
                )
        if self.text is not None:
            check_text("place.text", self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelevantDate:
    """A moment, or a span of up to 24 hours, at which a phone should offer the pass."""

    start: datetime
    end: datetime | None = None

    def __post_init__(self) -> None:
        check_time("relevant_date.start", self.start)
        if self.end is not None:
            check_time("relevant_date.end", self.end)
            if not timedelta(0) < self.end - self.start <= timedelta(hours=24):
                raise ContentError(
                    "relevant_date.end",
                    "The span is not between 0 and 24 hours long.",
                    "Give a shorter span, or several.",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Something to tap among the details: an https, tel or mailto address."""

    label: Text
    url: str

    def __post_init__(self) -> None:
        check_text("link.label", self.label)
        check_text("link.url", self.url)
        parts = urlsplit(self.url)
        if (
            parts.scheme not in _LINK_SCHEMES
            or any(c.isspace() for c in self.url)
            or not (parts.netloc if parts.scheme == "https" else parts.path)
        ):
            raise ContentError(
                "link.url",
                "It is not an address that a phone can open.",
                "Write a full https:, tel: or mailto: address without spaces.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One labelled value.

    `key` stays the same over updates, so that a phone can tell what changed; with
    `change_message`, it tells the holder: a text in which `%@` stands for the new value. A datetime
    is shown as a date, with `show_time` as date and time.
    """

    key: str
    label: Text | None
    value: Text | Money | datetime | int
    slot: Slot = Slot.FRONT
    change_message: Text | None = None
    show_time: bool = False

    def __post_init__(self) -> None:
        if not _KEY(self.key) or self.key in RESERVED_KEYS or self.key.startswith("link-"):
            raise ContentError(
                "field.key",
                f"{self.key!r} is reserved or malformed.",
                "Use 1 to 64 letters, digits, - and _, none of the keys the library adds.",
            )
        name = f"field[{self.key}]"
        if self.label is not None:
            check_text(f"{name}.label", self.label)
        if isinstance(self.value, datetime):
            check_time(f"{name}.value", self.value)
        elif type(self.value) is int:
            if not -(2**53) < self.value < 2**53:
                raise ContentError(
                    f"{name}.value", "The number is too large to be exact.", "Give it as a text."
                )
        elif not isinstance(self.value, Money):
            check_text(f"{name}.value", self.value)
        if self.change_message is not None:
            check_text(f"{name}.change_message", self.change_message)
            check_change_message(f"{name}.change_message", self.change_message)


def check_change_message(name: str, message: Text) -> None:
    """Raise ContentError unless every language of `message` has `%@` for the new value."""
    texts = [message] if isinstance(message, str) else [message[each] for each in message.languages]
    if not all("%@" in text for text in texts):
        raise ContentError(
            name,
            "Without %@ a phone does not announce the change.",
            "Put %@ where the new value belongs, in every language.",
        )


def check_time(name: str, value: object) -> None:
    """Raise ContentError unless `value` is an aware datetime with an offset of whole minutes."""
    if not isinstance(value, datetime) or (offset := value.utcoffset()) is None:
        raise ContentError(
            name,
            "It is not a time with a zone.",
            "Give an aware datetime, in UTC or a shop's zone.",
        )
    if offset.microseconds or offset.seconds % 60:
        raise ContentError(
            name,
            "Its zone is not a whole number of minutes from UTC.",
            "Use a present-day time zone.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How a campaign looks: colours `#rrggbb`, pictures, and pictures for single languages.

    Raises ContrastError, with a colour to use, where text would be hard to read.
    """

    background: str = DEFAULT_BACKGROUND
    foreground: str = DEFAULT_INK
    label: str | None = None
    artwork: Artwork | None = None
    localized_artwork: Mapping[str, Artwork] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        check_colour("design.background", self.background)
        check_legible("design.foreground", self.foreground, self.background)
        if self.label is not None:
            check_legible("design.label", self.label, self.background)
        for language in self.localized_artwork:
            check_language("design.localized_artwork", language)
        if self.localized_artwork and self.artwork is None:
            raise ContentError(
                "design.artwork",
                "There are pictures for single languages but none for the others.",
                "Give the pictures of the default language, too.",
            )

    @property
    def label_colour(self) -> str:
        """The colour of labels: the foreground's unless one is set."""
        return self.label or self.foreground
