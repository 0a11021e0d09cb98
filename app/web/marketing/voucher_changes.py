"""Changes of single vouchers: withdrawn, issued anew, shown anew, prolonged.

All are idempotent, and a serial that a voucher had before it was issued anew means that voucher.
"""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Response
from pydantic import BaseModel, Field, StringConstraints

from app.domain import codes
from app.services import issuance, links, updates
from app.services.access import Scope
from app.services.issuance import Left
from app.services.permissions import Reach
from app.services.updates import Action
from app.web import access, deployment
from app.web.description import example, fails_with
from app.web.fields import Moment
from app.web.marketing.door import Body, answered, one_of, part
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem


class VoucherPath(BaseModel):
    """A voucher by its serial."""

    serial: str = Field(
        description="The voucher's serial number, 16 hexadecimal digits, or one that it had before"
    )


class WithdrawBody(Body):
    """What to take back."""

    model_config = example(
        what="voucher",
        reason="The order was cancelled",
    )

    what: Literal["link", "voucher"] = Field(
        "link", description="The link alone, or the voucher with its pass"
    )
    reason: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="Why; kept with the voucher and among the security events"
    )


class WithdrawnBody(BaseModel):
    """What became of a voucher, or a link, that was to be taken back."""

    model_config = example(
        serial="0f3a9c27d18e4b60",
        voucher="0f3a9c27d18e4b60",
        withdrawn="voucher",
        changed=True,
        left=None,
    )

    serial: str = Field(description="As it was asked for")
    voucher: str = Field(description="What the voucher is called now, if it was issued anew")
    withdrawn: Literal["link", "voucher"] | None = Field(
        description="What is withdrawn, now or before; null: it was over already"
    )
    changed: bool = Field(description="Whether this request did it")
    left: str | None = Field(
        description="Why it was left: redeemed, expired or withdrawn before; null: it was not",
        json_schema_extra=one_of(*Left, None),
    )


class ReissueBody(Body):
    """Why a voucher is issued anew, and whether its code goes on."""

    model_config = example(
        keep_code=False,
        reason="The link was forwarded",
    )

    keep_code: bool = Field(
        False, description="Keep the code, because nobody else has read it; else it gets another"
    )
    reason: Annotated[str, StringConstraints(max_length=500)] | None = Field(
        None, description="Why; kept among the security events"
    )


class ReissuedBody(BaseModel):
    """A voucher under its new serial."""

    model_config = example(
        serial="7be1402f9ac35d18",
        replaces="0f3a9c27d18e4b60",
        wallet_link="https://pass.example.com/p/AEB9d1K…",
        new_code=True,
        fresh=True,
    )

    serial: str = Field(description="The voucher's serial number from now on")
    replaces: str = Field(description="The serial that was asked for, which is no good any more")
    wallet_link: str = Field(
        description="Address at which the recipient adds the new pass; a secret of theirs"
    )
    new_code: bool = Field(description="Whether its code is another one since")
    fresh: bool = Field(description="Whether this request did it")


class VouchersBody(Body):
    """What is done to single vouchers."""

    model_config = example(
        serials=["0f3a9c27d18e4b60", "7be1402f9ac35d18"],
        action="prolong",
        ends_at="2026-12-31T23:59:59+01:00",
    )

    serials: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]],
        Field(min_length=1, max_length=updates.MOST_VOUCHERS),
    ] = Field(description="Serial numbers of the vouchers, 16 hexadecimal digits each")
    action: Literal["update", "prolong", "withdraw"] = Field(
        description="update: their phones fetch the passes anew. prolong: they are good until "
        "`ends_at`. withdraw: they are worth nothing any more"
    )
    ends_at: Moment | None = Field(
        None, description="Until when they are good; for prolong, and needed there"
    )
    reason: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="Why it is withdrawn; kept with the voucher"
    )


class LeftBody(BaseModel):
    """A voucher that was left as it was, or was found by another serial than it has now."""

    serial: str = Field(description="As it was asked for")
    voucher: str = Field(description="What the voucher is called now")
    why: str = Field(
        description="held: by a till, ask again later; redeemed, expired or withdrawn: it was "
        "over; kept: it is as asked already",
        json_schema_extra=one_of(*(each for each in Left if each is not Left.UNKNOWN)),
    )


