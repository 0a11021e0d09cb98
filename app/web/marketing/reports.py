"""Reports that close the day: the tills' lines, what cards owe, and what is worth a look.

Every figure is a sum over the ledger. Reports answer JSON, or CSV with `format=csv`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from flask import Response
from pydantic import BaseModel, Field, StringConstraints

from app.services import closing
from app.services.access import Scope
from app.services.closing import Liability, Oddity, OperatorLine
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.answers import CSV
from app.web.description import content, example
from app.web.fields import Day, Moment
from app.web.marketing.door import Body, answered, part, table

Form = Literal["json", "csv"]
_FORM = "How it is written: json, or csv with the same columns"


class DayQuery(Body):
    """A day, of one store or of all."""

    date: Day = Field(description="The day, midnight to midnight in each store's time zone")
    store: (
        Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]
        | None
    ) = Field(None, description="Key of the only store; left out, it is every store")
    format: Form = Field("json", description=_FORM)


class LiabilityQuery(Body):
    """A moment, and optionally the one from which movements are shown."""

    until: Moment = Field(description="The moment just before which cards are counted")
    since: Moment | None = Field(
        None, description="The moment from which movements are shown; left out, from the beginning"
    )
    format: Form = Field("json", description=_FORM)


class OddDaysQuery(Body):
    """A day."""

    date: Day = Field(description="The day, midnight to midnight in each store's time zone")
    format: Form = Field("json", description=_FORM)


class DayLine(BaseModel):
    """What one operator did at one terminal in one currency; null where nothing was said.

    Minor units are positive.
    """

    date: str = Field(description="The day (ISO 8601)")
    store: str = Field(description="The store's key")
    terminal: str | None = Field(description="The terminal's key")
    operator: str | None = Field(description="Who stood at it")
    currency: str | None = Field(description="Currency of the amounts (ISO 4217)")
    redemptions: int = Field(description="Redemptions of coupons and gift cards")
    uses: int = Field(description="Uses that they took of coupons")
    redeemed_minor: int = Field(description="What left cards, in minor units")
    discounts_minor: int = Field(description="Discounts that were granted, in minor units")
    undone: int = Field(description="Redemptions that were undone on the same day")
    undone_minor: int = Field(description="What went back to cards by that, in minor units")
    undone_discounts_minor: int = Field(description="Discounts taken back by it, in minor units")
    refunds: int = Field(description="Refunds")
    refunded_minor: int = Field(description="What went back to cards by them, in minor units")
    refunded_discounts_minor: int = Field(
        description="Discounts taken back by them, in minor units"
    )
    loads: int = Field(description="Loads and activations of cards")
    loaded_minor: int = Field(description="What came onto cards by them, in minor units")
    unloaded_minor: int = Field(description="Loads that were undone, in minor units")
    adjusted_minor: int = Field(
        description="Corrections of balances, in minor units; negative where they took away"
    )
    net_minor: int = Field(
        description="What cards paid after all that was taken back, in minor units"
    )
    net_discounts_minor: int = Field(
        description="Discounts after all that was taken back, in minor units"
    )


_DAY_LINE: dict[str, Any] = {
    "date": "2026-06-03",
    "store": "paris",
    "terminal": "1",
    "operator": "anna",
    "currency": "EUR",
    "redemptions": 42,
    "uses": 30,
    "redeemed_minor": 51800,
    "discounts_minor": 15000,
    "undone": 1,
    "undone_minor": 1500,
    "undone_discounts_minor": 0,
    "refunds": 0,
    "refunded_minor": 0,
    "refunded_discounts_minor": 0,
    "loads": 3,
    "loaded_minor": 15000,
    "unloaded_minor": 0,
    "adjusted_minor": 0,
    "net_minor": 50300,
    "net_discounts_minor": 15000,
}


class DayReport(BaseModel):
    """What each operator did at each terminal."""

    model_config = example(
        lines=[_DAY_LINE],
    )

    lines: list[DayLine] = Field(description="One for each terminal, operator, currency")


class CampaignLiability(BaseModel):
    """What a campaign's cards owe, and how it came about; all in minor units.

    The opening balance and every movement add up to the closing balance.
    """

    campaign: str = Field(description="The campaign's key")
    currency: str | None = Field(description="Currency of the amounts (ISO 4217)")
    opening_minor: int = Field(description="What the cards owed just before `since`")
    activated_minor: int = Field(description="What came onto cards when they became spendable")
    loaded_minor: int = Field(description="Loads, less those that were undone")
    redeemed_minor: int = Field(description="What was spent; not above zero")
    returned_minor: int = Field(description="What redemptions gave back")
    adjusted_minor: int = Field(description="Corrections, up or down")
    expired_minor: int = Field(description="Breakage: what expired; not above zero")
    deactivated_minor: int = Field(description="What was on cards that were ended; not above zero")
    transferred_minor: int = Field(description="What went to or came from replacement cards")
    closing_minor: int = Field(description="What the cards owe just before `until`")


class LiabilityReport(BaseModel):
    """What the cards of each campaign owe."""

    model_config = example(
        campaigns=[
            {
                "campaign": "gift-card",
                "currency": "EUR",
                "opening_minor": 1250000,
                "activated_minor": 200000,
                "loaded_minor": 15000,
                "redeemed_minor": -318500,
                "returned_minor": 4500,
                "adjusted_minor": -1000,
                "expired_minor": -20000,
                "deactivated_minor": 0,
                "transferred_minor": 0,
                "closing_minor": 1130000,
            }
        ],
    )

    campaigns: list[CampaignLiability] = Field(
        description="One for each campaign of gift cards that the key may see, ordered by key"
    )


class OddityBody(BaseModel):
    """Something about a day that is worth a look."""

    date: str = Field(description="The day (ISO 8601)")
    store: str = Field(description="The store's key")
    terminal: str | None = Field(description="The terminal's key; null: it is of an operator")
    operator: str | None = Field(description="Who it was; null: it is of a terminal")
    what: str = Field(
        description="What it is: put money on a card and redeemed it; refunds to cards; many "
        "cards on one terminal"
    )
    count: int = Field(description="How many cards or refunds")
    amount_minor: int = Field(description="What they came to, in minor units")
    currency: str | None = Field(description="Currency of the amount (ISO 4217)")


class OddDaysReport(BaseModel):
    """What is worth a look."""

    model_config = example(
        oddities=[
            {
                "date": "2026-06-03",
                "store": "paris",
                "terminal": None,
                "operator": "anna",
                "what": "put money on a card and redeemed it",
                "count": 2,
                "amount_minor": 10000,
                "currency": "EUR",
            }
        ],
    )

    oddities: list[OddityBody] = Field(description="One for each thing that is worth a look")


_DAY = "\r\n".join((",".join(_DAY_LINE), ",".join(str(value) for value in _DAY_LINE.values()), ""))
_LIABILITY = (
    "campaign,currency,opening_minor,activated_minor,loaded_minor,redeemed_minor,returned_minor,"
    "adjusted_minor,expired_minor,deactivated_minor,transferred_minor,closing_minor\r\n"
    "gift-card,EUR,1250000,200000,15000,-318500,4500,-1000,-20000,0,0,1130000\r\n"
)
_ODD_DAYS = (
    "date,store,terminal,operator,what,count,amount_minor,currency\r\n"
    "2026-06-03,paris,,anna,put money on a card and redeemed it,2,10000,EUR\r\n"
)

blueprint = part("reports", "Closing the day, liability, odd days")


@blueprint.get("/reports/day", responses={200: content({"application/json": DayReport, CSV: _DAY})})
@access.requires(Scope.REPORT, reach=Reach.FIGURES)
def report_day(query: DayQuery) -> Response:
    """Close a day: per store, terminal, operator and currency, as far as the key may see.

    For accounting, to lay beside what each till counted itself. A day is each store's own, midnight
    to midnight in its time zone, and may be asked for as often as wanted, also before it is over.
    """
    asking = access.client()
    with deployment().database.read() as session:
        lines = closing.day(
            session,
            query.date,
            store=query.store,
            store_id=asking.store_id,
            terminal_id=asking.terminal_id,
            campaigns=asking.campaigns,
        )
    return _report(lines, OperatorLine, name="lines", form=query.format)


@blueprint.get(
    "/reports/liability",
    responses={200: content({"application/json": LiabilityReport, CSV: _LIABILITY})},
)
@access.requires(Scope.REPORT, reach=Reach.CAMPAIGNS)
def report_liability(query: LiabilityQuery) -> Response:
    """Report what gift cards owe just before a moment, with movements, breakage and adjustments.

    For accounting, at the end of a month or year: with `since` the movements of the period lead
    from its opening balance to its closing balance exactly.
    """
    with deployment().database.read() as session:
        found = closing.liability(
            session, until=query.until, since=query.since, campaigns=access.client().campaigns
        )
    return _report(found, Liability, name="campaigns", form=query.format)


@blueprint.get(
    "/reports/odd-days",
    responses={200: content({"application/json": OddDaysReport, CSV: _ODD_DAYS})},
)
@access.requires(Scope.REPORT, reach=Reach.FIGURES)
def report_odd_days(query: OddDaysQuery) -> Response:
    """Report what about a day is worth a look, as far as the key may see.

    For whoever audits tills: an operator who put money on a card and redeemed it, one with more
    than 5 refunds to cards, a terminal that served more than 50 cards.
    """
    asking = access.client()
    with deployment().database.read() as session:
        found = closing.odd(
            session,
            query.date,
            store_id=asking.store_id,
            terminal_id=asking.terminal_id,
            campaigns=asking.campaigns,
        )
    return _report(found, Oddity, name="oddities", form=query.format)


def _report(rows: list[Any], kind: type[Any], *, name: str, form: str) -> Response:
    if form == "csv":
        return table(closing.to_csv(rows, kind), name=name)
    return answered({name: [asdict(row) for row in rows]})
