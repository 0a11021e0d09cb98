"""Imports from the first byte to usable codes, and what becomes of them after a crash.

`reading`: records are checked and sealed into a spool; nothing is in the table of codes.
`loading`: the spool goes into the table; its codes are not usable yet.
`complete`: every code of it became usable in one moment. `cancelled`, `failed`: its codes are gone.

A crash while reading loses the attempt (send the file again); one while loading loses nothing:
`resume` goes on, and so does importing the same file. Of codes that are generated, `resume` makes
those that are lacking. A file is known by the SHA-256 of its bytes:
importing it again into the same campaign adds nothing and answers with the earlier import.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from babel.numbers import get_currency_precision
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.domain.campaign import Source
from app.domain.kinds import KINDS
from app.domain.minting import PATTERNS, Recipe
from app.services import campaigns
from app.services.deployment import Deployment
from app.services.importing import loading, reading
from app.services.importing.sealing import REASONS, Expected, Reason, Reject, Row, Sealer
from app.services.importing.spool import Spool, SpoolBroken
from app.store.models import Campaign, Code, ImportJob, ImportReject

#: After this long without progress nobody is at work on an import that is being read, or on a
#: generation of codes.
READING_LIMIT = dt.timedelta(minutes=15)
#: What stands in the place of a file's name for codes that are made here.
GENERATED = "(generated)"
_NOTE_EVERY = 1.0
_GENERATED = 16_384
_MOST_ROUNDS = 20

Progress = Callable[["Standing"], None]


class ImportFault(Exception):
    """The import cannot begin or go on; says the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far an import is."""

    id: uuid.UUID
    campaign: str
    status: str
    filename: str
    read: int
    accepted: int
    rejected: int
    reasons: dict[str, int]
    error: str | None = None
    #: Whether the same file had been imported before, so that nothing was added now.
    known: bool = False


def import_file(
    deployment: Deployment,
    campaign_key: str,
    path: Path,
    *,
    column: str | None = None,
    progress: Progress = lambda _: None,
) -> Standing:
    """Import a file from disk and return when its codes are usable.

    Started again after a crash it goes on with the import that the crash interrupted.

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
    options = {"column": column}
    twin = _twin(deployment, campaign_key, digest, options)
    if twin is not None and twin.status == "complete":
        return standing(deployment, twin.id, known=True)
    if twin is not None and twin.status == "loading" and _spool(deployment, twin.id).complete:
        return load(deployment, twin.id, progress=progress)
    job_id = begin(deployment, campaign_key, filename=path.name, options=options, job=twin)
    with path.open("rb") as file:
        _read(deployment, job_id, file, progress)
    _note_read(deployment, job_id, digest)
    return load(deployment, job_id, progress=progress)


def receive(
    deployment: Deployment,
    campaign_key: str,
    stream: BinaryIO,
    *,
    filename: str,
    column: str | None = None,
) -> Standing:
    """Read a file as it arrives and return before it is loaded: `load` or `resume` goes on.

    Raises:
        ImportFault: the campaign takes no codes, or the file cannot be read.
    """
    options = {"column": column}
    hashed = _Hashed(stream)
    job_id = begin(deployment, campaign_key, filename=filename, options=options)
    _read(deployment, job_id, hashed, lambda _: None)
    hashed.drain()
    digest = hashed.hexdigest()
    twin = _twin(deployment, campaign_key, digest, options)
    if twin is None:
        _note_read(deployment, job_id, digest)
        return standing(deployment, job_id)
    own, earlier = _spool(deployment, job_id), _spool(deployment, twin.id)
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
        _note_read(deployment, twin.id, digest, read=read)
    return standing(deployment, twin.id, known=twin.status == "complete")


