"""Worker processes that can be killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from app.settings import Settings
from tests.serving import environment

ROOT = Path(__file__).parent.parent.parent.parent


class Workers:
    """`passerelle worker`, several times, on one database."""

    def __init__(self, settings: Settings, *, count: int) -> None:
        self._environment = {**os.environ, **environment(settings)}
        self._count = count
        self._running = [self._start() for _ in range(count)]

    def kill_one(self, chance: random.Random) -> None:
        """Kill one with SIGKILL and start another in its place."""
        index = chance.randrange(self._count)
        self._kill(self._running[index])
        self._running[index] = self._start()

    def outage(self, meanwhile: Callable[[], None]) -> None:
        """Kill all with SIGKILL, do something while none lives, and start as many anew."""
        for each in self._running:
            self._kill(each)
        meanwhile()
        self._running = [self._start() for _ in range(self._count)]

    def stop(self) -> None:
        """Ask them to end, and see to it."""
        for each in self._running:
            each.terminate()
        for each in self._running:
            try:
                each.wait(15)
            except subprocess.TimeoutExpired:
                self._kill(each)

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", "from app.cli import main; main()", "worker"],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
