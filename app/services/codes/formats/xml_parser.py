"""XML read as it arrives: no document type, no depth, no tag without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from xml.parsers import expat

from app.services.codes.formats.records import FileFault
from app.services.codes.formats.text import Rewound

#: Elements within elements; coupon.xsd has five. And the longest tag, in bytes.
DEEPEST = 32
LONGEST_TAG = 1 << 20


def parser_of(
    begin: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None],
    characters: Callable[[str], None],
) -> expat.XMLParserType:
    """A parser that calls these, and raises FileFault for what no export holds."""
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
