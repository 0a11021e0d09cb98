"""A backup is whole, checked, and leads to a database on which tills go on."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, select, text

from app.domain.campaign import Terms
from app.services import audit, backup
from app.services.backup import BackupFault
from app.services.deployment import Deployment
from app.settings import Settings
from app.store.models import Event
from app.store.session import Database
from tests.app.services.test_money import desk_of
from tests.conftest import MASTER_KEYS, Clock
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

    made = backup.backup(deployment.database, file, now=clock.now)
    late = desk.redeem(card, 300, key="after")
    restored = backup.restore(empty.database, file)

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
    backup.backup(deployment.database, file, now=clock.now)
    with pytest.raises(BackupFault, match="exists"):
        backup.backup(deployment.database, file, now=clock.now)
    with pytest.raises(BackupFault, match="not empty"):
        backup.restore(deployment.database, file)
    with zipfile.ZipFile(file) as good, zipfile.ZipFile(broken, "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, data if name == backup.MANIFEST else data + b"\n")
    with pytest.raises(BackupFault, match="damaged"):
        backup.restore(empty.database, broken)
    backup.restore(empty.database, file)


def test_a_file_that_is_no_backup_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("hello")
    with pytest.raises(BackupFault, match="no backup"):
        backup.restore(Database(f"sqlite:///{tmp_path}/y.sqlite"), file)
