"""Vouchers: issued, offered by invitation, taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal

from flask import Response
from pydantic import BaseModel, Field, StringConstraints

from app.domain import codes
from app.domain.values import Why
from app.services import (
    invitations,
    issuance,
    links,
    permissions,
)
from app.services.access import Scope
from app.services.invitations import Invitation, InvitationFault
from app.services.issuance import (
    IssueFault,
    Left,
    Outcome,
    Person,
    Wanted,
)
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.fields import Moment, Name
from app.web.marketing.door import (
    Attribute,
    Body,
    CampaignPath,
    answered,
    blueprint,
    refused,
)
from app.web.problem_codes import ProblemCode
from app.web.problems import FaultyMember, Problem

#: What is said of a recipient.
_SAID = {"external_id", "language", "birth_date", "segment", "score", "attributes"}


class RecipientBody(Body):
    """The person a voucher is for; what is left out stays as it is stored."""

    external_id: Name = Field(description="Your own id of the person")
    language: str | None = Field(None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    birth_date: dt.date | None = None
    segment: Annotated[str, StringConstraints(max_length=200)] | None = None
    score: Annotated[int, Field(ge=-(10**15), le=10**15)] | None = None
    attributes: Annotated[dict[str, Attribute], Field(max_length=50)] = Field({})

    def person(self) -> Person:
        """The person; what a key that is bound says of them counts for what it asks alone."""
        shared = permissions.speaks_for_all(access.client())
        return Person(**self.model_dump(include=_SAID), shared=shared)


class VoucherBody(Body):
    """A voucher that should exist."""

    recipient: RecipientBody | None = Field(None, description="Left out: it belongs to nobody yet")
    occasion: Annotated[str, StringConstraints(max_length=200)] = Field(
        "",
        description="Why; one voucher for each recipient and occasion. A campaign for birthdays "
        "says it itself: leave it out",
    )
    variant: Annotated[str, StringConstraints(max_length=64)] | None = None
    sent_at: Moment | None = Field(
        None, description="When its message goes out, for validity counted from sending"
    )


class IssueBody(Body):
    """Vouchers of one campaign."""

    campaign: Name
    vouchers: Annotated[list[VoucherBody], Field(min_length=1, max_length=10_000)]


class IssuedBody(BaseModel):
    """A voucher, issued now or before."""

    serial: str
    external_id: str | None
    occasion: str
    wallet_link: str
    fresh: bool = Field(description="Whether this request issued it")


class RefusedBody(BaseModel):
    """Somebody who is given nothing, and why."""

    external_id: str | None
    occasion: str
    code: Literal["recipient_forgotten", "not_due", "no_birthday"] = "recipient_forgotten"
    cause: str = issuance.FORGOTTEN


_CODES: dict[Why, Literal["not_due", "no_birthday"]] = {
    Why.NOT_DUE: "not_due",
    Why.NO_BIRTHDAY: "no_birthday",
}


class IssueAnswer(BaseModel):
    """What was issued, in the order asked; the last `missing` got none."""

    vouchers: list[IssuedBody]
    missing: int = Field(description="Codes that are lacking")
    refused: list[RefusedBody] = Field(
        [], description="Those who got none for another reason, which are left out above"
    )
    codes_left: int | None = Field(description="Set when the campaign's stock is low")


class InviteeBody(Body):
    """Somebody who is invited; what is said of them is stored when they accept."""

    external_id: Name = Field(description="Your own id of the person")
    language: str | None = Field(None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    attributes: Annotated[dict[str, Attribute], Field(max_length=50)] = Field({})


class InviteBody(Body):
    """Whom an offer is for."""

    recipients: Annotated[list[InviteeBody], Field(min_length=1, max_length=10_000)]
    occasion: Annotated[str, StringConstraints(max_length=200)] = Field(
        "",
        description="Why; one voucher for each recipient and occasion. A campaign for birthdays "
        "says it itself: leave it out",
    )
    days: Annotated[int, Field(ge=1, le=3660)] = Field(
        30, description="Days after today through which the offer can be accepted"
    )


class InvitedBody(BaseModel):
    """A link to the offer, for one recipient."""

    external_id: str
    invitation_link: str


class InviteAnswer(BaseModel):
    """The invitations, in the order asked; nothing is issued before one is accepted."""

    invitations: list[InvitedBody]
    expires_at: dt.datetime
    refused: list[RefusedBody] = Field(
        [], description="Those whom an invitation would not serve, which are left out above"
    )


class WithdrawBody(Body):
    """What to take back."""

    what: Literal["link", "voucher"] = Field(
        "link", description="The link alone, or the voucher with its pass"
    )
    reason: Annotated[str, StringConstraints(max_length=200)] | None = None


class WithdrawnBody(BaseModel):
    """What became of a voucher, or a link, that was to be taken back."""

    serial: str = Field(description="As it was asked for")
    voucher: str = Field(description="What the voucher is called now, if it was issued anew")
    withdrawn: Literal["link", "voucher"] | None = Field(
        description="What is withdrawn, now or before; null: it was over already"
    )
    changed: bool = Field(description="Whether this request did it")
    left: Left | None = Field(description="Why it was left: redeemed, expired or withdrawn before")


class VoucherPath(BaseModel):
    """A voucher's serial."""

    serial: str


