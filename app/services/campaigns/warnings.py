"""A warning says what holders will not see as it may be meant, before it is applied.

A warning refuses nothing. It names the place, the measure and what to write, as a fault does.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.campaign import Presentation, Texts
from app.domain.kinds import KINDS
from app.services.campaigns.file.draft import DocumentFault
from app.services.campaigns.value_rules import read_rules
from app.services.campaigns.value_texts import grants_of
from app.words import LANGUAGES, speaks, words_in
from passes.preview.room import shown_fields, shown_offer, shown_title
from passes.wording import spoken

#: Characters that Google Wallet shows whatever the phone: of titles and of fields by its guidelines
#: for passes (2026), of an offer and of the issuer's name by its API's descriptions.
GOOGLE_TITLE = 46
GOOGLE_OFFER = 20
GOOGLE_NAME = 20
GOOGLE_LABEL = 19
GOOGLE_VALUE = 14
GOOGLE_LINKS = 4
#: Stands for the end of a validity, which takes its room on an iPhone's front: as wide as any.
_END = dt.datetime(2026, 11, 28, 23, 59, 59, tzinfo=dt.UTC)


def warnings_of(
    presentation: Presentation, *, kind: str, rules: Mapping[str, Any] | None = None
) -> list[DocumentFault]:
    """Return what to look at twice in how a campaign looks and reads, each with its place.

    Args:
        kind: the campaign's; a gift card shows its balance where a coupon shows its offer.
        rules: as they are stored; values by rule may have words of their own.
    """
    return [
        *_of_languages(presentation),
        *_of_name(presentation),
        *_of_texts(presentation, coupon=not KINDS[kind].holds_money),
        *_of_fields(presentation),
        *_of_links(presentation),
        *_of_rules(rules),
    ]


def _of_languages(presentation: Presentation) -> Iterator[DocumentFault]:
    for language in presentation.texts:
        if not speaks(language):
            known = ", ".join(sorted(LANGUAGES))
            yield DocumentFault(
                f"texts.{language}",
                "has no labels and states of the pass in its language: “Valid until”, “Used” and"
                " their like will be in English there.",
                f"Keep it so, or write the campaign in one of {known}.",
            )


def _of_name(presentation: Presentation) -> Iterator[DocumentFault]:
    yield from _cut("organization", presentation.organization, None, GOOGLE_NAME)


def _of_texts(presentation: Presentation, *, coupon: bool) -> Iterator[DocumentFault]:
    for language, texts in presentation.texts.items():
        at = f"texts.{language}"
        yield from _cut(f"{at}.title", texts.title, shown_title(texts.title), GOOGLE_TITLE)
        if coupon:
            yield from _of_offer(at, texts)


def _of_offer(at: str, texts: Texts) -> Iterator[DocumentFault]:
    yield from _cut(f"{at}.offer", texts.offer, shown_offer(texts.offer), GOOGLE_OFFER)


def _of_fields(presentation: Presentation) -> Iterator[DocumentFault]:
    """Fields on the front, which stand beside the end of the validity; details have room."""
    front = [(at, each) for at, each in enumerate(presentation.fields) if each.front]
    default = presentation.default_language
    for language in presentation.texts:

        def said(texts: Mapping[str, str], language: str = language) -> str:
            return texts.get(language) or texts.get(default) or next(iter(texts.values()), "")

        label = words_in(language).wallet.valid_until
        rows = [(said(each.label), said(each.value)) for _, each in front]
        shown = shown_fields([(label, spoken(_END, language, default)), *rows])[1:]
        for (at, each), row, seen in zip(front, rows, shown, strict=True):
            for name, text, phone, google in (
                ("label", row[0], seen[0], GOOGLE_LABEL),
                ("value", row[1], seen[1], GOOGLE_VALUE),
            ):
                # A text that stands in for a missing language is warned of in its own.
                if getattr(each, name).get(language):
                    yield from _cut(f"fields.{at}.{name}.{language}", text, phone, google)


def _of_links(presentation: Presentation) -> Iterator[DocumentFault]:
    if len(presentation.links) > GOOGLE_LINKS:
        yield DocumentFault(
            "links",
            f"has {len(presentation.links)} links; Google shows {GOOGLE_LINKS}.",
            "Put the most important ones first, or leave some out.",
        )


def _of_rules(rules: Mapping[str, Any] | None) -> Iterator[DocumentFault]:
    for at, grant in grants_of(read_rules(rules)):
        if grant.benefit is not None:
            for language, texts in grant.texts.items():
                yield from _of_offer(f"{at}.texts.{language}", texts)


def _cut(at: str, text: str, phone: str | None, google: int) -> Iterator[DocumentFault]:
    """Warn of a text of which a wallet shows only the beginning.

    Args:
        phone: the text as an iPhone shows it; None where it draws it as small as it must.
        google: how many characters Google shows.
    """
    found = []
    if phone is not None and phone != text:
        found.append(f"an iPhone shows about {len(phone) - 1}")
    if len(text) > google:
        found.append(f"Google shows {google}")
    if found:
        yield DocumentFault(
            at,
            f"has {len(text)} characters; {', and '.join(found)}.",
            "Shorten it, or begin with what matters.",
        )
