"""API keys: shown once, compared by hash, bound to scopes, stores and campaigns."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import event, select

from app.faults import StoreUnknown
from app.services import access
from app.services.access import AccessFault, Client, Doorkeeper, KeyRefusal, KeyRefused, Scope
from app.services.deployment import Deployment
from app.store.models import ApiKey, Store, Terminal

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def test_a_key_opens_until_it_is_revoked_and_its_secret_is_not_stored(
    deployment: Deployment,
) -> None:
    with deployment.database.write() as session:
        key = access.create(session, "till", [Scope.POS], now=NOW)
    with deployment.database.read() as session:
        found = access.authenticate(session, key, now=NOW)
        row = session.scalars(select(ApiKey)).one()

    assert found is not None
    assert found.may(Scope.POS)
    assert not found.may(Scope.CAMPAIGN)
    assert key.rpartition("_")[2].encode() not in row.secret_hash

    with deployment.database.write() as session:
        access.revoke(session, row.prefix, now=NOW)
        assert access.authenticate(session, key, now=NOW) is None


@pytest.mark.parametrize("fault", ["", "pk_", "pk_aaaaaaaa_" + "a" * 32, "ä" * 40])
def test_what_is_no_key_opens_nothing(deployment: Deployment, fault: str) -> None:
    with deployment.database.read() as session:
        assert access.authenticate(session, fault, now=NOW) is None


def test_a_wrong_secret_and_an_expired_key_open_nothing(deployment: Deployment) -> None:
    with deployment.database.write() as session:
        key = access.create(
            session, "till", [Scope.ADMIN], now=NOW, expires_at=NOW + dt.timedelta(days=1)
        )
    with deployment.database.read() as session:
        assert access.authenticate(session, key[:-1] + "?", now=NOW) is None
        assert access.authenticate(session, key[:-32] + "a" * 32, now=NOW) is None
        assert access.authenticate(session, key, now=NOW + dt.timedelta(days=1)) is None
        admin = access.authenticate(session, key, now=NOW)

    assert admin is not None
    assert admin.may(Scope.CODES_REVEAL)


def test_a_key_is_bound_to_a_terminal_of_a_store(deployment: Deployment) -> None:
    with deployment.database.write() as session:
        store = Store(key="paris-1", name="Paris", created_at=NOW)
        session.add(store)
        session.flush()
        session.add(Terminal(store_id=store.id, key="1", created_at=NOW))
        session.flush()
        key = access.create(session, "t", [Scope.POS], now=NOW, store="paris-1", terminal="1")
        found = access.authenticate(session, key, now=NOW)

    assert found is not None
    assert found.store_id == store.id
    assert found.terminal_id is not None
    assert found.may_touch("anything")


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ({"scopes": []}, "Name at least one scope"),
        ({"store": "nowhere"}, "No store 'nowhere'"),
        ({"terminal": "1"}, "Name the store too"),
        ({"campaigns": ["none"]}, "No such campaign: none"),
    ],
)
def test_a_key_that_cannot_be_made_says_why(
    deployment: Deployment, asked: dict[str, object], remedy: str
) -> None:
    arguments: dict[str, object] = {"scopes": [Scope.POS], "now": NOW} | asked
    with (
        pytest.raises((AccessFault, StoreUnknown), match=remedy),
        deployment.database.write() as session,
    ):
        access.create(session, "t", **arguments)  # type: ignore[arg-type]


def test_revoking_an_unknown_key_says_so(deployment: Deployment) -> None:
    with (
        pytest.raises(AccessFault, match="No key starts with"),
        deployment.database.write() as session,
    ):
        access.revoke(session, "aaaaaaaa", now=NOW)


def test_a_verified_key_is_believed_for_seconds_and_a_revoked_one_ends_after_them(
    deployment: Deployment,
) -> None:
    with deployment.database.write() as session:
        key = access.create(session, "till", [Scope.POS], now=NOW)
    doorkeeper = Doorkeeper(deployment.database, deployment.security)
    asked = statements_of(deployment)
    first = doorkeeper.identify(key, now=NOW)
    count = len(asked)

    assert isinstance(first, Client)
    assert count > 0
    assert doorkeeper.identify(key, now=NOW + dt.timedelta(seconds=4)) == first
    assert len(asked) == count

    with deployment.database.write() as session:
        access.revoke(session, key.split("_")[1], now=NOW)
    assert doorkeeper.identify(key, now=NOW + dt.timedelta(seconds=4)) == first
    assert isinstance(doorkeeper.identify(key, now=NOW + access.FRESH), KeyRefused)
    assert isinstance(doorkeeper.identify(key, now=NOW + access.FRESH), KeyRefused)


def test_neither_a_wrong_secret_nor_an_expired_key_lives_off_one_that_was_verified(
    deployment: Deployment,
) -> None:
    ends = NOW + dt.timedelta(seconds=2)
    with deployment.database.write() as session:
        key = access.create(session, "till", [Scope.POS], now=NOW, expires_at=ends)
    doorkeeper = Doorkeeper(deployment.database, deployment.security)

    assert isinstance(doorkeeper.identify(key, now=NOW), Client)
    assert isinstance(doorkeeper.identify(key[:-32] + "a" * 32, now=NOW), KeyRefused)
    assert isinstance(doorkeeper.identify("pk_short", now=NOW), KeyRefused)
    prefix = key.split("_")[1]
    assert doorkeeper.identify(key, now=ends) == KeyRefused(KeyRefusal.EXPIRED, prefix)
    assert isinstance(doorkeeper.identify(key, now=NOW), Client)


def test_a_refused_key_is_asked_for_every_time_and_opens_once_it_exists(
    deployment: Deployment,
) -> None:
    doorkeeper = Doorkeeper(deployment.database, deployment.security)
    unknown = "pk_aaaaaaaa_" + "a" * 32
    asked = statements_of(deployment)
    counts = []
    for _ in range(2):
        assert isinstance(doorkeeper.identify(unknown, now=NOW), KeyRefused)
        counts.append(len(asked))
    assert counts[1] > counts[0] > 0


def test_a_process_remembers_no_more_keys_than_it_may(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MOST_REMEMBERED", 2)
    with deployment.database.write() as session:
        keys = [access.create(session, "till", [Scope.POS], now=NOW) for _ in range(3)]
    doorkeeper = Doorkeeper(deployment.database, deployment.security)
    for key in keys:
        assert isinstance(doorkeeper.identify(key, now=NOW), Client)
    asked = statements_of(deployment)
    assert isinstance(doorkeeper.identify(keys[2], now=NOW), Client)
    assert not asked
    assert isinstance(doorkeeper.identify(keys[0], now=NOW), Client)
    assert asked


def statements_of(deployment: Deployment) -> list[str]:
    """Every statement that the deployment's database runs from now on."""
    seen: list[str] = []

    def note(_c: Any, _cur: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(deployment.database.engine, "before_cursor_execute", note)
    return seen
