"""A reader takes a document section by section and keeps what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from babel.core import Locale, UnknownLocaleError
from babel.numbers import get_currency_precision
from pydantic import BaseModel, ValidationError

from app.services.campaigns.file import sections
from app.services.campaigns.file.draft import DocumentFault

MODEL = TypeVar("MODEL", bound=BaseModel)


class DocumentReader:
    """Reads section by section and collects what is wrong."""

    def __init__(self, document: Mapping[str, Any], pictures: Any) -> None:
        self.document = document
        self.open_picture = pictures
        self.faults: list[DocumentFault] = []
        self.pictures: dict[str, bytes] = {}
        self.currency: str | None = None
        #: Sections that could be read, by where they stand; "" is the head.
        self.read: dict[str, BaseModel] = {}

    def fault(self, at: str, cause: str, remedy: str) -> None:
        self.faults.append(DocumentFault(at, cause, remedy))

    def add(self, faults: Iterable[DocumentFault]) -> bool:
        """Note faults; returns whether there were any."""
        before = len(self.faults)
        self.faults.extend(faults)
        return len(self.faults) > before

    def section(
        self, at: str, model: type[MODEL], value: Any, *, required: bool = False
    ) -> MODEL | None:
        if value is None and required:
            self.fault(at, "is missing.", f"Add a section [{at}].")
            return None
        try:
            section = model.model_validate(value, context={"currency": self.currency})
        except ValidationError as error:
            for found in error.errors(include_url=False):
                place = ".".join(filter(None, (at, *map(str, found["loc"]))))
                names = ", ".join(_names(model, found["loc"][:-1]))
                context = found.get("ctx", {})
                cause, remedy = {
                    "missing": ("is missing.", "Write it."),
                    "extra_forbidden": ("is not known.", f"Use {names}."),
                    "string_pattern_mismatch": (
                        "is not written as it should be.",
                        "Write #rrggbb."
                        if context.get("pattern") == sections.COLOUR
                        else "Mend it.",
                    ),
                    "string_too_short": ("is too short.", "Write more."),
                    "string_too_long": (
                        f"has more than {context.get('max_length')} characters.",
                        "Shorten it.",
                    ),
                }.get(
                    found["type"],
                    (_sentence(found["msg"]), "Mend the value."),
                )
                self.fault(place or "the file", cause, remedy)
            return None
        self.read[at] = section
        return section

    def many(self, at: str, model: type[MODEL]) -> list[MODEL]:
        items = self.document.get(at, [])
        if not isinstance(items, list):
            self.fault(at, "is no list.", f"Write [[{at}]] for each.")
            return []
        found = (self.section(f"{at}.{number}", model, item) for number, item in enumerate(items))
        return [item for item in found if item is not None]

    def language(self, at: str, tag: str) -> None:
        try:
            Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            self.fault(at, f"{tag!r} is no language.", "Write a tag such as fr or pt-BR.")

    def minor(self, at: str, amount: Decimal | None) -> int | None:
        """Minor units of an amount in the campaign's currency."""
        if amount is None:
            return None
        if self.currency is None:
            if not any(fault.at == "currency" for fault in self.faults):
                self.fault("currency", "is missing.", f"{at} is an amount of it: write EUR, say.")
            return None
        digits = get_currency_precision(self.currency)
        minor = amount.scaleb(digits)
        if minor != minor.to_integral_value():
            self.fault(
                at, f"has more than {digits} decimals.", f"{self.currency} has {digits}: round it."
            )
            return None
        if minor == 0 and not at.endswith("pin_above"):
            self.fault(at, "is zero.", "Write a positive amount, or leave it out.")
        return int(minor)


def _sentence(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text if text.endswith(".") else text + "."


def _names(model: type[BaseModel], within: Sequence[int | str]) -> list[str]:
    """The names that the table at a place within a section has."""
    table: Any = model
    for part in within:
        if isinstance(table, type) and issubclass(table, BaseModel):
            fields = table.model_fields
            known = {field.alias or name: field for name, field in fields.items()}
            table = known[str(part)].annotation if part in known else None
        elif get_origin(table) in (list, dict):
            # Of a list it is a number, and of texts their language.
            table = get_args(table)[-1]
        table = table_of(table)
    found = table if isinstance(table, type) and issubclass(table, BaseModel) else model
    return [field.alias or name for name, field in found.model_fields.items()]


def table_of(annotation: Any) -> Any:
    """What an annotation means without `| None` and what is said beside it."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    return annotation
