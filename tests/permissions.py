"""A world of two campaigns, two stores and two people, and a call of every operation on what is in
it, for the matrix of what every kind of key may do (`tests/app/web/permissions.txt`).
"""

from __future__ import annotations

import hashlib
import io
import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.domain import codes
from app.domain.codes import Purpose
from app.services import (
    access,
    invitations,
    reports,
)
from app.services.access import Scope
from app.services.codes import generated, queue
from app.services.deployment import Deployment
from app.services.invitations import Invitation
from app.store.models import (
    AppleLog,
    Campaign,
    GoogleObject,
    ImportJob,
    Recipient,
    Webhook,
)
from app.web import till_session
from tests.marketing import apply_document, card, document
from tests.shop import Issued, Shop

EUR = "EUR"
#: What belongs to the keys that are bound to campaigns, and what does not.
OWN, FOREIGN = "sun", "moon"
#: Campaigns of each side, by what they are for.
PARTS = ("", "-plain", "-card", "-list", "-pool", "-rules", "-shop")
BOUND = (*(OWN + part for part in PARTS), "mixed")
BINDINGS: dict[str, dict[str, Any]] = {
    "free": {},
    "campaign": {"campaigns": BOUND},
    "store": {"store": "paris"},
    "terminal": {"store": "paris", "terminal": "1"},
}
#: Tables that change whatever is asked: guesses and refusals that are counted, and what processes
#: say of themselves.
OF_ASKING = frozenset({"guess_count", "pulse", "security_event"})
#: When a key was used last is written for every request.
OF_KEYS = "api_key.last_used_at"
#: What a till's refusal keeps: the answer under its key, and that it happened.
OF_REFUSALS = frozenset({"idempotency_record", "event"})


@dataclass(frozen=True)
class Kind:
    """A kind of key: its scope and binding, and what a request carries of it."""

    scope: str
    binding: str
    headers: Mapping[str, str] = field(repr=False)
    client: FlaskClient = field(repr=False)


@dataclass(frozen=True)
class Call:
    """A request; `sees` is what its answer shows of the object, where the status says nothing."""

    path: str
    sees: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    #: Whether it comes from a foreign page, which carries nothing of a key.
    foreign: bool = False


