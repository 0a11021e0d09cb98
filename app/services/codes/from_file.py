"""Imports files, from disk or as they are sent: reads them into a spool, then loads that.

The same file again adds nothing. One that a crash broke off is read anew, or loaded on when all of
it had been read.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import delete, select, update

from app.services import campaigns
from app.services.codes.claims import AT_ONCE, NOTE_EVERY, READING_LIMIT, Claim, Stopped, take_over
from app.services.codes.formats import reader
from app.services.codes.formats.headings.meanings import is_meaning
from app.services.codes.formats.records import FileFault
from app.services.codes.jobs import (
    READING_SHARE,
    ImportFault,
    ImportProgress,
    OnProgress,
    begin,
    complete,
    expected,
    fail,
    nothing_used,
    progress,
    spool_of,
    stopped,
)
from app.services.codes.reasons import MALFORMED, Reject
from app.services.codes.sealing import Sealer
from app.services.codes.sources import FileSource, source_of
from app.services.codes.spool import SpoolBroken, identity
from app.services.codes.table import fill, store_rejects
from app.services.deployment import Deployment
from app.store.models import Campaign, ImportJob, ImportReject

#: Rows without a usable code after which a file of mostly such rows is given up: each is stored to
#: be read by a person, and a small packed file can hold millions.
MOST_MALFORMED = 10_000

_CANCELLED = "The import was cancelled while its file was read."


def import_file(
    deployment: Deployment,
    campaign_key: str,
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    coupon: str | None = None,
    on_progress: OnProgress = lambda _: None,
) -> ImportProgress:
    """Import a file from disk and return when its codes are usable.

    Started again after a crash it goes on with the import that the crash interrupted.

    Args:
        columns: the name or number (from 1) of columns by what they hold, where that is not told
            by their headings.
        coupon: in coupon XML, the `coupon-id` whose codes are taken.

    Raises:
        ImportFault: the campaign takes no codes, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImportFault(
            f"{path} cannot be read ({error.strerror}): name a readable file."
        ) from None
    source = FileSource(columns=columns, coupon=coupon)
    twin = _twin(deployment, campaign_key, digest, source)
    if twin is not None and twin.status == "complete":
        return progress(deployment, twin.id, known=True)
    if twin is not None and twin.status == "loading" and spool_of(deployment, twin.id).complete:
        return load(deployment, twin.id, on_progress=on_progress)
    claim = begin(
        deployment,
        campaign_key,
        source,
        filename=path.name,
        again=twin.id if twin is not None else None,
    )
    with path.open("rb") as file:
        size = max(1, os.fstat(file.fileno()).st_size)

        def tell(found: ImportProgress) -> None:
            on_progress(replace(found, share=READING_SHARE * min(1, file.tell() / size)))

        count = _read(claim, source, file, tell)
    _note_read(claim, digest, count)
    return load_claimed(claim, on_progress=on_progress)


def columns_from(texts: Iterable[str]) -> dict[str, str]:
    """Read what each column holds from `code=3` or `amount=Balance`; a bare place is the code's.

    Raises:
        ImportFault: a text names no column.
    """
    found: dict[str, str] = {}
    for text in texts:
        meaning, equals, place = text.partition("=")
        if not equals or not is_meaning(meaning):
            meaning, place = "code", text
        if not place.strip():
            raise ImportFault(f"{text!r} names no column: write it as code=3 or code=Heading.")
        # A state may stand in several columns: each is looked at.
        found[meaning] = f"{found[meaning]}|{place}" if meaning in found else place
    return found


def receive(
    deployment: Deployment,
    campaign_key: str,
    stream: BinaryIO,
    *,
    filename: str,
    columns: Mapping[str, str] | None = None,
    coupon: str | None = None,
) -> ImportProgress:
    """Read a file as it arrives, and leave it to a worker to be loaded.

    A file of which every row is refused is not loaded: its import has failed when this returns.

    Raises:
        ImportFault: the campaign takes no codes, or the file cannot be read.
    """
    source = FileSource(columns=columns, coupon=coupon)
    hashed = _Hashed(stream)
    claim = begin(deployment, campaign_key, source, filename=filename)
    count = _read(claim, source, hashed, lambda _: None)
    hashed.drain()
    digest = hashed.hexdigest()
    twin = _twin(deployment, campaign_key, digest, source)
    if twin is not None:
        return _merge(claim, twin, digest, count)
    if spool_of(deployment, claim.job_id).empty:
        _note_read(claim, digest, count)
        return load_claimed(claim)
    try:
        claim.hand_over(held="reading", status="loading", sha256=digest, read=count)
    except Stopped:
        raise ImportFault(_CANCELLED) from None
    return progress(deployment, claim.job_id)


def load(
    deployment: Deployment, job_id: uuid.UUID, *, on_progress: OnProgress = lambda _: None
) -> ImportProgress:
    """Load what has been read, and make its codes usable; safe to call again at any time.

    Raises:
        ImportFault: what was read is lost.
    """
    try:
        claim = take_over(deployment, job_id)
    except Stopped:
        return progress(deployment, job_id)
    return load_claimed(claim, on_progress=on_progress)


