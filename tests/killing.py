"""Commands that are killed while they bring codes, as a power cut would end them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from sqlalchemy import func, select

from app.services.deployment import Deployment
from app.settings import Settings
from app.store.models import Code
from tests.serving import environment


def kill_midway(settings: Settings, deployment: Deployment, *arguments: str) -> None:
    """Run a command until codes of it are in the table, and kill it there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**os.environ, **environment(settings)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with deployment.database.read() as session:
            if (session.scalar(select(func.count()).select_from(Code)) or 0) > 5_000:
                break
    process.send_signal(signal.SIGKILL)
    process.wait()