class World:
    """Everything there is, and the keys."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.deployment: Deployment = app.extensions["passerelle"]
        self.shop = Shop(self.deployment)
        self._numbers = itertools.count(1)
        for key in ("paris", "rome"):
            self.shop.store(key)
        for side in (OWN, FOREIGN):
            self._campaigns(side)
        apply_document(self.deployment, mixed())
        with self.deployment.database.read() as session:
            for row in session.execute(select(Campaign.key, Campaign.id)):
                self.shop.campaigns[row.key] = row.id
        self.plain = app.test_client()
        self.free = self._kind("admin", "free")
        self.kinds = [*self._kinds()]
        self._history()

    # -- what there is --

    def _campaigns(self, side: str) -> None:
        made = {"source": "on_demand"}
        for described in (
            document(key=side, name=side.title(), codes={"source": "generated"}),
            document(key=f"{side}-plain", codes=made),
            # The till page loads a card only where its campaign says how much.
            card(
                key=f"{side}-card",
                codes={"source": "list"},
                gift_card={"amount": "15.00", "load_cap": "150.00"},
            ),
            document(key=f"{side}-list"),
            document(key=f"{side}-pool", codes={"source": "generated"}),
            document(key=f"{side}-rules", codes=made, rules={"tiers": [{"key": "all"}]}),
            document(key=f"{side}-shop", authority="external"),
        ):
            apply_document(self.deployment, described)
        apply_document(self.deployment, grouped(side))
        generated.generate(self.deployment, f"{side}-pool", 60)

    def _history(self) -> None:
        """A day at the tills, reported uses beyond their limit, and what phones hold."""
        for side, store in ((OWN, "paris"), (FOREIGN, "paris"), (OWN, "rome")):
            operator = f"op-{side}-{store}"
            at = {"store": store, "terminal": "1", "operator": operator}
            coupon, money = self.coupon(side), self.card(side)
            self.till("/redemptions", {"items": [{"barcode": coupon.barcode}], **at})
            self.till("/gift-cards/load", {"barcode": money.barcode, "amount": _eur(500), **at})
            item = {"barcode": money.barcode, "amount": _eur(700)}
            self.till("/redemptions", {"items": [item], **at})
            use = self.shop.voucher(f"{side}-shop", code=f"USED-{side}-{store}", uses=1, used=1)
            answer = self.plain.post(
                "/api/v1/redemptions/report",
                json={
                    "store": store,
                    "uses": [{"id": f"conflict-{side}-{store}", "code": use.code}],
                },
                headers=dict(self.key("pos", store=store, terminal="1")),
            )
            assert answer.get_json()["counts"]["conflict"] == 1, answer.text
        now = self.deployment.now()
        held = {side: self.coupon(side) for side in (OWN, FOREIGN)}
        with self.deployment.database.write() as session:
            for side, voucher in held.items():
                session.add(
                    GoogleObject(
                        voucher_id=voucher.id,
                        object_id=f"1.{voucher.serial}",
                        status="inserted",
                        has_users=True,
                        created_at=now,
                    )
                )
                session.add(
                    AppleLog(
                        at=now, kind="other", serial=voucher.serial, message=f"complaint of {side}"
                    )
                )
        self.count()

    def count(self) -> None:
        """Let the worker count what happened."""
        while reports.roll_up(self.deployment):
            pass

    def name(self, start: str = "n") -> str:
        """A name that nothing has yet."""
        return f"{start}{next(self._numbers)}"

    def coupon(self, side: str, **columns: Any) -> Issued:
        """A coupon of the campaign `sun` or `moon`, with a code of its own."""
        return self.shop.voucher(side, code=uuid.uuid4().hex[:12], **columns)

    def card(self, side: str, **columns: Any) -> Issued:
        """A gift card of 15 €."""
        return self.shop.voucher(f"{side}-card", code=uuid.uuid4().hex[:12], **columns)

    def person(self) -> str:
        """Somebody of whom something is known."""
        name = self.name("person-")
        now = self.deployment.now()
        with self.deployment.database.write() as session:
            session.add(
                Recipient(external_id=name, segment="gold", score=7, created_at=now, updated_at=now)
            )
        return name

    def till(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a call of a till whose key is bound to nothing."""
        answer = self.plain.post(
            f"/pos/v1{path}",
            json=body,
            headers={**self.free.headers, "Idempotency-Key": uuid.uuid4().hex},
        )
        found: dict[str, Any] = answer.get_json()
        assert found.get("outcome") == "accepted", answer.text
        return found

    def job(self, side: str, *, status: str = "complete") -> str:
        """An import's id."""
        now = self.deployment.now()
        with self.deployment.database.write() as session:
            job = ImportJob(
                campaign_id=self.shop.campaigns[f"{side}-list"],
                status=status,
                filename=f"file-of-{side}",
                sha256="",
                options={},
                created_at=now,
                updated_at=now,
            )
            session.add(job)
            session.flush()
            return str(job.id)

    def webhook(self, where: str) -> str:
        """A webhook's id; `whole` wants every campaign's events."""
        wanted = [] if where == "whole" else [side_of(where)]
        answer = self.plain.post(
            "/api/v1/webhooks",
            json={"url": f"https://{where}.example.test/", "campaigns": wanted},
            headers=dict(self.free.headers),
        )
        return str(answer.get_json()["id"])

    def forget_webhooks(self) -> None:
        """Remove every webhook, of which there may only be some."""
        with self.deployment.database.write() as session:
            for row in session.scalars(select(Webhook)):
                session.delete(row)

    def invitation(self, side: str) -> str:
        """An offer's path."""
        house = self.deployment
        with house.database.read() as session:
            expires_at = invitations.expiry(session, f"{side}-plain", days=3, now=house.now())
        offer = Invitation(external_id=self.name("guest-"), expires_at=expires_at)
        made = invitations.link(house.settings, house.keyring, f"{side}-plain", offer)
        return made.removeprefix(house.settings.base_url)

    def link(self) -> str:
        """The page's token of a coupon whose pass can be shown."""
        public_id = codes.from_serial(self.coupon(OWN).serial)
        assert public_id is not None
        ring = self.deployment.keyring
        return ring.token(Purpose.LINK, key_id=ring.newest, public_id=public_id)

    # -- who asks --

    def key(self, scope: str, **bound: Any) -> Mapping[str, str]:
        """The header of a new key."""
        return {"Authorization": f"Bearer {self.shop.key(Scope(scope), **bound)}"}

    def _kind(self, scope: str, binding: str) -> Kind:
        return Kind(scope, binding, self.key(scope, **BINDINGS[binding]), self.plain)

    def _kinds(self) -> Iterator[Kind]:
        yield Kind("", "none", {}, self.plain)
        revoked = self.key("admin")
        with self.deployment.database.write() as session:
            prefix = revoked["Authorization"].split("_")[1]
            access.revoke(session, prefix, now=self.deployment.now())
        yield Kind("", "revoked", revoked, self.plain)
        browser = self.app.test_client()
        page = {till_session.HEADER: "1"}
        key = self.shop.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1")
        assert browser.post("/till/session", json={"key": key}, headers=page).status_code == 204
        yield Kind("", "session", page, browser)
        for scope in Scope:
            for binding in BINDINGS:
                yield self._kind(scope.value, binding)

    def ask(self, method: str, call: Call, kind: Kind) -> TestResponse:
        """The answer to a call; what a worker does of it is done."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        if not call.foreign:
            headers |= kind.headers
        answer = kind.client.open(
            call.path,
            method=method,
            headers=headers,
            # Nobody is blocked for the guesses of another cell.
            environ_base={"REMOTE_ADDR": f"10.0.{next(self._numbers) % 250}.7"},
            # An answer that is a file is read to its end and closed.
            buffered=True,
            **call.body,
        )
        answer.get_data()
        queue.resume(self.deployment)
        return answer

    def digest(self, *, refusal: bool) -> dict[str, tuple[int, str]]:
        """Rows and a digest of each table; of a till's refusal those that it keeps are left out."""
        left_out = OF_ASKING | (OF_REFUSALS if refusal else frozenset())
        found = {}
        with self.deployment.database.read() as session:
            for table in Campaign.metadata.sorted_tables:
                if table.name in left_out:
                    continue
                # That a scan was refused counts as an event of its voucher.
                hidden = {OF_KEYS, *(("voucher.events",) if refusal else ())}
                columns = [each for each in table.c if f"{each}" not in hidden]
                rows = sorted(map(repr, session.execute(select(*columns)).all()))
                text = "\n".join(rows).encode()
                found[table.name] = (len(rows), hashlib.sha256(text).hexdigest())
        return found