def load_claimed(claim: Claim, *, on_progress: OnProgress = lambda _: None) -> ImportProgress:
    """Load an import that is claimed already, as `load` does."""
    deployment, job_id = claim.deployment, claim.job_id

    def tell(found: ImportProgress) -> None:
        share = (found.accepted + found.rejected) / max(found.read, 1)
        on_progress(replace(found, share=READING_SHARE + (1 - READING_SHARE) * min(share, 1)))

    try:
        try:
            fill(claim, spool_of(deployment, job_id), tell)
        except SpoolBroken as broken:
            fail(claim, str(broken))
            raise ImportFault(str(broken)) from None
        if (cause := nothing_used(progress(deployment, job_id))) is not None:
            return fail(claim, cause)
        return complete(claim)
    except Stopped:
        return stopped(deployment, job_id)


def _merge(claim: Claim, twin: ImportJob, digest: str, count: int) -> ImportProgress:
    """Let what was read go into an earlier import of the same file; an own one is not needed."""
    deployment = claim.deployment
    own, earlier = spool_of(deployment, claim.job_id), spool_of(deployment, twin.id)
    adopted = twin.status != "complete" and not earlier.complete
    if adopted:
        # The earlier attempt lost its spool; ours is the same, and its codes are some of ours.
        earlier.remove()
        own.folder.rename(earlier.folder)
    own.remove()
    with deployment.database.write() as session:
        ours = ImportReject.import_job_id == claim.job_id
        if adopted:
            session.execute(delete(ImportReject).where(ImportReject.import_job_id == twin.id))
            session.execute(update(ImportReject).where(ours).values(import_job_id=twin.id))
            job = session.get_one(ImportJob, twin.id, with_for_update=True)
            if job.status not in ("reading", "loading"):
                raise ImportFault(_CANCELLED)
            job.status, job.sha256, job.read, job.due_at = "loading", digest, count, AT_ONCE
            job.options = {**job.options, "spool": identity(deployment.settings.spool)}
            job.updated_at = deployment.now()
        session.execute(delete(ImportReject).where(ours))
        session.execute(delete(ImportJob).where(ImportJob.id == claim.job_id))
    return progress(deployment, twin.id, known=twin.status == "complete")


def _read(
    claim: Claim, source: FileSource, stream: BinaryIO | io.RawIOBase, on_progress: OnProgress
) -> int:
    """Seal the records of `stream` into the import's spool; returns how many there were."""
    deployment, job_id = claim.deployment, claim.job_id
    with deployment.database.read() as session:
        job = session.get_one(ImportJob, job_id)
        campaign = session.get_one(Campaign, job.campaign_id)
    wanted = expected(deployment, campaign)
    sealer = Sealer(keyring=deployment.keyring, expected=wanted)
    spool = spool_of(deployment, job_id)
    spool.begin()
    count = malformed = 0
    refused: list[Reject] = []
    noted = time.monotonic()
    try:
        for batch in reader.batches(
            stream, columns=source.columns, coupon=source.coupon, expected=wanted
        ):
            rows, rejects, records = sealer.seal(batch)
            count += records
            spool.add(rows)
            refused.extend(rejects)
            malformed += sum(each.reason in MALFORMED for each in rejects)
            if malformed > MOST_MALFORMED and malformed * 2 > count:
                raise FileFault(
                    f"More than {MOST_MALFORMED:,} rows, and most of them, hold no code: name the "
                    "column with the codes, or export the file again."
                )
            due = time.monotonic() - noted > NOTE_EVERY
            if due or len(refused) > 1_000:
                refused = _note_progress(claim, count, refused)
                noted = time.monotonic()
                on_progress(progress(deployment, job_id))
        while refused:
            refused = _note_progress(claim, count, refused)
        spool.seal()
    except FileFault as fault:
        _fail_unless_cancelled(claim, str(fault))
        raise ImportFault(str(fault), asked=fault) from None
    except Stopped:
        raise ImportFault(_CANCELLED) from None
    return count


def _fail_unless_cancelled(claim: Claim, error: str) -> None:
    try:
        fail(claim, error)
    except Stopped:
        stopped(claim.deployment, claim.job_id)


def _note_progress(claim: Claim, count: int, refused: list[Reject]) -> list[Reject]:
    """Store how far reading is and some rejects; returns those that are left."""
    with claim.deployment.database.write() as session:
        store_rejects(session, claim.job_id, refused[:1_000])
        claim.note(session, held="reading", lease=READING_LIMIT, read=count)
    return refused[1_000:]


def _note_read(claim: Claim, digest: str, count: int) -> None:
    """Store that everything is read: the import is loading from now on."""
    try:
        with claim.deployment.database.write() as session:
            claim.note(session, held="reading", status="loading", sha256=digest, read=count)
    except Stopped:
        raise ImportFault(_CANCELLED) from None


def _twin(
    deployment: Deployment, campaign_key: str, digest: str, source: FileSource
) -> ImportJob | None:
    """Find an earlier import of the same file into the same campaign, unless its codes are gone."""
    with deployment.database.read() as session:
        campaign = campaigns.required(session, campaign_key)
        for job in session.scalars(
            select(ImportJob)
            .where(
                ImportJob.campaign_id == campaign.id,
                ImportJob.sha256 == digest,
                ImportJob.status.in_(("complete", "loading", "reading")),
            )
            .order_by(ImportJob.status)
        ):
            earlier = source_of(job)
            if isinstance(earlier, FileSource) and earlier.options() == source.options():
                return job
    return None


class _Hashed(io.RawIOBase):
    """A stream that is hashed as it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def drain(self) -> None:
        while self.read(1 << 16):
            pass

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
