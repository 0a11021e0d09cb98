"""Makes what a pass shows: what all of a campaign share, and what is the holder's own.

What is shared is made once for each revision; a process keeps the templates that were used last, by
the bytes of their pictures: its memory does not grow with the campaigns that it ever showed.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from zoneinfo import ZoneInfo

from app.domain import overrides
from app.domain.campaign import Authority, BarcodeProfile, Presentation
from app.domain.codes import Purpose
from app.domain.kinds import KINDS
from app.domain.nearby import MOST_PLACES, nearest
from app.services import campaigns, keys, links, movements
from app.services.campaigns.pictures import prepared
from app.services.campaigns.shared import labelled_in, shared_presentation
from app.services.campaigns.value_texts import own_words
from app.services.deployment import Deployment
from app.services.wallets.holdings import HOME, Holding, code_text, current
from app.store.models import Campaign, Revision
from passes import apple, content
from passes.content import Money, PassContent, Symbology, Text
from passes.symbology import fits

#: Bytes of templates that a process keeps at most; a small campaign's has some tens of thousands,
#: one with the largest pictures two millions.
KEPT_BYTES = 32_000_000

_guard = threading.Lock()
_templates: OrderedDict[tuple[str, int], apple.Template] = OrderedDict()
_kept = 0


def pass_content(deployment: Deployment, holding: Holding, *, now: dt.datetime) -> PassContent:
    """The voucher's pass, whichever the wallet."""
    voucher, campaign = holding.voucher, holding.campaign
    presentation = holding.presentation
    shared = template_for(deployment, holding).presentation
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
        uses=holding.uses_left,
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
        latitude, longitude = (float(recipient.attributes[name]) for name in HOME)
    except (KeyError, TypeError, ValueError):
        return None
    default = presentation.default_language
    languages = (default, *(each for each in presentation.texts if each != default))
    return tuple(
        content.Place(
            latitude=each.latitude,
            longitude=each.longitude,
            text=labelled_in(each.text, languages),
        )
        for each in nearest(presentation.places, (latitude, longitude))
    )


def _movements(deployment: Deployment, holding: Holding) -> tuple[content.Field, ...]:
    """What moved on a card lately; nothing for a coupon."""
    campaign = holding.campaign
    if not KINDS[campaign.kind].holds_money or campaign.currency is None:
        return ()
    languages = template_for(deployment, holding).presentation.languages
    with deployment.database.read() as session:
        found = movements.recent(session, holding.voucher.id)
        # A voucher that was issued anew because something leaked says nothing of the new one.
        leaked = holding.voucher.link_withdrawn_at is not None
        newer = holding.voucher if leaked else current(session, holding).voucher
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


def _barcode(
    deployment: Deployment, holding: Holding, presentation: Presentation, *, text: str | None
) -> content.Barcode:
    voucher = holding.voucher
    # A partner's tills know the partner's codes; ours must not even read them as a token.
    bare = (
        presentation.barcode is BarcodeProfile.CODE
        or holding.campaign.authority == Authority.PARTNER
    )
    payload = text if bare else None
    if payload is None:
        payload = deployment.keyring.token(
            Purpose.BARCODE, key_id=voucher.key_id, public_id=voucher.public_id
        )
    wanted = Symbology(presentation.symbology.upper())
    # What does not fit is refused wherever it comes in; what is there all the same (from before
    # that, or imported while the campaign was edited) is still a pass, drawn as the square that
    # holds everything.
    drawn = wanted if fits(payload, wanted) else Symbology.QR
    return content.Barcode(payload=payload, text=text, symbology=drawn)


def last_moment(end: dt.datetime) -> dt.datetime:
    """The last second of a validity that ends with a day, so that a reader sees that day's date.

    Ends are exclusive: what is good through 30 November ends at 0:00 on 1 December.
    """
    midnight = (end.hour, end.minute, end.second) == (0, 0, 0)
    return end - dt.timedelta(seconds=1) if midnight else end


def _own_words(holding: Holding) -> tuple[Text | None, Text | None]:
    """Offer and terms as the holder was given them, where the newest revision grants another
    benefit, and those that a value by rule wrote itself; else nothing, and the newest words show.
    """
    if holding.own.id == holding.latest.id:
        return None, None
    override = holding.override
    own, latest = (
        overrides.terms_for(campaigns.terms_of(each), override)
        for each in (holding.own, holding.latest)
    )
    same = own.benefit == latest.benefit
    if same and holding.own is holding.base:
        return None, None
    shown = holding.presentation
    languages = (shown.default_language, *shown.texts)
    offer, terms = own_words(campaigns.presentation_of(holding.own), languages)
    if same:
        plain = own_words(campaigns.presentation_of(holding.base), languages)
        return (offer if offer != plain[0] else None, terms if terms != plain[1] else None)
    return offer, terms


def template_for(deployment: Deployment, holding: Holding) -> apple.Template:
    """What every pass of the campaign's latest revision shares, made once for each revision.

    A revision never changes, so neither does its template.
    """
    return template_of(deployment, holding.campaign, holding.latest)


def template_of(deployment: Deployment, campaign: Campaign, latest: Revision) -> apple.Template:
    """As `template_for`, for a campaign of which nobody holds a voucher yet."""
    key = (deployment.settings.database_url, latest.id)
    with _guard:
        found = _templates.get(key)
        if found is not None:
            _templates.move_to_end(key)
            return found
    presentation = campaigns.presentation_of(latest)
    organization = presentation.organization or deployment.settings.organization
    shared = shared_presentation(
        presentation,
        kind=campaign.kind,
        name=campaign.name,
        organization=organization,
        artwork=prepared(
            deployment.database, presentation.look, organization, now=deployment.now()
        ),
    )
    made = apple.Template(shared)
    _keep(key, made)
    return made


def _keep(key: tuple[str, int], made: apple.Template) -> None:
    global _kept
    with _guard:
        if key in _templates:
            return
        _templates[key] = made
        _kept += made.size
        # The newest stays, however large it is.
        while _kept > KEPT_BYTES and len(_templates) > 1:
            _, old = _templates.popitem(last=False)
            _kept -= old.size
