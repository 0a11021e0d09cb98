"""Reads XML as it arrives: Salesforce's coupons, and the workbooks of Magento and OpenMage.

In coupon XML of Salesforce B2C Commerce (coupon.xsd) coupons stand first, each with its id and
whether it is enabled; the codes of each follow under its id, or inside it. Only the codes of one
coupon are taken. A workbook's first sheet is a table. A document type, depth and tags without end
are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from xml.parsers import expat

from app.services.codes.formats.records import (
    LONGEST_LINE,
    CouponUnclear,
    FileFault,
    Record,
)
from app.services.codes.formats.status_words import count_of, flag_of
from app.services.codes.formats.text import Rewound, TableRow
from app.services.codes.reasons import Expected, RejectReason

#: Elements within elements; coupon.xsd has five. And the longest tag, in bytes.
DEEPEST = 32
LONGEST_TAG = 1 << 20


def parser_of(
    begin: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None],
    characters: Callable[[str], None],
) -> expat.XMLParserType:
    """Return a parser that calls these, and raises FileFault for what no export holds."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = 0

    def refuse(*_: object) -> None:
        raise FileFault("The XML declares a document type: remove it, codes need none.")

    def deeper(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise FileFault(f"The XML nests more than {DEEPEST} deep: export it again.")
        begin(name, attributes)

    def higher(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = deeper
    parser.EndElementHandler = higher
    parser.CharacterDataHandler = characters
    return parser


def parsed(parser: expat.XMLParserType, stream: Rewound) -> Iterator[None]:
    """Parse a stream piece by piece; after each, what was found can be taken."""
    given = 0
    while True:
        data = stream.read(1 << 16)
        parser.Parse(data, not data)
        given += len(data)
        # A tag that does not end is kept whole until it does.
        if given - parser.CurrentByteIndex > LONGEST_TAG:
            raise FileFault("The XML has a tag without end: export it again.")
        yield
        if not data:
            return


_CODES = ("code", "single-code", "coupon-code")


def coupon_codes(stream: Rewound, *, coupon: str | None, expected: Expected) -> Iterator[Record]:
    """Yield codes of coupon XML: text of `code`, `single-code` and `coupon-code` elements.

    Args:
        coupon: the `coupon-id` whose codes are taken; the only one that is enabled when absent.

    Raises:
        CouponUnclear: the codes of several coupons are in it, and none was chosen.
        FileFault: it has no codes, or none of the coupon that was chosen.
    """
    reader = _CouponReader(coupon, expected)
    # Several codes may stand on one line, and a reject is known by its line: number them then.
    last = 0
    for _ in parsed(reader.parser, stream):
        for record in reader.found:
            last = max(record.line, last + 1)
            yield record._replace(line=last)
        reader.found.clear()
    reader.check()


class _CouponReader:
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
        """Raise unless what was found can be used."""
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
        refused = RejectReason.DISABLED if self._enabled.get(self._id) is False else None
        self.found.append(
            Record(self._line, text, limit=limit if narrower else None, refused=refused)
        )

    def _characters(self, data: str) -> None:
        if sum(map(len, self._text)) < LONGEST_LINE:
            self._text.append(data)


#: The namespace by which such a file is known.
WORKBOOK = "urn:schemas-microsoft-com:office:spreadsheet"
#: A cell may name its column; no table of codes has more.
_MOST_COLUMNS = 1_000


def workbook_rows(stream: Rewound) -> Iterator[TableRow]:
    """Return the rows of the workbook's first sheet.

    Raises:
        FileFault: it declares a document type.
    """
    rows: list[TableRow] = []
    cells: list[str] = []
    text: list[str] = []
    state = {"line": 0, "at": 0, "sheets": 0, "last": 0}

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if local == "Worksheet":
            state["sheets"] += 1
        elif local == "Row":
            cells.clear()
            state["line"] = max(parser.CurrentLineNumber, state["last"] + 1)
            state["at"] = 0
        elif local == "Cell":
            index = attributes.get(f"{WORKBOOK} Index", "")
            if index.isdigit():
                state["at"] = min(int(index), _MOST_COLUMNS) - 1
        elif local == "Data":
            text.clear()

    def end(name: str) -> None:
        local = name.rpartition(" ")[2]
        if local == "Data":
            cells.extend([""] * (state["at"] + 1 - len(cells)))
            cells[state["at"]] = "".join(text)
            text.clear()
        elif local == "Cell":
            state["at"] = min(state["at"] + 1, _MOST_COLUMNS - 1)
        elif local == "Row" and state["sheets"] < 2:
            rows.append((state["line"], list(cells)))
            state["last"] = state["line"]

    def characters(data: str) -> None:
        if sum(map(len, text)) < LONGEST_LINE:
            text.append(data)

    parser = parser_of(begin, end, characters)
    for _ in parsed(parser, stream):
        yield from rows
        rows.clear()
