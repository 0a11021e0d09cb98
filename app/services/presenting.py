"""A voucher as a customer sees it: one content for every wallet and page.

What holders see follows the campaign's latest revision; what they were granted is their own
revision's, so a holder whose benefit differs from the newest keeps reading the offer that the till
will honour. A pass's state is the pair (voucher version, campaign version) that was read *before*
it was built; whoever records a delivery records that pair.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session, aliased

from app.domain import codes, overrides
from app.domain.campaign import Authority, BarcodeProfile, Look, Presentation, Source, Texts
from app.domain.codes import Purpose
from app.domain.kinds import KINDS
from app.domain.nearby import MOST_PLACES, nearest
from app.services import campaigns, keys, links, movements
from app.services.deployment import Deployment
from app.store.models import Asset, Campaign, Code, Recipient, Revision, Voucher
from passes import apple, artwork, content
from passes.content import Localized, Money, PassContent, Status, Symbology, Text

#: Templates that a process keeps; one holds a campaign's pictures, some hundreds of kilobytes.
KEPT_TEMPLATES = 64
#: What a phone announces when the marketer's message changes: the message itself.
MESSAGE_FIELD = "news"
NEWS = "%@"
#: The barcodes that every wallet draws.
SYMBOLOGIES = ("qr", "pdf417", "aztec", "code128")

_guard = threading.Lock()
_templates: OrderedDict[tuple[str, int], apple.Template] = OrderedDict()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A voucher with all that its pass is made of, read at one moment."""

    voucher: Voucher
    campaign: Campaign
    #: The revision whose terms the holder keeps.
    own: Revision
    #: The revision that shows.
    latest: Revision
    code: Code | None
    recipient: Recipient | None

    @property
    def serial(self) -> str:
        return codes.serial(self.voucher.public_id)

    @property
    def pair(self) -> tuple[int, int]:
        """The pass's state: (voucher version, campaign version)."""
        return self.voucher.version, self.campaign.version

    @property
    def presentation(self) -> Presentation:
        return campaigns.presentation_of(self.latest)

    @property
    def ends_at(self) -> dt.datetime | None:
        """When the voucher ends, the campaign's override included."""
        return overrides.end_for(self.voucher.ends_at, self.override)

    @property
    def override(self) -> overrides.Override | None:
        """The terms that the campaign sets for all holders."""
        return overrides.read(self.campaign.override, forced=self.campaign.override_forced)

    @property
    def uses(self) -> int | None:
        """How often the voucher may be used, the campaign's override included."""
        if self.campaign.source == Source.SHARED and self.voucher.recipient_id is None:
            return self.voucher.uses
        return overrides.uses_for(self.voucher.uses, self.override)

    def status(self, now: dt.datetime) -> Status:
        """What the voucher is good for at `now`."""
        voucher = self.voucher
        if voucher.status in ("revoked", "deactivated") or voucher.replaced_by_id is not None:
            return Status.WITHDRAWN
        uses = self.uses
        if uses is not None and voucher.used >= uses:
            return Status.USED
        if KINDS[self.campaign.kind].holds_money and voucher.balance_minor == 0:
            return Status.USED
        if voucher.status == "expired" or (self.ends_at is not None and self.ends_at <= now):
            return Status.EXPIRED
        if voucher.starts_at is not None and voucher.starts_at > now:
            return Status.NOT_YET_VALID
        return Status.ACTIVE


def _holdings() -> Select[Voucher, Campaign, Revision, Revision, Code, Recipient]:
    own, latest = aliased(Revision), aliased(Revision)
    return (
        select(Voucher, Campaign, own, latest, Code, Recipient)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .join(own, own.id == Voucher.revision_id)
        .join(latest, (latest.campaign_id == Campaign.id) & (latest.number == Campaign.revision))
        .outerjoin(Code, Code.id == Voucher.code_id)
        .outerjoin(Recipient, Recipient.id == Voucher.recipient_id)
        .where(Voucher.public_id.in_(bindparam("public_ids", expanding=True)))
    )


