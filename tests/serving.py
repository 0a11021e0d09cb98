"""A running server for tests: `passerelle serve` as a process of its own, on a free port."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.settings import Settings

ROOT = Path(__file__).parent.parent
#: How long a server may take to become ready (seconds); the machine may be busy.
PATIENCE = 60.0


class Server:
    """A server process and the address where it answers."""

    def __init__(self, settings: Settings, *, port: int, processes: int) -> None:
        self.settings = settings
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._processes = processes
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from app.cli import main; main()",
                "serve",
                "--port",
                str(self.port),
                "--processes",
                str(self._processes),
            ],
            cwd=ROOT,
            env={**os.environ, **environment(self.settings)},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        while not is_ready(self.url):
            if self._process.poll() is not None:
                raise RuntimeError(f"The server ended with {self._process.returncode}.")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"The server was not ready within {PATIENCE} seconds.")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """The process that was started; its own are in a session of that number."""
        assert self._process is not None
        return self._process.pid

    def interrupt(self) -> int:
        """Press Ctrl-C, as a terminal does: every process is told. Returns how it ended."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End it and its workers at once, as a power failure does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def environment(settings: Settings) -> dict[str, str]:
    """The variables that describe `settings` to a process."""
    keys = ",".join(
        f"{key_id}:{base64.b64encode(secret).decode()}"
        for key_id, secret in settings.master_keys.items()
    )
    authority = {"PASSERELLE_APNS_CA": str(settings.apns_ca)} if settings.apns_ca else {}
    return authority | {
        "PASSERELLE_APNS_URL": settings.apns_url,
        "PASSERELLE_ENV": settings.env,
        "PASSERELLE_BASE_URL": settings.base_url,
        "PASSERELLE_DATABASE_URL": settings.database_url,
        "PASSERELLE_QUEUE_URL": settings.queue_url,
        "PASSERELLE_MASTER_KEYS": keys,
        "PASSERELLE_CERTS": str(settings.certs),
        "PASSERELLE_SPOOL": str(settings.spool),
        "PASSERELLE_LOG_LEVEL": settings.log_level,
        "PASSERELLE_THREADS": str(settings.threads),
        "PASSERELLE_TRUSTED_PROXIES": str(settings.trusted_proxies),
        "PASSERELLE_GOOGLE_ISSUER_ID": settings.google_issuer_id,
        "PASSERELLE_GOOGLE_API_URL": settings.google_api_url,
        "PASSERELLE_GOOGLE_CALLBACK_KEYS_URL": settings.google_callback_keys_url,
        "PASSERELLE_GOOGLE_SAVE_URL": settings.google_save_url,
        "PASSERELLE_GOOGLE_RATE": str(settings.google_rate),
        "PASSERELLE_GOOGLE_WAIT_MS": str(settings.google_wait_ms),
    }


@contextmanager
def running(settings: Settings, *, processes: int = 1, port: int | None = None) -> Iterator[Server]:
    """A server that may be killed and started again; it is stopped at the end."""
    server = Server(settings, port=port or free_port(), processes=processes)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running_server(settings: Settings, *, processes: int = 1) -> Iterator[str]:
    """The base URL of a running server."""
    with running(settings, processes=processes) as server:
        yield server.url


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def is_ready(url: str) -> bool:
    """Whether the service at an address says that it should get requests."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
