"""Vouchers: issued, each once for its recipient, campaign and occasion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from flask import Response
from pydantic import BaseModel, Field, StringConstraints

from app.domain import codes
from app.domain.values import Why
from app.services import issuance, links
from app.services.access import Scope
from app.services.issuance import IssueOutcome, VoucherRequest
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.description import example, fails_with
from app.web.fields import Moment, Name, Occasion
from app.web.marketing.door import Body, answered, one_of, part
from app.web.marketing.recipients import RecipientBody
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem


class VoucherBody(Body):
    """A voucher that should exist."""

    recipient: RecipientBody | None = Field(None, description="Left out: it belongs to nobody yet")
    occasion: Occasion = Field(
        "",
        description="Why; one voucher for each recipient and occasion. A campaign for birthdays "
        "says it itself: leave it out",
    )
    variant: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None, description="The variant of a test of your own, by which reports tell it apart"
    )
    sent_at: Moment | None = Field(
        None, description="When its message goes out, for validity counted from sending"
    )


class IssueBody(Body):
    """Vouchers of one campaign."""

    model_config = example(
        campaign="summer",
        vouchers=[
            {"recipient": {"external_id": "customer-4711", "language": "fr"}},
            {"recipient": {"external_id": "customer-4712"}, "occasion": "complaint-31"},
        ],
    )

    campaign: Name = Field(description="The campaign's key")
    vouchers: Annotated[list[VoucherBody], Field(min_length=1, max_length=10_000)] = Field(
        description="One entry for each voucher"
    )


class IssuedBody(BaseModel):
    """A voucher, issued now or before."""

    serial: str = Field(description="The voucher's serial number, 16 hexadecimal digits")
    external_id: str | None = Field(
        description="Your own id of the recipient; null: it belongs to nobody yet"
    )
    occasion: str = Field(description="Why it was issued")
    wallet_link: str = Field(
        description="Address at which the recipient adds the pass to a wallet; a secret of theirs"
    )
    fresh: bool = Field(description="Whether this request issued it")


#: Why somebody got no voucher, as programs read it.
FORGOTTEN = "recipient_forgotten"
NOT_GIVEN = {Why.NOT_DUE: "not_due", Why.NO_BIRTHDAY: "no_birthday"}


class RefusedBody(BaseModel):
    """Somebody who is given nothing, and why."""

    external_id: str | None = Field(description="Your own id of the person")
    occasion: str = Field(description="Why it was asked; empty where the campaign says it")
    code: str = Field(
        description="recipient_forgotten: they were forgotten, or had it before they were. "
        "not_due, no_birthday: the campaign is for birthdays, and none is due, or known",
        json_schema_extra=one_of(FORGOTTEN, *NOT_GIVEN.values()),
    )
    cause: str = Field(description="The same in a sentence, with what can be done about it")


class IssueAnswer(BaseModel):
    """What was issued, in the order asked; the last `missing` got none."""

    model_config = example(
        vouchers=[
            {
                "serial": "0f3a9c27d18e4b60",
                "external_id": "customer-4711",
                "occasion": "",
                "wallet_link": "https://pass.example.com/p/AEB2c3V…",
                "fresh": True,
            }
        ],
        missing=0,
        refused=[
            {
                "external_id": "customer-4712",
                "occasion": "complaint-31",
                "code": FORGOTTEN,
                "cause": issuance.FORGOTTEN,
            }
        ],
        codes_left=None,
    )

    vouchers: list[IssuedBody] = Field(description="The vouchers, in the order asked")
    missing: int = Field(description="Codes that are lacking: so many of the last asked got none")
    refused: list[RefusedBody] = Field(
        description="Those who got none for another reason, which are left out above"
    )
    codes_left: int | None = Field(
        description="How many codes the campaign has left; null unless its stock is low"
    )


blueprint = part("vouchers", "Vouchers issued to recipients")


@blueprint.post("/vouchers", responses={200: IssueAnswer})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@fails_with(
    ProblemCode.CAMPAIGN_UNKNOWN,
    ProblemCode.CAMPAIGN_KEY_REFUSED,
    ProblemCode.NOT_ISSUED,
    ProblemCode.RECIPIENT_FORGOTTEN,
    ProblemCode.NOT_DUE,
    ProblemCode.NO_BIRTHDAY,
)
def issue_vouchers(body: IssueBody) -> Response:
    """Issue vouchers, each once for its recipient, campaign and occasion.

    For marketing clouds and shops that give vouchers: up to 10,000 of one campaign in one request.
    A request may be repeated: whoever has their voucher is answered with it, and `fresh` is false.

    Somebody who was forgotten gets none and is not stored, a campaign for birthdays gives none to
    whose birthday is not due or not known, and `refused` says so; a request for such alone is
    refused.
    """
    access.giving(body.campaign)
    house = deployment()
    wanted = [
        VoucherRequest(
            person=item.recipient.person() if item.recipient else None,
            occasion=item.occasion,
            variant=item.variant,
            sent_at=item.sent_at,
        )
        for item in body.vouchers
    ]
    outcome = IssueOutcome()
    keyring = house.keyring
    issuance.refuse_occasions(house, body.campaign, {item.occasion for item in body.vouchers})
    issued = [
        {
            "serial": codes.serial(item.public_id),
            "external_id": item.external_id,
            "occasion": item.occasion,
            "wallet_link": links.page(house.settings, keyring, [(item.public_id, item.key_id)]),
            "fresh": item.fresh,
        }
        for batch in issuance.issue_many(house, body.campaign, wanted, outcome)
        for item in batch.issued
    ]
    turned_away = _forgotten(outcome.forgotten)
    if turned_away and not issued:
        raise forgotten()
    turned_away += [
        RefusedBody(
            external_id=late.external_id, occasion="", code=NOT_GIVEN[late.why], cause=late.cause
        )
        for late in outcome.not_due
    ]
    if turned_away and not issued and not outcome.missing:
        raise Problem(ProblemCode[turned_away[0].code.upper()], cause=turned_away[0].cause)
    low = outcome.stock is not None and outcome.stock.low
    return answered(
        {
            "vouchers": issued,
            "missing": outcome.missing,
            "refused": [each.model_dump() for each in turned_away],
            "codes_left": outcome.stock.left if low and outcome.stock else None,
        }
    )


def forgotten() -> Problem:
    """The answer when everybody who was asked for was forgotten."""
    return Problem(
        ProblemCode.RECIPIENT_FORGOTTEN, cause=issuance.FORGOTTEN, remedy=issuance.COME_BACK
    )


def _forgotten(wanted: Sequence[VoucherRequest]) -> list[RefusedBody]:
    return [
        RefusedBody(
            external_id=each.person.external_id,
            occasion=each.occasion,
            code=FORGOTTEN,
            cause=issuance.FORGOTTEN,
        )
        for each in wanted
        if each.person is not None
    ]
