"""Security events: recorded with what they tell of, counted where anybody can cause them."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from flask.testing import FlaskClient

from app.services import (
    access,
    clockwork,
    guesses,
    security,
)
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.security import Actor, Counting, EventFilter, SecurityEventKind
from app.store.models import ApiKey, Disclosure
from tests.conftest import Clock
from tests.shop import Shop


def found(
    deployment: Deployment, *kinds: SecurityEventKind, **wanted: object
) -> list[security.ListedEvent]:
    deployment.security.write()
    with deployment.database.read() as session:
        return security.listed(session, EventFilter(kinds=kinds, **wanted), limit=1_000)  # type: ignore[arg-type]


def test_a_key_that_is_made_changed_and_ended_leaves_an_event_for_each(
    deployment: Deployment, clock: Clock
) -> None:
    with deployment.database.write() as session:
        key = access.create(
            session, "crm", [Scope.ISSUE], now=clock.now, expires_at=clock.now + dt.timedelta(1)
        )
        prefix = key.split("_")[1]
        access.change(session, prefix, now=clock.now, endless=True, scopes=[Scope.REPORT])
        access.revoke(session, prefix, now=clock.now)
        access.revoke(session, prefix, now=clock.now)

    ended, changed, made = found(deployment)

    assert [each.kind for each in (made, changed, ended)] == [
        *("key_created", "key_changed", "key_revoked"),
    ]
    assert {each.object for each in (made, changed, ended)} == {f"key pk_{prefix}"}
    assert changed.reason == "scopes report; ends never"
    assert key.split("_")[2] not in repr((made, changed, ended))


def test_an_event_is_undone_with_what_it_tells_of(deployment: Deployment, clock: Clock) -> None:
    with pytest.raises(RuntimeError), deployment.database.write() as session:
        access.create(session, "crm", [Scope.ISSUE], now=clock.now)
        raise RuntimeError
    assert found(deployment) == []


def test_wrong_keys_and_missing_scopes_are_counted_and_not_written_one_by_one(
    deployment: Deployment, client: FlaskClient, shop: Shop
) -> None:
    key = shop.key(Scope.REPORT)
    for _ in range(30):
        assert client.get("/pos/v1/till", headers=bearer("pk_" + "a" * 8 + "_" + "b" * 32))
        assert client.get("/api/v1/webhooks", headers=bearer(key)).status_code == 403
    assert client.get("/pos/v1/till").status_code == 401

    (refused,) = found(deployment, SecurityEventKind.KEY_REFUSED)
    (missing,) = found(deployment, SecurityEventKind.SCOPE_REFUSED)

    assert (refused.count, refused.reason, refused.address) == (30, "unknown", "127.0.0.1")
    assert (refused.key_prefix, missing.key_prefix) == (None, key.split("_")[1])
    assert (missing.count, missing.object) == (30, "GET /api/v1/webhooks")
    assert missing.reason == "needs campaign"


def test_an_expired_key_is_told_from_an_unknown_one_in_events_alone(
    deployment: Deployment, client: FlaskClient, clock: Clock
) -> None:
    with deployment.database.write() as session:
        key = access.create(
            session, "old", [Scope.ADMIN], now=clock.now, expires_at=clock.now + dt.timedelta(1)
        )
    assert client.get("/api/v1/webhooks", headers=bearer(key)).status_code == 200
    clock.advance(days=1)
    expired = client.get("/api/v1/webhooks", headers=bearer(key))
    unknown = client.get("/api/v1/webhooks", headers=bearer(key[:-32] + "a" * 32))

    told = {
        (each.reason, each.key_prefix) for each in found(deployment, SecurityEventKind.KEY_REFUSED)
    }
    assert told == {("expired", key.split("_")[1]), ("unknown", None)}
    assert expired.status_code == unknown.status_code == 401
    assert expired.get_json()["detail"] == unknown.get_json()["detail"]


def test_addresses_without_number_fill_no_table(deployment: Deployment) -> None:
    counting = deployment.security
    for number in range(500):
        by = Actor(address=security.network_of(f"2001:db8:0:{number:x}::1"))
        counting.count(SecurityEventKind.KEY_REFUSED, by=by, reason="unknown")
        counting.count(
            SecurityEventKind.KEY_REFUSED, by=Actor(address="2001:db8::/64"), reason="unknown"
        )

    rows = found(deployment, SecurityEventKind.KEY_REFUSED)

    assert len(rows) == 21
    assert sum(each.count for each in rows) == 1_000
    assert max(each.count for each in rows if each.address == "2001:db8::/64") == 501


def test_beyond_a_days_rows_there_is_one_for_each_time_that_is_written(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.security.counters.DAILY", 10)
    for write in range(5):
        for number in range(4):
            by = Actor(address=f"10.0.{write}.{number}")
            deployment.security.count(SecurityEventKind.KEY_REFUSED, by=by, reason="unknown")
        deployment.security.write()
    rows = found(deployment, SecurityEventKind.KEY_REFUSED)
    assert [each.count for each in rows] == [4, 4, 4] + [1] * 8
    assert sum(each.count for each in rows) == 20


def test_what_is_counted_is_written_by_itself_and_at_the_end(
    deployment: Deployment, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.security.counters.SOON", 0.01)
    counting = Counting(deployment.database, clock)
    written = threading.Event()
    write = counting._write

    def noted(waiting: object) -> None:
        write(waiting)  # type: ignore[arg-type]
        written.set()

    monkeypatch.setattr(counting, "_write", noted)
    counting.count(SecurityEventKind.KEY_REFUSED, by=Actor(address="10.0.0.1"))
    assert written.wait(10)
    counting.count(SecurityEventKind.KEY_REFUSED, by=Actor(address="10.0.0.2"))
    counting.close()
    rows = found(deployment, SecurityEventKind.KEY_REFUSED)
    assert [each.address for each in rows] == ["10.0.0.2", "10.0.0.1"]


def test_closing_waits_for_what_is_being_written(
    deployment: Deployment, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(deployment.database, clock)
    began, go = threading.Event(), threading.Event()
    order: list[str] = []
    plain = counting._write

    def slow(waiting: object) -> None:
        began.set()
        go.wait(10)
        plain(waiting)  # type: ignore[arg-type]
        order.append("written")

    monkeypatch.setattr(counting, "_write", slow)
    counting.count(SecurityEventKind.KEY_REFUSED, by=Actor(), reason="unknown")
    writing = threading.Thread(target=counting.write)
    writing.start()
    assert began.wait(10)
    closing = threading.Thread(target=lambda: [counting.close(), order.append("closed")])
    closing.start()
    closing.join(0.2)
    assert order == []
    go.set()
    closing.join(10)
    writing.join(10)
    assert order == ["written", "closed"]


def test_a_keys_use_is_written_at_most_every_ten_minutes_and_by_no_request(
    deployment: Deployment, client: FlaskClient, shop: Shop, clock: Clock
) -> None:
    key = shop.key(store="paris", terminal="1")
    seen = []
    for minutes in (0, 5, 6):
        clock.advance(minutes=minutes)
        assert client.get("/pos/v1/till", headers=bearer(key)).status_code == 200
        deployment.security.write()
        with deployment.database.read() as session:
            row = session.query(ApiKey).filter_by(prefix=key.split("_")[1]).one()
            seen.append(row.last_used_at)
    start = clock.now - dt.timedelta(minutes=11)
    assert seen == [start, start, clock.now]


def test_a_guesser_is_locked_out_with_one_event_that_holds_nothing_of_the_code(
    deployment: Deployment, client: FlaskClient, shop: Shop
) -> None:
    key = shop.key(store="paris", terminal="1")
    for number in range(guesses.LIMITS["terminal"] + 3):
        body = {"barcode": f"GUESS-{number:04}"}
        client.post("/pos/v1/scans", json=body, headers=bearer(key))

    (locked,) = found(deployment, SecurityEventKind.GUESSING_LOCKED)

    assert locked.object == "counted by terminal"
    assert (locked.terminal, locked.key_prefix) == ("paris/1", key.split("_")[1])
    assert "GUESS" not in repr(locked)


def test_events_are_kept_for_their_days_and_disclosures_of_the_release_before_become_events(
    deployment: Deployment, clock: Clock, shop: Shop
) -> None:
    key = shop.key(Scope.ADMIN)
    with deployment.database.write() as session:
        row = session.query(ApiKey).filter_by(prefix=key.split("_")[1]).one()
        session.add(Disclosure(api_key_id=row.id, what="recipient 7", at=clock.now))
    clockwork.run(deployment)
    old = {each.kind: each for each in found(deployment)}
    assert old["person_disclosed"].object == "recipient 7"
    assert old["person_disclosed"].key_prefix == key.split("_")[1]
    with deployment.database.read() as session:
        assert session.query(Disclosure).count() == 0

    clock.advance(days=deployment.settings.security_days, seconds=1)
    clockwork.run(deployment)
    assert found(deployment) == []


def test_the_list_is_for_unbound_admins_pages_and_is_csv_too(
    deployment: Deployment, client: FlaskClient, shop: Shop, clock: Clock
) -> None:
    admin = bearer(shop.key(Scope.ADMIN))
    bound = bearer(shop.key(Scope.ADMIN, store="paris"))
    for number in range(5):
        with deployment.database.write() as session:
            security.record(
                session,
                SecurityEventKind.CODES_DISCLOSED,
                now=clock.now + dt.timedelta(minutes=number),
                object="campaign sun",
                reason="=HYPERLINK()",
                count=number + 1,
                by=Actor(command="passerelle issue", operator="ada"),
            )
    path = "/api/v1/security-events"
    first = client.get(f"{path}?kind=codes_disclosed&limit=3", headers=admin)
    body = first.get_json()
    assert [each["count"] for each in body["events"]] == [5, 4, 3]
    assert body["events"][0]["operator"] == "ada"
    link = first.headers["Link"].partition(">")[0].lstrip("<")
    rest = client.get(link, headers=admin).get_json()
    assert ([each["count"] for each in rest["events"]], rest["next"]) == ([2, 1], None)

    since = (clock.now + dt.timedelta(minutes=3)).isoformat().replace("+", "%2B")
    late = client.get(f"{path}?actor=ada&since={since}&format=csv", headers=admin)
    lines = late.get_data(as_text=True).splitlines()
    assert lines[0].startswith("id,at,kind,count,key_prefix")
    assert len(lines) == 3
    assert "'=HYPERLINK()" in lines[1]
    assert client.get(path, headers=bound).get_json()["code"] == "store_key_refused"
    assert client.get(path, headers=bearer(shop.key(Scope.REPORT))).status_code == 403
    assert client.get(f"{path}?kind=nothing", headers=admin).status_code == 422
    assert client.get(path).status_code == 401


def test_a_redemption_without_a_refusal_records_nothing(
    deployment: Deployment, client: FlaskClient, shop: Shop
) -> None:
    shop.campaign("sun")
    voucher = shop.voucher("sun")
    key = shop.key(store="paris", terminal="1")
    before = len(found(deployment))
    answer = client.post(
        "/pos/v1/redemptions",
        json={"items": [{"barcode": voucher.barcode}]},
        headers=bearer(key) | {"Idempotency-Key": "1"},
    )
    assert answer.get_json()["outcome"] == "accepted"
    assert len(found(deployment)) == before


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
