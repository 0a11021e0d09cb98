"""Every key of a campaign file, from the models that read it."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib.resources import files
from itertools import product
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.domain.campaign import Authority, Source
from app.domain.kinds import KINDS
from app.services.campaigns import CampaignFault, read_document
from app.services.campaigns.file.document import CampaignFile
from app.services.campaigns.file.reading import table_of
from app.services.campaigns.money import Amount
from tests.campaign_options import CONTEXTS, SAMPLES, campaign_of, write
from tests.reference.markdown import code, fence, listed, paragraph

#: A place of the file as it is read, with numbers and languages in it.
Place = tuple[str, ...]

_PICTURE = (files("app.examples") / "logo.png").read_bytes()
_KINDS = {"coupon": "coupons", "gift_card": "gift cards"}


def page() -> str:
    pieces = [
        "# The campaign file\n",
        paragraph(
            "This page lists every key of a campaign file: its type, the campaigns that it is for, "
            "its default, its effect and an example."
        ),
        paragraph(
            "A campaign is one file in TOML, which `passerelle campaign apply FILE` creates or "
            "revises. `POST /api/v1/campaigns` takes the same keys as JSON. A key that is not "
            "known, or that does nothing in a campaign of this kind, is refused with its place and "
            "what to write instead. Whole files stand in `app/examples`; one is at the "
            "[end of this page](#a-whole-file)."
        ),
        paragraph(
            'Amounts are texts such as `"15.00"` in the campaign\'s currency. A date is written '
            "`2026-06-01`, a time `2026-06-01T09:00`, with or without an offset. A text by "
            'language is a table, `{ en = "Size", fr = "Taille" }`. Tables in double brackets, as '
            "`[[links]]`, are lists of tables. `<language>` stands for a tag such as `fr` or "
            "`pt-BR`."
        ),
    ]
    for model, places in _models().items():
        pieces += _section(model, places)
    example = (files("app.examples") / "minus-20.toml").read_text(encoding="utf-8")
    pieces += ["## A whole file\n", fence(example, "toml")]
    return "\n".join(pieces)


@cache
def _models() -> dict[type[BaseModel], list[Place]]:
    """The models of the file in their order, each with the places where it stands."""
    found: dict[type[BaseModel], list[Place]] = {}

    def walk(model: type[BaseModel], place: Place) -> None:
        for each in reversed([each for each in model.__mro__ if _describes(each)]):
            found.setdefault(each, []).append(place)
        for name, field in model.model_fields.items():
            inner, way = _within(field.annotation)
            if inner is not None:
                walk(inner, (*place, field.alias or name, *way))

    walk(CampaignFile, ())
    return found


def _describes(model: type[Any]) -> bool:
    """Whether a class is a section with keys of its own that are no sections."""
    return (
        issubclass(model, BaseModel)
        and model is not CampaignFile
        and any(name in model.__annotations__ for name in model.model_fields)
    )


def _within(annotation: Any) -> tuple[type[BaseModel] | None, Place]:
    """The model that a key's value is or holds, and how its places are counted."""
    annotation = table_of(annotation)
    way: Place = ()
    if get_origin(annotation) in (list, dict):
        way = ("0",) if get_origin(annotation) is list else ("en",)
        annotation = table_of(get_args(annotation)[-1])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, way
    return None, ()


def _section(model: type[BaseModel], places: list[Place]) -> Iterator[str]:
    yield f"## {_heading(places)}\n"
    yield paragraph(model.__doc__ or "")
    for name, field in model.model_fields.items():
        if name not in model.__annotations__:
            continue
        key = field.alias or name
        paths = [(*place, key) for place in places]
        yield f"### {listed([code(_shown(path)) for path in paths])}\n"
        if not field.description:
            raise LookupError(f"{model.__name__}.{name} has no description.")
        yield paragraph(field.description)
        inner, way = _within(field.annotation)
        if inner is not None:
            below = _heading(_models()[inner])
            anchor = "".join(filter(_in_anchor, below)).replace(" ", "-").lower()
            kind = {(): "table", ("0",): "list of tables", ("en",): "table for each language"}[way]
            yield f"- Type: {kind}, see [{below.removeprefix('Section ')}](#{anchor})\n"
            continue
        if not field.examples:
            raise LookupError(f"{model.__name__}.{name} has no example.")
        lines = [
            f"- Type: {_type(field)}",
            f"- For: {_for(['.'.join(path) for path in paths], field)}",
            f"- Default: {_default(field)}",
            f"- Example: `{key} = {_toml(field.examples[0])}`",
        ]
        yield "\n".join(lines) + "\n"


def _heading(places: list[Place]) -> str:
    """The heading of a section: the tables that it is, as TOML writes them."""
    if places == [()]:
        return "Before the sections"
    tables = [f"[[{_shown(each)}]]" if each[-1] == "0" else f"[{_shown(each)}]" for each in places]
    return f"Section {listed(map(code, tables))}"


def _shown(place: Place) -> str:
    return ".".join({"en": "<language>"}.get(part, part) for part in place if part != "0")