def generate(
    deployment: Deployment,
    campaign_key: str,
    count: int,
    *,
    progress: Progress = lambda _: None,
) -> Standing:
    """Make `count` codes by the campaign's pattern and store them; they become usable together.

    Raises:
        ImportFault: the campaign's codes are not generated, or its pattern names the recipient.
    """
    with deployment.database.read() as session:
        campaign = _campaign(session, campaign_key)
    if campaign.source != Source.GENERATED.value:
        raise ImportFault(
            f"The codes of {campaign_key} come from {campaign.source}: only generated ones are "
            "made ahead."
        )
    if recipe_of(campaign).personal:
        raise ImportFault(
            "The pattern names the recipient, so that codes can be made only when they are "
            'issued: use source = "on_demand".'
        )
    job_id = begin(
        deployment, campaign_key, filename=GENERATED, options={"count": count}, files=False
    )
    return _generate(deployment, job_id, campaign, progress)


def _generate(
    deployment: Deployment, job_id: uuid.UUID, campaign: Campaign, progress: Progress
) -> Standing:
    """Make and load the codes that are still lacking; those of an earlier attempt count."""
    with deployment.database.read() as session:
        job = session.get_one(ImportJob, job_id)
    recipe, count = recipe_of(campaign), int(job.options["count"])
    pins = int(campaign.source_options.get("pin_digits", 0))
    spool = _spool(deployment, job_id)
    today = deployment.now().astimezone(ZoneInfo(campaign.timezone)).date()
    sealer = Sealer(
        keyring=deployment.keyring,
        expected=_expected(deployment, campaign),
        hinted=recipe.hides_40_bits,
    )
    wanted, first = count - job.accepted, 1
    for _ in range(_MOST_ROUNDS):
        if not wanted:
            return _complete(deployment, job_id)
        spool.begin()
        for done in range(0, wanted, _GENERATED):
            codes = recipe.mint(min(_GENERATED, wanted - done), today=today)
            rows, _rejects, _count = sealer.seal(
                _with_pins(first + done, codes, pins) if pins else (first + done, codes)
            )
            spool.add(rows)
        spool.seal()
        first += wanted
        _note_read(deployment, job_id, "", read=count)
        try:
            _load(deployment, job_id, progress)
        except loading.Stopped:
            return _stopped(deployment, job_id)
        wanted = count - standing(deployment, job_id).accepted
    if not wanted:
        return _complete(deployment, job_id)
    _discard(deployment, job_id, "failed", "The pattern has too few codes left: lengthen it.")
    raise ImportFault(
        f"The pattern of {campaign.key} has too few codes left for {count} more: lengthen it."
    )


def load(
    deployment: Deployment, job_id: uuid.UUID, *, progress: Progress = lambda _: None
) -> Standing:
    """Load what has been read, and make its codes usable; safe to call again at any time."""
    try:
        _load(deployment, job_id, progress)
    except loading.Stopped:
        return _stopped(deployment, job_id)
    except SpoolBroken as broken:
        _discard(deployment, job_id, "failed", str(broken))
        raise ImportFault(str(broken)) from None
    return _complete(deployment, job_id)


def _stopped(deployment: Deployment, job_id: uuid.UUID) -> Standing:
    """What became of an import that somebody cancelled, or finished, while it was loading."""
    found = standing(deployment, job_id)
    if found.status == "cancelling":
        return _discard(deployment, job_id, "cancelled", None)
    return found


def resume(deployment: Deployment) -> list[Standing]:
    """Go on with what a crash interrupted on this machine; the worker calls it now and then."""
    with deployment.database.read() as session:
        jobs = session.scalars(
            select(ImportJob).where(ImportJob.status.in_(("reading", "loading", "cancelling")))
        ).all()
    results = []
    for job in jobs:
        idle = deployment.now() - job.updated_at
        if job.status == "cancelling":
            results.append(_discard(deployment, job.id, "cancelled", None))
        elif job.filename == GENERATED:
            if idle > READING_LIMIT and _taken_over(deployment, job):
                results.append(_generate_on(deployment, job))
        elif job.status == "reading":
            if idle > READING_LIMIT:
                results.append(
                    _discard(deployment, job.id, "failed", "The file broke off: send it again.")
                )
        elif _spool(deployment, job.id).complete:
            results.append(load(deployment, job.id))
    return results


