"""A message's template: what it may say, and a recipient's text made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.services.issuing import Person
from app.services.messages.values import Values

#: Functions of a template; each takes the key of a campaign.
FUNCTIONS = ("promotional_code", "wallet_link", "wallet_buttons", "barcode")
LONGEST_TEMPLATE = 200_000
LONGEST_TEXT = 1_000_000
_BRACKETS = re.compile(
    r"\[\s*(?:[a-z]{2,8}:)?(?P<name>" + "|".join(FUNCTIONS) + r")\(\s*[\"']?"
    r"(?P<campaign>[a-z0-9-]{1,64})[\"']?\s*\)\s*\]"
)
#: What would let a template grow or run without end, or reach outside.
_FORBIDDEN = (
    nodes.Import,
    nodes.FromImport,
    nodes.Include,
    nodes.Extends,
    nodes.CallBlock,
    nodes.Macro,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.Concat,
)
#: Filters whose output is bounded by their input.
_FILTERS = frozenset(
    [
        "abs",
        "capitalize",
        "d",
        "default",
        "e",
        "escape",
        "first",
        "float",
        "int",
        "last",
        "length",
        "lower",
        "round",
        "title",
        "trim",
        "truncate",
        "upper",
        "urlencode",
    ]
)
_CHOICES = (nodes.If, nodes.For, nodes.CondExpr, nodes.And, nodes.Or)
_ARITHMETIC = ("+", "-", "*", "/", "//", "%", "**")


class MessageFault(Exception):
    """The message cannot be rendered for anybody; says why and the remedy."""


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
    template: Template = field(repr=False)
    campaigns: tuple[str, ...]
    #: Whether a recipient's text may need fewer vouchers than the template names.
    chooses: bool
    is_html: bool

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
    source = _BRACKETS.sub(r'{{ \g<name>("\g<campaign>") }}', source)
    environment = _Sandbox(autoescape=is_html, undefined=StrictUndefined, cache_size=0)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        raise MessageFault(f"Line {error.lineno} of the template: {error.message}.") from None
    except RecursionError:
        raise MessageFault("The template is nested too deeply: make it flatter.") from None
    for forbidden in tree.find_all(_FORBIDDEN):
        raise MessageFault(
            f"Line {forbidden.lineno} of the template uses "
            f"{type(forbidden).__name__.lower()}, which messages do not have: remove it."
        )
    for loop in tree.find_all(nodes.For):
        if loop.recursive or next(loop.find_all(nodes.For), None) is not None:
            raise MessageFault(
                f"Line {loop.lineno} of the template has a loop within a loop: one is enough."
            )
    used: dict[str, None] = {}
    for call in tree.find_all(nodes.Call):
        name = call.node.name if isinstance(call.node, nodes.Name) else None
        if name not in FUNCTIONS:
            continue
        if len(call.args) != 1 or not isinstance(call.args[0], nodes.Const) or call.kwargs:
            raise MessageFault(
                f'Line {call.lineno} of the template: write {name}("campaign") with the '
                "campaign's key itself."
            )
        used[str(call.args[0].value)] = None
    try:
        named = meta.find_undeclared_variables(tree)
        template = environment.from_string(source)
    except (TemplateError, RecursionError) as error:
        raise MessageFault(f"The template cannot be used: {error}.") from None
    if unknown := named - set(FUNCTIONS) - {"recipient"}:
        raise MessageFault(
            f"The template names {', '.join(sorted(unknown))}: use recipient.NAME for an "
            f"attribute of the recipient, and the functions {', '.join(FUNCTIONS)}."
        )
    return Message(
        id=message_id,
        template=template,
        campaigns=tuple(used),
        chooses=next(tree.find_all(_CHOICES), None) is not None,
        is_html=is_html,
    )


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja that can neither reach into Python nor work without end."""

    intercepted_binops = frozenset(_ARITHMETIC)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        # A text or a number made enormous by one operator is how a template stops a server.
        if operator == "**" or not all(
            isinstance(side, (int, float)) and abs(side) < 10**12 for side in (left, right)
        ):
            raise SecurityError(f"{operator} is not for texts, nor for large numbers")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        # Values are plain data: whatever method they have, a message needs none.
        return isinstance(obj, LoopContext) and not attr.startswith("_")


def fill(message: Message, person: Person, vouchers: Mapping[str, Values]) -> Rendered:
    """A recipient's text with these vouchers, by their campaigns; or why there is none."""

    def of(name: str) -> Any:
        return lambda key: getattr(vouchers[key], name)()

    values = {
        "recipient": {
            "external_id": person.external_id,
            "language": person.language,
            **person.attributes,
        },
        **{name: of(name) for name in FUNCTIONS},
    }
    pieces: list[str] = []
    size = 0
    try:
        for piece in message.template.generate(values):
            size += len(piece)
            if size > LONGEST_TEXT:
                raise SecurityError(f"The text grows beyond {LONGEST_TEXT} characters.")
            pieces.append(piece)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        # What stands in the text belongs to the recipient; the fault is for the marketer.
        return Rendered(
            external_id=person.external_id,
            text=None,
            fault=f"The template fails for this recipient ({type(error).__name__}): {error}",
        )
    return Rendered(external_id=person.external_id, text="".join(pieces))
