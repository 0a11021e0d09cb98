"""This module issues to a file of recipients, and writes the file of links for a mail tool.

The recipients' file is a CSV with a heading; `external_id` is needed, `occasion`, `language`,
`birth_date` (YYYY-MM-DD), `segment`, `score`, `variant` and `sent_at` are known, and any other
column is kept as an attribute of the recipient. Rows are issued in short transactions, in the
order of the file; started again, the command answers with the same vouchers. The file of links is
written whole or not at all.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sqlalchemy import select

from app.domain import inputs
from app.services import campaigns, links, security
from app.services.codes.formats.recipients import recipient_rows
from app.services.codes.formats.records import FileFault
from app.services.deployment import Deployment
from app.services.issuance.requests import (
    Batch,
    IssueFault,
    NotDue,
    Person,
    VoucherRequest,
    refuse_occasion,
)
from app.services.issuance.stock import (
    Stock,
    code_of,
    stock,
)
from app.services.issuance.vouchers import CHUNK, issue
from app.services.security import SecurityEventKind
from app.store import private
from app.store.models import Campaign, Code

_KNOWN = frozenset(
    ["external_id", "occasion", "language", "birth_date", "segment", "score", "variant", "sent_at"]
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
LONGEST_ID = 200


@dataclass(slots=True)
class IssueOutcome:
    """What issuing to many did."""

    issued: int = 0
    #: Of `issued`, those that had been issued before.
    known: int = 0
    #: Recipients without a voucher, because codes ran out.
    missing: int = 0
    #: Those who got none because they were forgotten, or had it before they were.
    forgotten: list[VoucherRequest] = field(default_factory=list)
    #: Recipients to whom the campaign gives none now.
    not_due: list[NotDue] = field(default_factory=list)
    #: Line and reason of rows that were not understood.
    rejected: list[tuple[int, str]] = field(default_factory=list)
    stock: Stock | None = None
    #: How much of the recipients' file has been read, from 0 to 1.
    share: float = 0.0


def issue_many(
    deployment: Deployment,
    campaign_key: str,
    wanted: Iterable[VoucherRequest],
    outcome: IssueOutcome,
    *,
    clear_codes: bool = False,
) -> Iterator[Batch]:
    """Issue in short transactions, counting into `outcome`; stops when codes run out.

    Links that are given out again are recorded as disclosed, in the same transactions.

    Args:
        clear_codes: whether the caller shows the codes; then these are recorded.

    Raises:
        CampaignUnknown: there is none.
        IssueFault: the campaign issues nothing now.
    """
    rest = iter(wanted)
    keyring = deployment.keyring
    while chunk := list(islice(rest, CHUNK)):
        with deployment.database.write() as session:
            campaign = campaigns.required(session, campaign_key)
            batch = issue(session, keyring, campaign, chunk, now=deployment.now())
            known = sum(not item.fresh for item in batch.issued)
            security.record(
                session,
                SecurityEventKind.CODES_DISCLOSED
                if clear_codes
                else SecurityEventKind.LINKS_DISCLOSED,
                now=deployment.now(),
                object=f"campaign {campaign_key}",
                reason="issued with codes in clear" if clear_codes else "asked for again",
                count=len(batch.issued) if clear_codes else known,
            )
        outcome.issued += len(batch.issued)
        outcome.known += known
        outcome.missing += batch.missing
        outcome.forgotten += batch.forgotten
        outcome.not_due += batch.not_due
        yield batch
        if batch.missing:
            outcome.missing += sum(1 for _ in rest)
            break
    with deployment.database.read() as session:
        campaign = campaigns.required(session, campaign_key)
        outcome.stock = stock(session, campaign)


def issue_file(
    deployment: Deployment,
    campaign_key: str,
    recipients: Path,
    out: Path,
    *,
    occasion: str = "",
    clear_codes: bool = False,
    progress: Callable[[IssueOutcome], None] = lambda _: None,
) -> IssueOutcome:
    """Issue to the recipients of a file and write their links to `out`, if there is any.

    Args:
        occasion: for rows that state none.
        clear_codes: whether `out` has a column with the code in clear, for mails that print it.

    Raises:
        IssueFault: the campaign issues nothing now, or the file cannot be read, or `out` is it.
    """
    if out.exists() and recipients.exists() and out.samefile(recipients):
        raise IssueFault(f"{out} has the recipients.", "Name another file for their links.")
    outcome = IssueOutcome()
    keyring, settings = deployment.keyring, deployment.settings
    with deployment.database.read() as session:
        campaign = campaigns.required(session, campaign_key)
    refuse_occasion(campaign, occasion)
    part = out.with_name(out.name + ".part")
    try:
        with (
            recipients.open("rb") as source,
            open(part, "w", encoding="utf-8", newline="", opener=private.owner_only) as file,
        ):
            writer = csv.writer(file)
            head = ["external_id", "occasion", "wallet_link"]
            writer.writerow([*head, "code"] if clear_codes else head)
            wanted = _wanted(recipient_rows(source), campaign, occasion, outcome)
            size = max(1, os.fstat(source.fileno()).st_size)
            for batch in issue_many(
                deployment, campaign_key, wanted, outcome, clear_codes=clear_codes
            ):
                codes = _in_clear(deployment, batch) if clear_codes else {}
                writer.writerows(
                    [
                        item.external_id,
                        item.occasion,
                        links.page(settings, keyring, [(item.public_id, item.key_id)]),
                        *([codes.get(item.code_id, "")] if clear_codes else []),
                    ]
                    for item in batch.issued
                )
                outcome.share = min(1.0, source.tell() / size)
                progress(outcome)
        if outcome.issued:
            part.replace(out)
    except FileFault as fault:
        raise IssueFault(f"{recipients.name}: {fault}") from None
    except OSError as error:
        raise IssueFault(
            f"{error.filename or recipients} cannot be used ({error.strerror}).",
            "Name readable recipients and a folder that can be written.",
        ) from None
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return outcome


def person_from(cells: Mapping[str, str]) -> Person:
    """A recipient from a row's cells.

    Raises:
        ValueError: says what is wrong with the row.
    """
    for name, value in cells.items():
        if (cause := inputs.text_fault(name) or inputs.text_fault(value)) is not None:
            raise ValueError(f"a cell {cause}")
    external_id = cells.get("external_id", "")
    if not external_id:
        raise ValueError("external_id is empty")
    if not re.fullmatch(inputs.ONE_LINE, external_id):
        raise ValueError("external_id has more than one line")
    if len(external_id) > LONGEST_ID:
        raise ValueError(f"external_id has more than {LONGEST_ID} characters")
    language = cells.get("language") or None
    if language is not None and not _LANGUAGE.fullmatch(language):
        raise ValueError("language is no tag such as fr or pt-BR")
    birth_date = None
    if cells.get("birth_date"):
        try:
            birth_date = dt.date.fromisoformat(cells["birth_date"][:10])
        except ValueError:
            raise ValueError("birth_date is not written as 1990-12-31") from None
    score = cells.get("score") or None
    if score is not None and not re.fullmatch(r"-?\d{1,15}", score):
        raise ValueError("score is no whole number")
    return Person(
        external_id=external_id,
        language=language and language.replace("_", "-"),
        birth_date=birth_date,
        segment=cells.get("segment") or None,
        score=None if score is None else int(score),
        attributes={
            name: value for name, value in cells.items() if name and name not in _KNOWN and value
        },
    )


def _wanted(
    rows: Iterable[tuple[int, dict[str, str]]],
    campaign: Campaign | None,
    occasion: str,
    outcome: IssueOutcome,
) -> Iterator[VoucherRequest]:
    for line, cells in rows:
        try:
            person = person_from(cells)
            if campaign is not None:
                refuse_occasion(campaign, cells.get("occasion", ""))
            sent_at = None
            if cells.get("sent_at"):
                sent_at = dt.datetime.fromisoformat(cells["sent_at"])
                if sent_at.tzinfo is None:
                    raise ValueError("sent_at has no offset such as +02:00")
                if not inputs.is_reckonable(sent_at):
                    raise ValueError(
                        f"sent_at is not between {inputs.EARLIEST} and {inputs.LATEST}"
                    )
        except (ValueError, IssueFault) as error:
            outcome.rejected.append((line, str(error).rstrip(".")))
            continue
        yield VoucherRequest(
            person=person,
            occasion=cells.get("occasion") or occasion,
            variant=cells.get("variant") or None,
            sent_at=sent_at,
        )


def _in_clear(deployment: Deployment, batch: Batch) -> dict[int | None, str]:
    ids = {item.code_id for item in batch.issued}
    with deployment.database.read() as session:
        return {
            code.id: code_of(deployment.keyring, code)
            for code in session.scalars(select(Code).where(Code.id.in_(ids)))
        }