def _taken_over(deployment: Deployment, job: ImportJob) -> bool:
    """Whether this worker, and no other, goes on with a generation that stands still."""
    with deployment.database.write() as session:
        taken = session.execute(
            update(ImportJob)
            .where(
                ImportJob.id == job.id,
                ImportJob.status == job.status,
                ImportJob.updated_at == job.updated_at,
            )
            # The codes that are still to be made are sealed with the newest key.
            .values(
                updated_at=deployment.now(),
                options={**job.options, "key_id": deployment.keyring.newest},
            )
            .returning(ImportJob.id)
        ).first()
    return taken is not None


def _generate_on(deployment: Deployment, job: ImportJob) -> Standing:
    with deployment.database.read() as session:
        campaign = session.get_one(Campaign, job.campaign_id)
    try:
        return _generate(deployment, job.id, campaign, lambda _: None)
    except ImportFault:
        return standing(deployment, job.id)


def cancel(deployment: Deployment, job_id: uuid.UUID) -> Standing:
    """Stop an import and take its codes away again.

    Raises:
        ImportFault: it is complete already, or unknown.
    """
    with deployment.database.write() as session:
        job = session.get(ImportJob, job_id, with_for_update=True)
        if job is None:
            raise ImportFault(f"No import {job_id} is known.")
        if job.status == "complete":
            raise ImportFault(
                "The import is complete and its codes are in use: pause the campaign instead."
            )
        if job.status in ("cancelled", "failed"):
            return _standing(job, session.get_one(Campaign, job.campaign_id).key)
        job.status = "cancelling"
    return _discard(deployment, job_id, "cancelled", None)


def standing(deployment: Deployment, job_id: uuid.UUID, *, known: bool = False) -> Standing:
    """How far an import is.

    Raises:
        ImportFault: it is unknown.
    """
    with deployment.database.read() as session:
        job = session.get(ImportJob, job_id)
        if job is None:
            raise ImportFault(f"No import {job_id} is known.")
        return _standing(job, session.get_one(Campaign, job.campaign_id).key, known=known)


def listed(deployment: Deployment, campaign_key: str | None = None) -> list[Standing]:
    """Imports, newest first."""
    statement = (
        select(ImportJob, Campaign.key)
        .join(Campaign, Campaign.id == ImportJob.campaign_id)
        .order_by(ImportJob.created_at.desc(), ImportJob.id.desc())
        .limit(200)
    )
    if campaign_key is not None:
        statement = statement.where(Campaign.key == campaign_key)
    with deployment.database.read() as session:
        return [_standing(job, key) for job, key in session.execute(statement).tuples()]


def rejects(deployment: Deployment, job_id: uuid.UUID) -> Iterator[tuple[int, str, str]]:
    """Line, reason and its text of every refused record, by line."""
    last = -1
    while True:
        with deployment.database.read() as session:
            found = session.scalars(
                select(ImportReject)
                .where(ImportReject.import_job_id == job_id, ImportReject.line > last)
                .order_by(ImportReject.line)
                .limit(1_000)
            ).all()
        for reject in found:
            text = REASONS[Reason(reject.reason)]
            if reject.detail and reject.reason == Reason.DUPLICATE.value:
                text = f"Line {reject.detail} has the same code."
            yield reject.line, reject.reason, text
        if len(found) < 1_000:
            return
        last = found[-1].line


def recipe_of(campaign: Campaign) -> Recipe:
    """How the campaign's codes are made."""
    options = campaign.source_options
    return Recipe.read(
        options.get("pattern") or PATTERNS[campaign.kind],
        alphabet=options["alphabet"],
        check=options["check"],
        tail=16 if KINDS[campaign.kind].holds_money else 10,
    )


