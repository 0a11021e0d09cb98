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
from app.services.presenting import Holding
from app.web.links import numbers
from app.web.links.wording import WORDS, Words
from passes import barcode
from passes.content import Field, PassContent, Slot, Status, Symbology, Text
from passes.text import in_language
from passes.wording import spoken


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
    has_logo: bool
    has_banner: bool
    colours: tuple[str, str, str]


def card(
    holding: Holding,
    content: PassContent,
    *,
    token: str,
    words: Words,
    locale: str,
    language: str,
) -> Card:
    """The voucher of `holding`, whose pass is `content`.

    Args:
        locale: how dates and money are written; the page's language, with a region if known.
        language: the one of the campaign's languages that its texts are taken from.
    """
    presentation = content.presentation
    default = presentation.language

    def say(text: Text | None) -> str | None:
        return None if text is None else in_language(text, language, default)

    def line(field: Field) -> tuple[str, str]:
        value = spoken(field.value, language, default, show_time=field.show_time)
        return say(field.label) or "", value

    every = (*presentation.fields, *content.fields)
    spent = content.status.spent
    shown = None
    if content.barcode is not None and not spent:
        shown = drawing(content.barcode.payload, content.barcode.symbology)
    design = presentation.design
    title = say(presentation.title) or ""
    description = say(presentation.description)
    look = holding.presentation.look
    return Card(
        token=token,
        language=language,
        organization=presentation.organization,
        title=title,
        offer=say(content.offer or presentation.offer),
        balance=numbers.money(content.balance, locale) if content.balance else None,
        description=description if description != title else None,
        validity=_validity(content, words, locale),
        notice=notice(content, words, locale),
        spent=spent,
        barcode=shown,
        code=content.barcode.text if content.barcode is not None and not spent else None,
        holds_money=content.balance is not None,
        pin=None if spent else content.pin,
        partner=holding.campaign.authority == Authority.PARTNER,
        fields=tuple(line(each) for each in every if each.slot is not Slot.DETAILS),
        details=tuple(line(each) for each in every if each.slot is Slot.DETAILS),
        terms=say(content.terms or presentation.terms),
        links=tuple((say(each.label) or each.url, each.url) for each in presentation.links),
        has_logo=look.logo is not None,
        has_banner=design.artwork is not None and design.artwork.has_banner,
        colours=(design.background, design.foreground, design.label_colour),
    )


def notice(content: PassContent, words: Words, locale: str) -> Notice | None:
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
        case _:
            return None


def drawing(payload: str, symbology: Symbology) -> Shown:
    """A barcode as SVG to put into a page: black on white whatever the page's colours."""
    wide = not symbology.square
    return Shown(drawing=Markup(barcode.svg(payload, symbology)), wide=wide)  # noqa: S704 - ours


def phone_code(address: str) -> Markup:
    """The QR that opens `address` on a phone."""
    return drawing(address, Symbology.QR).drawing


def colours(cards: Sequence[Card]) -> str:
    """The style block that gives each card its campaign's colours; checked colours only."""
    return "".join(
        f".pass-{number}{{--pass:{ground};--ink:{ink};--faint:{faint}}}"
        for number, (ground, ink, faint) in enumerate(each.colours for each in cards)
    )


def languages(current: str) -> list[tuple[str, str, bool]]:
    """The languages to choose from: tag, own name, whether it is the current one."""
    return [(tag, words.name, tag == current) for tag, words in WORDS.items()]


def _validity(content: PassContent, words: Words, locale: str) -> str | None:
    if content.status is Status.NOT_YET_VALID and content.valid_from is not None:
        return words.valid_from.format(date=numbers.first_day(content.valid_from, locale))
    until = _day(content.valid_until, locale)
    return words.valid_until.format(date=until) if until else None


def _day(moment: dt.datetime | None, locale: str) -> str | None:
    return numbers.last_day(moment, locale) if moment is not None else None
