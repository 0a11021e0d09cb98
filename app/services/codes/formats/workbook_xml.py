"""The Excel XML that Magento and OpenMage export, as rows; a document type is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.services.codes.formats.delimited import Row
from app.services.codes.formats.records import LONGEST_LINE
from app.services.codes.formats.text import Rewound
from app.services.codes.formats.xml_parser import parsed, parser_of

#: The namespace by which such a file is known.
NAMESPACE = "urn:schemas-microsoft-com:office:spreadsheet"
#: A cell may name its column; no table of codes has more.
_MOST_COLUMNS = 1_000


def rows_of(stream: Rewound) -> Iterator[Row]:
    """The rows of the workbook's first sheet.

    Raises:
        FileFault: it declares a document type.
    """
    rows: list[Row] = []
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
            index = attributes.get(f"{NAMESPACE} Index", "")
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