def side_of(where: str) -> str:
    """Which side's objects a row is about."""
    return {"campaign": FOREIGN, "absent": "nothing"}.get(where, OWN)


def mixed() -> dict[str, Any]:
    """A campaign whose rules give vouchers of the other side."""
    tier = {"key": "all", "campaign": f"{FOREIGN}-plain"}
    return document(key="mixed", codes={"source": "on_demand"}, rules={"tiers": [tier]})


def grouped(side: str, *, group: str = "") -> dict[str, Any]:
    """A campaign that counts in a frequency group."""
    rules = {"tiers": [{"key": "all"}], "frequency": {"group": group or f"of-{side}"}}
    return document(key=f"{side}-rules", codes={"source": "on_demand"}, rules=rules)


def _eur(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": EUR}


def _json(**body: Any) -> dict[str, Any]:
    return {"json": body}


# -- calls, by operation ------------------------------------------------------------------------

Maker = Callable[[World, str, Kind], Call]
CALLS: dict[str, Maker] = {}


def _calls(*operations: str) -> Callable[[Maker], Maker]:
    def known(make: Maker) -> Maker:
        for each in operations:
            CALLS[each] = make
        return make

    return known


def _typed(world: World, where: str, *, card: bool = False, **columns: Any) -> str:
    """What is scanned: a typed code, except for `pass`."""
    if where == "absent":
        return uuid.uuid4().hex[:12]
    side = FOREIGN if where in ("campaign", "pass") else OWN
    made = (world.card if card else world.coupon)(side, **columns)
    assert made.code is not None
    return made.barcode if where == "pass" else made.code


def _from(where: str) -> dict[str, str]:
    return {"store": "rome"} if where == "store" else {}


@_calls("POST /pos/v1/scans")
def _scan(world: World, where: str, _: Kind) -> Call:
    return Call("/pos/v1/scans", body=_json(barcode=_typed(world, where), **_from(where)))


@_calls("POST /pos/v1/redemptions")
def _redeem(world: World, where: str, _: Kind) -> Call:
    items = [{"barcode": _typed(world, where)}]
    return Call("/pos/v1/redemptions", body=_json(items=items, **_from(where)))


def _redeemed(world: World, where: str, *, card: bool = False, **body: Any) -> dict[str, Any]:
    """What a till elsewhere was answered."""
    barcode = _typed(world, where, card=card)
    item = {"barcode": barcode, **({"amount": _eur(500)} if card else {})}
    store = "rome" if where == "store" else "paris"
    return world.till("/redemptions", {"items": [item], "store": store, **body})


def _redemption(world: World, where: str, *, card: bool = False) -> str:
    if where == "absent":
        return str(uuid.uuid4())
    made = _redeemed(world, where, card=card)
    return str(made["redemptions"][0]["redemption_id"])


@_calls("POST /pos/v1/reversals")
def _reverse(world: World, where: str, _: Kind) -> Call:
    body = _json(redemption_id=_redemption(world, where), operator="ann")
    return Call("/pos/v1/reversals", body=body)


@_calls("POST /pos/v1/refunds")
def _refund(world: World, where: str, _: Kind) -> Call:
    body = _json(redemption_id=_redemption(world, where, card=True), operator="ann")
    return Call("/pos/v1/refunds", body=body)


@_calls("GET /pos/v1/redemptions/by-key/{key}")
def _by_key(world: World, where: str, kind: Kind) -> Call:
    key = uuid.uuid4().hex
    asking = kind if where == "own" else world.free
    if where != "absent":
        asking.client.post(
            "/pos/v1/redemptions",
            json={"items": [{"barcode": _typed(world, "own")}]},
            headers={**asking.headers, "Idempotency-Key": key},
        )
    if asking is kind and kind is world.free:
        key = uuid.uuid4().hex if where != "own" else key
    return Call(f"/pos/v1/redemptions/by-key/{key}")


@_calls("POST /pos/v1/holds/{hold_id}/capture", "POST /pos/v1/holds/{hold_id}/void")
def _hold(world: World, where: str, _: Kind) -> Call:
    hold = str(uuid.uuid4())
    if where != "absent":
        hold = _redeemed(world, where, mode="hold")["holds"][0]["hold_id"]
    return Call(f"/pos/v1/holds/{hold}/{{action}}", body=_json())


_CARDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "activate": ({"status": "pending", "balance_minor": 0}, {"amount": _eur(500)}),
    "load": ({}, {"amount": _eur(500)}),
    "adjust": ({}, {"change": {"minor": 5, "currency": EUR}, "reason": "goodwill"}),
    "block": ({}, {"because": "lost"}),
    "unblock": ({"status": "blocked"}, {"because": "found"}),
    "deactivate": ({}, {"because": "lost"}),
}


