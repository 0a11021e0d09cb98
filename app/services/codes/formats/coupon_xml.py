"""Salesforce B2C Commerce coupon XML (coupon.xsd) as records; a document type is refused.

Coupons stand first, each with its `coupon-id` and whether it is enabled; the codes of each follow
under its id, or inside it. Only the codes of one coupon are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.services.codes.formats.records import (
    LONGEST_LINE,
    CouponUnclear,
    FileFault,
    Record,
)
from app.services.codes.formats.status_words import count_of, flag_of
from app.services.codes.formats.text import Rewound
from app.services.codes.formats.xml_parser import parsed, parser_of
from app.services.codes.reasons import Expected, Reason

_CODES = ("code", "single-code", "coupon-code")


def coupon_codes(stream: Rewound, *, coupon: str | None, expected: Expected) -> Iterator[Record]:
    """Codes of coupon XML: text of `code`, `single-code` and `coupon-code` elements.

    Args:
        coupon: the `coupon-id` whose codes are taken; the only one that is enabled when absent.

    Raises:
        CouponUnclear: the codes of several coupons are in it, and none was chosen.
        FileFault: it has no codes, or none of the coupon that was chosen.
    """
    reader = _Reader(coupon, expected)
    # Several codes may stand on one line, and a reject is known by its line: number them then.
    last = 0
    for _ in parsed(reader.parser, stream):
        for record in reader.found:
            last = max(record.line, last + 1)
            yield record._replace(line=last)
        reader.found.clear()
    reader.check()


class _Reader:
    """What expat calls, and what it found since it was last asked."""

    def __init__(self, coupon: str | None, expected: Expected) -> None:
        self.found: list[Record] = []
        self._coupon = coupon
        self._uses = expected.uses
        self._enabled: dict[str, bool | None] = {}
        self._limits: dict[str, int] = {}
        #: Ids in the order of the file, and how many codes of each it has.
        self._codes: dict[str, int] = {}
        self._system_codes = False
        self._id = ""
        self._line = 0
        self._text: list[str] = []
        self.parser = parser_of(self._begin, self._end, self._characters)

    def check(self) -> None:
        """Whether what was found can be used."""
        filled = [id_ for id_, count in self._codes.items() if count]
        if self._coupon is not None and self._coupon not in filled:
            raise FileFault(
                f"The file has no codes of a coupon {self._coupon!r}: it has those of "
                f"{', '.join(filled) or 'none'}."
            )
        enabled = [id_ for id_ in filled if self._enabled.get(id_) is not False]
        if self._coupon is None and len(enabled) > 1:
            raise CouponUnclear(list(self._codes))
        if filled:
            return
        if self._system_codes:
            raise FileFault(
                "The file holds no codes, only that the shop makes them (system-codes): open the "
                "coupon in Business Manager, under Merchant Tools, Online Marketing, Coupons, and "
                "export its codes, or run the job step ExportCouponCodes."
            )
        raise FileFault("The XML holds no codes: export the coupons with their codes.")

    def _begin(self, name: str, attributes: Mapping[str, str]) -> None:
        local = name.rpartition(" ")[2]
        self._text.clear()
        self._line = self.parser.CurrentLineNumber
        if local in ("coupon", "coupon-codes") and "coupon-id" in attributes:
            self._id = attributes["coupon-id"]
            self._codes.setdefault(self._id, 0)
        elif local == "system-codes":
            self._system_codes = True

    def _end(self, name: str) -> None:
        local = name.rpartition(" ")[2]
        text = "".join(self._text).strip()
        self._text.clear()
        if local == "enabled-flag":
            if self._codes.get(self._id) and flag_of(text) is False:
                raise FileFault(
                    f"The coupon {self._id!r} is said to be disabled only after its codes: export "
                    "it again."
                )
            self._enabled[self._id] = flag_of(text)
        elif local == "limit-per-code":
            if limit := count_of(text):
                self._limits[self._id] = limit
        elif local in _CODES:
            self._code(text)

    def _code(self, text: str) -> None:
        self._codes[self._id] = self._codes.get(self._id, 0) + 1
        if self._coupon is not None and self._id != self._coupon:
            return
        limit = self._limits.get(self._id)
        narrower = limit is not None and (self._uses is None or limit < self._uses)
        refused = Reason.DISABLED if self._enabled.get(self._id) is False else None
        self.found.append(
            Record(self._line, text, limit=limit if narrower else None, refused=refused)
        )

    def _characters(self, data: str) -> None:
        if sum(map(len, self._text)) < LONGEST_LINE:
            self._text.append(data)
