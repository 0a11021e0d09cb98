"""The log of events is read whole and in order, however transactions overlap."""

from __future__ import annotations

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from app.services import eventlog
from app.services.deployment import Deployment
from app.services.eventlog import BEGINNING, Position
from app.store.models import Event, Voucher
from app.store.session import Database
from tests.storefront import Storefront


def write(session: Session, voucher_id: int, deployment: Deployment) -> None:
    number = session.scalar(
        update(Voucher)
        .where(Voucher.id == voucher_id)
        .values(events=Voucher.events + 1)
        .returning(Voucher.events)
    )
    session.execute(
        insert(Event).values(
            kind="scanned", at=deployment.now(), voucher_id=voucher_id, number=number
        )
    )


def drain(database: Database, position: Position, *, limit: int = 2) -> tuple[list[int], Position]:
    numbers = []
    while True:
        with database.read() as session:
            page = eventlog.read(session, position, limit=limit)
        numbers += [row.number for row in page.events]
        # Positions survive being stored.
        position = Position.parse(str(page.position))
        if not page.more:
            return numbers, position


def test_events_are_read_once_in_pages_and_readers_may_begin_at_the_present(
    deployment: Deployment, storefront: Storefront
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    database = deployment.database
    for _ in range(5):
        with database.write() as session:
            write(session, voucher.id, deployment)
    with database.read() as session:
        late = eventlog.present(session)
    numbers, position = drain(database, BEGINNING)
    assert numbers == [1, 2, 3, 4, 5]
    assert drain(database, position) == ([], position)

    with database.write() as session:
        write(session, voucher.id, deployment)

    assert drain(database, position)[0] == [6]
    assert drain(database, late)[0] == [6]


def test_late_commit_is_neither_skipped_nor_reordered(postgres_url: str, certs: object) -> None:
    """Three transactions overlap: the earliest commits last, and its event of the shared voucher
    is younger than that of a later transaction.
    """
    from app.settings import Settings
    from tests.conftest import MASTER_KEYS

    deployment = Deployment(Settings(database_url=postgres_url, master_keys=MASTER_KEYS))
    storefront = Storefront(deployment)
    campaign = storefront.campaign()
    shared, own = storefront.voucher(campaign), storefront.voucher(campaign)
    database = deployment.database
    _, position = drain(database, BEGINNING)
    seen: list[tuple[int, int]] = []

    def look() -> None:
        nonlocal position
        while True:
            with database.read() as session:
                page = eventlog.read(session, position, limit=1)
            seen.extend((row.voucher_id, row.number) for row in page.events)
            position = page.position
            if not page.more:
                return

    with Session(database.engine) as early, Session(database.engine) as between:
        write(early, own.id, deployment)  # The earliest transaction has its number now,
        between.execute(update(Voucher).where(Voucher.id == -1).values(events=0))
        write(
            between, storefront.voucher(campaign).id, deployment
        )  # and so has one that stays open.
        with database.write() as later:
            write(later, shared.id, deployment)
        look()
        assert seen == [(shared.id, 1)]
        write(early, shared.id, deployment)
        early.commit()
        look()
        assert seen[1:] == [(own.id, 1), (shared.id, 2)]
        between.commit()
        look()

    assert len(seen) == 4
    assert len(set(seen)) == 4
    deployment.close()


def test_a_reader_goes_on_where_it_was_in_a_log_moved_to_another_server(
    deployment: Deployment, storefront: Storefront
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    database = deployment.database
    for _ in range(3):
        with database.write() as session:
            write(session, voucher.id, deployment)
    with database.read() as session:
        done = eventlog.present(session)
        half = eventlog.read(session, BEGINNING, limit=2).position

    with database.write() as session:
        moved = [eventlog.rebased(session, each) for each in (done, half)]
        # As a restore leaves it: the old server's numbers mean nothing here.
        session.execute(update(Event).values(transaction=0))
    with database.write() as session:
        write(session, voucher.id, deployment)

    assert drain(database, moved[0])[0] == [4]
    unread, position = drain(database, moved[1])
    assert unread + drain(database, position)[0] == [3, 4]
