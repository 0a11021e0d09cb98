"""A server process: Granian's connections and HTTP, our reception.

Granian offers two ways to an application. Its WSGI way hands over a request when its head is here,
and the thread that serves it waits for the body however long that takes. Its RSGI way waits for
bodies without a thread, but by way of an asyncio loop, whose two hops more between threads cost a
third of a redemption. This module takes RSGI's requests and bodies straight to `Reception`,
without a loop: Granian's scheduler and loop are duck-typed, and these two are the least of them.

Silent connections, and heads that come in drops, are cut by the server (`HEAD_SECONDS`), which
counts from the connection's last answer; clients that do not read are cut by the kernel
(`UNREAD_SECONDS`); both cost no thread.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from granian import Granian
from granian._granian import CallbackScheduler, RSGIWorker, WorkerSignal
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import WorkerProcess

from app import logs
from app.faults import Fault
from app.serving import refusals
from app.serving.admission import Admission
from app.serving.reception import Reception

#: Seconds that a process has to end what it is at before it is killed, which harms nothing.
PATIENCE = 20
#: Seconds that a process which ends leaves to its last answers on their way.
LINGER = 3.0
#: Seconds in which a request's head has to come, counted from the connection's last answer.
HEAD_SECONDS = 30
#: Seconds for which a client may leave an answer unread, or unacknowledged.
UNREAD_SECONDS = 30
#: Bytes of a request's head.
HEAD_BYTES = 64 * 1024
#: Connections of one process at most, and descriptors that are kept for other things.
CONNECTIONS = 16_384
KEPT = 512
#: Connections that may wait to be accepted.
BACKLOG = 4_096


class PortFault(Fault):
    """The server cannot listen where it should."""


def run(*, application: str, host: str, port: int, processes: int, threads: int) -> None:
    """Serve what the factory `application` (``module:name``) makes, until stopped by a signal."""
    check_port(host, port)
    connections = min(CONNECTIONS, max(64, raise_descriptors() - KEPT))
    structlog.get_logger().info(
        "serving", host=host, port=port, processes=processes, connections=connections
    )
    Granian(
        application,
        factory=True,
        address=host,
        port=port,
        # What Granian calls WSGI is the configuration with threads; `process` is what runs.
        interface=Interfaces.WSGI,
        workers=processes,
        # One more than are ever at work brings the next request.
        blocking_threads=Admission[Any](threads).most + 1,
        backlog=BACKLOG,
        backpressure=connections,
        # HTTP/2 would let one connection ask for hundreds of things at once; a proxy speaks it.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEAD_SECONDS * 1000, max_buffer_size=HEAD_BYTES
        ),
        log_level=LogLevels.warning,
        log_dictconfig=logs.of_http_server(),
        respawn_failed_workers=True,
        workers_kill_timeout=PATIENCE,
    ).serve(spawn_target=partial(process, threads=threads))


def check_port(host: str, port: int) -> None:
    """Find out whether this machine may listen on `host` and `port`, before anything is made.

    Raises:
        PortFault: it may not; says why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server does it: what an ended one left behind is no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror:
        raise PortFault(f"{host} is no address of this machine.", "Name one with --host.") from None
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                cause, remedy = "is in use", "Stop what listens there, or name another --port."
            case errno.EACCES:
                cause, remedy = "is not for this user", "Name a --port from 1024 on."
            case errno.EADDRNOTAVAIL:
                cause, remedy = "is not of this machine", "Name one of its own with --host."
            case _:
                cause = f"cannot be listened on ({error.strerror})"
                remedy = "Name another --host or --port."
        raise PortFault(f"{host} port {port} {cause}.", remedy) from None


def raise_descriptors() -> int:
    """Raise this process's limit of open files as far as it goes; returns it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most if most != resource.RLIM_INFINITY else CONNECTIONS + KEPT


class _Loop:
    """As much of an event loop as Granian asks for: what is ready is called at once."""

    def call_soon(self, call: Callable[..., None], *args: Any, context: Any = None) -> None:
        call(*args)

    call_soon_threadsafe = call_soon


class _Scheduler(CallbackScheduler):
    """Takes Granian's requests to a reception."""

    def __new__(cls, loop: _Loop, _reception: Reception) -> _Scheduler:
        return super().__new__(cls, loop, None, None, None, None)  # type: ignore[call-arg]

    def __init__(self, _loop: _Loop, reception: Reception) -> None:
        self._reception = reception
        self._schedule_fn = self._receive

    def _receive(self, watcher: Any) -> None:
        try:
            self._reception.receive(watcher.scope, watcher.proto)
        except Exception as error:
            structlog.get_logger().error("receiving_failed", exc_info=error)
            watcher.proto.response_bytes(*refusals.FAULT.answer(""))


@WorkerProcess.wrap_target  # type: ignore[untyped-decorator]  # Granian's
def process(
    worker_id: int,
    application: Any,
    listening: tuple[Any, Any],
    ipc: Any,
    _loop: Any,
    _runtime_mode: Any,
    runtime_threads: int,
    runtime_blocking_threads: int | None,
    blocking_threads: int,
    blocking_threads_idle_timeout: int,
    backpressure: int,
    _task_impl: Any,
    http: HTTPModes,
    http1: HTTP1Settings,
    http2: Any,
    _websockets: bool,
    static_path: Any,
    _access_log: Any,
    tls: tuple[Any, ...],
    _scope: Any,
    metrics: Any,
    *,
    threads: int,
) -> None:
    """Be one server process until told to end; Granian starts it, in a process of its own."""
    told, over = WorkerSignal(), threading.Event()
    told.add_cb(over.set)
    reception = Reception(application, threads=threads)

    def end(_number: int, _frame: Any) -> None:
        reception.stop()
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    loop = _Loop()
    # Granian's description of its own worker is older than the worker.
    make: Any = RSGIWorker
    server = make(
        worker_id,
        _strict(listening),
        ipc,
        runtime_threads,
        runtime_blocking_threads,
        blocking_threads,
        blocking_threads_idle_timeout,
        backpressure,
        http,
        http1,
        http2,
        False,
        static_path,
        *tls,
        metrics,
    )
    server.serve_mtr(_Scheduler(loop, reception), loop, told)
    while not over.wait(1.0):
        # Whoever is connected still, and asked for nothing, would be waited for else.
        if reception.ended_for > LINGER:
            break


def _strict(listening: tuple[Any, Any]) -> tuple[Any, Any]:
    """Let the kernel cut whoever does not read, and notice whoever is gone.

    Connections inherit what their listener has.
    """
    specification, holder = listening
    if holder is None:
        holder = specification.build()
    with socket.socket(fileno=os.dup(holder.get_fd())) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    return None, holder
