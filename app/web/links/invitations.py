"""`/c/<campaign>/<invitation>`: an offer for one recipient, which a tap turns into a voucher.

GET shows the offer, with what a campaign's rules would give this recipient; POST issues just that,
once however often it is sent, and leads to the voucher's page.
The address is all it takes, so there is no session to ride on; a POST that a browser says comes
from another site is answered with the offer instead, so that nobody is made to accept by a trick.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from app.domain.campaign import Authority
from app.domain.codes import Purpose
from app.domain.kinds import KINDS
from app.domain.values import Why
from app.services import campaigns, invitations
from app.services.campaigns.value_texts import own_words
from app.services.invitations import (
    Accepted,
    InvitationReason,
    Offer,
)
from app.services.wallets.content import last_moment, template_of
from app.web import deployment
from app.web.links import answers, numbers, pages
from app.web.links.visitors import visitor
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem
from app.words import LANGUAGES
from passes.content import Money
from passes.language import regional

blueprint = Blueprint("invitations", __name__)


@blueprint.get("/c/<campaign>/<invitation>")
def show(campaign: str, invitation: str) -> BaseResponse:
    """The offer as a page; the voucher's page once it was accepted."""
    return _shown(_found(campaign, invitation))


@blueprint.post("/c/<campaign>/<invitation>")
def accept(campaign: str, invitation: str) -> BaseResponse:
    """Issue the voucher, or find the one that was issued, and go to its page.

    The form's `offer` says what its page showed; what has changed since is shown again instead of
    issued.
    """
    # Read first: what is not genuine never takes the writer's turn from the tills.
    found = _found(campaign, invitation)
    if _from_elsewhere():
        return redirect(request.path, 303)
    if found.taken is not None:
        return _onward(found.taken)
    if not found.open:
        raise _ended()
    house = deployment()
    with house.database.write() as session:
        outcome = invitations.accept(
            session,
            house.keyring,
            campaign,
            invitation,
            now=house.now(),
            shown=request.form.get("offer"),
        )
    if outcome is None:
        raise answers.unknown()
    if isinstance(outcome, Accepted):
        return _onward(outcome.voucher)
    match outcome.reason:
        case InvitationReason.ENDED:
            raise _ended()
        case InvitationReason.SOLD_OUT:
            raise _sold_out()
        case InvitationReason.NOTHING:
            return _nothing(found, status=409)
    return _shown(_found(campaign, invitation), changed=True)


@blueprint.get("/c/<campaign>/<invitation>/<any(logo, banner):name>.png")
def picture(campaign: str, invitation: str, name: str) -> Response:
    """The campaign's logo or banner."""
    found = _found(campaign, invitation)
    source = found.promise or found
    template = template_of(deployment(), source.campaign, source.latest)
    return answers.picture(template.presentation.design.artwork, name)


def _found(campaign: str, invitation: str) -> Offer:
    house = deployment()
    keyring = house.keyring
    with house.database.read() as session:
        found = invitations.offer(session, keyring, campaign, invitation, now=house.now())
    if found is None:
        raise answers.unknown()
    return found


def _shown(found: Offer, *, changed: bool = False) -> BaseResponse:
    """The page of what an invitation gives at this moment."""
    if found.taken is not None:
        return _onward(found.taken)
    if not found.open:
        raise _ended()
    if found.why is Why.NO_CODE:
        raise _sold_out()
    status = 409 if changed else 200
    if found.promise is None:
        return _nothing(found, status=status)
    house = deployment()
    guest = visitor(request)
    own = found.invitation.language
    promise, campaign = found.promise, found.promise.campaign
    presentation = template_of(house, campaign, promise.latest).presentation
    spoken = presentation.languages
    language = answers.spoken(guest, spoken, own=own)
    words = LANGUAGES[language.page].page
    locale = regional(language.page, guest.wanted(own=own))
    amount = None
    if KINDS[campaign.kind].holds_money and promise.terms.amount_minor and campaign.currency:
        amount = Money(promise.terms.amount_minor, campaign.currency)
    expires_at = found.invitation.expires_at.astimezone(ZoneInfo(found.campaign.timezone))
    offer, terms = own_words(promise.presentation, spoken)
    card = pages.offer_card(
        presentation,
        offer=offer,
        terms=terms,
        amount=amount,
        has_logo=promise.presentation.look.logo is not None,
        partner=campaign.authority == Authority.PARTNER,
        locale=locale,
        language=language.among(spoken),
        pictures=request.path,
        validity=words.offer_until.format(date=numbers.last_day(last_moment(expires_at), locale)),
    )
    html = answers.page(
        "offer.html", language=language, cards=(card,), mark=promise.mark, changed=changed
    )
    return answers.private(Response(html, status, mimetype="text/html"), cards=(card,))


def _nothing(found: Offer, *, status: int) -> Response:
    """The page for whom there is nothing, for whatever reason: it tells nobody which."""
    house = deployment()
    language = answers.spoken(visitor(request), own=found.invitation.language)
    presentation = campaigns.presentation_of(found.latest)
    html = answers.page(
        "message.html",
        language=language,
        title=LANGUAGES[language.page].page.nothing,
        text=LANGUAGES[language.page].page.nothing_more,
        again=None,
        organization=presentation.organization or house.settings.organization,
    )
    return answers.private(Response(html, status, mimetype="text/html"))


def _onward(voucher: tuple[int, int]) -> BaseResponse:
    public_id, key_id = voucher
    token = deployment().keyring.token(Purpose.LINK, key_id=key_id, public_id=public_id)
    answer = redirect(f"/p/{token}", 303)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


def _from_elsewhere() -> bool:
    """Whether a browser says that another site sent this (Fetch Metadata, W3C; RFC 6454).

    Our pages send no referrer, so their own POST carries the origin "null", as may others'; the
    newer header tells them apart.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin", "null")
    return origin != "null" and urlsplit(origin).netloc != request.host


def _sold_out() -> Problem:
    return Problem(ProblemCode.SOLD_OUT)


def _ended() -> Problem:
    return Problem(
        ProblemCode.OFFER_ENDED,
        cause="The offer or its campaign has ended.",
        remedy="Send a new invitation, or set the campaign live.",
    )