@_calls(*(f"POST /pos/v1/gift-cards/{action}" for action in _CARDS))
def _act(world: World, where: str, _: Kind, action: str = "") -> Call:
    columns, body = _CARDS[action]
    barcode = _typed(world, where, card=True, **columns)
    return Call(
        f"/pos/v1/gift-cards/{action}",
        body=_json(barcode=barcode, operator="ann", **_from(where), **body),
    )


@_calls("GET /pos/v1/till")
def _till(_w: World, _where: str, _: Kind) -> Call:
    return Call("/pos/v1/till", sees='"paris"')


@_calls("GET /pos/v1/day")
def _day(_w: World, where: str, _: Kind) -> Call:
    return Call("/pos/v1/day", sees="op-sun-rome" if where == "store" else "op-sun-paris")


@_calls("POST /api/v1/campaigns")
def _campaign(world: World, where: str, _: Kind) -> Call:
    described = document(
        key=side_of(where), name=world.name("Named "), codes={"source": "generated"}
    )
    if where == "mixed":
        described = {**mixed(), "key": f"{OWN}-rules"}
    elif where == "group":
        described = grouped(OWN, group=f"of-{FOREIGN}")
    elif where == "absent":
        described["key"] = world.name("fresh-")
    return Call("/api/v1/campaigns?dry_run=false", body=_json(**described))


