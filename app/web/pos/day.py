"""A till's own day: `/pos/v1/till` and `/pos/v1/day`. Every figure is a sum over the ledger."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from flask import Response
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel

from app.services import closing
from app.services.access import Client, Scope
from app.services.permissions import Reach
from app.store.models import Store, Terminal
from app.web import access, deployment
from app.web.description import fails_with
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem


class StoreAnswer(BaseModel):
    """The store of a key."""

    key: str
    name: str
    language: str
    timezone: str


class TerminalAnswer(BaseModel):
    """The terminal of a key."""

    key: str
    name: str


class TillAnswer(BaseModel):
    """What a terminal's key stands for."""

    client: str
    store: StoreAnswer
    terminal: TerminalAnswer


class ListedAnswer(BaseModel):
    """An entry of the day."""

    id: str
    at: dt.datetime
    kind: str
    name: str
    amount_minor: int
    discount_minor: int
    currency: str | None
    operator: str | None
    receipt: str | None
    taken_back: bool
    undoable: bool


class Totals(BaseModel):
    """The day's sums in one currency; None for uses without a basket."""

    currency: str | None
    uses: int
    redeemed_minor: int
    discounts_minor: int
    loaded_minor: int
    returned_minor: int


class TillDay(BaseModel):
    """The terminal's day so far: the newest entries, and sums over all of them."""

    date: dt.date
    timezone: str
    entries: list[ListedAnswer]
    totals: list[Totals]


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
    """The store and the terminal that the key is bound to."""
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
    """What was done at the terminal today, the newest first, and the day's sums."""
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
        lines = closing.day(
            session,
            date,
            store_id=store.id,
            terminal_id=terminal.id,
            campaigns=client.campaigns,
        )
    totals: dict[str | None, Totals] = {}
    for line in lines:
        total = totals.setdefault(
            line.currency,
            Totals(
                currency=line.currency,
                uses=0,
                redeemed_minor=0,
                discounts_minor=0,
                loaded_minor=0,
                returned_minor=0,
            ),
        )
        total.uses += line.uses
        total.redeemed_minor += line.redeemed_minor
        total.discounts_minor += line.net_discounts_minor
        total.loaded_minor += line.loaded_minor - line.unloaded_minor
        total.returned_minor += line.undone_minor + line.refunded_minor
    return _json(
        {
            "date": date,
            "timezone": store.timezone,
            "entries": [asdict(entry) for entry in entries],
            "totals": [total.model_dump() for total in totals.values()],
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