@blueprint.post("/vouchers", responses={"200": IssueAnswer})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
def issue_vouchers(body: IssueBody) -> Response:
    """Issue vouchers, each once for its recipient, campaign and occasion.

    Somebody who was forgotten gets none and is not stored, a campaign for birthdays gives none to
    whose birthday is not due or not known, and `refused` says so; a request for such alone is
    refused.
    """
    access.giving(body.campaign)
    house = deployment()
    wanted = [
        Wanted(
            person=item.recipient.person() if item.recipient else None,
            occasion=item.occasion,
            variant=item.variant,
            sent_at=item.sent_at,
        )
        for item in body.vouchers
    ]
    outcome = Outcome()
    try:
        issuance.refuse_occasions(house, body.campaign, {item.occasion for item in body.vouchers})
        issued = [
            IssuedBody(
                serial=codes.serial(item.public_id),
                external_id=item.external_id,
                occasion=item.occasion,
                wallet_link=links.page(
                    house.settings, house.keyring, [(item.public_id, item.key_id)]
                ),
                fresh=item.fresh,
            )
            for batch in issuance.issue_many(house, body.campaign, wanted, outcome)
            for item in batch.issued
        ]
    except IssueFault as fault:
        raise refused(fault) from None
    refused_ = _refused(outcome.forgotten)
    if refused_ and not issued:
        raise _forgotten()
    refused_ += [
        RefusedBody(
            external_id=late.external_id, occasion="", code=_CODES[late.why], cause=late.cause
        )
        for late in outcome.not_due
    ]
    if refused_ and not issued and not outcome.missing:
        raise Problem(
            ProblemCode[refused_[0].code.upper()],
            cause=refused_[0].cause,
        )
    low = outcome.stock is not None and outcome.stock.low
    return answered(
        IssueAnswer(
            vouchers=issued,
            missing=outcome.missing,
            refused=refused_,
            codes_left=outcome.stock.left if low and outcome.stock else None,
        )
    )


@blueprint.post("/campaigns/<key>/invitations", responses={"200": InviteAnswer})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
def invite(path: CampaignPath, body: InviteBody) -> Response:
    """Make links with which each recipient can take one voucher of the campaign, once."""
    access.giving(path.key)
    house = deployment()
    now, keyring = house.now(), house.keyring
    try:
        with house.database.read() as session:
            expires_at = invitations.expiry(
                session, path.key, days=body.days, now=now, occasion=body.occasion
            )
            names = {item.external_id for item in body.recipients}
            gone = invitations.forgotten(session, keyring, path.key, names, body.occasion)
    except InvitationFault:
        raise access.unknown("campaign") from None
    except IssueFault as fault:
        raise refused(fault) from None
    if names == gone:
        raise _forgotten()
    invited = []
    for place, item in enumerate(body.recipients):
        if item.external_id in gone:
            continue
        invitation = Invitation(
            external_id=item.external_id,
            occasion=body.occasion,
            language=item.language,
            attributes=item.attributes,
            shared=permissions.speaks_for_all(access.client()),
            expires_at=expires_at,
            made_at=now,
        )
        try:
            link = invitations.link(house.settings, keyring, path.key, invitation)
        except InvitationFault as fault:
            raise Problem(
                ProblemCode.NOT_INVITED,
                cause="A recipient cannot be invited.",
                remedy="Mend what `errors` names; nobody was invited.",
                errors=[FaultyMember(at=f"recipients.{place}", cause=str(fault))],
            ) from None
        invited.append(InvitedBody(external_id=item.external_id, invitation_link=link))
    refused_ = [RefusedBody(external_id=name, occasion=body.occasion) for name in sorted(gone)]
    return answered(InviteAnswer(invitations=invited, expires_at=expires_at, refused=refused_))


@blueprint.post("/vouchers/<serial>/withdraw", responses={"200": WithdrawnBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
def withdraw(path: VoucherPath, body: WithdrawBody) -> Response:
    """Take back a link that went astray, or the voucher itself.

    The serial may be one that the voucher had before it was issued anew. What is over is left, and
    the answer says so; what a till holds is refused.
    """
    house, only = deployment(), access.client().campaigns
    if body.what == "link":
        done = issuance.withdraw_link(house, path.serial, only=only)
    else:
        (done,) = issuance.withdraw(house, [path.serial], reason=body.reason, only=only)
    if done.left is Left.UNKNOWN:
        raise access.unknown("voucher")
    if done.left is Left.HELD:
        raise Problem(ProblemCode.HELD_BY_A_TILL)
    return answered(
        WithdrawnBody(
            serial=done.serial,
            voucher=done.now,
            withdrawn=body.what if done.left in (None, Left.WITHDRAWN) else None,
            changed=done.left is None,
            left=done.left,
        )
    )


def _refused(wanted: Sequence[Wanted]) -> list[RefusedBody]:
    return [
        RefusedBody(external_id=each.person.external_id, occasion=each.occasion)
        for each in wanted
        if each.person is not None
    ]


def _forgotten() -> Problem:
    return Problem(
        ProblemCode.RECIPIENT_FORGOTTEN, cause=issuance.FORGOTTEN, remedy=issuance.COME_BACK
    )
