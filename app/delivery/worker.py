"""A worker: hints in, deliveries out, the clock watched; a process or a thread of `serve`.

Any number may run, on any machines, and each may be killed at any moment: what it had
leased is taken over when the leases end. It ends within seconds when asked to. Its clockwork and
hints run through Huey, on whatever storage PASSERELLE_QUEUE_URL names; without that storage it
still finds everything that is owed, only later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from huey import crontab
from huey.consumer import Consumer

from app.delivery.apns import ApnsSender
from app.delivery.apple import ApplePushes
from app.delivery.engine import Installations, Runner
from app.delivery.google import chores as google_chores
from app.delivery.google.calls import Calls
from app.delivery.google.classes import GoogleClasses
from app.delivery.google.objects import GoogleEdits, GoogleObjects
from app.delivery.webhooks import Webhooks
from app.services import (
    clockwork,
    heartbeats,
    reports,
    wallets,
)
from app.services.changes import Change
from app.services.codes import queue
from app.services.codes.spool import identity
from app.services.deployment import Deployment
from app.services.wallets.apple.wallet import Apple
from app.services.wallets.google.wallet import Google
from app.store.session import Unavailable

#: Seconds between two things a worker says of itself.
PULSE = 15.0
#: Seconds between two looks for events that reports do not count yet.
COUNT = 1.0
#: Imports that a worker runs at once.
IMPORTS = 2

Kind = Callable[[Deployment], Installations[Any]]


def apple_pushes(deployment: Deployment) -> Installations[Any]:
    """Apple's wallets, by the deployment's settings."""
    settings = deployment.settings

    def identity() -> bytes:
        # Asked anew each time: another certificate may sign by then.
        return deployment.certificates.signer.client_pem()

    return ApplePushes(
        ApnsSender(
            topic=settings.pass_type_id,
            identity=identity,
            url=settings.apns_url,
            ca=settings.apns_ca,
        )
    )


def google_classes(deployment: Deployment) -> Installations[Any]:
    """Google's classes."""
    return GoogleClasses(Calls(deployment))


def google_objects(deployment: Deployment) -> Installations[Any]:
    """Google's objects: what concerns one voucher."""
    return GoogleObjects(Calls(deployment))


def google_edits(deployment: Deployment) -> Installations[Any]:
    """Google's objects: what concerns all of a campaign, with the rate that is left over."""
    return GoogleEdits(Calls(deployment, spare=True))


def webhooks(deployment: Deployment) -> Installations[Any]:
    """The deployment's webhooks."""
    return Webhooks(deployment)


#: Who delivers to each wallet, by its name.
SENDERS: Mapping[str, tuple[Kind, ...]] = {
    Apple.name: (apple_pushes,),
    Google.name: (google_classes, google_objects, google_edits),
}


def senders() -> tuple[Kind, ...]:
    """Return every kind of installation that is delivered to: the wallets' and webhooks.

    Raises:
        LookupError: nobody delivers to one of `WALLETS`.
    """
    lacking = [wallet.name for wallet in wallets.WALLETS if wallet.name not in SENDERS]
    if lacking:
        raise LookupError(f"Nobody delivers to {', '.join(lacking)}: give it a place in SENDERS.")
    return (*(kind for wallet in wallets.WALLETS for kind in SENDERS[wallet.name]), webhooks)


#: Those whose successes may be forgotten if the machine fails: a push more does no harm.
FORGETTABLE = frozenset({ApplePushes.name})
#: What is fetched or wished for from time to time; each decides itself whether it is due.
CHORES: tuple[Callable[[Deployment], None], ...] = (google_chores.run,)


