"""Imports that wait for a worker: who runs them, when, and what becomes of them without one."""

from __future__ import annotations

import datetime as dt
import io
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.services import campaigns, heartbeats, issuance
from app.services.codes import from_file, generated, jobs, moved, queue, table
from app.services.codes.claims import LEASE, Claim, Stopped, claim_as_seen, take_over
from app.services.codes.jobs import ImportFault, ImportProgress
from app.services.codes.reasons import Reject
from app.services.codes.sealing import SealedRow
from app.services.codes.sources import CampaignSource, FileSource, PatternSource, source_of
from app.services.codes.spool import Spool, identity
from app.services.deployment import Deployment
from app.settings import Settings
from app.store.models import Campaign, Code, ImportJob
from tests.conftest import Clock
from tests.killing import kill_midway
from tests.marketing import apply, bring, working


def receive(deployment: Deployment, count: int, *, prefix: str = "CODE") -> ImportProgress:
    """Send a file of codes to `spring`, as the marketers' API does."""
    data = b"".join(b"%s%07d\n" % (prefix.encode(), n) for n in range(count))
    return from_file.receive(deployment, "spring", io.BytesIO(data), filename=f"{prefix}.txt")


def codes_of(deployment: Deployment) -> int:
    with deployment.database.read() as session:
        return session.scalar(select(func.count()).select_from(Code)) or 0


def row(deployment: Deployment, job_id: uuid.UUID) -> ImportJob:
    with deployment.database.read() as session:
        return session.get_one(ImportJob, job_id)


def wait_for(deployment: Deployment, job_id: uuid.UUID, status: str, *, seconds: float) -> float:
    """Wait until the import has that status; returns the seconds it took."""
    began = time.monotonic()
    while (found := jobs.progress(deployment, job_id)).status != status:
        assert time.monotonic() - began < seconds, found
        time.sleep(0.02)
    return time.monotonic() - began


