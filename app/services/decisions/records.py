"""This module writes each decision down once, and the campaign's sums last."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.domain.values import Rules, Why
from app.services.decisions.candidates import Decided
from app.services.decisions.knowledge import (
    Known,
    Past,
    segment_of,
)
from app.services.issuance import IssueFault
from app.store.dialects import insert_for
from app.store.models import ArmCount, Campaign, Decision


def record(
    session: Session,
    campaign: Campaign,
    rules: Rules,
    decided: list[Decided],
    known: Known,
    past: Past,
    *,
    now: dt.datetime,
) -> None:
    """Write the decisions that are new, and add them to the campaign's sums."""
    frequency = rules.frequency
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    arms: Counter[tuple[bool, str]] = Counter()
    for each in decided:
        key = each.candidate.key
        held_out = each.why is Why.HOLDOUT
        if (each.why is not None and not held_out) or key in past.decided or key in rows:
            continue
        segment = segment_of(each.candidate, known)
        rows[key] = {
            "campaign_id": campaign.id,
            "recipient_id": known.ids[key[0]],
            "occasion": each.candidate.occasion,
            "held_out": held_out,
            "tier": each.tier,
            "variant": each.variant,
            "segment": str(segment),
            "voucher_id": each.issued.voucher_id if each.issued else None,
            "group": frequency.group if frequency else None,
            "most_minor": each.most_minor,
            "spent_minor": 0,
            "created_at": now,
        }
        arms[held_out, each.variant] += 1
    if not rows:
        return
    # The table rather than the class: the ORM's bookkeeping would cost as much as the row.
    session.connection().execute(
        insert_for(session, Decision.__table__).on_conflict_do_nothing(), list(rows.values())
    )
    given = [row for row in rows.values() if not row["held_out"]]
    counted = insert_for(session, ArmCount)
    session.execute(
        counted.on_conflict_do_update(
            index_elements=["campaign_id", "held_out", "variant"],
            set_={"people": ArmCount.people + counted.excluded.people},
        ),
        [
            {
                "campaign_id": campaign.id,
                "held_out": held_out,
                "variant": variant,
                "people": people,
                "acted": 0,
                "spent_minor": 0,
                "spent_squared": 0.0,
            }
            for (held_out, variant), people in sorted(arms.items())
        ],
    )
    if given:
        _add(session, campaign, rules, len(given), sum(row["most_minor"] or 0 for row in given))


def _add(session: Session, campaign: Campaign, rules: Rules, vouchers: int, minor: int) -> None:
    statement = (
        update(Campaign)
        .where(Campaign.id == campaign.id)
        .values(given=Campaign.given + vouchers, given_minor=Campaign.given_minor + minor)
        .execution_options(synchronize_session=False)
    )
    if rules.most_vouchers is not None:
        statement = statement.where(Campaign.given + vouchers <= rules.most_vouchers)
    if rules.most_minor is not None:
        statement = statement.where(Campaign.given_minor + minor <= rules.most_minor)
    if session.execute(statement).rowcount != 1:  # type: ignore[attr-defined]
        raise IssueFault("The limits of the rules changed meanwhile.", "Ask again.")
