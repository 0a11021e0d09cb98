"""This module makes, from a campaign's look, what all of its passes share in any wallet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.campaign import Look, Presentation, Texts
from app.domain.kinds import KINDS
from app.domain.nearby import nearest
from app.store.models import Asset
from app.words import LANGUAGES
from passes import artwork, content
from passes.content import Localized, Text

#: What a phone announces when the marketer's message changes: the message itself.
MESSAGE_FIELD = "news"
NEWS = "%@"


def labelled_in(texts: Mapping[str, str], languages: tuple[str, ...]) -> Text | None:
    """A marketer's texts in every language of the pass; what is missing is the default's."""
    known = texts.get(languages[0]) or next(iter(texts.values()), "")
    return Localized({each: texts.get(each) or known for each in languages}) if known else None


def pictures_of(session: Session, look: Look) -> dict[str, bytes]:
    """The stored pictures that `look` names, by digest."""
    named = [each for each in (look.logo, look.banner) if each is not None]
    if not named:
        return {}
    found = session.execute(select(Asset.sha256, Asset.data).where(Asset.sha256.in_(named)))
    return {row.sha256: row.data for row in found}


def artwork_of(look: Look, name: str, pictures: Mapping[str, bytes]) -> artwork.Artwork:
    """Every size that the wallets want; a campaign without a logo gets its name drawn.

    Args:
        name: the organization's.
        pictures: bytes by digest. One that is not among them is as if the campaign named none, so
            that no holder goes without a pass; `app.services.campaigns.trial` refuses it before.

    Raises:
        passes.errors.PassError: a picture cannot be used; names it and the remedy.
    """
    logo = pictures.get(look.logo or "")
    if logo is None:
        return artwork.monogram(name, background=look.background, foreground=look.foreground)
    return artwork.prepare(
        logo,
        pictures.get(look.banner or ""),
        background=look.background,
        foreground=look.foreground,
    )


def shared_presentation(
    presentation: Presentation,
    *,
    kind: str,
    name: str,
    organization: str,
    artwork: artwork.Artwork,
) -> content.Presentation:
    """A campaign's looks as the wallets' library takes them.

    Args:
        kind, name: the campaign's.
        organization: in whose name a campaign is that names none.

    Raises:
        passes.errors.PassError: no wallet would show it as meant; names the field and the remedy.
    """
    default = presentation.default_language
    languages = (default, *(each for each in presentation.texts if each != default))

    def localized(of: Callable[[Texts], str]) -> Text | None:
        texts = {each: of(presentation.in_language(each)) for each in languages}
        return Localized(texts) if all(texts.values()) else None

    def labelled(texts: Mapping[str, str]) -> Text | None:
        return labelled_in(texts, languages)

    look = presentation.look
    title = localized(lambda each: each.title) or name
    return content.Presentation(
        kind=KINDS[kind].shown_as,
        organization=presentation.organization or organization,
        title=title,
        description=localized(lambda each: each.description) or title,
        offer=localized(lambda each: each.offer),
        languages=languages,
        words={tag: each.wallet for tag, each in LANGUAGES.items()},
        design=content.Design(
            background=look.background,
            foreground=look.foreground,
            label=look.label,
            artwork=artwork,
        ),
        fields=tuple(
            content.Field(
                key=each.key,
                label=labelled(each.label),
                value=value,
                change_message=NEWS if each.key == MESSAGE_FIELD else None,
                slot=content.Slot.FRONT if each.front else content.Slot.DETAILS,
            )
            for each in presentation.fields
            if (value := labelled(each.value)) is not None
        ),
        terms=localized(lambda each: each.terms),
        links=tuple(
            content.Link(label=labelled(each.label) or each.url, url=each.url)
            for each in presentation.links
        ),
        places=tuple(
            content.Place(
                latitude=each.latitude, longitude=each.longitude, text=labelled(each.text)
            )
            for each in nearest(presentation.places, None)
        ),
        holders=(
            content.Holders.ONE_PERSON if KINDS[kind].holds_money else content.Holders.ANYBODY
        ),
    )
