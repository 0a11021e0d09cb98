"""Tills look vouchers up: which one a payload means, on which terms, and how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select

from app.domain import overrides
from app.domain.campaign import Source
from app.domain.kinds import KINDS
from app.domain.ledger import HoldStatus
from app.domain.refusals import Reason
from app.domain.rules import Standing
from app.domain.validity import window
from app.services.resolving import ScannedPayload
from app.services.tills import voucher_rows
from app.services.tills.attempt import Attempt, RecordRow
from app.services.tills.endings import WAIT, Again, First, RefusedCall, refuse
from app.services.tills.requests import Answer
from app.services.tills.tables import H, LineId, V
from app.services.tills.voucher_rows import Found, FoundRow, KeyClaim, override_of
from app.store.statements import Query, on_postgresql


class _PublicIdRow(NamedTuple):
    public_id: int


#: Holds of a voucher whose time is over.
LAPSED = (
    select(H.id)
    .where(
        H.voucher_id == bindparam("voucher_id"),
        H.status == HoldStatus.OPEN,
        H.expires_at <= bindparam("now", type_=H.expires_at.type),
    )
    .order_by(H.id)
)
_READ_LAPSED = Query(LineId, LAPSED)
_READ_PUBLIC_ID = Query(_PublicIdRow, select(V.public_id).where(V.id == bindparam("voucher_id")))

#: What a look-up ends with when it does not find: a refusal, the kept answer, or again.
Missed = RefusedCall | Answer | Again


def find(attempt: Attempt, reading: ScannedPayload, *, item: int = 0) -> Found | Missed:
    """Find the voucher, or the code without one, that a payload means.

    Returns a refusal when there is none, or several, or it is of a campaign that the API key may
    not touch; the kept answer of a call that is repeated; again when another call is at work, or
    the voucher has holds whose time is over.

    Raises:
        Reused: the call's key was used for another request.
    """
    if reading.several:
        return refuse(Reason.AMBIGUOUS, item=item)
    if reading.public_id is not None:
        found = _rows(attempt, public_id=reading.public_id)
    else:
        found = _of_codes(attempt, reading.lookups or (b"",))
        if not found and reading.mended:
            found = _of_codes(attempt, reading.mended)
    if not isinstance(found, list):
        return found
    # A key that leaked and was replaced must not redeem what was issued under its successor.
    forged = reading.key_id is not None and any(row.key_id != reading.key_id for row in found)
    if forged or not found:
        if not forged and (layout := _misread(attempt, reading)) is not None:
            details = {"layout": layout} if layout else {}
            return refuse(Reason.SCANNER_LAYOUT, item=item, **details)
        reason = Reason.BAD_SIGNATURE if forged or reading.forged else Reason.UNKNOWN_CODE
        return replace(refuse(reason, item=item), prefix=reading.prefix)
    if len(found) > 1:
        return refuse(Reason.AMBIGUOUS, item=item)
    (row,) = found
    if reading.link and row.link_withdrawn_at is not None:
        return refuse(Reason.STALE_BARCODE, item=item)
    if row.voucher_id is None and row.source != Source.SHARED and not row.code_free:
        # A code of its own that somebody had and nobody has was given up, whatever became of
        # what keeps it: it is no bearer's.
        return replace(refuse(Reason.STALE_BARCODE, item=item), prefix=reading.prefix)
    understood = _understand(attempt, row)
    if not attempt.call.client.may_touch(row.campaign_key):
        return refuse(Reason.WRONG_STORE, understood, item=item)
    return _lapsed(attempt, understood) or understood


def living(attempt: Attempt, found: Found) -> Found | Missed:
    """Find the voucher that stands now for one that was issued anew or replaced; else itself."""
    seen: Found | Missed = found
    while isinstance(seen, Found) and seen.standing.replaced:
        successor = _READ_PUBLIC_ID.one(attempt.connection, voucher_id=seen.row.replaced_by_id)
        seen = find(attempt, ScannedPayload(public_id=successor.public_id))
    return seen


def lapsed(attempt: Attempt, voucher_id: int) -> Again | None:
    """Again, when a voucher has holds whose time is over."""
    row = _READ_LAPSED.first(attempt.connection, voucher_id=voucher_id, now=attempt.call.now)
    return None if row is None else Again(first=First.RELEASE, row_id=voucher_id)


def _lapsed(attempt: Attempt, found: Found) -> Again | None:
    """As `lapsed`; only vouchers that have holds pay for the question."""
    voucher_id, standing = found.row.voucher_id, found.standing
    if voucher_id is None or not (standing.held or standing.held_minor):
        return None
    return lapsed(attempt, voucher_id)


def _rows(
    attempt: Attempt, *, public_id: int | None = None, lookup: bytes | None = None
) -> list[FoundRow] | Answer | Again:
    call = attempt.call
    bind: dict[str, object] = {
        "client_id": call.client.id,
        "key": call.key,
        "receipt": call.origin.receipt,
        "store_id": attempt.where.store_id,
    }
    if on_postgresql(attempt.connection):
        bind["key_hash"] = attempt.key_hash
        bind["receipt_hash"] = attempt.receipt_hash
    claim, rows = voucher_rows.read(attempt.connection, bind, public_id=public_id, lookup=lookup)
    if (kept := _kept(claim)) is not None:
        return attempt.repeated(kept)
    return rows if claim.mine else WAIT


def _kept(claim: KeyClaim) -> RecordRow | None:
    if claim.record_body is None or claim.record_fingerprint is None:
        return None
    return RecordRow(claim.record_status or 0, claim.record_fingerprint, claim.record_body)


def _of_codes(attempt: Attempt, lookups: Sequence[bytes]) -> list[FoundRow] | Answer | Again:
    """The rows of codes. To a key that is bound to campaigns a code of another is none, and
    counts as a guess; of a genuine pass it learns that it is good elsewhere.
    """
    found: list[FoundRow] = []
    for lookup in lookups:
        rows = _rows(attempt, lookup=lookup)
        if not isinstance(rows, list):
            return rows
        found += [row for row in rows if attempt.call.client.may_touch(row.campaign_key)]
    return found


def _misread(attempt: Attempt, reading: ScannedPayload) -> str | None:
    """The keyboard layout that explains what arrived, empty when one must and none does; None
    when it may be anything, such as a guess.
    """
    layout = reading.misread
    for lookup, name in reading.suspected:
        if layout is None and isinstance(rows := _of_codes(attempt, (lookup,)), list) and rows:
            layout = name
    return layout


def _understand(attempt: Attempt, row: FoundRow) -> Found:
    kind, connection = KINDS[row.kind], attempt.connection
    override = override_of(row)
    shared = row.source == Source.SHARED
    bearer = row.recipient_id is None
    if row.revision_id is None:
        revision_id = attempt.memory.revision_of(connection, row.campaign_id, row.revision)
        terms = attempt.memory.terms_of(connection, revision_id)
        status, uses = "active", kind.uses(terms, code_uses=row.code_limit)
        good = window(terms.validity, ZoneInfo(row.timezone), issued_at=None)
        starts_at, ends_at = good.starts_at, good.ends_at
        balance = kind.opening_balance(terms, code_amount=row.code_amount)
        used = held = held_minor = 0
        if shared:
            uses, used, held = row.code_limit, row.code_used or 0, row.code_held or 0
    else:
        terms = attempt.memory.terms_of(connection, row.revision_id)
        status, uses, balance = row.status or "", row.uses, row.balance_minor or 0
        starts_at, ends_at = row.starts_at, row.ends_at
        used, held, held_minor = row.used or 0, row.held or 0, row.held_minor or 0
    if override is not None:
        ends_at = overrides.end_for(ends_at, override)
        terms = overrides.terms_for(terms, override)
        if not (kind.holds_money or (shared and bearer)):
            # The uses of a bare shared code are everybody's together: no voucher's to override.
            uses = overrides.uses_for(uses, override)
    standing = Standing(
        status=status,
        starts_at=starts_at,
        ends_at=ends_at,
        uses=uses,
        used=used,
        held=held,
        balance_minor=balance,
        held_minor=held_minor,
        replaced=row.replaced_by_id is not None,
        campaign_status=row.campaign_status,
        authority=row.authority,
        currency=row.currency,
        timezone=row.timezone,
        holds_money=kind.holds_money,
        bare=shared and bearer,
        budgeted=row.budget_minor is not None,
    )
    return Found(row=row, standing=standing, terms=terms)
