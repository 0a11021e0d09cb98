"""The audit proves on a live database that the books are right.

Every counter is compared with the ledger that it summarises, every limit with what was taken,
every kept answer with the entries that it names. Each check is one consistent statement or reads
in batches, takes no lock, and may run beside a working service. A finding names the voucher,
campaign or key; an empty list is the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlalchemy.orm import Session

from app.services.audit import (
    balances,
    counters,
    records,
)
from app.services.audit.findings import AuditSection, Finding
from app.store.session import Database

CHECKS: tuple[tuple[str, Callable[[Session], Iterator[Finding]]], ...] = (
    ("Vouchers count what their ledgers say", balances.vouchers),
    ("Vouchers set aside what their open holds say", balances.holds),
    ("Codes and budgets set aside what the open holds say", counters.held),
    ("Captures are in the ledger", balances.captures),
    ("Transfers between cards add up to nothing", balances.transfers),
    ("The liability report is what is on the cards", balances.reports),
    ("Entries state the sum up to them", balances.running),
    ("Codes count what the ledger says", counters.of_codes),
    ("Codes are of one campaign, and free ones of no voucher", counters.belonging),
    ("A code that was given up has no living voucher", records.given_up),
    ("No voucher is redeemable beside its replacement", records.beside),
    ("Budgets count what the ledger says", counters.of_budgets),
    ("Recipients' counters are what the ledger says", counters.of_recipients),
    ("Recipients' counters set aside what the open holds say", counters.held_for_recipients),
    ("Operators gave what the ledger says", counters.of_operators),
    ("No limit was passed", counters.limits),
    ("Nothing was taken back twice", records.returns),
    ("Events are numbered without gaps, and every entry has one", records.events),
    ("Every kept answer has its entries", records.answers),
    ("Reports count what the log of events says", records.counts),
)


def run(
    database: Database, *, progress: Callable[[str], None] = lambda _: None
) -> list[AuditSection]:
    """Run every check, in the order in which faults are looked into."""
    sections = []
    for claim, check in CHECKS:
        progress(claim)
        with database.read() as session:
            sections.append(AuditSection(claim, tuple(check(session))))
    return sections


__all__ = ["CHECKS", "AuditSection", "Finding", "run"]
