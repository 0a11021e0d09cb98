"""Lists name people: who redeemed and who did not, what is known of them and what they got.

A list goes by what reports go by: a voucher is of the campaign whose rules gave it, from whichever
campaign it was taken; one that nobody's rules gave is of its own. The list of all also has those
that other campaigns' rules took from this one, since it says who has which code. A card that
replaces another is one with it: where the money and the number are now, and why it was given first.

Pages are read one by one in transactions of their own, so that a list of a million neither fills
the memory nor holds a transaction open; a voucher that changes meanwhile shows its state when its
page was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from app.domain import codes
from app.domain.ledger import REPLACED
from app.services.reports.replaced_cards import replaced
from app.services.reports.rollup import stages
from app.store.keyring import Keyring
from app.store.models import (
    Campaign,
    Code,
    Decision,
    Entry,
    Milestone,
    Recipient,
    Store,
    Voucher,
)
from app.store.session import Database

PAGE = 1_000
#: Entries that take something from a voucher, or give it back. A conflict is a use, too: somebody
#: redeemed, though no limit had room for it.
_TAKING = ("redemption", "report", "conflict", "reversal", "refund")
_GIVER = aliased(Campaign)
#: What a line says of the rules that gave its voucher.
_OF_RULES = ("given_by", "variant", "tier", "segment")
LISTS = ("all", "redeemers", "non_redeemers", "holdout")


def people(
    database: Database,
    campaign_id: int,
    *,
    which: str = "all",
    keyring: Keyring | None = None,
    only: frozenset[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Vouchers of a campaign with their holders, in the order of issue.

    Args:
        which: one of `LISTS`. Redeemers have used something and not had all of it taken back.
        keyring: given, each row has its code in clear; the caller has asked for the scope and
            recorded the disclosure.
        only: keys of the campaigns that may be seen; None is every campaign. A voucher of another
            is left out, whichever rules gave it, and of a voucher that another's rules gave it is
            not told by which.
    """
    after: int | None = 0
    while after is not None:
        with database.read() as session:
            page, after = (
                _held_out(session, campaign_id, after=after)
                if which == "holdout"
                else _page(
                    session, campaign_id, which=which, after=after, keyring=keyring, only=only
                )
            )
        yield from page


def count_people(
    session: Session, campaign_id: int, *, which: str = "all", only: frozenset[str] | None = None
) -> int:
    """How many vouchers `people` lists at most; cards that replaced one another may be counted
    although they are another campaign's.
    """
    if which == "holdout":
        return 0
    wanted = (
        _wanted(campaign_id, which, only=only)
        .order_by(None)
        .with_only_columns(Voucher.id)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(wanted)) or 0


#: A page, and after which row the next one begins; None after the last.
_Page = tuple[list[dict[str, Any]], int | None]


@dataclass(slots=True)
class _First:
    """Why the first card of a chain was given; for most vouchers that is their own row."""

    voucher: Voucher
    stages: int
    decision: Any
    given_by: str


def _page(
    session: Session,
    campaign_id: int,
    *,
    which: str,
    after: int,
    keyring: Keyring | None,
    only: frozenset[str] | None,
) -> _Page:
    statement = _wanted(campaign_id, which, only=only).where(Voucher.id > after).limit(PAGE)
    rows = session.execute(statement).all()
    ids = [row.Voucher.id for row in rows]
    chains = replaced(session, ids)
    firsts = _firsts(session, chains)
    used = _uses(session, chains, ids)
    page = []
    for row in rows:
        first = firsts.get(row.Voucher.id) or _first(row)
        if row.Voucher.id in chains and not _belongs(
            campaign_id, which, first, row.Voucher, used.get(row.Voucher.id)
        ):
            continue
        line = _line(row, first, used.get(row.Voucher.id), keyring)
        if only is not None and first.given_by not in only:
            line |= dict.fromkeys(_OF_RULES, "")
        page.append(line)
    return page, ids[-1] if len(rows) == PAGE else None


def _wanted(campaign_id: int, which: str, *, only: frozenset[str] | None) -> Any:
    """The vouchers of a list, with what is known of them, in the order of issue."""
    older = aliased(Voucher)
    replaces = exists().where(older.replaced_by_id == Voucher.id, older.status != REPLACED)
    of_it = or_(
        Decision.campaign_id == campaign_id,
        and_(Decision.id.is_(None), Voucher.campaign_id == campaign_id),
    )
    if which == "all":
        of_it = or_(of_it, Voucher.campaign_id == campaign_id)
    statement = (
        _described(Recipient, Code)
        .outerjoin(Recipient, Recipient.id == Voucher.recipient_id)
        .outerjoin(Code, Code.id == Voucher.code_id)
        .where(
            or_(of_it, and_(Decision.id.is_(None), replaces)),
            # The card that replaces it stands for it.
            Voucher.replaced_by_id.is_(None),
        )
        .order_by(Voucher.id)
    )
    if only is not None:
        statement = statement.where(Campaign.key.in_(only))
    if which != "all":
        net = _taken(Voucher.id)
        statement = statement.where(or_(net > 0 if which == "redeemers" else net == 0, replaces))
    return statement


def _described(*more: Any) -> Any:
    """Vouchers with what was decided for them."""
    return (
        select(
            Voucher,
            Milestone.stages,
            Decision.campaign_id.label("decided_by"),
            Decision.tier,
            Decision.variant.label("arm"),
            Decision.segment.label("segment_then"),
            Campaign.key.label("campaign"),
            _GIVER.key.label("giver"),
            *more,
        )
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .outerjoin(Milestone, Milestone.voucher_id == Voucher.id)
        .outerjoin(Decision, Decision.voucher_id == Voucher.id)
        .outerjoin(_GIVER, _GIVER.id == Decision.campaign_id)
    )