def begin(
    deployment: Deployment,
    campaign_key: str,
    *,
    filename: str,
    options: dict[str, Any],
    files: bool = True,
    job: ImportJob | None = None,
) -> uuid.UUID:
    """Open an import, or an interrupted one anew.

    Raises:
        ImportFault: the campaign is unknown, or takes no codes from files.
    """
    now, newest = deployment.now(), deployment.keyring.newest
    with deployment.database.write() as session:
        campaign = _campaign(session, campaign_key)
        if files and campaign.source != Source.LIST.value:
            raise ImportFault(
                f"The codes of {campaign_key} are {campaign.source}: only a campaign whose "
                'source is "list" takes files.'
            )
        noted = {**options, "key_id": newest}
        if job is not None:
            session.execute(delete(ImportReject).where(ImportReject.import_job_id == job.id))
            session.execute(
                update(ImportJob)
                .where(ImportJob.id == job.id)
                .values(status="reading", options=noted, read=0, updated_at=now, error=None)
            )
            return job.id
        fresh = ImportJob(
            campaign_id=campaign.id,
            status="reading",
            filename=filename[:200],
            sha256="",
            options=noted,
            created_at=now,
            updated_at=now,
        )
        session.add(fresh)
        session.flush()
        return fresh.id


def _read(
    deployment: Deployment, job_id: uuid.UUID, stream: BinaryIO | io.RawIOBase, progress: Progress
) -> None:
    """Seal the records of `stream` into the import's spool."""
    with deployment.database.read() as session:
        job = session.get_one(ImportJob, job_id)
        campaign = session.get_one(Campaign, job.campaign_id)
        column = job.options.get("column")
    sealer = Sealer(keyring=deployment.keyring, expected=_expected(deployment, campaign))
    spool = _spool(deployment, job_id)
    spool.begin()
    count = 0
    refused: list[Reject] = []
    noted = time.monotonic()
    try:
        for batch in reading.batches(stream, column=column):
            rows, rejects, records = sealer.seal(batch)
            count += records
            spool.add(rows)
            refused.extend(rejects)
            due = time.monotonic() - noted > _NOTE_EVERY
            if due or len(refused) > 1_000:
                refused = _note_progress(deployment, job_id, count, refused)
                noted = time.monotonic()
                progress(standing(deployment, job_id))
        while refused:
            refused = _note_progress(deployment, job_id, count, refused)
        spool.seal()
    except reading.FileFault as fault:
        _discard(deployment, job_id, "failed", str(fault))
        raise ImportFault(str(fault)) from None
    with deployment.database.write() as session:
        session.execute(update(ImportJob).where(ImportJob.id == job_id).values(read=count))


def _note_progress(
    deployment: Deployment, job_id: uuid.UUID, count: int, refused: list[Reject]
) -> list[Reject]:
    """Store how far reading is and some rejects; returns those that are left."""
    with deployment.database.write() as session:
        loading.store_rejects(session, job_id, refused[:1_000])
        changed = session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status == "reading")
            .values(read=count, updated_at=deployment.now())
            .returning(ImportJob.id)
        ).first()
        if changed is None:
            raise ImportFault("The import was cancelled while its file was read.")
    return refused[1_000:]


def _note_read(
    deployment: Deployment, job_id: uuid.UUID, digest: str, *, read: int | None = None
) -> None:
    values: dict[str, Any] = {"sha256": digest, "status": "loading"}
    if read is not None:
        values["read"] = read
    with deployment.database.write() as session:
        changed = session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status.in_(("reading", "loading")))
            .values(**values, updated_at=deployment.now())
            .returning(ImportJob.id)
        ).first()
        if changed is None:
            raise ImportFault("The import was cancelled while its file was read.")


