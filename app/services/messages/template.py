"""A message's template: what it may say, and a recipient's text made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jinja2 import TemplateError

from app.services.issuing import Person
from app.services.messages.budget import Allowance, Budget, Exhausted
from app.services.messages.expressions import MessageFault, Run
from app.services.messages.grammar import Grammar, Render
from app.services.messages.values import FUNCTIONS, Values

LONGEST_TEMPLATE = 200_000
_BRACKETS = re.compile(
    r"\[\s*(?:[a-z]{2,8}:)?(?P<name>" + "|".join(FUNCTIONS) + r")\(\s*[\"']?"
    r"(?P<campaign>[a-z0-9-]{1,64})[\"']?\s*\)\s*\]"
)


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
        return f"message:{self.id}"


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
    render = grammar.read(_BRACKETS.sub(r'{{ \g<name>("\g<campaign>") }}', source))
    return Message(
        id=message_id,
        render=render,
        campaigns=tuple(grammar.expressions.campaigns),
        reveals=frozenset(grammar.expressions.reveals),
        chooses=grammar.expressions.chooses,
        is_html=is_html,
    )


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