def test_a_worker_begins_with_a_queued_import_within_a_second_and_no_failure_ends_it(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(deployment)
    broken = receive(deployment, 10, prefix="BAD")
    fill = table.fill

    def failing(claim: Claim, *arguments: object) -> int:
        if claim.job_id == broken.id:
            raise MemoryError("as a machine that is too small for it")
        return fill(claim, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(from_file, "fill", failing)
    with working(deployment):
        time.sleep(0.3)
        for prefix in ("ONE", "TWO", "THREE"):
            sent = receive(deployment, 10, prefix=prefix)
            assert wait_for(deployment, sent.id, "complete", seconds=20) < 5
        assert jobs.progress(deployment, broken.id).status == "loading"
    # Its claim holds for a while, so that the next attempt is not at once.
    assert queue.resume(deployment) == []


def test_a_worker_runs_two_imports_at_once_and_the_third_waits_for_its_turn(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(deployment)
    sent = [receive(deployment, 10, prefix=prefix) for prefix in ("ONE", "TWO", "THREE")]
    both, go_on, fill = threading.Semaphore(0), threading.Event(), table.fill
    begun: list[uuid.UUID] = []

    def slow(claim: Claim, *arguments: object) -> int:
        begun.append(claim.job_id)
        both.release()
        assert go_on.wait(30)
        return fill(claim, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(from_file, "fill", slow)
    with working(deployment):
        assert both.acquire(timeout=30)
        assert both.acquire(timeout=30)
        with deployment.database.write() as session:
            said = {"spool": identity(deployment.settings.spool)}
            heartbeats.say(session, heartbeats.WORKER, said, now=deployment.now())
        assert "next free worker" in (jobs.progress(deployment, sent[2].id).waiting or "")
        assert [jobs.progress(deployment, each.id).waiting for each in sent[:2]] == [None, None]
        assert set(begun) == {sent[0].id, sent[1].id}
        go_on.set()
        for each in sent:
            wait_for(deployment, each.id, "complete", seconds=30)
    assert codes_of(deployment) == 30


def test_an_import_says_why_it_is_queued_and_what_to_do(
    client: FlaskClient, settings: Settings, deployment: Deployment, tmp_path: Path
) -> None:
    apply(deployment)
    sent = receive(deployment, 3)
    assert (sent.status, sent.accepted) == ("loading", 0)
    assert "no worker runs: start `passerelle worker`" in (sent.waiting or "")

    # A worker of another machine, which cannot read what was received here.
    elsewhere = Deployment(replace(settings, spool=tmp_path / "elsewhere"), clock=deployment.clock)
    with deployment.database.write() as session:
        said = {"spool": identity(elsewhere.settings.spool)}
        heartbeats.say(session, heartbeats.WORKER, said, now=deployment.now())
    assert "PASSERELLE_SPOOL" in (jobs.progress(deployment, sent.id).waiting or "")
    assert queue.run_next(elsewhere) is None
    elsewhere.close()

    with deployment.database.write() as session:
        # One of the release before, which does not say what it can read.
        heartbeats.say(session, heartbeats.WORKER, {}, now=deployment.now())
    _, (listed,) = jobs.listed(deployment)
    assert listed.waiting == "It is queued: the next free worker takes it up."
    (done,) = queue.resume(deployment)
    assert (done.status, done.waiting) == ("complete", None)


def test_a_move_that_is_asked_for_over_the_api_waits_for_a_worker_once(
    deployment: Deployment,
) -> None:
    apply(deployment)
    apply(deployment, key="summer")
    bring(deployment, b"CODE0001\nCODE0002\nCODE0003\n")

    begun = moved.begin_taking(deployment, "summer", "spring", count=2, queued=True)
    again = moved.begin_taking(deployment, "summer", "spring", count=2, queued=True)

    assert (begun.id, begun.status, begun.accepted) == (again.id, "loading", 0)
    assert "no worker runs" in (begun.waiting or "")
    (done,) = queue.resume(deployment)
    assert (done.id, done.status, done.accepted) == (begun.id, "complete", 2)
    assert queue.resume(deployment) == []


def test_an_import_whose_worker_was_killed_is_resumed_by_another(
    settings: Settings, deployment: Deployment, clock: Clock
) -> None:
    apply(deployment)
    sent = receive(deployment, 40_000)
    kill_midway(settings, deployment, "worker")
    assert 0 < codes_of(deployment) < 40_000
    # The dead worker's claim stands in the real time.
    clock.now = dt.datetime.now(dt.UTC)
    assert queue.resume(deployment) == []
    assert jobs.progress(deployment, sent.id).status == "loading"

    clock.now += LEASE + dt.timedelta(seconds=1)
    (done,) = queue.resume(deployment)

    assert (done.id, done.status, done.accepted, done.rejected) == (sent.id, "complete", 40_000, 0)
    assert codes_of(deployment) == 40_000
    with deployment.database.read() as session:
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        assert issuance.stock(session, campaign) == issuance.Stock(40_000, None)


def test_a_worker_that_ends_leaves_its_import_to_the_next_at_once(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("FIRST_ROWS", "MOST_ROWS", "COPY_ROWS"):
        monkeypatch.setattr(table, limit, 250)
    apply(deployment)
    sent = receive(deployment, 2_000)
    asked = iter([False, False, True])

    assert queue.run_next(deployment, leaving=lambda: next(asked)) is None
    assert 0 < codes_of(deployment) < 2_000
    (done,) = queue.resume(deployment)

    assert (done.id, done.accepted, codes_of(deployment)) == (sent.id, 2_000, 2_000)


@pytest.mark.parametrize("ends", ["taken over", "cancelled"])
def test_who_lost_an_import_stores_nothing_more(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, clock: Clock, ends: str
) -> None:
    apply(deployment)
    sent = receive(deployment, 2_000)
    stolen: list[Claim | None] = []

    def pieces(spool: Spool) -> Iterator[tuple[list[SealedRow], list[Reject]]]:
        rows = [row for more, _ in spool.sorted_rows() for row in more]
        yield rows[:500], []
        if ends == "cancelled":
            jobs.cancel(deployment, sent.id)
        else:
            # As where a machine slept: its claim ended meanwhile.
            clock.now += LEASE * 2
            stolen.append(claim_as_seen(deployment, row(deployment, sent.id)))
        yield rows[500:], []

    with monkeypatch.context() as patched:
        patched.setattr(table, "_gathered", pieces)
        done = queue.run_next(deployment)

    assert done is not None
    if ends == "cancelled":
        assert (done.status, codes_of(deployment)) == ("cancelled", 0)
        return
    assert (done.status, done.accepted, codes_of(deployment)) == ("loading", 500, 500)
    (claim,) = stolen
    assert claim is not None
    assert from_file.load_claimed(claim).accepted == codes_of(deployment) == 2_000


def test_of_two_who_see_a_due_import_one_gets_it_and_a_finished_one_is_nobodys(
    deployment: Deployment,
) -> None:
    apply(deployment)
    sent = receive(deployment, 3)
    seen = row(deployment, sent.id)

    first, second = claim_as_seen(deployment, seen), claim_as_seen(deployment, seen)

    assert first is not None
    assert second is None
    assert from_file.load_claimed(first).status == "complete"
    with pytest.raises(Stopped):
        take_over(deployment, sent.id)
    with pytest.raises(Stopped):
        jobs.complete(first)


@pytest.mark.parametrize("status", ["complete", "cancelled"])
def test_an_import_that_ended_since_it_was_found_does_not_begin_anew(
    deployment: Deployment, status: str
) -> None:
    apply(deployment)
    sent = receive(deployment, 3)
    if status == "complete":
        queue.resume(deployment)
    else:
        jobs.cancel(deployment, sent.id)
    codes = codes_of(deployment)

    with pytest.raises(ImportFault, match="Import the file again"):
        jobs.begin(deployment, "spring", FileSource(), filename="CODE.txt", again=sent.id)

    assert (row(deployment, sent.id).status, codes_of(deployment)) == (status, codes)


def test_imports_that_the_release_before_left_are_read_and_resumed_and_not_disturbed(
    deployment: Deployment, clock: Clock
) -> None:
    apply(deployment)
    apply(deployment, key="made", codes={"source": "generated"})
    apply(deployment, key="summer")
    bring(deployment, b"CODE0001\nCODE0002\n")
    file = receive(deployment, 5, prefix="FILE")
    made = jobs.begin(
        deployment, "made", PatternSource(count=7), filename=PatternSource.label
    ).job_id
    move = moved.begin_taking(deployment, "summer", "spring", count=2)
    torn = jobs.begin(deployment, "spring", FileSource(), filename="torn").job_id
    with deployment.database.write() as session:
        # Its rows have neither a kind nor a moment.
        session.execute(update(ImportJob).values(kind=None, due_at=None))

    sources = {job_id: source_of(row(deployment, job_id)) for job_id in (file.id, made, move.id)}
    assert sources[file.id] == FileSource()
    assert sources[made] == PatternSource(count=7)
    source = sources[move.id]
    assert isinstance(source, CampaignSource)
    assert (source.count, source.name) == (2, "")
    # It is at work as long as it says so.
    assert queue.resume(deployment) == []
    clock.now += LEASE + dt.timedelta(seconds=1)
    done = {each.id: each for each in queue.resume(deployment)}
    assert {job_id: each.accepted for job_id, each in done.items()} == {file.id: 5, move.id: 2}
    clock.now += dt.timedelta(minutes=15)
    done = {each.id: each for each in queue.resume(deployment)}
    assert (done[made].status, done[made].accepted) == ("complete", 7)
    assert (done[torn].status, done[torn].accepted) == ("failed", 0)


def test_the_release_before_tells_the_kinds_of_new_imports_as_it_always_did(
    deployment: Deployment,
) -> None:
    apply(deployment)
    apply(deployment, key="made", codes={"source": "generated"})
    apply(deployment, key="summer")
    file = bring(deployment, b"CODE0001\nCODE0002\n")
    made = generated.generate(deployment, "made", 3)
    move = moved.take(deployment, "summer", "spring")

    found = {job_id: row(deployment, job_id) for job_id in (file.id, made.id, move.id)}

    assert [(each.kind, each.due_at) for each in found.values()] == [
        ("file", None),
        ("pattern", None),
        ("campaign", None),
    ]
    # That one asks for this name, and for these options.
    assert found[made.id].filename == "(generated)"
    assert found[made.id].options["count"] == 3
    assert found[move.id].filename == "(from spring)"
    assert {"from", "home", "count", "name", "api_key_id"} <= set(found[move.id].options)
    assert {"columns", "coupon", "key_id"} <= set(found[file.id].options)
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Campaign)) == 3


def test_a_failure_that_a_crash_broke_off_is_one_when_it_is_gone_on_with(
    deployment: Deployment,
) -> None:
    apply(deployment)
    sent = receive(deployment, 3)
    with deployment.database.write() as session:
        job = session.get_one(ImportJob, sent.id)
        job.status, job.error = "cancelling", "The codes on their way in broke off."

    (done,) = queue.resume(deployment)

    assert (done.status, done.error) == ("failed", "The codes on their way in broke off.")
