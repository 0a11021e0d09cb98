"""These checks compare the counters of limits with what was taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import (
    and_,
    func,
    or_,
    select,
)
from sqlalchemy.orm import Session

from app.domain.ledger import HoldStatus
from app.services.audit.findings import BATCH, Finding, voucher_name
from app.services.tills import operator_caps
from app.store.models import (
    Campaign,
    Code,
    Entry,
    Hold,
    ImportJob,
    OperatorDay,
    RecipientUse,
    Voucher,
)


def held(session: Session) -> Iterator[Finding]:
    """Codes and budgets set aside what the open holds of their vouchers say."""
    uses = func.coalesce(func.sum(Hold.uses), 0)
    codes_ = (
        select(Code.id, Code.held, uses)
        .outerjoin(Voucher, Voucher.code_id == Code.id)
        .outerjoin(
            Hold, and_(Hold.voucher_id == Voucher.id, Hold.status == HoldStatus.OPEN, Hold.on_code)
        )
        .group_by(Code.id)
        .having(Code.held != uses)
    )
    for code_id, held, booked in session.execute(codes_):
        yield Finding(f"code row {code_id}", f"sets aside {held} uses, its open holds {booked}")
    money = func.coalesce(
        func.sum(Hold.amount_minor - Hold.captured_minor + Hold.discount_minor), 0
    )
    budgets = (
        select(Campaign.key, Campaign.held, uses, Campaign.held_minor, money)
        .outerjoin(Voucher, Voucher.campaign_id == Campaign.id)
        .outerjoin(
            Hold,
            and_(Hold.voucher_id == Voucher.id, Hold.status == HoldStatus.OPEN, Hold.on_budget),
        )
        .group_by(Campaign.id)
        .having(or_(Campaign.held != uses, Campaign.held_minor != money))
    )
    for key, held, held_uses, held_minor, held_money in session.execute(budgets):
        yield Finding(
            f"campaign {key}",
            f"sets aside {held} uses and {held_minor} minor units of its budget, "
            f"the open holds {held_uses} and {held_money}",
        )


def of_codes(session: Session) -> Iterator[Finding]:
    """Codes count what the ledger says."""
    booked = func.coalesce(func.sum(Entry.uses), 0)
    query = (
        select(Code.id, Code.used, booked.label("booked"))
        .outerjoin(Entry, and_(Entry.code_id == Code.id, Entry.on_code))
        .group_by(Code.id)
        .having(Code.used != booked)
    )
    for code_id, used, entries in session.execute(query):
        yield Finding(f"code row {code_id}", f"counts {used} uses, the ledger says {entries}")


def belonging(session: Session) -> Iterator[Finding]:
    """Codes are where their import and their vouchers are, also those that moved."""
    strays = (
        select(Code.id, Campaign.key)
        .join(Campaign, Campaign.id == Code.campaign_id)
        .join(ImportJob, ImportJob.id == Code.import_job_id)
        .where(ImportJob.campaign_id != Code.campaign_id)
    )
    for code_id, key in session.execute(strays):
        yield Finding(f"code row {code_id}", f"is of {key}, its import is of another campaign")
    held = (
        select(Code.id, Voucher.public_id)
        .join(Voucher, Voucher.code_id == Code.id)
        .where(
            or_(
                Voucher.campaign_id != Code.campaign_id,
                and_(Code.free, Code.import_job_id.is_not(None)),
            )
        )
    )
    for code_id, public_id in session.execute(held):
        yield Finding(
            voucher_name(public_id), f"has code row {code_id}, which is free or another campaign's"
        )


def of_budgets(session: Session) -> Iterator[Finding]:
    """Budgets count what the ledger says."""
    uses = func.coalesce(func.sum(Entry.uses), 0)
    money = func.coalesce(func.sum(Entry.discount_minor - Entry.amount_minor), 0)
    query = (
        select(Campaign.key, Campaign.used, uses.label("uses"), Campaign.used_minor, money)
        .outerjoin(Entry, and_(Entry.campaign_id == Campaign.id, Entry.on_budget))
        .group_by(Campaign.id)
        .having(or_(Campaign.used != uses, Campaign.used_minor != money))
    )
    for key, used, booked, used_minor, booked_minor in session.execute(query):
        yield Finding(
            f"campaign {key}",
            f"counts {used} uses and {used_minor} minor units on its budget, "
            f"the ledger says {booked} and {booked_minor}",
        )


def of_recipients(session: Session) -> Iterator[Finding]:
    """Recipients' counters are what the ledger says."""
    booked = func.coalesce(func.sum(Entry.uses), 0)
    counted = or_(
        and_(RecipientUse.day == "", Entry.on_recipient), Entry.on_day == RecipientUse.day
    )
    query = (
        select(RecipientUse.id, RecipientUse.used, booked.label("booked"))
        .outerjoin(Voucher, Voucher.recipient_id == RecipientUse.recipient_id)
        .outerjoin(
            Entry,
            and_(
                Entry.voucher_id == Voucher.id,
                Entry.campaign_id == RecipientUse.campaign_id,
                counted,
            ),
        )
        .group_by(RecipientUse.id)
        .having(RecipientUse.used != booked)
    )
    for row_id, used, entries in session.execute(query):
        yield Finding(
            f"recipient's counter {row_id}", f"counts {used} uses, the ledger says {entries}"
        )


