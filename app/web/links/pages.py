"""What the pages show: a voucher as a card, in the visitor's language, ready for the templates.

Everything that a page says is decided here, from the same content that the wallets get, so that a
page and a pass never differ. Values only; nothing here reads a request or the database.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from app.domain.campaign import Authority
from app.services import phone_qr
from app.services.wallets.holdings import Holding
from app.web.links import numbers
from app.words import LANGUAGES
from app.words.catalogue import PageWords
from passes import barcode
from passes.content import (
    Field,
    Money,
    PassContent,
    Presentation,
    Slot,
    Status,
    Symbology,
    Text,
)
from passes.text import in_language
from passes.wording import spoken


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletButton:
    """The way into a wallet: which one, and what the button says."""

    wallet: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Why a voucher cannot be used now, in a few words and in a sentence."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A barcode as a drawing, and whether it is wider than high."""

    drawing: Markup
    wide: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One voucher as a page shows it; texts are in `language`, which may not be the page's."""

    token: str
    language: str
    organization: str
    title: str
    offer: str | None
    balance: str | None
    description: str | None
    validity: str | None
    notice: Notice | None
    #: Whether a till refuses it for good, so that nothing is offered any more.
    spent: bool
    barcode: Shown | None
    code: str | None
    holds_money: bool
    pin: str | None
    partner: bool
    fields: tuple[tuple[str, str], ...]
    details: tuple[tuple[str, str], ...]
    terms: str | None
    links: tuple[tuple[str, str], ...]
    #: Addresses of the campaign's pictures.
    logo: str | None
    banner: str | None
    colours: tuple[str, str, str]


def card(
    holding: Holding,
    content: PassContent,
    *,
    token: str,
    words: PageWords,
    locale: str,
    language: str,
    pictures: str,
) -> Card:
    """The voucher of `holding`, whose pass is `content`.

    Args:
        locale: how dates and money are written; the page's language, with a region if known.
        language: the one of the campaign's languages that its texts are taken from.
        pictures: the address under which the campaign's pictures are.
    """
    presentation = content.presentation

    def say(text: Text | None) -> str | None:
        return None if text is None else in_language(text, language, presentation.language)

    front, details = _lines((*presentation.fields, *content.fields), presentation, language)
    spent = content.status.spent
    if content.uses is not None and not spent:
        front = ((words.uses_left, str(content.uses)), *front)
    shown = None
    if content.barcode is not None and not spent:
        shown = drawing(content.barcode.payload, content.barcode.symbology)
    return Card(
        token=token,
        language=language,
        organization=presentation.organization,
        title=say(presentation.title) or "",
        offer=say(content.offer or presentation.offer),
        balance=numbers.money(content.balance, locale) if content.balance else None,
        description=_description(presentation, language),
        validity=_validity(content, words, locale),
        notice=notice(content, words, locale),
        spent=spent,
        barcode=shown,
        code=content.barcode.text if content.barcode is not None and not spent else None,
        holds_money=content.balance is not None,
        pin=None if spent else content.pin,
        partner=holding.campaign.authority == Authority.PARTNER,
        fields=front,
        details=details,
        terms=say(content.terms or presentation.terms),
        links=_links(presentation, language),
        logo=f"{pictures}/logo.png" if holding.presentation.look.logo else None,
        banner=f"{pictures}/banner.png" if _has_banner(presentation) else None,
        colours=_colours(presentation),
    )


def offer_card(
    presentation: Presentation,
    *,
    offer: Text | None,
    terms: Text | None,
    amount: Money | None,
    has_logo: bool,
    partner: bool,
    locale: str,
    language: str,
    pictures: str,
    validity: str | None,
) -> Card:
    """What an offer grants, before anybody has a voucher of it; arguments as for `card`.

    Args:
        offer, terms: words of what is given, where they are not the campaign's.
        amount: what a gift card will hold, where the campaign says it.
        validity: until when the offer can be accepted, as a sentence.
    """

    def say(text: Text | None) -> str | None:
        return None if text is None else in_language(text, language, presentation.language)

    front, details = _lines(presentation.fields, presentation, language)
    return Card(
        token="",
        language=language,
        organization=presentation.organization,
        title=say(presentation.title) or "",
        offer=numbers.money(amount, locale) if amount else say(offer or presentation.offer),
        balance=None,
        description=_description(presentation, language),
        validity=validity,
        notice=None,
        spent=False,
        barcode=None,
        code=None,
        holds_money=presentation.holds_money,
        pin=None,
        partner=partner,
        fields=front,
        details=details,
        terms=say(terms or presentation.terms),
        links=_links(presentation, language),
        logo=f"{pictures}/logo.png" if has_logo else None,
        banner=f"{pictures}/banner.png" if _has_banner(presentation) else None,
        colours=_colours(presentation),
    )