def _in_anchor(character: str) -> bool:
    return character.isalnum() or character in "_- "


def _type(field: FieldInfo) -> str:
    annotation, bounds = field.annotation, list(field.metadata)
    options = [
        each
        for each in (get_args(annotation) if _is_union(annotation) else (annotation,))
        if each is not type(None)
    ]
    if set(options) == {dt.date, dt.datetime}:
        return "date or time"
    return " or ".join(_one_type(each, bounds) for each in options)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _one_type(annotation: Any, bounds: list[Any]) -> str:
    if get_origin(annotation) is Annotated:
        if annotation == Amount:
            return "amount"
        inner, *more = get_args(annotation)
        if set(get_args(inner)) == {dt.date, dt.datetime}:
            return "date or time"
        for each in more:
            bounds = [*getattr(each, "metadata", [each]), *bounds]
        return _one_type(inner, bounds)
    if get_origin(annotation) is list:
        return f"list of {_plural(_one_type(get_args(annotation)[0], []))}"
    if get_origin(annotation) is dict:
        value = get_args(annotation)[1]
        return "text by language" if value is str else "whole number by event"
    if get_origin(annotation) is Literal:
        values = get_args(annotation)
        return listed([f'`"{each}"`' for each in values], last="or")
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return listed([f'`"{each.value}"`' for each in annotation], last="or")
    if annotation is Decimal and any(isinstance(each, Le) and each.le == 100 for each in bounds):
        return "percentage"
    if any("read_amount" in repr(each) for each in bounds):
        return "amount"
    names = {
        str: "text",
        int: "whole number",
        float: "number",
        Decimal: "number",
        bool: "yes or no",
    }
    name = names.get(annotation) or {dt.time: "time of day"}[annotation]
    if name == "yes or no":
        return "`true` or `false`"
    return name + (_bounds(bounds) if name != "number" or annotation is float else "")


def _plural(name: str) -> str:
    head, _, rest = name.partition(" from ")
    texts = head.replace("text", "texts").replace("number", "numbers")
    return texts + (f" from {rest}" if rest else "")


def _bounds(bounds: list[Any]) -> str:
    found = {type(each): each for each in bounds}
    if MinLen in found and MaxLen in found:
        return f" of {found[MinLen].min_length} to {found[MaxLen].max_length:,} characters"
    if MaxLen in found:
        return f" of at most {found[MaxLen].max_length:,} characters"
    low = found[Ge].ge if Ge in found else None
    high = found[Le].le if Le in found else None
    if Gt in found or Lt in found:
        raise LookupError(f"No words for {bounds}.")
    if low is not None and high is not None:
        return f" from {low:,} to {high:,}"
    return f" up to {high:,}" if high is not None else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "none, it has to be written"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", [], {}):
        return "none"
    return code(_toml(value))


def _for(places: list[str], field: FieldInfo) -> str:
    """The campaigns in which a key counts, found by writing its example into one of each.

    Raises:
        LookupError: the example is refused in each of them.
    """
    found: set[tuple[str, Authority, Source]] = set()
    possible: set[tuple[str, Authority, Source]] = set()
    for place, context in product(places, CONTEXTS):
        if _is_possible(context):
            possible.add(context[:3])
        examples = dict.fromkeys(map(_toml, (*(field.examples or ()), *_choices(field))))
        for example, beside in product(examples, ({}, SAMPLES[place].beside)):
            written = campaign_of(*context, beside)
            write(written, place, tomllib.loads(f"value = {example}")["value"])
            if _accepted(written):
                found.add(context[:3])
    if not found:
        raise LookupError(f"The example of {places} is accepted nowhere.")
    kinds = [kind for kind in KINDS if any(each[0] == kind for each in found)]
    possible = {each for each in possible | found if each[0] in kinds}
    limits = []
    for at, name, options in ((2, "codes.source", Source), (1, "authority", Authority)):
        could, can = {each[at] for each in possible}, {each[at] for each in found}
        if can != could and places[0] != name:
            allowed = listed([code(each.value) for each in options if each in can], last="or")
            limits.append(f"`{name}` {allowed}")
    words = " and ".join(_KINDS[kind] for kind in kinds)
    return f"{words} with {' and '.join(limits)}" if limits else words


def _choices(field: FieldInfo) -> tuple[Any, ...]:
    """Every value of a key that has a closed list of them."""
    if get_origin(field.annotation) is Literal:
        return get_args(field.annotation)
    return tuple(field.annotation) if isinstance(field.annotation, type(Source)) else ()


@cache
def _is_possible(context: tuple[str, Authority, Source, bool]) -> bool:
    return _accepted(campaign_of(*context, {}))


def _accepted(document: dict[str, Any]) -> bool:
    try:
        read_document(document, pictures=lambda _: _PICTURE)
    except CampaignFault:
        return False
    return True


def _toml(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    if isinstance(value, dt.time):
        return f'"{value:%H:%M}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, str):
        return f'"{value}"'
    raise TypeError(f"No TOML for {value!r}.")