def held_for_recipients(session: Session) -> Iterator[Finding]:
    """Recipients' counters set aside what the open holds on their vouchers say."""
    booked = func.coalesce(func.sum(Hold.uses), 0)
    counted = or_(and_(RecipientUse.day == "", Hold.on_recipient), Hold.on_day == RecipientUse.day)
    query = (
        select(RecipientUse.id, RecipientUse.held, booked.label("booked"))
        .outerjoin(
            Voucher,
            and_(
                Voucher.recipient_id == RecipientUse.recipient_id,
                Voucher.campaign_id == RecipientUse.campaign_id,
            ),
        )
        .outerjoin(
            Hold, and_(Hold.voucher_id == Voucher.id, Hold.status == HoldStatus.OPEN, counted)
        )
        .group_by(RecipientUse.id)
        .having(RecipientUse.held != booked)
    )
    for row_id, held, holds in session.execute(query):
        yield Finding(
            f"recipient's counter {row_id}", f"sets aside {held} uses, the open holds {holds}"
        )


def of_operators(session: Session) -> Iterator[Finding]:
    """What counts against operators' caps is what the ledger's entries say counts."""
    stored = {
        (row.campaign_id, row.operator, row.day): row.given_minor
        for row in session.scalars(select(OperatorDay))
    }
    booked: dict[tuple[int, str, str], int] = defaultdict(int)
    entries = session.execute(
        select(Entry.campaign_id, Entry.operator, Entry.amount_minor, Entry.details)
        .where(Entry.details.is_not(None), Entry.amount_minor != 0)
        .execution_options(yield_per=BATCH)
    )
    for campaign_id, operator, amount, details in entries:
        if (day := details.get(operator_caps.DAY)) is not None:
            booked[campaign_id, details.get(operator_caps.OPERATOR, operator), day] += amount
    names = {row.id: row.key for row in session.execute(select(Campaign.id, Campaign.key))}
    for key in sorted(stored.keys() | booked.keys()):
        campaign_id, operator, day = key
        given, entered = stored.get(key, 0), booked.get(key, 0)
        if given != entered:
            yield Finding(
                f"operator {operator!r} on {day}, campaign {names[campaign_id]}",
                f"gave {given} minor units by the counter, the ledger says {entered}",
            )


def limits(session: Session) -> Iterator[Finding]:
    """No limit was passed."""
    for public_id in session.scalars(
        select(Voucher.public_id).where(
            or_(
                Voucher.used < 0,
                Voucher.used + Voucher.held > Voucher.uses,
                Voucher.held_minor < 0,
                Voucher.balance_minor < Voucher.held_minor,
            )
        )
    ):
        yield Finding(voucher_name(public_id), "gave more than it had")
    for code_id in session.scalars(
        select(Code.id).where(or_(Code.used < 0, Code.used + Code.held > Code.limit))
    ):
        yield Finding(f"code row {code_id}", "was used beyond its limit")
    for key in session.scalars(
        select(Campaign.key).where(
            or_(
                Campaign.used + Campaign.held > Campaign.budget_uses,
                Campaign.used_minor + Campaign.held_minor > Campaign.budget_minor,
            )
        )
    ):
        yield Finding(f"campaign {key}", "passed its budget")
