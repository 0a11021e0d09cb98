"""What a server process runs: the service alone, or with a worker in its own process."""

from __future__ import annotations

import signal
import sys
from multiprocessing.util import Finalize

from flask import Flask

from app.delivery.worker import Worker

#: Seconds that a worker has for what it is at when its server ends: a push may take ten.
PATIENCE = 12.0


def alone() -> Flask:
    """The service; its worker is another process."""
    from app import create_app

    _end_by_parent()
    return create_app()


def delivering() -> Flask:
    """The service with a worker in its own process, as SQLite needs it."""
    # A till's thread gets its turn within half a millisecond, not five, from those that deliver and
    # build passes.
    sys.setswitchinterval(0.0005)
    app = alone()
    working = Worker(app.extensions["passerelle"])
    working.start()
    # What `atexit` knows is not run in a process that multiprocessing forked. A worker that is not
    # stopped keeps its leases, and what it was at waits until they end.
    Finalize(None, working.stop, kwargs={"patience": PATIENCE}, exitpriority=0)
    return app


def _end_by_parent() -> None:
    """Leave Ctrl-C, which a terminal sends to every process, to the parent: it ends this one.

    Granian's process sometimes never ends if SIGINT and its parent's SIGTERM come at once.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