def notice(content: PassContent, words: PageWords, locale: str) -> Notice | None:
    """Why the voucher cannot be used now; None when it can."""
    money = content.balance is not None
    organization = content.presentation.organization
    until = _day(content.valid_until, locale)
    match content.status:
        case Status.USED:
            if money:
                return Notice(title=words.spent, text=words.spent_more)
            return Notice(title=words.used, text=words.used_more)
        case Status.EXPIRED:
            text = words.expired_more.format(date=until) if until else ""
            return Notice(title=words.expired, text=text)
        case Status.WITHDRAWN:
            return Notice(
                title=words.revoked, text=words.revoked_more.format(organization=organization)
            )
        case Status.NOT_YET_VALID if content.valid_from is not None:
            begins = numbers.first_day(content.valid_from, locale)
            return Notice(title=words.early, text=words.early_more.format(date=begins))
        case Status.NOT_ACTIVATED:
            return Notice(title=words.inactive, text=words.inactive_more)
        case Status.BLOCKED:
            text = words.blocked_more.format(organization=organization)
            return Notice(title=words.blocked, text=text)
        case Status.PAUSED:
            return Notice(title=words.paused, text=words.paused_more)
        case _:
            return None


#: Pixels of a page that bars take at most, unless they need more.
_WIDE = 340


def drawing(payload: str, symbology: Symbology) -> Shown:
    """A barcode as SVG to put into a page: black on white whatever the page's colours."""
    wide = not symbology.square
    drawn = barcode.svg(payload, symbology, width=_WIDE if wide else None)
    return Shown(drawing=Markup(drawn), wide=wide)  # noqa: S704 - ours


def phone_code(address: str) -> Markup:
    """The QR that opens `address` on a phone."""
    return Markup(phone_qr.svg(address))  # noqa: S704 - ours


def colours(cards: Sequence[Card]) -> str:
    """The style block that gives each card its campaign's colours; checked colours only."""
    return "".join(
        f".pass-{number}{{--pass:{ground};--ink:{ink};--faint:{faint}}}"
        for number, (ground, ink, faint) in enumerate(each.colours for each in cards)
    )


def languages(current: str, offered: Sequence[str]) -> list[tuple[str, str, bool]]:
    """The languages to choose from: tag, own name, whether it is the current one."""
    return [(tag, LANGUAGES[tag].name, tag == current) for tag in offered]


Lines = tuple[tuple[str, str], ...]


def _lines(
    fields: Sequence[Field], presentation: Presentation, language: str
) -> tuple[Lines, Lines]:
    """Labels and values of the front, and those of the details."""
    default = presentation.language
    front: list[tuple[str, str]] = []
    details: list[tuple[str, str]] = []
    for field in fields:
        label = in_language(field.label, language, default) if field.label is not None else ""
        value = spoken(field.value, language, default, show_time=field.show_time)
        (details if field.slot is Slot.DETAILS else front).append((label, value))
    return tuple(front), tuple(details)


def _links(presentation: Presentation, language: str) -> Lines:
    default = presentation.language
    return tuple(
        (in_language(each.label, language, default), each.url) for each in presentation.links
    )


def _description(presentation: Presentation, language: str) -> str | None:
    """The description, unless it only repeats the title."""
    title, text = (
        in_language(each, language, presentation.language)
        for each in (presentation.title, presentation.description)
    )
    return text if text != title else None


def _has_banner(presentation: Presentation) -> bool:
    artwork = presentation.design.artwork
    return artwork is not None and artwork.has_banner


def _colours(presentation: Presentation) -> tuple[str, str, str]:
    design = presentation.design
    return design.background, design.foreground, design.label_colour


def _validity(content: PassContent, words: PageWords, locale: str) -> str | None:
    if content.status is Status.NOT_YET_VALID and content.valid_from is not None:
        return words.valid_from.format(date=numbers.first_day(content.valid_from, locale))
    until = _day(content.valid_until, locale)
    return words.valid_until.format(date=until) if until else None


def _day(moment: dt.datetime | None, locale: str) -> str | None:
    return numbers.last_day(moment, locale) if moment is not None else None