def _first(row: Any) -> _First:
    return _First(row.Voucher, row.stages or 0, row, row.giver or row.campaign)


def _firsts(session: Session, chains: Mapping[int, Sequence[int]]) -> dict[int, _First]:
    """The first cards of chains, by the last."""
    found: dict[int, _First] = {}
    wanted = {chain[-1]: last for last, chain in chains.items()}
    ids = sorted(wanted)
    for at in range(0, len(ids), 500):
        for row in session.execute(_described().where(Voucher.id.in_(ids[at : at + 500]))):
            found[wanted[row.Voucher.id]] = _first(row)
    return found


def _belongs(
    campaign_id: int, which: str, first: _First, last: Voucher, use: Mapping[str, Any] | None
) -> bool:
    """Whether a chain is of the list; single vouchers are chosen by the statement."""
    giver = first.decision.decided_by or first.voucher.campaign_id
    if giver != campaign_id and not (which == "all" and last.campaign_id == campaign_id):
        return False
    redeemed = use is not None and use["net"] > 0
    return which == "all" or redeemed is (which == "redeemers")


def _taken(voucher_id: Any) -> Any:
    """Uses and money that were taken from a voucher and not taken back."""
    return (
        select(
            func.coalesce(func.sum(Entry.uses), 0) - func.coalesce(func.sum(Entry.amount_minor), 0)
        )
        .where(
            Entry.voucher_id == voucher_id,
            Entry.kind.in_(_TAKING),
        )
        .correlate(Voucher)
        .scalar_subquery()
    )


def _uses(
    session: Session, chains: Mapping[int, Sequence[int]], vouchers: Sequence[int]
) -> dict[int, dict[str, Any]]:
    """What was taken from each voucher and those it replaces, when and where it began."""
    last_of = {each: each for each in vouchers}
    last_of |= {each: last for last, chain in chains.items() for each in chain}
    found: dict[int, dict[str, Any]] = {}
    ids = sorted(last_of)
    entries: list[Any] = []
    for at in range(0, len(ids), 500):
        entries += session.execute(
            select(
                Entry.voucher_id,
                Entry.created_at,
                Entry.id,
                Entry.uses,
                Entry.amount_minor,
                Entry.discount_minor,
                Store.key,
            )
            .outerjoin(Store, Store.id == Entry.store_id)
            .where(Entry.voucher_id.in_(ids[at : at + 500]), Entry.kind.in_(_TAKING))
        ).all()
    for row in sorted(entries, key=lambda row: (row.created_at, row.id)):
        use = found.setdefault(
            last_of[row.voucher_id],
            {"first_at": row.created_at, "store": row.key, "discount": 0, "spent": 0, "net": 0},
        )
        use["discount"] += row.discount_minor
        use["spent"] -= row.amount_minor
        use["net"] += row.uses - row.amount_minor
    return found


def _line(
    row: Any, first: _First, use: Mapping[str, Any] | None, keyring: Keyring | None
) -> dict[str, Any]:
    voucher: Voucher = row.Voucher
    recipient: Recipient | None = row.Recipient
    why = first.decision
    described: dict[str, Any] = {
        "external_id": recipient.external_id if recipient else None,
        "occasion": first.voucher.occasion,
        "serial": codes.serial(voucher.public_id),
        "campaign": row.campaign,
        "given_by": first.given_by,
        "issued_at": first.voucher.issued_at.isoformat(),
        "ends_at": voucher.ends_at.isoformat() if voucher.ends_at else None,
        "status": voucher.status,
        # As reports have them: a decision without a test has no variant.
        "variant": (first.voucher.variant if why.arm is None else why.arm) or "",
        "tier": why.tier or "",
        "segment": (
            (recipient.segment if recipient else None)
            if why.segment_then is None
            else why.segment_then
        )
        or "",
        "stages": [stage.name for stage in stages() if first.stages & stage.bit],
        "used": voucher.used,
        "balance_minor": voucher.balance_minor,
        "redeemed_at": use["first_at"].isoformat() if use else None,
        "store": use["store"] if use else None,
        "discount_minor": use["discount"] if use else 0,
        "spent_minor": use["spent"] if use else 0,
        "code_ends_in": row.Code.hint if row.Code is not None else None,
        "language": recipient.language if recipient else None,
        "score": recipient.score if recipient else None,
        "attributes": recipient.attributes if recipient else {},
    }
    if keyring is not None:
        code: Code | None = row.Code
        described["code"] = (
            keyring.open(code.sealed, row=code.lookup, key_id=code.key_id) if code else None
        )
    return described


def _held_out(session: Session, campaign_id: int, *, after: int) -> _Page:
    rows = session.execute(
        select(Decision, Recipient)
        .join(Recipient, Recipient.id == Decision.recipient_id)
        .where(Decision.campaign_id == campaign_id, Decision.held_out, Decision.id > after)
        .order_by(Decision.id)
        .limit(PAGE)
    ).all()
    page = [
        {
            "external_id": row.Recipient.external_id,
            "occasion": row.Decision.occasion,
            "decided_at": row.Decision.created_at.isoformat(),
            "tier": row.Decision.tier,
            "segment": row.Decision.segment,
            "acted_at": row.Decision.acted_at.isoformat() if row.Decision.acted_at else None,
            "bought_minor": row.Decision.spent_minor,
            "attributes": row.Recipient.attributes,
        }
        for row in rows
    ]
    return page, rows[-1].Decision.id if len(rows) == PAGE else None
