"""What every pass of a campaign shares: made once for each revision, and tried out before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

from babel import Locale, UnknownLocaleError
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.campaign import Look, Presentation, Texts
from app.domain.kinds import KINDS
from app.domain.nearby import nearest
from app.services import campaigns
from app.services.deployment import Deployment
from app.services.presenting.holdings import Holding
from app.store.models import Asset, Campaign, Revision
from passes import apple, artwork, content
from passes.content import Localized, Text

#: Templates that a process keeps; one holds a campaign's pictures, some hundreds of kilobytes.
KEPT_TEMPLATES = 64


#: What a phone announces when the marketer's message changes: the message itself.
MESSAGE_FIELD = "news"


NEWS = "%@"


#: The barcodes that every wallet draws.
SYMBOLOGIES = ("qr", "pdf417", "aztec", "code128")


_guard = threading.Lock()


_templates: OrderedDict[tuple[str, int], apple.Template] = OrderedDict()


def labelled_in(texts: Mapping[str, str], languages: tuple[str, ...]) -> Text | None:
    """A marketer's texts in every language of the pass; what is missing is the default's."""
    known = texts.get(languages[0]) or next(iter(texts.values()), "")
    return Localized({each: texts.get(each) or known for each in languages}) if known else None


def template(deployment: Deployment, holding: Holding) -> apple.Template:
    """What every pass of the campaign's latest revision shares, made once for each revision.

    A revision never changes, so neither does its template; the newest few are kept.
    """
    return template_of(deployment, holding.campaign, holding.latest)


def template_of(deployment: Deployment, campaign: Campaign, latest: Revision) -> apple.Template:
    """As `template`, for a campaign of which nobody holds a voucher yet."""
    key = (deployment.settings.database_url, latest.id)
    with _guard:
        found = _templates.get(key)
        if found is not None:
            _templates.move_to_end(key)
            return found
    with deployment.database.read() as session:
        shared = _shared_presentation(
            session,
            campaign,
            campaigns.presentation_of(latest),
            organization=deployment.settings.organization,
        )
    made = apple.Template(shared)
    with _guard:
        _templates[key] = made
        while len(_templates) > KEPT_TEMPLATES:
            _templates.popitem(last=False)
    return made


def try_out(
    session: Session, campaign: Campaign, presentation: Presentation, *, organization: str
) -> None:
    """Make once what every pass would share under `presentation`, and throw it away.

    Args:
        organization: the deployment's, for a campaign that names none.

    Raises:
        ValueError: no pass could be made of it; a `passes.errors.PassError` names the field.
    """
    default = presentation.default_language
    for language in dict.fromkeys((default, *presentation.texts)):
        try:
            Locale.parse(language, sep="-")
        except (UnknownLocaleError, ValueError):
            raise ValueError(f"{language!r} is no language: write a tag such as fr.") from None
    if default not in presentation.texts:
        raise ValueError(f"There are no texts in the default language {default!r}: add them.")
    if presentation.symbology not in SYMBOLOGIES:
        raise ValueError(f"symbology is none of {', '.join(SYMBOLOGIES)}: use one of them.")
    shared = _shared_presentation(session, campaign, presentation, organization=organization)
    apple.Template(shared)


def _shared_presentation(
    session: Session, campaign: Campaign, presentation: Presentation, *, organization: str
) -> content.Presentation:
    default = presentation.default_language
    languages = (default, *(each for each in presentation.texts if each != default))

    def localized(of: Callable[[Texts], str]) -> Text | None:
        texts = {each: of(presentation.in_language(each)) for each in languages}
        return Localized(texts) if all(texts.values()) else None

    def labelled(texts: Mapping[str, str]) -> Text | None:
        return labelled_in(texts, languages)

    organization = presentation.organization or organization
    look = presentation.look
    pictures = {
        asset.sha256: asset.data
        for asset in session.scalars(
            select(Asset).where(Asset.sha256.in_([look.logo or "", look.banner or ""]))
        )
    }
    title = localized(lambda each: each.title) or campaign.name
    return content.Presentation(
        kind=KINDS[campaign.kind].name,
        organization=organization,
        title=title,
        description=localized(lambda each: each.description) or title,
        offer=localized(lambda each: each.offer),
        languages=languages,
        design=content.Design(
            background=look.background,
            foreground=look.foreground,
            label=look.label,
            artwork=_artwork(look, organization, pictures),
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
            content.Holders.ONE_PERSON
            if KINDS[campaign.kind].holds_money
            else content.Holders.ANYBODY
        ),
    )


def _artwork(look: Look, name: str, pictures: Mapping[str, bytes]) -> artwork.Artwork:
    """Every size that the wallets want; a campaign without a logo gets its name drawn."""
    logo = pictures.get(look.logo or "")
    if logo is None:
        return artwork.monogram(name, background=look.background, foreground=look.foreground)
    return artwork.prepare(
        logo,
        pictures.get(look.banner or ""),
        background=look.background,
        foreground=look.foreground,
    )
