"""Passes in Apple's wallets as the engine sees them: devices to push, and what became of it.

Promises: one push for a device, however many of its passes changed; recorded as pushed is the
state that was read before the push, and only if no list told the device more meanwhile. A device
that does not ask, or does not fetch what it was told of, is pushed again after 1 h, 6 h and 24 h,
then weekly three times. A token that Apple calls bad is asked again first: many at once are our own
fault, and then nothing is deleted.
Refuses: to push a device twice within `GAP`: iOS unregisters a topic that is pushed too often.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson
import structlog
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    and_,
    any_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.delivery.apns import ApnsSender, Push
from app.delivery.engine import BATCH, Found, Rest
from app.delivery.outcomes import Done, Drop, Fault, Outcome, Retry
from app.services import events
from app.services.installations import FETCHED, LISTED, PUSHED, Pair, behind
from app.store.models import AppleDevice, AppleRegistration, Campaign, Voucher

#: Two pushes to one device are at least so far apart; what changes meanwhile rides on the second.
GAP = dt.timedelta(seconds=2)
REMINDERS = (
    dt.timedelta(hours=1),
    dt.timedelta(hours=6),
    dt.timedelta(hours=24),
    dt.timedelta(days=7),
    dt.timedelta(days=7),
    dt.timedelta(days=7),
)
#: A token that Apple called bad is tried again after this, before its device is dropped.
DOUBT = dt.timedelta(minutes=15)
#: So long a registration is believed against an older 410 of Apple's.
BELIEVED = dt.timedelta(days=1)
#: So many bad tokens are one by one; more, and more than this share, is our own fault.
DOUBTFUL_FEW = 3
DOUBTFUL_SHARE = 0.02
#: A request of ours that was wrong is repeated once a day, in case somebody mended it.
FAULT_AGAIN = dt.timedelta(hours=24)
LONGEST = dt.timedelta(hours=6)


Pushed = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Told:
    """One registration that a push tells of: its id, what it was told before, and the state now."""

    id: int
    before: Pushed
    pair: Pair

    @property
    def is_new(self) -> bool:
        """Whether the device has never been told of the pass."""
        return self.before == (None, None)


@dataclass(frozen=True, slots=True)
class DevicePush:
    """A leased device."""

    device_id: int
    token: str
    until: dt.datetime
    attempts: int
    reminder: int
    told: tuple[Told, ...]


class ApplePushes:
    """`Installations` for Apple's wallets."""

    name = "apple"
    batch = BATCH

    def __init__(self, sender: ApnsSender) -> None:
        self._sender = sender

    def rest(self) -> Rest | None:
        pause = self._sender.pause()
        return None if pause is None else Rest(pause.until, pause.reason, pause.remedy)

    def owed(self, session: Session, vouchers: Sequence[int], *, now: dt.datetime) -> list[int]:
        query = (
            select(AppleRegistration.device_id)
            .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
            .join(Campaign, Campaign.id == Voucher.campaign_id)
            .where(AppleRegistration.voucher_id.in_(vouchers), _owed())
            .distinct()
        )
        return list(session.scalars(query))

    def sweep(self, session: Session, *, campaign: int | None, after: int, limit: int) -> Found:
        window = (
            select(AppleRegistration.id)
            .where(AppleRegistration.id > after)
            .order_by(AppleRegistration.id)
            .limit(limit)
            .subquery()
        )
        last, count = session.execute(select(func.max(window.c.id), func.count())).one()
        if not count:
            return Found((), None)
        query = (
            select(AppleRegistration.device_id)
            .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
            .join(Campaign, Campaign.id == Voucher.campaign_id)
            .join(AppleDevice, AppleDevice.id == AppleRegistration.device_id)
            .where(
                AppleRegistration.id > after,
                AppleRegistration.id <= last,
                _owed(),
                # Those that have a time of their own are found by it.
                AppleDevice.due_at.is_(None) | AppleDevice.claimed_until.is_(None),
            )
        )
        if campaign is not None:
            query = query.where(Voucher.campaign_id == campaign)
        found = dict.fromkeys(session.scalars(query))
        return Found(tuple(found), None if count < limit else last)

    def due(self, session: Session, *, now: dt.datetime, limit: int) -> list[int]:
        query = (
            select(AppleDevice.id)
            .where(AppleDevice.due_at <= now)
            .order_by(AppleDevice.due_at)
            .limit(limit)
        )
        return list(session.scalars(query))

    def lease(
        self, session: Session, targets: Sequence[int], *, now: dt.datetime, until: dt.datetime
    ) -> list[DevicePush]:
        # Plain rows and answers of the database's own: this is done for every push.
        free = (
            session.connection()
            .execute(
                select(
                    AppleDevice.id,
                    AppleDevice.push_token,
                    AppleDevice.attempts,
                    AppleDevice.reminders,
                    AppleDevice.due_at <= now,
                    AppleDevice.due_at.is_not(None),
                    AppleDevice.pushed_at > now - GAP,
                )
                .where(
                    _among(session, AppleDevice.id, targets),
                    or_(AppleDevice.claimed_until.is_(None), AppleDevice.claimed_until <= now),
                )
                .order_by(AppleDevice.id)
                .with_for_update(skip_locked=True)
            )
            .all()
        )
        told, silent = self._states(session, [each[0] for each in free])
        jobs: list[DevicePush] = []
        idle: list[int] = []
        early: list[dict[str, object]] = []
        for device, token, attempts, reminders, due, planned, just_pushed in free:
            news = told.get(device)
            if news is not None:
                if just_pushed:
                    early.append(_holding(device, now + GAP))
                    continue
                # A new registration is given the time to list by itself.
                if planned and not due and not attempts and all(one.is_new for one in news):
                    continue
                reminder = 0
            elif due and device in silent and reminders < len(REMINDERS):
                reminder = reminders + 1
            else:
                if due:
                    idle.append(device)
                continue
            jobs.append(DevicePush(device, token, until, attempts, reminder, tuple(news or ())))
        if jobs:
            session.execute(
                update(AppleDevice)
                .where(_among(session, AppleDevice.id, [job.device_id for job in jobs]))
                .values(claimed_until=until, due_at=until)
                .execution_options(synchronize_session=False)
            )
        if idle:
            session.execute(
                update(AppleDevice)
                .where(AppleDevice.id.in_(idle))
                .values(due_at=None, claimed_until=None)
                .execution_options(synchronize_session=False)
            )
        if early:
            _update_devices(session, early)
        return jobs

    def deliver(
        self, jobs: Iterable[DevicePush], *, now: dt.datetime
    ) -> Iterator[tuple[DevicePush, Outcome]]:
        for push, outcome in self._sender.send((Push(job, job.token) for job in jobs), now=now):
            if isinstance(push.key, DevicePush):
                yield push.key, outcome

    def record(
        self,
        session: Session,
        results: Sequence[tuple[DevicePush, Outcome]],
        *,
        now: dt.datetime,
    ) -> None:
        results = sorted(results, key=lambda each: each[0].device_id)
        pushed = [job for job, outcome in results if isinstance(outcome, Done)]
        if pushed:
            self._record_pushed(session, pushed, now=now)
        self._doubt(session, results, now=now)
        others: list[dict[str, object]] = []
        for job, outcome in results:
            if isinstance(outcome, Done):
                continue
            if isinstance(outcome, Drop):
                if not outcome.doubtful:
                    self._drop(session, job, outcome, now=now)
                continue
            if isinstance(outcome, Retry):
                growing = min(LONGEST, dt.timedelta(seconds=2 ** min(job.attempts, 14)))
                again = now + max(outcome.after, growing if job.attempts > 3 else outcome.after)
            elif isinstance(outcome, Fault):
                again = now + FAULT_AGAIN
            else:
                # The sender itself rests; the device is free for when it works again.
                again = now
            others.append(
                _holding(job.device_id, again)
                | {"attempts": job.attempts + 1, "failure": outcome.reason}
            )
        if others:
            _update_devices(session, others)

    def release(self, session: Session, jobs: Sequence[DevicePush], *, now: dt.datetime) -> None:
        _update_devices(session, [_holding(job.device_id, now) for job in jobs])

    def close(self) -> None:
        self._sender.close()

    @staticmethod
    def _states(session: Session, devices: Sequence[int]) -> tuple[dict[int, list[Told]], set[int]]:
        """What is to be pushed to each of the devices, and which were told all and did not react.

        Read after the devices were locked: what is recorded later is what was true before.
        """
        query = (
            select(
                AppleRegistration.id,
                AppleRegistration.device_id,
                AppleRegistration.pushed_voucher,
                AppleRegistration.pushed_campaign,
                Voucher.version,
                Campaign.version,
                _owed(),
                and_(not_(behind(PUSHED)), or_(behind(LISTED), behind(FETCHED))),
            )
            .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
            .join(Campaign, Campaign.id == Voucher.campaign_id)
            .where(_among(session, AppleRegistration.device_id, devices))
        )
        told: dict[int, list[Told]] = {}
        silent: set[int] = set()
        for (
            row,
            device,
            voucher,
            campaign,
            version,
            edition,
            owed,
            unheard,
        ) in session.connection().execute(query):
            if owed:
                news = Told(row, (voucher, campaign), (version, edition))
                told.setdefault(device, []).append(news)
            elif unheard:
                silent.add(device)
        return told, silent

    @staticmethod
    def _record_pushed(session: Session, jobs: Sequence[DevicePush], *, now: dt.datetime) -> None:
        """Note the pushes, with one statement for all that are alike: mostly a whole batch is."""
        reminders: dict[int, list[int]] = {}
        told: dict[tuple[Pushed, Pair], list[int]] = {}
        for job in jobs:
            reminders.setdefault(job.reminder, []).append(job.device_id)
            for one in job.told:
                told.setdefault((one.before, one.pair), []).append(one.id)
        for reminder, devices in reminders.items():
            session.execute(
                update(AppleDevice)
                .where(_among(session, AppleDevice.id, devices))
                .values(
                    claimed_until=None,
                    due_at=now + REMINDERS[min(reminder, len(REMINDERS) - 1)],
                    reminders=reminder,
                    attempts=0,
                    failure=None,
                    doubtful_at=None,
                    pushed_at=now,
                )
                .execution_options(synchronize_session=False)
            )
        # A list may have told the device more while the push was under way: that stays.
        for (before, pair), registrations in sorted(told.items(), key=lambda each: min(each[1])):
            session.execute(
                update(AppleRegistration)
                .where(
                    _among(session, AppleRegistration.id, registrations),
                    AppleRegistration.pushed_voucher.is_not_distinct_from(before[0]),
                    AppleRegistration.pushed_campaign.is_not_distinct_from(before[1]),
                )
                .values(pushed_voucher=pair[0], pushed_campaign=pair[1], pushed_at=now)
                .execution_options(synchronize_session=False)
            )

    @staticmethod
    def _drop(session: Session, job: DevicePush, outcome: Drop, *, now: dt.datetime) -> None:
        """Forget a device that Apple says is gone, unless it registered since then."""
        device = session.scalar(
            select(AppleDevice).where(AppleDevice.id == job.device_id).with_for_update()
        )
        if device is None:
            return
        # A registration newer than Apple's knowledge is good, unless Apple does not learn of it.
        newer = (
            outcome.since is not None
            and device.updated_at > outcome.since
            and now - device.updated_at < BELIEVED
        )
        if device.push_token != job.token or newer:
            # It came back, with this token or another: it is pushed again, at once or later.
            again = now + DOUBT * 2 ** min(job.attempts, 6) if newer else now
            device.claimed_until = device.due_at = again
            device.attempts = job.attempts + 1
            device.failure = outcome.reason
            return
        gone = session.scalars(
            delete(AppleRegistration)
            .where(AppleRegistration.device_id == device.id)
            .returning(AppleRegistration.voucher_id)
        ).all()
        for voucher_id in sorted(gone):
            events.append(session, "removed", voucher_id, now=now, data={"wallet": "apple"})
        session.delete(device)
        session.flush()

    def _doubt(
        self,
        session: Session,
        results: Sequence[tuple[DevicePush, Outcome]],
        *,
        now: dt.datetime,
    ) -> None:
        """Ask twice about tokens that Apple calls bad, and drop none while many are bad at once."""
        bad = [
            (job, outcome)
            for job, outcome in results
            if isinstance(outcome, Drop) and outcome.doubtful
        ]
        if not bad:
            return
        rows = session.execute(
            select(AppleDevice.id, AppleDevice.doubtful_at).where(
                AppleDevice.id.in_([job.device_id for job, _ in bad])
            )
        )
        since = {row.id: row.doubtful_at for row in rows}
        _update_devices(
            session,
            [
                _holding(job.device_id, now + DOUBT)
                | {
                    "doubtful_at": since.get(job.device_id) or now,
                    "attempts": job.attempts + 1,
                    "failure": outcome.reason,
                }
                for job, outcome in bad
                if job.device_id in since
            ],
        )
        doubtful = session.scalar(select(func.count()).where(AppleDevice.doubtful_at.is_not(None)))
        devices = session.scalar(select(func.count(AppleDevice.id)))
        if (doubtful or 0) > max(DOUBTFUL_FEW, DOUBTFUL_SHARE * (devices or 0)):
            structlog.get_logger().error(
                "delivery_alarm",
                kind=self.name,
                reason=f"Apple calls {doubtful} of {devices} tokens bad",
                remedy="No device is dropped. Check that PASSERELLE_PASS_TYPE_ID, the certificate "
                "and PASSERELLE_APNS_URL belong together.",
            )
            return
        for job, outcome in bad:
            first = since.get(job.device_id)
            if first is None or first + DOUBT > now:
                continue
            # Others were reached since: the sender is well, so it is the token that is not.
            well = session.scalar(select(exists().where(AppleDevice.pushed_at > first)))
            if well:
                self._drop(session, job, Drop(outcome.reason), now=now)