class ChangedBody(BaseModel):
    """What was done to single vouchers; each that is in no list was changed under its serial."""

    model_config = example(
        changed=1,
        unknown=[],
        left=[{"serial": "7be1402f9ac35d18", "voucher": "7be1402f9ac35d18", "why": "redeemed"}],
    )

    changed: int = Field(description="Vouchers that this request changed")
    unknown: list[str] = Field(description="Serials that no voucher ever had")
    left: list[LeftBody] = Field(
        [], description="Vouchers that were left as they were, and why; absent when there are none"
    )
    reissued: dict[str, str] = Field(
        {},
        description="Present serials by those asked for, where they differ; absent when none does",
    )


blueprint = part("voucher changes", "Single vouchers: withdrawn, issued anew, prolonged")


@blueprint.post("/vouchers/<serial>/withdraw", responses={200: WithdrawnBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.VOUCHER_UNKNOWN, ProblemCode.HELD_BY_A_TILL)
def withdraw_voucher(path: VoucherPath, body: WithdrawBody) -> Response:
    """Take back a link that went astray, or the voucher itself.

    For customer service, and for shops that cancel an order. A link that is withdrawn answers that
    it is, and the pass in a wallet keeps working; a voucher that is withdrawn is worth nothing at
    any till, its pass says so, and a gift card's money is booked as expired later.

    What is over already is left, and the answer says so; what a till holds is refused.
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


@blueprint.post("/vouchers/<serial>/reissue", responses={200: ReissuedBody})
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.VOUCHER_UNKNOWN, ProblemCode.NOT_ISSUED)
def reissue_voucher(path: VoucherPath, body: ReissueBody) -> Response:
    """Give a voucher another serial, link and barcode, because the old ones leaked.

    For customer service: the voucher keeps its holder, its books and its money. Tills refuse the
    old barcode, the old link answers that it was withdrawn, and old passes in wallets become
    invalid. A code that a web shop or a partner decides has to be blocked there as well.

    A serial that was issued anew already answers with what it is called now.
    """
    house = deployment()
    public_id = codes.from_serial(path.serial)
    if public_id is None or (key := issuance.campaign_of(house, public_id)) is None:
        raise access.unknown("voucher")
    if not access.client().may_touch(key):
        raise access.unknown("voucher")
    keyring = house.keyring
    with house.database.write() as session:
        made = issuance.reissue(
            session,
            keyring,
            public_id,
            now=house.now(),
            keep_code=body.keep_code,
            reason=body.reason,
        )
    return answered(
        ReissuedBody(
            serial=codes.serial(made.public_id),
            replaces=path.serial,
            wallet_link=links.page(house.settings, keyring, [(made.public_id, made.key_id)]),
            new_code=made.new_code,
            fresh=made.fresh,
        )
    )


@blueprint.post("/vouchers/updates", responses={200: ChangedBody})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(
    ProblemCode.TOO_MANY_VOUCHERS,
    ProblemCode.ENDS_AT_MISMATCH,
    ProblemCode.REASON_MISMATCH,
    ProblemCode.WOULD_SHORTEN,
)
def change_vouchers(body: VouchersBody) -> Response:
    """Update, prolong or withdraw up to 1,000 vouchers by their serial numbers.

    For systems that change vouchers of a list of people; what changes for all holders of a campaign
    is an update of the campaign. Their phones are told as soon as the change is committed.
    """
    answers = updates.change_vouchers(
        deployment(),
        body.serials,
        Action(body.action),
        ends_at=body.ends_at,
        reason=body.reason,
        only=access.client().campaigns,
    )
    known = [each for each in answers if each.left is not Left.UNKNOWN]
    found = ChangedBody(
        changed=len({each.now for each in known if each.left is None}),
        unknown=[each.serial for each in answers if each.left is Left.UNKNOWN],
        left=[
            LeftBody(serial=each.serial, voucher=each.now, why=each.left)
            for each in known
            if each.left is not None
        ],
        reissued={each.serial: each.now for each in known if each.serial != each.now},
    )
    return answered(found.model_dump(mode="json", exclude_defaults=True))
