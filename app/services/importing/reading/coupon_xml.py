"""Salesforce B2C Commerce coupon XML (coupon.xsd) as records; a document type is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.parsers import expat

from app.services.importing.reading.records import LONGEST_LINE, FileFault, Record
from app.services.importing.reading.streams import Rewound

#: Elements within elements; coupon.xsd has five. And the longest tag, in bytes.
DEEPEST = 32
LONGEST_TAG = 1 << 20


def coupon_codes(stream: Rewound) -> Iterator[Record]:
    """Codes of coupon XML: text of `code`, `single-code` and `coupon-code` elements."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    found: list[Record] = []
    state: dict[str, str | int | None] = {"enabled": None, "line": 0, "seen": 0}
    text: list[str] = []
    depth = 0

    def refuse(*_: object) -> None:
        raise FileFault("The XML declares a document type: remove it, codes need none.")

    def begin(name: str, _attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise FileFault(f"The XML nests more than {DEEPEST} deep: export it again.")
        local = name.rpartition(" ")[2]
        text.clear()
        state["line"] = parser.CurrentLineNumber
        state["seen"] = 1
        if local == "coupon":
            state["enabled"] = None

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        local = name.rpartition(" ")[2]
        if local == "enabled-flag":
            state["enabled"] = "".join(text).strip()
        elif local in ("code", "single-code", "coupon-code"):
            found.append(
                Record(
                    int(state["line"] or 0),
                    "".join(text).strip(),
                    enabled=None if state["enabled"] is None else str(state["enabled"]),
                )
            )
        text.clear()

    def characters(data: str) -> None:
        if sum(map(len, text)) < LONGEST_LINE:
            text.append(data)

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    # Several codes may stand on one line, and a reject is known by its line: number them then.
    last = given = 0
    while True:
        data = stream.read(1 << 16)
        parser.Parse(data, not data)
        given += len(data)
        # A tag that does not end is kept whole until it does.
        if given - parser.CurrentByteIndex > LONGEST_TAG:
            raise FileFault("The XML has a tag without end: export it again.")
        for record in found:
            last = max(record.line, last + 1)
            yield record._replace(line=last)
        found.clear()
        if not data:
            return
