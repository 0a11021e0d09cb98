"""A template is checked once, and filled for each recipient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jinja2 import TemplateError

from app.domain.occasions import of_message
from app.services.issuance import Person
from app.services.mailings.expressions import MessageFault, Run
from app.services.mailings.grammar import Grammar, Render
from app.services.mailings.operations import (
    Allowance,
    Budget,
    Exhausted,
)
from app.services.mailings.values import FUNCTIONS, Values

LONGEST_TEMPLATE = 200_000
#: A variable in the form of the mail tools of shops, up to its end or the line's.
_BRACKETS = re.compile(
    r"\[\s*(?:[a-z]{2,8}:)?(?P<name>" + "|".join(FUNCTIONS) + r")\b(?P<rest>[^\]\n]*)\]?",
    re.IGNORECASE,
)
_CAMPAIGN = re.compile(r"\(\s*[\"']?(?P<campaign>[a-z0-9-]{1,64})[\"']?\s*\)\s*")
#: What opens an expression, a statement or a comment, and what closes each.
_OPENS = re.compile(r"\{[{%#]")
_CLOSES = {"{{": "}}", "{%": "%}", "{#": "#}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One recipient's text, or why there is none."""

    external_id: str
    text: str | None
    fault: str | None = None
    #: By campaign, why its rules gave this recipient nothing; its functions are empty in the text.
    not_given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A checked message; `read` makes one.

    Attributes:
        campaigns: keys of the campaigns whose vouchers it carries, in a fixed order.
    """

    id: str
    render: Render = field(repr=False)
    campaigns: tuple[str, ...]
    #: Those whose codes stand in a text in clear; the others' stand behind a link.
    reveals: frozenset[str]
    #: Whether a recipient's text may need fewer vouchers than the template names.
    chooses: bool
    is_html: bool
    #: What the texts of all its recipients may still cost together.
    allowance: Allowance = field(default_factory=Allowance, repr=False)

    @property
    def occasion(self) -> str:
        """Why its recipients get a voucher: this mailing, once."""
        return of_message(self.id)


def read(message_id: str, source: str, *, is_html: bool) -> Message:
    """Check a template.

    Args:
        message_id: the sender's own id of the mailing; the same id never mints twice.
        is_html: values are escaped, and buttons and barcodes are elements instead of addresses.

    Raises:
        MessageFault: the template cannot be used.
    """
    if len(source) > LONGEST_TEMPLATE:
        raise MessageFault(f"The template has more than {LONGEST_TEMPLATE} characters: shorten it.")
    grammar = Grammar(is_html=is_html)
    render = grammar.read(_without_brackets(source))
    return Message(
        id=message_id,
        render=render,
        campaigns=tuple(grammar.expressions.campaigns),
        reveals=frozenset(grammar.expressions.reveals),
        chooses=grammar.expressions.chooses,
        is_html=is_html,
    )


def _without_brackets(source: str) -> str:
    """The template with each bracket form as the call that it means.

    Raises:
        MessageFault: one names no campaign, so that it would stay as text.
    """
    pieces: list[str] = []
    at = 0
    while at < len(source):
        opening = _OPENS.search(source, at)
        end = len(source) if opening is None else opening.start()
        pieces.append(_calls(source, at, end))
        if opening is None:
            break
        closing = source.find(_CLOSES[opening[0]], opening.end())
        # What is never closed is for the grammar to refuse.
        at = len(source) if closing < 0 else closing
        pieces.append(source[end:at])
    return "".join(pieces)


def _calls(source: str, start: int, end: int) -> str:
    def call(found: re.Match[str]) -> str:
        named = _CAMPAIGN.fullmatch(found["rest"])
        if named is None or found["name"] not in FUNCTIONS or not found[0].endswith("]"):
            line = source.count("\n", 0, start + found.start()) + 1
            raise MessageFault(
                f"Line {line} of the template names no campaign in {found[0][:60]}: write "
                f"[{found['name'].lower()}(campaign)] with the campaign's key itself."
            )
        return f'{{{{ {found["name"]}("{named["campaign"]}") }}}}'

    return _BRACKETS.sub(call, source[start:end])


def fill(message: Message, person: Person, vouchers: Mapping[str, Values]) -> Rendered:
    """A recipient's text with these vouchers, by their campaigns; or why there is none."""
    recipient = {
        "external_id": person.external_id,
        "language": person.language,
        **person.attributes,
    }
    try:
        with Budget(message.allowance) as budget:
            run = Run(names={"recipient": recipient}, vouchers=vouchers, budget=budget)
            message.render(run)
    except Exhausted as fault:
        return Rendered(external_id=person.external_id, text=None, fault=str(fault))
    except (
        TemplateError,
        ArithmeticError,
        AssertionError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        # What stands in the text belongs to the recipient; the fault is for the marketer.
        return Rendered(
            external_id=person.external_id,
            text=None,
            fault=f"The template fails for this recipient ({type(error).__name__}): {error}",
        )
    return Rendered(external_id=person.external_id, text="".join(run.pieces))
