"""Invitations: links with which recipients take a voucher themselves."""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import AwareDatetime, BaseModel, Field

from app.services import invitations, issuance, permissions
from app.services.access import Scope
from app.services.invitations import Invitation, InvitationFault
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.description import example, fails_with
from app.web.fields import Name, Occasion
from app.web.marketing.door import Body, CampaignPath, answered, part
from app.web.marketing.recipients import Attributes, Language
from app.web.marketing.vouchers import FORGOTTEN, RefusedBody, forgotten
from app.web.problem_codes import ProblemCode
from app.web.problems import FaultyMember, Problem


class InviteeBody(Body):
    """Somebody who is invited; what is said of them is stored when they accept."""

    external_id: Name = Field(description="Your own id of the person")
    language: Language | None = Field(
        None, description="Tag of the language in which they read (BCP 47), such as fr or pt-BR"
    )
    attributes: Attributes = Field(
        {}, description="What else rules, messages and passes may use, by names of your own"
    )


class InviteBody(Body):
    """Whom an offer is for."""

    model_config = example(
        recipients=[
            {"external_id": "customer-4711", "language": "fr"},
            {"external_id": "customer-4712"},
        ],
        occasion="newsletter-june",
        days=14,
    )

    recipients: Annotated[list[InviteeBody], Field(min_length=1, max_length=10_000)] = Field(
        description="One entry for each person"
    )
    occasion: Occasion = Field(
        "",
        description="Why; one voucher for each recipient and occasion. A campaign for birthdays "
        "says it itself: leave it out",
    )
    days: Annotated[int, Field(ge=1, le=3660)] = Field(
        30, description="Days after today through which the offer can be accepted"
    )


class InvitedBody(BaseModel):
    """A link to the offer, for one recipient."""

    external_id: str = Field(description="Your own id of the person")
    invitation_link: str = Field(
        description="Address at which the recipient takes the offer; a secret of theirs"
    )


class InviteAnswer(BaseModel):
    """The invitations, in the order asked; nothing is issued before one is accepted."""

    model_config = example(
        invitations=[
            {
                "external_id": "customer-4711",
                "invitation_link": "https://pass.example.com/c/summer?i=AQB…",
            }
        ],
        expires_at="2026-06-15T22:00:00Z",
        refused=[
            {
                "external_id": "customer-4712",
                "occasion": "newsletter-june",
                "code": FORGOTTEN,
                "cause": issuance.FORGOTTEN,
            }
        ],
    )

    invitations: list[InvitedBody] = Field(description="The links, in the order asked")
    expires_at: AwareDatetime = Field(description="Until when the offer can be accepted")
    refused: list[RefusedBody] = Field(
        description="Those whom an invitation would not serve, which are left out above"
    )


blueprint = part("invitations", "Links with which recipients take a voucher themselves")


@blueprint.post("/campaigns/<key>/invitations", responses={200: InviteAnswer})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@fails_with(
    ProblemCode.CAMPAIGN_UNKNOWN,
    ProblemCode.CAMPAIGN_KEY_REFUSED,
    ProblemCode.NOT_ISSUED,
    ProblemCode.NOT_INVITED,
    ProblemCode.RECIPIENT_FORGOTTEN,
)
def invite_recipients(path: CampaignPath, body: InviteBody) -> Response:
    """Make links with which each recipient can take one voucher of the campaign, once.

    For mailings whose readers decide whether they want the offer: up to 10,000 links in one
    request. Nothing is stored and nothing is issued before somebody accepts; what the campaign's
    rules give is decided then, too.
    """
    access.giving(path.key)
    house = deployment()
    now, keyring = house.now(), house.keyring
    with house.database.read() as session:
        expires_at = invitations.expiry(
            session, path.key, days=body.days, now=now, occasion=body.occasion
        )
        names = {item.external_id for item in body.recipients}
        gone = invitations.forgotten(session, keyring, path.key, names, body.occasion)
    if names == gone:
        raise forgotten()
    shared = permissions.speaks_for_all(access.client())
    invited = []
    for place, item in enumerate(body.recipients):
        if item.external_id in gone:
            continue
        invitation = Invitation(
            external_id=item.external_id,
            occasion=body.occasion,
            language=item.language,
            attributes=item.attributes,
            shared=shared,
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
    return answered(
        InviteAnswer(
            invitations=invited,
            expires_at=expires_at,
            refused=[
                RefusedBody(
                    external_id=name,
                    occasion=body.occasion,
                    code=FORGOTTEN,
                    cause=issuance.FORGOTTEN,
                )
                for name in sorted(gone)
            ],
        )
    )