@_calls("POST /api/v1/pictures")
def _picture(world: World, _where: str, _: Kind) -> Call:
    shade = next(world._numbers) % 256
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (shade, 20, 30)).save(buffer, "PNG")
    return Call("/api/v1/pictures", body={"data": buffer.getvalue(), "content_type": "image/png"})


@_calls("POST /api/v1/imports")
def _import(world: World, where: str, _: Kind) -> Call:
    key = "nothing" if where == "absent" else f"{side_of(where)}-list"
    data = "".join(f"{uuid.uuid4().hex[:14]}\n" for _each in range(2)).encode()
    return Call(f"/api/v1/imports?campaign={key}", body={"data": data})


@_calls("GET /api/v1/imports")
def _imports(world: World, where: str, _: Kind) -> Call:
    world.job(side_of(where))
    return Call("/api/v1/imports", sees=f"file-of-{side_of(where)}")


@_calls(
    "GET /api/v1/imports/{import_id}",
    "GET /api/v1/imports/{import_id}/rejects",
    "POST /api/v1/imports/{import_id}/cancel",
)
def _one_import(world: World, where: str, _: Kind) -> Call:
    job = str(uuid.uuid4())
    if where != "absent":
        job = world.job(side_of(where), status="loading")
    return Call(f"/api/v1/imports/{job}{{rest}}")


@_calls("POST /api/v1/campaigns/{key}/codes")
def _codes(_w: World, where: str, _: Kind) -> Call:
    return Call(f"/api/v1/campaigns/{side_of(where)}/codes", body=_json(count=1))


@_calls("POST /api/v1/campaigns/{key}/codes/take")
def _take(world: World, where: str, _: Kind) -> Call:
    target = side_of(where) if where != "absent" else OWN
    origin = {"from": f"{FOREIGN}-pool", "absent": "nothing"}.get(where, f"{OWN}-pool")
    body = {"from": origin, "count": 1, "name": world.name()}
    return Call(f"/api/v1/campaigns/{target}/codes/take", body={"json": body})


@_calls("POST /api/v1/vouchers")
def _issue(world: World, where: str, _: Kind) -> Call:
    key = f"{side_of(where)}-plain"
    vouchers = [{"recipient": {"external_id": world.name("new-")}}]
    return Call("/api/v1/vouchers", body=_json(campaign=key, vouchers=vouchers))


@_calls("POST /api/v1/campaigns/{key}/invitations")
def _invite(world: World, where: str, _: Kind) -> Call:
    key = "mixed" if where == "mixed" else f"{side_of(where)}-plain"
    body = _json(recipients=[{"external_id": world.name("guest-")}])
    return Call(f"/api/v1/campaigns/{key}/invitations", body=body)


@_calls("POST /api/v1/decisions")
def _decide(world: World, where: str, _: Kind) -> Call:
    key = "mixed" if where == "mixed" else f"{side_of(where)}-rules"
    candidates = [{"recipient": {"external_id": world.name("candidate-")}}]
    return Call("/api/v1/decisions", body=_json(campaign=key, candidates=candidates))


@_calls("POST /api/v1/messages/render")
def _render(world: World, where: str, _: Kind) -> Call:
    key = "mixed" if where == "mixed" else f"{side_of(where)}-plain"
    body = _json(
        message_id=world.name("mail-"),
        template=f'{{{{ wallet_link("{key}") }}}}',
        recipients=[{"external_id": world.name("reader-")}],
    )
    return Call("/api/v1/messages/render", body=body)


