"""What our stack adds to a request, and what it costs to start."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

from tests.benchmarks import Figure, Rounds, benchmark

SECONDS = 1.0
STARTS = 5


@benchmark("web-overhead", goal=0.7, unit="requests/s")
def web_overhead() -> Iterator[Rounds]:
    with (
        _served("wsgi:application") as ours,
        _served("tests.benchmarks.bare_flask:application") as bare,
    ):
        _rate(ours, 0.5), _rate(bare, 0.5)  # warm up
        yield Rounds(lambda: (_rate(ours, SECONDS), _rate(bare, SECONDS)), rounds=9)


@benchmark("cold-start")
def cold_start() -> Iterator[Figure]:
    seconds, kilobytes = [], 0
    for _ in range(STARTS):
        began = time.perf_counter()
        with _served("wsgi:application") as port:
            seconds.append(time.perf_counter() - began)
            kilobytes = _memory(port)
    yield Figure(
        f"{median(seconds):.2f} s to the first answer, {kilobytes / 1024:.0f} MB in one server "
        f"process (median of {STARTS} starts; stated, no goal)"
    )


@contextmanager
def _served(target: str) -> Iterator[int]:
    """Serve `target` as `passerelle serve` does, and yield the port once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port)),
                *("--blocking-threads", "8", "--log-level", "error", target),
            ],
            env=os.environ
            | {
                "PASSERELLE_DATABASE_URL": f"sqlite:///{folder}/passerelle.sqlite",
                "PASSERELLE_CERTS": f"{folder}/certs",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
        )
        try:
            while True:
                with (
                    suppress(OSError),
                    socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
                ):
                    _ask(connection)
                    break
                time.sleep(0.005)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=20)


def _ask(connection: socket.socket) -> None:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while b'{"status"' not in answer:
        received = connection.recv(4096)
        if not received:
            raise ConnectionResetError("The server closed the connection.")
        answer += received
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"The server answered {answer[:40]!r}.")


def _rate(port: int, seconds: float) -> float:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        count, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            _ask(connection)
            count += 1
    return count / elapsed


def _memory(port: int) -> int:
    """Resident kilobytes of the largest process that was started for this port."""
    largest = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if f"--port\0{port}\0".encode() in (folder / "cmdline").read_bytes() or _child_of(
                folder, port
            ):
                found = re.search(r"VmRSS:\s+(\d+)", (folder / "status").read_text())
                largest = max(largest, int(found[1]) if found else 0)
    return largest


def _child_of(folder: Path, port: int) -> bool:
    parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
    return f"--port\0{port}\0".encode() in Path(f"/proc/{parent}/cmdline").read_bytes()