class Worker:
    """The threads of one worker. `start` returns at once; `stop` waits for the present batch."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        kinds: Sequence[Kind] | None = None,
        chores: Sequence[Callable[[Deployment], None]] = CHORES,
    ) -> None:
        self._deployment = deployment
        self._chores = chores
        self.runners = [
            Runner(deployment, kind, lasting=kind.name not in FORGETTABLE)
            for kind in (make(deployment) for make in (senders() if kinds is None else kinds))
        ]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=runner.run, name=f"deliver-{runner.kind.name}", daemon=True)
            for runner in self.runners
        ]
        self._threads.append(threading.Thread(target=self._listen, name="hints", daemon=True))
        self._threads.append(threading.Thread(target=self._speak, name="pulse", daemon=True))
        self._threads.append(threading.Thread(target=self._count, name="count", daemon=True))
        self._threads += [
            threading.Thread(
                target=queue.run_until, args=(deployment, self._stop), name="import", daemon=True
            )
            for _ in range(IMPORTS)
        ]

    def start(self) -> None:
        """Start working."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, patience: float = 20.0) -> None:
        """Stop after the batch that is under way."""
        self._stop.set()
        for runner in self.runners:
            runner.stop()
        until = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.1, until - time.monotonic()))
        with suppress(Unavailable), self._deployment.database.write() as session:
            heartbeats.end(session, heartbeats.WORKER)

    def end(self) -> None:
        """Let `run` come to its end; safe in a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Work until `end` is called, from a signal handler or another thread."""
        self.start()
        while not self._stop.wait(1.0):
            pass
        self.stop()

    def _take(self, changes: frozenset[Change]) -> None:
        for runner in self.runners:
            runner.hint(changes)

    def _listen(self) -> None:
        """Consume hints and keep the clockwork going; a storage that fails is tried again."""
        hints = self._deployment.hints
        hints.listen(self._take)
        while not self._stop.is_set():
            consumer: Consumer | None = None
            try:
                huey = hints.huey
                if not getattr(huey, "passerelle_clockwork", False):
                    huey.periodic_task(crontab(minute="*"), name="clockwork")(self._tick)
                    huey.passerelle_clockwork = True
                consumer = _Consumer(
                    huey,
                    workers=1,
                    initial_delay=0.05,
                    max_delay=0.1,
                    backoff=1.0,
                    scheduler_interval=5,
                    check_worker_health=True,
                )
                consumer.start()
                self._stop.wait()
            except Exception as error:  # Whatever a storage raises: the sweeps go on meanwhile.
                structlog.get_logger().warning("hints_unavailable", reason=type(error).__name__)
                self._stop.wait(5.0)
            finally:
                if consumer is not None:
                    consumer.stop(graceful=False)

    def _tick(self) -> None:
        try:
            clockwork.run(self._deployment)
        except Unavailable as fault:
            structlog.get_logger().warning("clockwork_waits", reason=str(fault))

    def _count(self) -> None:
        """Keep the counts that reports are made of."""
        while not self._stop.is_set():
            try:
                more = reports.roll_up(self._deployment)
            except Unavailable as fault:
                structlog.get_logger().warning("count_waits", reason=str(fault))
                more = False
            except Exception:
                # Counting must not end with one fault; nothing is lost, it goes on from there.
                structlog.get_logger().exception("count_failed")
                more = False
            # A pause after each batch leaves tills on SQLite their turn.
            self._stop.wait(0.01 if more else COUNT)

    def _speak(self) -> None:
        """Say how the senders are, for the health page; and watch the clock where Huey cannot."""
        while not self._stop.is_set():
            # By the folder a server tells whether this worker can load what was sent to it.
            state: dict[str, Any] = {"spool": self._spool()}
            for runner in self.runners:
                rest = runner.rests
                state[runner.kind.name] = {
                    "rests": rest is not None,
                    "reason": rest.reason if rest else "",
                    "remedy": rest.remedy if rest else "",
                    "rate": round(runner.flow.rate, 1),
                }
            try:
                with self._deployment.database.write() as session:
                    heartbeats.say(session, heartbeats.WORKER, state, now=self._deployment.now())
                for chore in self._chores:
                    chore(self._deployment)
            except Unavailable as fault:
                structlog.get_logger().warning("pulse_waits", reason=str(fault))
            except Exception:
                # A chore that fails must not end what the health page lives on.
                structlog.get_logger().exception("chore_failed")
            self._stop.wait(PULSE)

    def _spool(self) -> str | None:
        with suppress(OSError):
            return identity(self._deployment.settings.spool)
        return None


class _Consumer(Consumer):  # type: ignore[misc]
    """Huey's consumer inside a thread of ours: signals are the process's business."""

    def _set_signal_handlers(self) -> None:
        return
