"""Messages: a template and recipients become each recipient's own text, with a voucher in it.

A template is Jinja in a sandbox (`{{ wallet_link("campaign") }}`), or the bracket form that mail
tools of shops know (`[promotional_code(campaign)]`). A voucher is issued the first time that a
recipient's text asks for one; the occasion is the message's id, so that sending the same message
again mints nothing and says the same. A preview mints nothing and shows sample values.

Refuses, before anything is issued: a template that does not parse, a campaign that is unknown or
that the key may not touch, and functions that are not these. A template can reach no attribute
that begins with an underscore, no other module, and no more than a bounded amount of output.
"""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup
from sqlalchemy import select

from app.services import campaigns, issuing, links
from app.services.deployment import Deployment
from app.services.issuing import Issued, IssueFault, Person, Wanted
from app.store.models import Campaign, Code

#: Functions of a template; each takes the key of a campaign.
FUNCTIONS = ("promotional_code", "wallet_link", "wallet_buttons", "barcode")
LONGEST_TEMPLATE = 200_000
LONGEST_TEXT = 1_000_000
_CHUNK = 200
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


def check(deployment: Deployment, message: Message, allowed: Iterable[str] | None) -> None:
    """Refuse a message whose campaigns are unknown, or not among `allowed`.

    Raises:
        MessageFault: names the campaigns, the same way for unknown and forbidden ones.
    """
    with deployment.database.read() as session:
        known = set(
            session.scalars(select(Campaign.key).where(Campaign.key.in_(message.campaigns)))
        )
    if allowed is not None:
        known &= set(allowed)
    if missing := [key for key in message.campaigns if key not in known]:
        raise MessageFault(
            f"No campaign of this key: {', '.join(missing)}. Check the names, and which campaigns "
            "the API key may touch."
        )


def preview(message: Message, recipients: Iterable[Person]) -> Iterator[Rendered]:
    """Each recipient's text with sample values; nothing is issued or stored."""
    for person in recipients:
        vouchers = {key: _Sample(is_html=message.is_html) for key in message.campaigns}
        yield _render(message, person, vouchers)


def render(
    deployment: Deployment, message: Message, recipients: Iterable[Person]
) -> Iterator[Rendered]:
    """Each recipient's text, in their order, as it becomes ready.

    Vouchers are issued a few hundred at a time, each time in one transaction for all campaigns of
    the message. Who gets none, because codes ran out or a campaign ended, gets the fault instead
    of a text, and an empty place never goes out.
    """
    rest = iter(recipients)
    while people := list(islice(rest, _CHUNK)):
        vouchers, faults = _issue(deployment, message, people)
        for person in people:
            if (fault := faults.get(person.external_id)) is not None:
                yield Rendered(external_id=person.external_id, text=None, fault=fault)
            else:
                yield _render(message, person, vouchers.get(person.external_id, {}))


@dataclass(slots=True)
class _Voucher:
    """What the functions of a template say of one voucher."""

    address: str
    picture: str
    code: str
    is_html: bool

    def promotional_code(self) -> str:
        return self.code

    def wallet_link(self) -> str:
        return self.address

    def wallet_buttons(self) -> str:
        if not self.is_html:
            return f"{self.address}/apple\n{self.address}/google"
        address = html.escape(self.address, quote=True)
        return Markup(  # noqa: S704 - the address is escaped above
            f'<a href="{address}/apple">Apple Wallet</a> '
            f'<a href="{address}/google">Google Wallet</a>'
        )

    def barcode(self) -> str:
        if not self.is_html:
            return self.picture
        picture = html.escape(self.picture, quote=True)
        code = html.escape(self.code, quote=True)
        return Markup(f'<img src="{picture}" alt="{code}" width="200">')  # noqa: S704


class _Sample(_Voucher):
    """A voucher that does not exist, for previews."""

    def __init__(self, *, is_html: bool) -> None:
        address = "https://example.invalid/p/preview"
        super().__init__(address, f"{address}/code.png", "SAMPLE-CODE", is_html)


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


def _asked(message: Message, people: Sequence[Person]) -> dict[str, set[str]]:
    """Campaigns whose voucher each recipient's text names: a branch not taken mints nothing."""
    if not message.chooses:
        return {person.external_id: set(message.campaigns) for person in people}
    asked: dict[str, set[str]] = {}
    for person in people:
        seen = _Seen(message.is_html)
        _render(message, person, seen)
        asked.setdefault(person.external_id, set()).update(seen.keys_seen)
    return asked


class _Seen(dict[str, _Voucher]):
    """Sample vouchers that note which of them are asked for."""

    def __init__(self, is_html: bool) -> None:
        super().__init__()
        self.is_html = is_html
        self.keys_seen: set[str] = set()

    def __missing__(self, key: str) -> _Voucher:
        self.keys_seen.add(key)
        return _Sample(is_html=self.is_html)


def _issue(
    deployment: Deployment, message: Message, people: Sequence[Person]
) -> tuple[dict[str, dict[str, _Voucher]], dict[str, str]]:
    keyring, settings = deployment.keyring, deployment.settings
    occasion = f"message:{message.id}"
    asked = _asked(message, people)
    issued: list[tuple[str, Issued]] = []
    faults: dict[str, str] = {}
    clear: dict[int | None, str] = {}
    now: dt.datetime = deployment.now()
    with deployment.database.write() as session:
        for key in message.campaigns:
            asking = [person for person in people if key in asked[person.external_id]]
            wanted = [Wanted(person=person, occasion=occasion) for person in asking]
            campaign = campaigns.find(session, key)
            try:
                if campaign is None:
                    raise IssueFault(f"No campaign {key!r} exists.")
                batch = issuing.issue(session, keyring, campaign, wanted, now=now)
            except IssueFault as fault:
                faults.update({person.external_id: str(fault) for person in asking})
                continue
            issued.extend((key, item) for item in batch.issued)
            served = {item.external_id for item in batch.issued}
            faults.update(
                {
                    person.external_id: f"No code of {key} is left: import or generate more, and "
                    "send the message again."
                    for person in asking
                    if person.external_id not in served
                }
            )
    ids = {item.code_id for _, item in issued}
    with deployment.database.read() as session:
        for code in session.scalars(select(Code).where(Code.id.in_(ids))):
            clear[code.id] = issuing.code_of(keyring, code)
    vouchers: dict[str, dict[str, _Voucher]] = {}
    for key, item in issued:
        address = links.page(settings, keyring, [(item.public_id, item.key_id)])
        vouchers.setdefault(item.external_id or "", {})[key] = _Voucher(
            address, f"{address}/code.png", clear.get(item.code_id, ""), message.is_html
        )
    return vouchers, faults


def _render(message: Message, person: Person, vouchers: Mapping[str, _Voucher]) -> Rendered:
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