def _serial(world: World, where: str) -> str:
    return f"{uuid.uuid4().hex[:16]}" if where == "absent" else world.coupon(side_of(where)).serial


@_calls("POST /api/v1/vouchers/{serial}/withdraw")
def _withdraw(world: World, where: str, _: Kind) -> Call:
    path = f"/api/v1/vouchers/{_serial(world, where)}/withdraw"
    return Call(path, body=_json(what="voucher"))


@_calls("POST /api/v1/vouchers/{serial}/reissue")
def _reissue(world: World, where: str, _: Kind) -> Call:
    path = f"/api/v1/vouchers/{_serial(world, where)}/reissue"
    return Call(path, body=_json(keep_code=True))


@_calls("POST /api/v1/vouchers/updates")
def _change(world: World, where: str, _: Kind) -> Call:
    body = _json(serials=[_serial(world, where)], action="update")
    return Call("/api/v1/vouchers/updates", sees='"changed":1', body=body)


@_calls("POST /api/v1/campaigns/{key}/updates")
def _order(world: World, where: str, _: Kind) -> Call:
    body = _json(message={"en": world.name("Hello ")})
    return Call(f"/api/v1/campaigns/{side_of(where)}-plain/updates", body=body)


@_calls("GET /api/v1/campaigns/{key}/updates")
def _updates(_w: World, where: str, _: Kind) -> Call:
    return Call(f"/api/v1/campaigns/{side_of(where)}-plain/updates")


@_calls("GET /api/v1/updates/{update_id}", "DELETE /api/v1/updates/{update_id}")
def _update(world: World, where: str, _: Kind) -> Call:
    id_ = str(uuid.uuid4())
    if where != "absent":
        answer = world.plain.post(
            f"/api/v1/campaigns/{side_of(where)}-plain/updates",
            json={"message": {"en": "Later"}, "at": "2027-01-01T00:00:00Z"},
            headers=dict(world.free.headers),
        )
        id_ = answer.get_json()["id"]
    return Call(f"/api/v1/updates/{id_}")


@_calls(
    "POST /api/v1/campaigns/{key}/deliveries/pause",
    "POST /api/v1/campaigns/{key}/deliveries/resume",
)
def _pause(world: World, where: str, _: Kind, action: str = "") -> Call:
    deliveries = f"/api/v1/campaigns/{side_of(where)}-plain/deliveries"
    before = "resume" if action == "pause" else "pause"
    world.plain.post(f"{deliveries}/{before}", headers=dict(world.free.headers))
    return Call(f"{deliveries}/{action}")


@_calls("GET /api/v1/sync")
def _sync(_w: World, where: str, _: Kind) -> Call:
    sees = '"failures"' if where == "whole" else f'"campaign":"{side_of(where)}"'
    return Call("/api/v1/sync", sees=sees)


@_calls("GET /api/v1/sync/complaints")
def _complaints(_w: World, where: str, _: Kind) -> Call:
    return Call("/api/v1/sync/complaints", sees=f"complaint of {side_of(where)}")


@_calls("GET /api/v1/webhooks")
def _webhooks(world: World, where: str, _: Kind) -> Call:
    world.forget_webhooks()
    world.webhook(where)
    return Call("/api/v1/webhooks", sees=f"{where}.example.test")


@_calls("POST /api/v1/webhooks")
def _register(world: World, where: str, _: Kind) -> Call:
    world.forget_webhooks()
    wanted = [] if where == "whole" else [side_of(where)]
    return Call("/api/v1/webhooks", body=_json(url="https://x.example.test/", campaigns=wanted))


@_calls(
    "GET /api/v1/webhooks/{id}",
    "PATCH /api/v1/webhooks/{id}",
    "DELETE /api/v1/webhooks/{id}",
    "POST /api/v1/webhooks/{id}/secret",
    "GET /api/v1/webhooks/{id}/dead",
    "POST /api/v1/webhooks/{id}/replay",
)
def _webhook(world: World, where: str, _: Kind) -> Call:
    world.forget_webhooks()
    id_ = str(uuid.uuid4()) if where == "absent" else world.webhook(where)
    return Call(f"/api/v1/webhooks/{id_}{{rest}}", body=_json(active=False))


