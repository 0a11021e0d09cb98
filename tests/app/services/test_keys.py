"""Master keys: missing ones are found at once, rotation needs no stop, retirement no guess."""

import base64
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from app.services import keys
from app.services.deployment import Deployment
from app.services.keys import KeyFault
from app.settings import Settings
from app.store.keyring import Keyring
from app.store.models import Campaign, Code
from tests.conftest import MASTER_KEYS

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
Opener = Callable[[dict[int, bytes]], Deployment]
OLD = {1: MASTER_KEYS[1]}


@pytest.fixture
def open_with(settings: Settings) -> Iterator[Opener]:
    """Open the same database with other master keys, as a restarted service would."""
    opened = []

    def open_deployment(masters: dict[int, bytes]) -> Deployment:
        changed = dataclasses.replace(settings, master_keys=masters)
        opened.append(Deployment(changed, clock=lambda: NOW))
        return opened[-1]

    yield open_deployment
    for deployment in opened:
        deployment.close()


def _add_code(deployment: Deployment, text: str, *, pin: str | None = None) -> bytes:
    ring = deployment.keyring
    lookup = ring.lookup(text)
    with deployment.database.write() as session:
        campaign = session.scalar(select(Campaign)) or Campaign(
            key="c",
            name="c",
            kind="coupon",
            authority="passerelle",
            source="list",
            source_options={},
            timezone="UTC",
            created_at=NOW,
            updated_at=NOW,
        )
        session.add(campaign)
        session.flush()
        session.add(
            Code(
                lookup=lookup,
                sealed=ring.seal(text, row=lookup),
                pin=ring.seal(pin, row=keys.pin_row(lookup)) if pin else None,
                key_id=ring.newest,
                campaign_id=campaign.id,
                free=True,
            )
        )
    return lookup


def _read_code(deployment: Deployment, ring: Keyring, text: str) -> tuple[str, str | None]:
    with deployment.database.read() as session:
        code = session.scalars(select(Code).where(Code.lookup == ring.lookup(text))).one()
    pin = code.pin and ring.open(code.pin, row=keys.pin_row(code.lookup), key_id=code.key_id)
    return ring.open(code.sealed, row=code.lookup, key_id=code.key_id), pin


def test_two_processes_on_a_fresh_database_agree_on_the_lookup_key(
    open_with: Opener,
) -> None:
    first, second = open_with(OLD), open_with(OLD)
    with ThreadPoolExecutor(2) as pool:
        pool.map(lambda deployment: deployment.keyring, (first, second))

    assert first.keyring.lookup("SUN20") == second.keyring.lookup("SUN20")


def test_a_missing_key_and_another_key_under_its_id_are_named(open_with: Opener) -> None:
    _ = open_with(MASTER_KEYS).keyring

    with pytest.raises(KeyFault, match="Master key 1 is missing"):
        _ = open_with({2: MASTER_KEYS[2]}).keyring
    with pytest.raises(KeyFault, match="Master key 1 is not the one"):
        _ = open_with({2: MASTER_KEYS[2], 1: bytes(32)}).keyring


def test_rotation_keeps_codes_findable_and_lets_the_old_key_retire(open_with: Opener) -> None:
    before = open_with(OLD)
    _add_code(before, "SUN20", pin="4711")

    after = open_with(MASTER_KEYS)
    assert _read_code(after, after.keyring, "sun-20") == ("SUN20", "4711")
    with pytest.raises(KeyFault, match="still needed by 1 codes"):
        keys.retire(after.database, MASTER_KEYS, 1, now=NOW)

    assert keys.reseal(after.database, after.keyring) == 1
    assert _read_code(after, after.keyring, "SUN20") == ("SUN20", "4711")
    keys.retire(after.database, MASTER_KEYS, 1, now=NOW)

    without = open_with({2: MASTER_KEYS[2]})
    assert _read_code(without, without.keyring, "SUN20") == ("SUN20", "4711")


def test_the_newest_and_an_unknown_key_are_not_retired(open_with: Opener) -> None:
    deployment = open_with(MASTER_KEYS)
    _ = deployment.keyring

    with pytest.raises(KeyFault, match="is the newest"):
        keys.retire(deployment.database, MASTER_KEYS, 2, now=NOW)
    with pytest.raises(KeyFault, match="No key 9 is known"):
        keys.retire(deployment.database, MASTER_KEYS, 9, now=NOW)


def test_a_reindex_changes_every_lookup_hash_and_loses_no_code(open_with: Opener) -> None:
    deployment = open_with(MASTER_KEYS)
    old = _add_code(deployment, "SUN20", pin="4711")

    assert keys.reindex(deployment.database, MASTER_KEYS, now=NOW) == 1

    again = open_with(MASTER_KEYS)
    assert again.keyring.lookup("SUN20") != old
    assert _read_code(again, again.keyring, "SUN20") == ("SUN20", "4711")


def test_a_generated_key_is_new_and_fits_the_setting() -> None:
    key_id, secret = keys.generate(MASTER_KEYS)

    assert key_id not in MASTER_KEYS
    assert len(base64.b64decode(base64.b64encode(secret))) == 32
