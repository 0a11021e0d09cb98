"""A backup is whole, checked, and leads to a database on which tills go on."""

from __future__ import annotations

import hashlib
import tracemalloc
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from sqlalchemy import create_engine, make_url, select, text

from app.domain.campaign import Terms
from app.services import audit, backup
from app.services.access import Scope
from app.services.backup import BackupFault
from app.services.deployment import Deployment
from app.services.security import EventFilter, SecurityEventKind, listed
from app.settings import Settings
from app.store import migrations
from app.store.models import ApiKey, Base, Event
from tests.conftest import MASTER_KEYS, Clock
from tests.desk import desk_of
from tests.shop import Shop


@pytest.fixture
def empty(
    database_url: str, postgres: str, tmp_path: Path, certs: Path, clock: Clock
) -> Iterator[Deployment]:
    """Another deployment with the same keys and nothing in its database."""
    url = f"sqlite:///{tmp_path}/restored/db.sqlite"
    name = f"restored_{uuid.uuid4().hex}"
    maintenance = create_engine(postgres, isolation_level="AUTOCOMMIT")
    if not database_url.startswith("sqlite"):
        with maintenance.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(postgres).set(database=name).render_as_string(hide_password=False)
    house = Deployment(
        Settings(
            database_url=url,
            queue_url=f"sqlite:///{tmp_path}/other-queue.sqlite",
            master_keys=MASTER_KEYS,
            certs=certs,
            log_level="error",
        ),
        clock=clock,
    )
    yield house
    house.close()
    with maintenance.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    maintenance.dispose()


PROVEN = (backup.MANIFEST, backup.PROOF)


def restore(house: Deployment, file: Path, **options: bool) -> backup.Made:
    now = house.now()
    return backup.restore(house.database, file, master_keys=MASTER_KEYS, now=now, **options)


def rewrite(
    file: Path,
    target: Path,
    changed: Callable[[str, bytes], bytes],
    *,
    order: Callable[[list[str]], list[str]] = list,
) -> Path:
    """Another archive of what is in `file`, as somebody makes it who has no master key."""
    with zipfile.ZipFile(file) as good, zipfile.ZipFile(target, "w") as bad:
        for name in order(good.namelist()):
            bad.writestr(name, changed(name, good.read(name) if name in good.namelist() else b""))
    return target


def test_a_restored_database_passes_the_audit_and_answers_known_calls_as_before(
    deployment: Deployment, empty: Deployment, tmp_path: Path, clock: Clock
) -> None:
    shop = Shop(deployment)
    shop.store("paris")
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000))
    card = shop.voucher()
    desk = desk_of(deployment, shop)
    known = desk.redeem(card, 1_000, key="before")
    file = tmp_path / "shop.backup"

    made = backup.backup(deployment.database, file, master_keys=MASTER_KEYS, now=clock.now)
    late = desk.redeem(card, 300, key="after")
    restored = restore(empty, file)

    assert made == restored
    assert file.stat().st_mode & 0o077 == 0
    assert [each.findings for each in audit.run(empty.database) if each.findings] == []
    with empty.database.read() as session:
        (replay,) = backup.replays(session)
        assert set(session.scalars(select(Event.transaction))) == {0}
    assert (replay.store, replay.terminal, replay.calls, replay.last_at) == (
        *("paris", "1", 1, clock.now),
    )
    again = type(desk)(empty, desk.client)
    assert again.redeem(card, 1_000, key="before") == known
    assert (
        again.redeem(card, 300, key="after")["redemptions"][0]["voucher"]
        == (late["redemptions"][0]["voucher"])
    )
    assert Shop(empty).row(card).balance_minor == 3_700
    assert [each.findings for each in audit.run(empty.database) if each.findings] == []