@_calls("POST /api/v1/redemptions/report")
def _report(world: World, where: str, _: Kind) -> Call:
    code = uuid.uuid4().hex[:12]
    if where != "absent":
        world.shop.voucher(f"{side_of(where)}-shop", code=code)
    body = _json(uses=[{"id": world.name("order-"), "code": code}], **_from(where))
    return Call("/api/v1/redemptions/report", sees='"outcome":"applied"', body=body)


def _place(where: str) -> str:
    return f"{side_of(where)}-{'rome' if where == 'store' else 'paris'}"


@_calls("GET /api/v1/redemptions/conflicts")
def _conflicts(_w: World, where: str, _: Kind) -> Call:
    return Call("/api/v1/redemptions/conflicts", sees=f"conflict-{_place(where)}")


@_calls("GET /api/v1/reports/day")
def _closed(_w: World, where: str, _: Kind) -> Call:
    return Call("/api/v1/reports/day?date=2026-11-21", sees=f"op-{_place(where)}")


@_calls("GET /api/v1/reports/odd-days")
def _odd(_w: World, where: str, _: Kind) -> Call:
    return Call("/api/v1/reports/odd-days?date=2026-11-21", sees=f"op-{_place(where)}")


@_calls("GET /api/v1/reports/liability")
def _liability(_w: World, where: str, _: Kind) -> Call:
    path = "/api/v1/reports/liability?until=2026-11-22T00:00:00Z"
    return Call(path, sees=f'"{side_of(where)}-card"')


@_calls("GET /api/v1/campaigns/{key}/results")
def _results(_w: World, where: str, _: Kind) -> Call:
    store = "rome" if where == "store" else "paris"
    return Call(f"/api/v1/campaigns/{side_of(where)}/results?by=store", sees=f'"{store}"')


@_calls("GET /api/v1/campaigns/{key}/people")
def _people(world: World, where: str, _: Kind) -> Call:
    name = world.name("holder-")
    if where == "mixed":
        world.plain.post(
            "/api/v1/decisions",
            json={"campaign": "mixed", "candidates": [{"recipient": {"external_id": name}}]},
            headers=dict(world.free.headers),
        )
        return Call("/api/v1/campaigns/mixed/people", sees=name)
    if where != "absent":
        world.coupon(side_of(where), recipient_id=world.shop.recipient(name))
    return Call(f"/api/v1/campaigns/{side_of(where)}/people", sees=name)


@_calls("GET /api/v1/campaigns/{key}/lift")
def _lift(_w: World, where: str, _: Kind) -> Call:
    return Call(f"/api/v1/campaigns/{side_of(where)}/lift")


@_calls("POST /api/v1/recipients")
def _remember(world: World, _where: str, _: Kind) -> Call:
    person = {"external_id": world.person(), "score": 1, "segment": "none"}
    return Call("/api/v1/recipients", body=_json(recipients=[person]))


@_calls("POST /api/v1/activities")
def _activity(world: World, _where: str, _: Kind) -> Call:
    done = {"external_id": world.person(), "name": "visit", "id": world.name()}
    return Call("/api/v1/activities", body=_json(activities=[done]))


@_calls("GET /api/v1/recipients/{external_id}", "DELETE /api/v1/recipients/{external_id}")
def _held(world: World, where: str, _: Kind) -> Call:
    name = "nobody" if where == "absent" else world.person()
    return Call(f"/api/v1/recipients/{name}", sees='"gold"')


@_calls("GET /api/v1/recipients/{external_id}/points")
def _points(world: World, where: str, _: Kind) -> Call:
    name = "nobody" if where == "absent" else world.person()
    path = f"/api/v1/recipients/{name}/points?campaign={OWN}"
    return Call(path, sees=f'"campaign":"{OWN}"')


# -- doors without a key ------------------------------------------------------------------------


