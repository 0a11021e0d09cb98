"""Sync health: what phones are owed, what they were told, what they hold, and what is in the way.

Every number is counted from the installations themselves, so that it is the same
whichever process is asked; an alarm names its cause and its remedy.
It does not guess. A pass that was listed to a device and not fetched counts as not fetched.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from prometheus_client import Gauge

from app.services import (
    heartbeats,
    wallets,
    webhooks,
)
from app.services.deployment import Deployment
from app.services.metrics import REGISTRY
from app.services.wallets.wallet import Alarm, Failure, WalletHealth

ALARMS = Gauge(
    "passerelle_alarm",
    "1 while an alarm is on; `passerelle sync` says its cause and remedy",
    ["name"],
    registry=REGISTRY,
)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignHealth:
    """Passes of one campaign in wallets, counted by names that are part of the API."""

    campaign: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All of it, at one moment."""

    campaigns: tuple[CampaignHealth, ...]
    failures: tuple[Failure, ...]
    #: By wallet, since when what waits longest has been waiting; nothing where nothing waits.
    oldest: dict[str, dt.datetime]
    #: What single wallets say more than that, by names that are part of the API.
    figures: dict[str, Any]
    #: The same for operators, in sentences.
    lines: tuple[str, ...]
    workers: int
    alarms: tuple[Alarm, ...]
    #: Webhooks that were not told everything yet.
    untold: tuple[webhooks.Untold, ...]

    @property
    def oldest_owed(self) -> dt.datetime | None:
        """Since when what waits longest has been waiting, in whichever wallet; None if nothing."""
        return min(self.oldest.values(), default=None)

    def as_dict(self) -> dict[str, Any]:
        """Return it as programs read it: counts and figures by their own names."""
        return {
            "campaigns": [{"campaign": each.campaign, **each.counts} for each in self.campaigns],
            "failures": [asdict(each) for each in self.failures],
            "oldest": dict(self.oldest),
            "workers": self.workers,
            "alarms": [each.as_dict() for each in self.alarms],
            "untold": [asdict(each) for each in self.untold],
            "oldest_owed": self.oldest_owed,
            **self.figures,
        }


def assess(deployment: Deployment) -> Health:
    """Count and judge."""
    return _judged(deployment, _counted(deployment))


def _counted(deployment: Deployment) -> dict[str, WalletHealth]:
    """Ask every wallet, by name; each has counts of all campaigns that are in any."""
    now = deployment.now()
    with deployment.database.read() as session:
        found = {
            wallet.name: wallet.health(session, settings=deployment.settings, now=now)
            for wallet in wallets.WALLETS
        }
    keys = sorted({key for each in found.values() for key in each.campaigns})
    return {
        name: replace(each, campaigns={key: each.campaigns.get(key, each.none) for key in keys})
        for name, each in found.items()
    }


def _judged(deployment: Deployment, found: dict[str, WalletHealth]) -> Health:
    now = deployment.now()
    with deployment.database.read() as session:
        untold = webhooks.untold(session)
        workers = heartbeats.heard(session, heartbeats.WORKER, now=now)
    alarms = [
        Alarm(name="certificate", cause=fault, remedy="Replace it; no restart is needed.")
        for fault in deployment.certificates.check()
    ]
    alarms += _stopped(workers)
    if not workers and any(each.held for each in found.values()):
        alarms.append(
            Alarm(
                name="no_worker",
                cause="No worker has been heard of for a while.",
                remedy="Start `passerelle worker`, or `passerelle serve` without --no-worker.",
            )
        )
    alarms += [alarm for each in found.values() for alarm in each.alarms]
    alarms += [
        Alarm(
            name=f"late_{wallet}",
            cause=f"{each.waits} since {each.oldest_owed:%Y-%m-%d %H:%M} UTC.",
            remedy="See the failures, and whether a worker runs.",
            of_service=False,
        )
        for wallet, each in found.items()
        if each.oldest_owed is not None and now - each.oldest_owed > LATE
    ]
    alarms += [
        Alarm(name="late_webhook", cause=each.cause, remedy=each.remedy, of_service=False)
        for each in untold
        if each.is_late(now=now)
    ]
    campaigns: dict[str, dict[str, int]] = {}
    for each in found.values():
        for key, counts in each.campaigns.items():
            campaigns.setdefault(key, {}).update(counts)
    return Health(
        campaigns=tuple(
            CampaignHealth(campaign=key, counts=counts) for key, counts in campaigns.items()
        ),
        failures=tuple(failure for each in found.values() for failure in each.failures),
        oldest={
            wallet: each.oldest_owed
            for wallet, each in found.items()
            if each.oldest_owed is not None
        },
        figures={name: value for each in found.values() for name, value in each.figures.items()},
        lines=tuple(line for each in found.values() for line in each.lines),
        workers=len(workers),
        alarms=tuple(alarms),
        untold=tuple(untold),
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
            found = _counted(deployment)
            for wallet in wallets.WALLETS:
                wallet.show(found[wallet.name])
            _show(_judged(deployment, found), now=deployment.now())
            ended = self._clock()
            self._again_at = ended + max(KEPT, (ended - began) / SHARE)
        finally:
            self._lock.release()


def _show(found: Health, *, now: dt.datetime) -> None:
    ALARMS.clear()
    for alarm in found.alarms:
        ALARMS.labels(alarm.name).set(1)
    UNTOLD.clear()
    for late in found.untold:
        UNTOLD.labels(late.webhook).set((now - late.since).total_seconds())
    for wallet in wallets.WALLETS:
        since = found.oldest.get(wallet.name, now)
        OLDEST.labels(wallet.name).set((now - since).total_seconds())


def _stopped(workers: list[heartbeats.Said]) -> list[Alarm]:
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
