"""A till's own day: `/pos/v1/till` and `/pos/v1/day`. Every figure is a sum over the ledger."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import AwareDatetime, BaseModel, Field

from app.services import closing
from app.services.access import Client, Scope
from app.services.permissions import Reach
from app.store.models import Store, Terminal
from app.web import access, deployment
from app.web.description import example, fails_with
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem


class StoreAnswer(BaseModel):
    """The store of a key."""

    key: str = Field(description="The store's key")
    name: str = Field(description="Its name")
    language: str = Field(description="Tag of the language of its texts")
    timezone: str = Field(description="Its time zone, in which its days begin and end")


class TerminalAnswer(BaseModel):
    """The terminal of a key."""

    key: str = Field(description="The terminal's key")
    name: str = Field(description="Its name")


class TillAnswer(BaseModel):
    """What a terminal's key stands for."""

    model_config = example(
        client="17",
        store={"key": "paris", "name": "Paris", "language": "fr", "timezone": "Europe/Paris"},
        terminal={"key": "1", "name": "Till 1"},
    )

    client: str = Field(description="Id of the API key")
    store: StoreAnswer = Field(description="The store")
    terminal: TerminalAnswer = Field(description="The terminal")


class ListedAnswer(BaseModel):
    """An entry of the day."""

    id: str = Field(description="The entry's id")
    at: AwareDatetime = Field(description="When it was booked")
    kind: str = Field(description="What it is, such as redemption, refund or load")
    name: str = Field(description="The campaign's name")
    amount_minor: int = Field(
        description="What a card's balance changed by, in minor units; negative was taken"
    )
    discount_minor: int = Field(description="Discount granted, in minor units")
    currency: str | None = Field(description="Currency of the amounts (ISO 4217)")
    operator: str | None = Field(description="Who was at the till")
    receipt: str | None = Field(description="The receipt's number")
    taken_back: bool = Field(description="Whether it was undone or refunded")
    undoable: bool = Field(description="Whether this till may still undo it")


class Totals(BaseModel):
    """The day's sums in one currency; None for uses without a basket."""

    currency: str | None = Field(description="Currency of the amounts (ISO 4217)")
    uses: int = Field(description="Uses of coupons")
    redeemed_minor: int = Field(description="What left cards, in minor units")
    discounts_minor: int = Field(description="Discounts less those taken back, in minor units")
    loaded_minor: int = Field(description="Loads less those undone, in minor units")
    returned_minor: int = Field(description="What went back to cards, in minor units")


class TillDay(BaseModel):
    """The terminal's day so far: the newest entries, and sums over all of them."""

    model_config = example(
        date="2026-06-03",
        timezone="Europe/Paris",
        entries=[
            {
                "id": "0197a3c0-5f6e-7c11-9a54-0d7e5c3b2a10",
                "at": "2026-06-03T16:20:00+00:00",
                "kind": "redemption",
                "name": "Summer 2026",
                "amount_minor": 0,
                "discount_minor": 500,
                "currency": "EUR",
                "operator": "anna",
                "receipt": "2026-0117",
                "taken_back": False,
                "undoable": True,
            }
        ],
        totals=[
            {
                "currency": "EUR",
                "uses": 1,
                "redeemed_minor": 0,
                "discounts_minor": 500,
                "loaded_minor": 0,
                "returned_minor": 0,
            }
        ],
    )

    date: dt.date = Field(description="The day, in the store's time zone")
    timezone: str = Field(description="The store's time zone")
    entries: list[ListedAnswer] = Field(description="The newest 200 entries, the newest first")
    totals: list[Totals] = Field(description="The sums of all entries, one for each currency")


blueprint = APIBlueprint(
    "till_day",
    __name__,
    url_prefix="/pos/v1",
    abp_tags=[Tag(name="pos", description="Tills: scan and redeem")],
    abp_security=access.SECURITY,
)


@blueprint.get("/till", responses={200: TillAnswer})
@access.requires(Scope.POS, reach=Reach.TILL)
@fails_with(ProblemCode.TERMINAL_KEY_REQUIRED)
def show_till() -> Response:
    """Show the store and the terminal that the key is bound to.

    For a till that checks its key before the first customer comes.
    """
    client, store, terminal = _bound()
    return _json(
        TillAnswer(
            client=str(client.id),
            store=StoreAnswer(
                key=store.key, name=store.name, language=store.language, timezone=store.timezone
            ),
            terminal=TerminalAnswer(key=terminal.key, name=terminal.name),
        ).model_dump()
    )


@blueprint.get("/day", responses={200: TillDay})
@access.requires(Scope.POS, reach=Reach.TILL)
@fails_with(ProblemCode.TERMINAL_KEY_REQUIRED)
def show_day() -> Response:
    """Show what was done at the terminal today, the newest first, and the day's sums.

    For the cashier who closes the till, or looks for what is to be undone: the newest 200 entries,
    and sums over all of them.
    """
    client, store, terminal = _bound()
    house = deployment()
    date = house.now().astimezone(ZoneInfo(store.timezone)).date()
    with house.database.read() as session:
        entries = closing.listed(
            session,
            store_id=store.id,
            terminal_id=terminal.id,
            api_key_id=client.id,
            campaigns=client.campaigns,
            now=house.now(),
        )
        totals = closing.till_sums(
            session,
            date,
            store_id=store.id,
            terminal_id=terminal.id,
            campaigns=client.campaigns,
        )
    return _json(
        {
            "date": date,
            "timezone": store.timezone,
            "entries": [asdict(entry) for entry in entries],
            "totals": [asdict(total) for total in totals],
        }
    )


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""
    app.register_api(blueprint)


def _bound() -> tuple[Client, Store, Terminal]:
    """The client with its store and terminal.

    Raises:
        Problem: the key is not one of a terminal.
    """
    client = access.client()
    if client.store_id is not None and client.terminal_id is not None:
        with deployment().database.read() as session:
            store = session.get_one(Store, client.store_id)
            terminal = session.get_one(Terminal, client.terminal_id)
            session.expunge_all()
        return client, store, terminal
    raise Problem(ProblemCode.TERMINAL_KEY_REQUIRED)


def _json(content: Any) -> Response:
    answer = Response(orjson.dumps(content), mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
