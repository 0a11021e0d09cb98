"""Sync health: what phones are owed, what they were told, what they hold, and what is in the way.

Promises: every number is counted from the installations themselves, so that it is the same
whichever process is asked; an alarm names its cause and its remedy.
Refuses: to guess. A pass that was listed to a device and not fetched counts as not fetched.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Gauge
from sqlalchemy import ColumnElement, and_, case, func, not_, or_, select
from sqlalchemy.orm import Session

from app.services import pulses, webhooks
from app.services.deployment import Deployment
from app.services.metrics import REGISTRY
from app.services.wallets.apple.states import FETCHED, LISTED, PUSHED, behind
from app.services.wallets.google import standing
from app.store.models import (
    AppleDevice,
    AppleLog,
    AppleRegistration,
    Campaign,
    GoogleObject,
    Voucher,
)

PASSES = Gauge(
    "passerelle_installed_passes",
    "Passes in Apple's wallets by what their device was told",
    ["campaign", "state"],
    registry=REGISTRY,
)
OBJECTS = Gauge(
    "passerelle_google_objects",
    "Objects at Google by whether they show the present state",
    ["campaign", "state"],
    registry=REGISTRY,
)
ALARMS = Gauge("passerelle_alarm", "Something to mend", ["name"], registry=REGISTRY)
OLDEST = Gauge(
    "passerelle_oldest_owed_seconds",
    "How long the device, or object at Google, that waits longest has waited",
    ["wallet"],
    registry=REGISTRY,
)
UNTOLD = Gauge(
    "passerelle_webhook_oldest_untold_seconds",
    "How long a webhook has not been told the oldest event that it wants",
    ["webhook"],
    registry=REGISTRY,
)
#: An installation that is owed something for longer than this is an alarm.
LATE = dt.timedelta(minutes=15)
#: A count is shown again for so long (seconds), and longer where counting takes more of the time.
KEPT = 15.0
SHARE = 0.05
_WAITS = {
    "apple": "A device has waited for its push",
    "google": "An object has waited to be written at Google",
}
#: Bad tokens that are one by one; more are our own fault.
DOUBTFUL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """Passes of one campaign in wallets; each of Apple's is in one of the four states."""

    campaign: str
    installed: int
    #: Not told of the present state.
    owed: int
    #: Pushed, and the device has not asked since.
    pushed: int
    #: The device asked and was told, and has not fetched.
    listed: int
    #: The device holds the present state.
    fetched: int
    #: Objects at Google that are in a wallet, or may be.
    objects: int
    #: Objects that Google was not told the present state of, those still to be made included.
    objects_owed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Devices whose last push failed, or objects whose last call did, by the reason."""

    #: `apple` or `google`.
    wallet: str
    reason: str
    #: Devices at Apple, objects at Google.
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that a person has to mend."""

    name: str
    cause: str
    remedy: str

    @property
    def of_service(self) -> bool:
        """Whether it is of the service alone, and says nothing of any campaign's passes."""
        return not self.name.startswith(("late_", "bad_tokens"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All of it, at one moment."""

    campaigns: tuple[Sync, ...]
    failures: tuple[Failure, ...]
    #: By wallet, since when what waits longest has been waiting; nothing where nothing waits.
    oldest: dict[str, dt.datetime]
    #: Classes that Google was not told the present state of; one holds what all passes share.
    google_classes_owed: int
    #: Seconds that what Google is owed takes at the rate that Google allows.
    google_takes_seconds: float
    workers: int
    alarms: tuple[Alarm, ...]
    #: Webhooks that were not told everything yet.
    untold: tuple[webhooks.Untold, ...]
    #: Complaints of devices in the last day, by kind.
    complaints: dict[str, int]

    @property
    def oldest_owed(self) -> dt.datetime | None:
        """Since when what waits longest has been waiting, in whichever wallet; None if nothing."""
        return min(self.oldest.values(), default=None)


def assess(deployment: Deployment) -> Health:
    """Count and judge."""
    now = deployment.now()
    with deployment.database.read() as session:
        campaigns = _campaigns(session)
        failures = _failures(session)
        google = standing.standing(session, rate=deployment.settings.google_rate)
        oldest = {
            wallet: since
            for wallet, since in (
                ("apple", _oldest_device(session)),
                ("google", _oldest_object(session)),
            )
            if since is not None
        }
        untold = webhooks.untold(session)
        workers = pulses.heard(session, pulses.WORKER, now=now)
        doubtful = session.scalar(select(func.count()).where(AppleDevice.doubtful_at.is_not(None)))
        complaints = {
            row.kind: int(row.total)
            for row in session.execute(
                select(AppleLog.kind, func.count().label("total"))
                .where(AppleLog.at > now - dt.timedelta(days=1))
                .group_by(AppleLog.kind)
                .order_by(AppleLog.kind)
            )
        }
    alarms = [
        Alarm(name="certificate", cause=fault, remedy="Replace it; no restart is needed.")
        for fault in deployment.certificates.check()
    ]
    alarms += _stopped(workers)
    if not workers and any(each.installed or each.objects for each in campaigns):
        alarms.append(
            Alarm(
                name="no_worker",
                cause="No worker has been heard of for a while.",
                remedy="Start `passerelle worker`, or `passerelle serve` without --no-worker.",
            )
        )
    if (doubtful or 0) > DOUBTFUL:
        alarms.append(
            Alarm(
                name="bad_tokens",
                cause=f"Apple calls the tokens of {doubtful} devices bad; none is dropped.",
                remedy="Check that PASSERELLE_PASS_TYPE_ID, the certificate and "
                "PASSERELLE_APNS_URL belong together.",
            )
        )
    alarms += [
        Alarm(
            name=f"late_{wallet}",
            cause=f"{_WAITS[wallet]} since {since:%Y-%m-%d %H:%M} UTC.",
            remedy="See the failures, and whether a worker runs.",
        )
        for wallet, since in oldest.items()
        if now - since > LATE
    ]
    alarms += [
        Alarm(name="late_webhook", cause=each.cause, remedy=each.remedy)
        for each in untold
        if each.is_late(now=now)
    ]
    failures += [
        Failure(wallet="google", reason=reason, count=count) for reason, count in google.failing
    ]
    return Health(
        campaigns=tuple(campaigns),
        failures=tuple(failures),
        oldest=oldest,
        google_classes_owed=google.classes_owed,
        google_takes_seconds=google.takes.total_seconds(),
        workers=len(workers),
        alarms=tuple(alarms),
        untold=tuple(untold),
        complaints=complaints,
    )


class Meter:
    """Keeps the gauges true, at a bounded cost however often they are read; one for each process.

    Counting a million installations takes seconds. Between two counts lie at least `KEPT`, and so
    long that counting takes at most `SHARE` of the time; who reads meanwhile gets the last count,
    and nobody waits for another's.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._again_at = float("-inf")
        self._lock = threading.Lock()

    def measure(self, deployment: Deployment) -> None:
        """Set the gauges to what is true, or was lately."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            began = self._clock()
            if began < self._again_at:
                return
            _show(assess(deployment), now=deployment.now())
            ended = self._clock()
            self._again_at = ended + max(KEPT, (ended - began) / SHARE)
        finally:
            self._lock.release()


def _show(found: Health, *, now: dt.datetime) -> None:
    PASSES.clear()
    OBJECTS.clear()
    for each in found.campaigns:
        for state in ("owed", "pushed", "listed", "fetched"):
            PASSES.labels(each.campaign, state).set(getattr(each, state))
        OBJECTS.labels(each.campaign, "owed").set(each.objects_owed)
        OBJECTS.labels(each.campaign, "held").set(each.objects)
    ALARMS.clear()
    for alarm in found.alarms:
        ALARMS.labels(alarm.name).set(1)
    UNTOLD.clear()
    for late in found.untold:
        UNTOLD.labels(late.webhook).set((now - late.since).total_seconds())
    for wallet in _WAITS:
        since = found.oldest.get(wallet, now)
        OLDEST.labels(wallet).set((now - since).total_seconds())


def _campaigns(session: Session) -> list[Sync]:
    owed = behind(PUSHED)
    unlisted = and_(not_(owed), behind(LISTED))
    unfetched = and_(not_(owed), not_(behind(LISTED)), behind(FETCHED))

    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    rows = session.execute(
        select(
            Campaign.key,
            func.count(),
            count(owed),
            count(unlisted),
            count(unfetched),
        )
        .select_from(AppleRegistration)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .group_by(Campaign.key)
    )
    apple = {key: (installed, int(a), int(b), int(c)) for key, installed, a, b, c in rows}
    google = standing.by_campaign(session)
    found = []
    for key in sorted(apple.keys() | google.keys()):
        installed, late, pushed, listed = apple.get(key, (0, 0, 0, 0))
        objects, objects_owed = google.get(key, (0, 0))
        found.append(
            Sync(
                campaign=key,
                installed=installed,
                owed=late,
                pushed=pushed,
                listed=listed,
                fetched=installed - late - pushed - listed,
                objects=objects,
                objects_owed=objects_owed,
            )
        )
    return found


def _failures(session: Session) -> list[Failure]:
    rows = session.execute(
        select(AppleDevice.failure, func.count())
        .where(AppleDevice.failure.is_not(None))
        .group_by(AppleDevice.failure)
        .order_by(func.count().desc())
        .limit(20)
    )
    return [Failure(wallet="apple", reason=str(reason), count=count) for reason, count in rows]


def _oldest_device(session: Session) -> dt.datetime | None:
    """Since when the failing device that waits longest has waited.

    For a campaign's edit that is when it was published; for a change of the voucher itself, whose
    time is not kept, when the device was last told anything.
    """
    told = func.coalesce(AppleRegistration.pushed_at, AppleRegistration.registered_at)
    own = PUSHED[0].is_distinct_from(Voucher.version)
    since: dt.datetime | None = session.scalar(
        select(func.min(case((own, told), else_=Campaign.updated_at)))
        .select_from(AppleRegistration)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .join(AppleDevice, AppleDevice.id == AppleRegistration.device_id)
        .where(
            or_(
                own,
                and_(PUSHED[1].is_distinct_from(Campaign.version), ~Campaign.delivery_paused),
            ),
            AppleDevice.attempts > 0,
        )
    )
    return since


def _oldest_object(session: Session) -> dt.datetime | None:
    """Since when the object at Google that waits longest has waited, as `_oldest_device` does.

    One that is still to be made waits since it was wanted. Others count if their last call failed:
    what is behind only because Google's rate is taken up is told by `google_takes_seconds`.
    """
    own = GoogleObject.sent_voucher.is_distinct_from(Voucher.version)
    wanted = GoogleObject.status == "wanted"
    since: dt.datetime | None = session.scalar(
        select(
            func.min(
                case(
                    (wanted, GoogleObject.created_at),
                    (own, func.coalesce(GoogleObject.sent_at, GoogleObject.created_at)),
                    else_=Campaign.updated_at,
                )
            )
        )
        .select_from(GoogleObject)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(
            or_(
                wanted,
                and_(
                    GoogleObject.status == "inserted",
                    GoogleObject.has_users.is_not(False),
                    GoogleObject.attempts > 0,
                    or_(
                        own,
                        and_(
                            GoogleObject.sent_campaign.is_distinct_from(Campaign.version),
                            ~Campaign.delivery_paused,
                        ),
                    ),
                ),
            )
        )
    )
    return since


def _stopped(workers: list[pulses.Said]) -> list[Alarm]:
    alarms = {}
    for worker in workers:
        for kind, state in worker.data.items():
            if isinstance(state, dict) and state.get("rests") and state.get("remedy"):
                alarms[kind] = Alarm(
                    name=f"sender_stopped_{kind}",
                    cause=f"The sender of {kind} has stopped: {state.get('reason')}",
                    remedy=str(state["remedy"]),
                )
    return [alarms[kind] for kind in sorted(alarms)]