def _load(deployment: Deployment, job_id: uuid.UUID, progress: Progress) -> None:
    with deployment.database.read() as session:
        job = session.get_one(ImportJob, job_id)
        if job.status != "loading":
            raise loading.Stopped
        loader = loading.Loader(
            database=deployment.database,
            job_id=job_id,
            campaign_id=job.campaign_id,
            key_id=job.options["key_id"],
            clock=deployment.now,
            generated=job.filename == GENERATED,
            accepted=job.accepted if job.filename == GENERATED else 0,
        )
        # Rejects found while reading are stored; those that loading finds are counted as it goes.
        found = session.execute(
            select(ImportReject.reason, ImportReject.line).where(
                ImportReject.import_job_id == job_id,
                ImportReject.reason.not_in(
                    (Reason.DUPLICATE, Reason.IN_CAMPAIGN, Reason.IN_OTHER_CAMPAIGN)
                ),
            )
        )
        for reason, line in found:
            loader.count([Reject(line, Reason(reason))])
    noted = time.monotonic()
    for rows, repeats in _gathered(_spool(deployment, job_id)):
        loader.load(rows, repeats)
        if time.monotonic() - noted > _NOTE_EVERY:
            progress(standing(deployment, job_id))
            noted = time.monotonic()


def _gathered(spool: Spool) -> Iterator[tuple[list[Row], list[Reject]]]:
    """Sorted rows, in pieces that are worth a transaction though the import be small."""
    rows: list[Row] = []
    repeats: list[Reject] = []
    for more, again in spool.sorted_rows():
        rows += more
        repeats += again
        if len(rows) >= loading.COPY_ROWS:
            yield rows, repeats
            rows, repeats = [], []
    yield rows, repeats


def _complete(deployment: Deployment, job_id: uuid.UUID) -> Standing:
    now = deployment.now()
    with deployment.database.write() as session:
        session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status == "loading")
            .values(status="complete", updated_at=now, finished_at=now)
        )
    _spool(deployment, job_id).remove()
    return standing(deployment, job_id)


def _discard(deployment: Deployment, job_id: uuid.UUID, status: str, error: str | None) -> Standing:
    """End an import without its codes, which nobody can have used."""
    with deployment.database.write() as session:
        session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status != "complete")
            .values(status="cancelling", error=error)
        )
    _spool(deployment, job_id).remove()
    while True:
        with deployment.database.write() as session:
            ids = session.scalars(
                select(Code.id).where(Code.import_job_id == job_id, Code.free).limit(500)
            ).all()
            if ids:
                session.execute(delete(Code).where(Code.id.in_(ids)))
        if not ids:
            break
    now = deployment.now()
    with deployment.database.write() as session:
        session.execute(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.status == "cancelling")
            .values(status=status, accepted=0, updated_at=now, finished_at=now)
        )
    return standing(deployment, job_id)


def _twin(
    deployment: Deployment, campaign_key: str, digest: str, options: dict[str, Any]
) -> ImportJob | None:
    """An earlier import of the same file into the same campaign, unless its codes are gone."""
    with deployment.database.read() as session:
        campaign = _campaign(session, campaign_key)
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


def _expected(deployment: Deployment, campaign: Campaign) -> Expected:
    with deployment.database.read() as session:
        terms = campaigns.terms_of(campaigns.latest_revision(session, campaign))
    return Expected(
        holds_money=KINDS[campaign.kind].holds_money,
        currency=campaign.currency,
        digits=get_currency_precision(campaign.currency) if campaign.currency else 2,
        amount_minor=terms.amount_minor,
    )


def _campaign(session: Session, key: str) -> Campaign:
    campaign = campaigns.find(session, key)
    if campaign is None:
        raise ImportFault(f"No campaign {key!r} exists: `passerelle campaign apply` makes one.")
    return campaign


def _standing(job: ImportJob, campaign_key: str, *, known: bool = False) -> Standing:
    return Standing(
        id=job.id,
        campaign=campaign_key,
        status=job.status,
        filename=job.filename,
        read=job.read,
        accepted=job.accepted,
        rejected=job.rejected,
        reasons=dict(job.reasons or {}),
        error=job.error,
        known=known,
    )


def _spool(deployment: Deployment, job_id: uuid.UUID) -> Spool:
    return Spool(deployment.settings.spool / job_id.hex)


def _with_pins(first: int, codes: list[str], digits: int) -> list[reading.Record]:
    return [
        reading.Record(line, code, pin=f"{secrets.randbelow(10**digits):0{digits}d}")
        for line, code in enumerate(codes, start=first)
    ]


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