def _among(
    session: Session, column: InstrumentedAttribute[int], ids: Sequence[int]
) -> ColumnElement[bool]:
    """Whether a column is one of many ids, sent as one value: a thousand of them cost no more."""
    if session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(list(ids), ARRAY(BigInteger)))
    listed = func.json_each(orjson.dumps(ids).decode()).table_valued("value")
    return column.in_(select(listed.c.value))


def _owed() -> ColumnElement[bool]:
    """Whether a registration is to be pushed; edits of a paused campaign are not."""
    return or_(
        PUSHED[0].is_distinct_from(Voucher.version),
        and_(PUSHED[1].is_distinct_from(Campaign.version), ~Campaign.delivery_paused),
    )


def _holding(device_id: int, until: dt.datetime) -> dict[str, object]:
    return {"row": device_id, "claimed_until": until, "due_at": until}


def _update_devices(session: Session, rows: Sequence[dict[str, object]]) -> None:
    """Set columns of devices, in the order of their ids; those that are gone meanwhile stay so."""
    table = AppleDevice.metadata.tables[AppleDevice.__tablename__]
    names = [name for name in rows[0] if name != "row"]
    session.connection().execute(
        table.update()
        .where(table.c.id == bindparam("row"))
        .values({name: bindparam(f"new_{name}") for name in names}),
        [
            {"row": row["row"]} | {f"new_{name}": row[name] for name in names}
            for row in sorted(rows, key=lambda row: str(row["row"]).zfill(20))
        ],
    )