def test_nothing_is_restored_over_data_or_from_a_damaged_file(
    deployment: Deployment, empty: Deployment, tmp_path: Path, clock: Clock
) -> None:
    Shop(deployment).store("paris")
    file, broken = tmp_path / "shop.backup", tmp_path / "broken.backup"
    backup.backup(deployment.database, file, master_keys=MASTER_KEYS, now=clock.now)
    with pytest.raises(BackupFault, match="exists"):
        backup.backup(deployment.database, file, master_keys=MASTER_KEYS, now=clock.now)
    with pytest.raises(BackupFault, match="not empty"):
        restore(deployment, file)
    rewrite(file, broken, lambda name, data: data if name in PROVEN else data + b"\n")
    with pytest.raises(BackupFault, match="damaged"):
        restore(empty, broken)
    restore(empty, file)


def test_a_file_that_is_no_backup_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("hello")
    with pytest.raises(BackupFault, match="no backup"):
        backup.inspect(file, master_keys=MASTER_KEYS)


def test_an_admin_key_planted_in_a_backup_is_refused_before_the_database_is_touched(
    deployment: Deployment, empty: Deployment, tmp_path: Path, clock: Clock
) -> None:
    """The data and every digest in the manifest agree: only the proof is not theirs to make."""
    Shop(deployment).store("paris")
    file, forged = tmp_path / "shop.backup", tmp_path / "forged.backup"
    backup.backup(deployment.database, file, master_keys=MASTER_KEYS, now=clock.now)
    with zipfile.ZipFile(file) as archive:
        manifest = orjson.loads(archive.read(backup.MANIFEST))
        (member, *_) = manifest["members"]
        data = archive.read(member["name"]) + b" "
    member |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    made = {member["name"]: data, backup.MANIFEST: orjson.dumps(manifest)}
    rewrite(file, forged, made.get)

    with pytest.raises(BackupFault, match="was changed since it was made"):
        restore(empty, forged)
    with pytest.raises(BackupFault, match="was changed since it was made"):
        restore(empty, forged, unauthenticated=True)
    assert migrations_of(empty) in (None, [])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "order",
    [
        lambda names: names[1:],
        lambda names: [names[1], names[0], *names[2:]],
        lambda names: [*names[:3], "api_key2.copy", *names[3:]],
        lambda names: [*names[2:], *names[:2]],
    ],
    ids=["cut", "swapped", "added", "turned"],
)
def test_parts_that_are_missing_added_or_moved_are_refused(
    deployment: Deployment,
    empty: Deployment,
    tmp_path: Path,
    clock: Clock,
    order: Callable[[list[str]], list[str]],
) -> None:
    file = tmp_path / "shop.backup"
    backup.backup(deployment.database, file, master_keys=MASTER_KEYS, now=clock.now)
    other = rewrite(file, tmp_path / "other.backup", lambda _name, data: data, order=order)
    with pytest.raises(BackupFault, match="its parts are not those"):
        restore(empty, other)
    assert migrations_of(empty) in (None, [])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_cut_anywhere_or_with_one_bit_changed_is_never_restored(
    deployment: Deployment, empty: Deployment, tmp_path: Path, clock: Clock
) -> None:
    file, bad = tmp_path / "shop.backup", tmp_path / "bad.backup"
    backup.backup(deployment.database, file, master_keys=MASTER_KEYS, now=clock.now)
    data = file.read_bytes()
    for at in range(40, len(data), len(data) // 40):
        for changed in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]):
            bad.write_bytes(changed)
            with suppress(BackupFault):
                restore(empty, bad)
                # A bit that no reader of ZIP looks at: what was restored is what was backed up.
                with empty.database.read() as session:
                    assert backup.taken(session) == {}
                empty.database.close()
                Path(str(empty.database.engine.url.database)).unlink()


