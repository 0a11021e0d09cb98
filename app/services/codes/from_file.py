"""Files on their way into a spool: from disk, or as they are sent.

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
from typing import Any, BinaryIO

from sqlalchemy import delete, select, update

from app.services import campaigns
from app.services.codes import formats
from app.services.codes.formats.columns import is_meaning
from app.services.codes.jobs import (
    NOTE_EVERY,
    READING_SHARE,
    ImportFault,
    Progress,
    Standing,
    begin,
    discard,
    expected,
    note_progress,
    note_read,
    spool_of,
    standing,
)
from app.services.codes.load import load
from app.services.codes.reasons import MALFORMED, Reject
from app.services.codes.sealing import Sealer
from app.services.deployment import Deployment
from app.store.models import Campaign, ImportJob, ImportReject

#: Rows without a usable code after which a file of mostly such rows is given up: each is stored to
#: be read by a person, and a small packed file can hold millions.
MOST_MALFORMED = 10_000


def import_file(
    deployment: Deployment,
    campaign_key: str,
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    coupon: str | None = None,
    progress: Progress = lambda _: None,
) -> Standing:
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
    options = _options(columns, coupon)
    twin = _twin(deployment, campaign_key, digest, options)
    if twin is not None and twin.status == "complete":
        return standing(deployment, twin.id, known=True)
    if twin is not None and twin.status == "loading" and spool_of(deployment, twin.id).complete:
        return load(deployment, twin.id, progress=progress)
    job_id = begin(deployment, campaign_key, filename=path.name, options=options, job=twin)
    with path.open("rb") as file:
        size = max(1, os.fstat(file.fileno()).st_size)

        def tell(found: Standing) -> None:
            progress(replace(found, share=READING_SHARE * min(1, file.tell() / size)))

        _read(deployment, job_id, file, tell)
    note_read(deployment, job_id, digest)
    return load(deployment, job_id, progress=progress)


def columns_from(texts: Iterable[str]) -> dict[str, str]:
    """What each column holds, from `code=3` or `amount=Balance`; a bare place is the code's.

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
) -> Standing:
    """Read a file as it arrives and return before it is loaded: `load` or `resume` goes on.

    A file of which every row is refused is not loaded: its import has failed when this returns.

    Raises:
        ImportFault: the campaign takes no codes, or the file cannot be read.
    """
    options = _options(columns, coupon)
    hashed = _Hashed(stream)
    job_id = begin(deployment, campaign_key, filename=filename, options=options)
    _read(deployment, job_id, hashed, lambda _: None)
    hashed.drain()
    digest = hashed.hexdigest()
    twin = _twin(deployment, campaign_key, digest, options)
    if twin is None:
        note_read(deployment, job_id, digest)
        if spool_of(deployment, job_id).empty:
            return load(deployment, job_id)
        return standing(deployment, job_id)
    own, earlier = spool_of(deployment, job_id), spool_of(deployment, twin.id)
    adopted = twin.status != "complete" and not earlier.complete
    if adopted:
        # The earlier attempt lost its spool; ours is the same, and its codes are some of ours.
        earlier.remove()
        own.folder.rename(earlier.folder)
    own.remove()
    with deployment.database.write() as session:
        ours = ImportReject.import_job_id == job_id
        if adopted:
            session.execute(delete(ImportReject).where(ImportReject.import_job_id == twin.id))
            session.execute(update(ImportReject).where(ours).values(import_job_id=twin.id))
        session.execute(delete(ImportReject).where(ours))
        read = session.get_one(ImportJob, job_id).read
        session.execute(delete(ImportJob).where(ImportJob.id == job_id))
    if adopted:
        note_read(deployment, twin.id, digest, read=read)
    return standing(deployment, twin.id, known=twin.status == "complete")


def _read(
    deployment: Deployment, job_id: uuid.UUID, stream: BinaryIO | io.RawIOBase, progress: Progress
) -> None:
    """Seal the records of `stream` into the import's spool."""
    with deployment.database.read() as session:
        job = session.get_one(ImportJob, job_id)
        campaign = session.get_one(Campaign, job.campaign_id)
        columns, coupon = job.options.get("columns"), job.options.get("coupon")
    wanted = expected(deployment, campaign)
    sealer = Sealer(keyring=deployment.keyring, expected=wanted)
    spool = spool_of(deployment, job_id)
    spool.begin()
    count = malformed = 0
    refused: list[Reject] = []
    noted = time.monotonic()
    try:
        for batch in formats.batches(stream, columns=columns, coupon=coupon, expected=wanted):
            rows, rejects, records = sealer.seal(batch)
            count += records
            spool.add(rows)
            refused.extend(rejects)
            malformed += sum(each.reason in MALFORMED for each in rejects)
            if malformed > MOST_MALFORMED and malformed * 2 > count:
                raise formats.FileFault(
                    f"More than {MOST_MALFORMED:,} rows, and most of them, hold no code: name the "
                    "column with the codes, or export the file again."
                )
            due = time.monotonic() - noted > NOTE_EVERY
            if due or len(refused) > 1_000:
                refused = note_progress(deployment, job_id, count, refused)
                noted = time.monotonic()
                progress(standing(deployment, job_id))
        while refused:
            refused = note_progress(deployment, job_id, count, refused)
        spool.seal()
    except formats.FileFault as fault:
        discard(deployment, job_id, "failed", str(fault))
        raise ImportFault(str(fault), asked=fault) from None
    with deployment.database.write() as session:
        session.execute(update(ImportJob).where(ImportJob.id == job_id).values(read=count))


def _options(columns: Mapping[str, str] | None, coupon: str | None) -> dict[str, Any]:
    """What distinguishes two imports of the same file."""
    return {"columns": dict(columns) if columns else None, "coupon": coupon}


def _twin(
    deployment: Deployment, campaign_key: str, digest: str, options: dict[str, Any]
) -> ImportJob | None:
    """An earlier import of the same file into the same campaign, unless its codes are gone."""
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
            if {name: job.options.get(name) for name in options} == options:
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