#: Composed once: composing it takes longer than everything else that a pass needs together.
_HOLDINGS = _holdings()


def find(session: Session, public_id: int) -> Holding | None:
    """The voucher with that public id, with everything its pass is made of; one statement."""
    return next(iter(find_all(session, [public_id])), None)


def find_all(session: Session, public_ids: Sequence[int]) -> list[Holding]:
    """The vouchers with those public ids, in their order, without the ids that nobody has; one
    statement.
    """
    rows = session.execute(_HOLDINGS, {"public_ids": list(public_ids)})
    found = {
        voucher.public_id: Holding(
            voucher=voucher,
            campaign=campaign,
            own=own_revision,
            latest=latest_revision,
            code=code,
            recipient=recipient,
        )
        for voucher, campaign, own_revision, latest_revision, code, recipient in rows
    }
    return [found[public_id] for public_id in public_ids if public_id in found]


def current(session: Session, holding: Holding) -> Holding:
    """The voucher that holds now what this one held: itself, unless it was replaced."""
    while holding.voucher.replaced_by_id is not None:
        public_id = session.scalars(
            select(Voucher.public_id).where(Voucher.id == holding.voucher.replaced_by_id)
        ).one()
        (holding,) = find_all(session, [public_id])
    return holding


def code_text(deployment: Deployment, holding: Holding) -> str | None:
    """The code in clear, for the holder's own eyes."""
    code = holding.code
    if code is None:
        return None
    return deployment.keyring.open(code.sealed, row=code.lookup, key_id=code.key_id)


def pass_content(deployment: Deployment, holding: Holding, *, now: dt.datetime) -> PassContent:
    """The voucher's pass, whichever the wallet."""
    voucher, campaign = holding.voucher, holding.campaign
    presentation = holding.presentation
    shared = template(deployment, holding).presentation
    text = code_text(deployment, holding)
    pin = None
    if holding.code is not None and holding.code.pin is not None:
        pin = deployment.keyring.open(
            holding.code.pin, row=keys.pin_row(holding.code.lookup), key_id=holding.code.key_id
        )
    balance = None
    if KINDS[campaign.kind].holds_money and campaign.currency is not None:
        balance = Money(voucher.balance_minor, campaign.currency)
    offer, terms = _own_words(holding)
    zone = ZoneInfo(campaign.timezone)
    return PassContent(
        presentation=shared,
        serial=holding.serial,
        barcode=_barcode(deployment, holding, presentation, text=text),
        status=holding.status(now),
        valid_from=voucher.starts_at and voucher.starts_at.astimezone(zone),
        valid_until=holding.ends_at and last_moment(holding.ends_at.astimezone(zone)),
        balance=balance,
        offer=offer,
        terms=terms,
        fields=_movements(deployment, holding),
        # A card without a code of its own is known by its serial.
        card_number=(text or holding.serial) if balance is not None else None,
        pin=pin if balance is not None else None,
        places=_own_places(holding),
    )


def _own_places(holding: Holding) -> tuple[content.Place, ...] | None:
    """Of more places than a pass can hold, those nearest to where the recipient lives.

    None leaves the campaign's own. A recipient's `latitude` and `longitude` are attributes that
    the marketer gives.
    """
    presentation, recipient = holding.presentation, holding.recipient
    if recipient is None or len(presentation.places) <= MOST_PLACES:
        return None
    try:
        home = float(recipient.attributes["latitude"]), float(recipient.attributes["longitude"])
    except (KeyError, TypeError, ValueError):
        return None
    default = presentation.default_language
    languages = (default, *(each for each in presentation.texts if each != default))
    return tuple(
        content.Place(
            latitude=each.latitude,
            longitude=each.longitude,
            text=_labelled(each.text, languages),
        )
        for each in nearest(presentation.places, home)
    )