def test_a_proof_that_unpacks_to_much_is_refused_before_it_is_unpacked(
    deployment: Deployment, empty: Deployment, tmp_path: Path, clock: Clock
) -> None:
    file, bomb = tmp_path / "shop.backup", tmp_path / "bomb.backup"
    backup.backup(deployment.database, file, master_keys=MASTER_KEYS, now=clock.now)
    with zipfile.ZipFile(file) as good:
        manifest = good.read(backup.MANIFEST)
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(backup.MANIFEST, manifest)
        archive.writestr(backup.PROOF, bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(BackupFault, match="was changed since it was made"):
            restore(empty, bomb)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_other_master_keys_prove_nothing(
    deployment: Deployment, empty: Deployment, tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "shop.backup"
    backup.backup(deployment.database, file, master_keys=MASTER_KEYS, now=clock.now)
    other = {2: bytes(range(7, 39))}
    with pytest.raises(BackupFault, match="master keys did not"):
        backup.restore(empty.database, file, master_keys=other, now=clock.now)
    with pytest.raises(BackupFault, match="authenticated by master key 2"):
        backup.inspect(file, master_keys={9: MASTER_KEYS[2]})
    # An old key that is still there proves what it made.
    older = {9: bytes(range(7, 39)), **MASTER_KEYS}
    assert backup.inspect(file, master_keys=older).entries == 0


def test_a_backup_of_an_older_release_is_restored_only_by_saying_that_nothing_proves_it(
    deployment: Deployment, empty: Deployment, tmp_path: Path, clock: Clock
) -> None:
    Shop(deployment).store("paris")
    file, old = tmp_path / "shop.backup", tmp_path / "old.backup"
    backup.backup(deployment.database, file, master_keys=MASTER_KEYS, now=clock.now)
    with zipfile.ZipFile(file) as archive:
        manifest = orjson.loads(archive.read(backup.MANIFEST))
    members = manifest.pop("members")
    for name in ("key_id", "inventory", "tables"):
        manifest.pop(name, None)
    manifest |= {"format": 1, "files": {each["name"]: each["sha256"] for each in members}}
    kept = {backup.MANIFEST: orjson.dumps(manifest)}
    rewrite(
        file,
        old,
        kept.get,
        order=lambda names: [name for name in names if name != backup.PROOF],
    )
    with pytest.raises(BackupFault, match="Nothing proves who made"):
        restore(empty, old)
    made = restore(empty, old, unauthenticated=True)
    assert made.inventory is None
    with empty.database.read() as session:
        assert backup.taken(session) == {"store paris": "terminals 1"}
        (event,) = listed(session, EventFilter(kinds=[SecurityEventKind.BACKUP_RESTORED]), limit=9)
    assert event.reason is not None
    assert event.reason.endswith("which nothing proves")


def test_an_inventory_names_a_key_that_was_planted_changed_or_given_another_secret(
    deployment: Deployment, tmp_path: Path, clock: Clock
) -> None:
    shop = Shop(deployment)
    shop.store("paris")
    good, other = shop.key(store="paris", terminal="1"), shop.key(Scope.ISSUE)
    with deployment.database.read() as session:
        before = backup.taken(session)
    planted = shop.key(Scope.ADMIN)
    with deployment.database.write() as session:
        rows = {row.prefix: row for row in session.query(ApiKey)}
        rows[good.split("_")[1]].secret_hash = bytes(32)
        rows[other.split("_")[1]].scopes = ["admin"]
    with deployment.database.read() as session:
        found = backup.compared(backup.taken(session), before)
    assert [each.split(":")[0] for each in found.unexpected] == [
        f"API key pk_{planted.split('_')[1]}"
    ]
    assert {each.split(":")[0] for each in found.changed} == {
        f"API key pk_{key.split('_')[1]}" for key in (good, other)
    }
    assert found.missing == ()
    for key in (good, other, planted):
        assert key.split("_")[2] not in repr(before) + repr(found)


def migrations_of(house: Deployment) -> list[str] | None:
    """Tables of a database that has rows; None where there is no schema."""
    if migrations.current(house.database) is None:
        return None
    with house.database.reading() as connection:
        return [
            table.name
            for table in Base.metadata.sorted_tables
            if connection.execute(select(text("1")).select_from(table).limit(1)).first()
        ]