@_calls(
    "GET /p/{tokens}",
    "GET /p/{tokens}/apple",
    "GET /p/{tokens}/google",
    "GET /p/{token}/code.png",
    "GET /p/{token}/pass.png",
    "GET /p/{token}/{name}.png",
)
def _page(world: World, where: str, _: Kind) -> Call:
    token = "A" * 30 if where == "absent" else world.link()
    return Call(f"/p/{token}{{rest}}")


@_calls(
    "GET /c/{campaign}/{invitation}",
    "POST /c/{campaign}/{invitation}",
    "GET /c/{campaign}/{invitation}/{name}.png",
)
def _offer(world: World, where: str, _: Kind) -> Call:
    path = world.invitation(OWN)
    if where == "campaign":
        path = path.replace(f"/c/{OWN}-", f"/c/{FOREIGN}-")
    elif where == "absent":
        path = f"/c/{OWN}-plain/nothing"
    return Call(f"{path}{{rest}}")


@_calls(
    *(
        operation.replace("/apple/v1", base)
        for base in ("/apple/v1", "/apple//v1")
        for operation in (
            "GET /apple/v1/devices/{library_id}/registrations/{type_id}",
            "POST /apple/v1/devices/{library_id}/registrations/{type_id}/{serial}",
            "DELETE /apple/v1/devices/{library_id}/registrations/{type_id}/{serial}",
            "GET /apple/v1/passes/{type_id}/{serial}",
            "POST /apple/v1/log",
        )
    )
)
def _apple(world: World, _where: str, _: Kind, operation: str = "") -> Call:
    type_id = world.deployment.settings.pass_type_id
    path = operation.partition(" ")[2].format(
        library_id="0123456789abcdef", type_id=type_id, serial=world.coupon(OWN).serial
    )
    return Call(path, body=_json(logs=["something"], pushToken="0" * 64))


@_calls("POST /google/callback")
def _callback(_w: World, _where: str, _: Kind) -> Call:
    return Call("/google/callback", body={"data": b"nothing"})


@_calls("POST /till/session", "DELETE /till/session")
def _session(_w: World, _where: str, _: Kind) -> Call:
    return Call("/till/session", body=_json(key="pk_"), foreign=True)


@_calls("GET /api/v1/security-events")
def _events(_w: World, _where: str, _: Kind) -> Call:
    return Call("/api/v1/security-events", sees='"events"')


_FILES = {
    "GET /a/{digest}.png": f"/a/{'0' * 64}.png",
    "GET /till": "/till",
    "GET /docs": "/docs",
    "GET /docs/swagger/{name}": "/docs/swagger/nothing.js",
    "GET /guide/": "/guide/",
    "GET /static/{filename}": "/static/nothing.js",
    "GET /openapi.json": "/openapi.json",
    "GET /favicon.ico": "/favicon.ico",
    "GET /healthz": "/healthz",
    "GET /readyz": "/readyz",
    "GET /metrics": "/metrics",
    "GET /robots.txt": "/robots.txt",
}


@_calls(*_FILES)
def _file(_w: World, _where: str, _: Kind, operation: str = "") -> Call:
    return Call(_FILES[operation])


@_calls("GET /guide/{name}")
def _guide(_w: World, where: str, _: Kind) -> Call:
    return Call("/guide/nothing" if where == "absent" else "/guide/start")


def call_of(world: World, operation: str, where: str, kind: Kind) -> Call:
    """The call of an operation on an object, made for the kind of key that asks."""
    make = CALLS[operation]
    named = make.__code__.co_varnames[: make.__code__.co_argcount]
    more = {}
    if "action" in named:
        more["action"] = operation.rpartition("/")[2]
    if "operation" in named:
        more["operation"] = operation
    call = make(world, where, kind, **more)
    path = operation.partition(" ")[2]
    # What follows the object in the path of an operation.
    rest = path.rpartition("}")[2] if not path.endswith("}.png") else "/logo.png"
    filled = call.path.replace("{rest}", rest).replace("{action}", path.rpartition("/")[2])
    return replace(call, path=filled)