def _labelled(texts: Mapping[str, str], languages: tuple[str, ...]) -> Text | None:
    """A marketer's texts in every language of the pass; what is missing is the default's."""
    known = texts.get(languages[0]) or next(iter(texts.values()), "")
    return Localized({each: texts.get(each) or known for each in languages}) if known else None


def _movements(deployment: Deployment, holding: Holding) -> tuple[content.Field, ...]:
    """What moved on a card lately; nothing for a coupon."""
    campaign = holding.campaign
    if not KINDS[campaign.kind].holds_money or campaign.currency is None:
        return ()
    languages = template(deployment, holding).presentation.languages
    with deployment.database.read() as session:
        found = movements.recent(session, holding.voucher.id)
        newer = current(session, holding).voucher
        address = (newer.public_id, newer.key_id)
    fields = []
    if newer is not holding.voucher:
        page = links.page(deployment.settings, deployment.keyring, [address])
        fields.append(movements.replacement(page, languages=languages))
    field = movements.field(
        found,
        languages=languages,
        currency=campaign.currency,
        zone=ZoneInfo(campaign.timezone),
    )
    return (*fields, field) if field is not None else tuple(fields)


def apple_pass(deployment: Deployment, holding: Holding, *, now: dt.datetime) -> bytes:
    """The signed `.pkpass`, which knows where to fetch itself again.

    Raises:
        CertificateFault: no certificate can sign it.
        passes.errors.PassError: the campaign's content cannot be a pass; names field and remedy.
    """
    built = pass_content(deployment, holding, now=now)
    voucher = holding.voucher
    token = deployment.keyring.token(
        Purpose.APPLE, key_id=voucher.key_id, public_id=voucher.public_id
    )
    base = deployment.settings.base_url
    service = apple.WebService(f"{base}/apple", token, development=base.startswith("http:"))
    return template(deployment, holding).build(
        built, signer=deployment.certificates.signer, now=now, web_service=service
    )


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
        return _labelled(texts, languages)

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


def _barcode(
    deployment: Deployment, holding: Holding, presentation: Presentation, *, text: str | None
) -> content.Barcode:
    voucher = holding.voucher
    # A partner's tills know the partner's codes; ours must not even read them as a token.
    bare = (
        presentation.barcode is BarcodeProfile.CODE
        or holding.campaign.authority == Authority.PARTNER
    )
    if bare and text is not None:
        symbology = Symbology(presentation.symbology.upper())
        return content.Barcode(payload=text, text=text, symbology=symbology)
    token = deployment.keyring.token(
        Purpose.BARCODE, key_id=voucher.key_id, public_id=voucher.public_id
    )
    return content.Barcode(payload=token, text=text)


def last_moment(end: dt.datetime) -> dt.datetime:
    """The last second of a validity that ends with a day, so that a reader sees that day's date.

    Ends are exclusive: what is good through 30 November ends at 0:00 on 1 December.
    """
    midnight = (end.hour, end.minute, end.second) == (0, 0, 0)
    return end - dt.timedelta(seconds=1) if midnight else end


def _own_words(holding: Holding) -> tuple[Text | None, Text | None]:
    """Offer and terms as the holder was given them, where the newest revision grants another
    benefit; else nothing, and the newest words show.
    """
    if holding.own.id == holding.latest.id:
        return None, None
    override = holding.override
    own, latest = (
        overrides.terms_for(campaigns.terms_of(each), override)
        for each in (holding.own, holding.latest)
    )
    if own.benefit == latest.benefit:
        return None, None
    given, shown = campaigns.presentation_of(holding.own), holding.presentation
    languages = (shown.default_language, *shown.texts)
    offer = {each: given.in_language(each).offer for each in languages}
    terms = {each: given.in_language(each).terms for each in languages}
    return (
        Localized(offer) if all(offer.values()) else None,
        Localized(terms) if all(terms.values()) else None,
    )
