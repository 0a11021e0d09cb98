"""This module shows what a campaign file would change, and changes it.

`plan` compares a draft with what is stored and writes nothing; `apply` writes the campaign, a
revision when terms or presentation differ, and its pictures. The version grows only when what
passes show has changed, since every installation is owed a delivery then. What a till or the
books rely on (kind, authority, currency) is refused to change once vouchers exist.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.domain.campaign import Source
from app.domain.codes import normalise
from app.domain.kinds import KINDS
from app.services import changes
from app.services.campaigns import pictures
from app.services.campaigns.file import CampaignFault, DocumentFault, Draft
from app.services.campaigns.stored import (
    find,
    latest_revision,
    store_presentation,
    store_terms,
)
from app.services.campaigns.trial import Tried
from app.services.campaigns.value_rules import read_rules
from app.services.campaigns.value_texts import grants_of, written
from app.services.changes import campaign as tell_campaign
from app.store.keyring import Keyring
from app.store.models import Campaign, Code, Revision, Store, Terminal, Voucher

#: Columns of a campaign that a draft decides, in the order in which differences are shown.
_COLUMNS = (
    "name",
    "kind",
    "authority",
    "currency",
    "timezone",
    "source",
    "source_options",
    "budget_uses",
    "budget_minor",
    "birthday",
    "rules",
)
_FIXED = ("kind", "authority", "currency")


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """One value that differs: its path, what is stored and what the draft says."""

    at: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.at}: {_shown(self.after)}"
        if self.after is None:
            return f"- {self.at}: {_shown(self.before)}"
        return f"~ {self.at}: {_shown(self.before)} → {_shown(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What applying a draft would do."""

    draft: Draft
    creates: bool
    changes: tuple[ChangedValue, ...]
    #: Whether passes in wallets show something else afterwards.
    shows: bool
    #: Whether a revision is written.
    revises: bool


def plan(session: Session, tried: Tried) -> Plan:
    """Compare a draft that was tried out with the stored campaign of its key.

    Raises:
        CampaignFault: the change is refused, or names a store that does not exist.
    """
    draft = tried.draft
    campaign = find(session, draft.key)
    faults = list(_missing(session, draft))
    wanted = _columns(draft)
    terms, presentation = store_terms(draft.terms), store_presentation(draft.presentation)
    if campaign is None:
        if faults:
            raise CampaignFault(faults)
        fresh = {**wanted, "terms": terms, "presentation": presentation}
        found = tuple(
            change for change in _differences("", {}, fresh) if change.after not in (None, [], {})
        )
        return Plan(draft=draft, creates=True, changes=found, shows=True, revises=True)
    revision = latest_revision(session, campaign)
    stored = {name: getattr(campaign, name) for name in _COLUMNS}
    faults.extend(_refused(session, campaign, stored, wanted))
    if faults:
        raise CampaignFault(faults)
    found = tuple(
        _differences(
            "",
            {**stored, "terms": revision.terms, "presentation": revision.presentation},
            {**wanted, "terms": terms, "presentation": presentation},
        )
    )
    shows = revision.presentation != presentation
    return Plan(
        draft=draft,
        creates=False,
        changes=found,
        shows=shows,
        revises=shows or revision.terms != terms,
    )


def apply(
    session: Session,
    plan: Plan,
    keyring: Keyring,
    *,
    now: dt.datetime,
    api_key_id: int | None = None,
) -> Campaign:
    """Write what `plan` says and return the campaign; a plan without changes writes nothing.

    Raises:
        CampaignFault: a shared code is taken by another campaign.
    """
    draft = plan.draft
    campaign = session.scalar(select(Campaign).where(Campaign.key == draft.key).with_for_update())
    if campaign is not None and not plan.changes:
        return campaign
    for data in draft.pictures.values():
        pictures.store(session, data, now=now)
    columns = _columns(draft)
    if campaign is None:
        campaign = Campaign(key=draft.key, revision=0, version=1, created_at=now, updated_at=now)
        session.add(campaign)
    elif plan.shows:
        campaign.version += 1
        changes.campaign(session, campaign.id)
    for name, value in columns.items():
        setattr(campaign, name, value)
    if campaign.rules is not None and campaign.seed is None:
        campaign.seed = secrets.token_bytes(16)
    campaign.updated_at = now
    if plan.revises:
        campaign.revision += 1
    session.flush()
    if plan.revises:
        session.add(
            Revision(
                campaign_id=campaign.id,
                number=campaign.revision,
                terms=store_terms(draft.terms),
                presentation=store_presentation(draft.presentation),
                created_at=now,
                api_key_id=api_key_id,
            )
        )
    if plan.shows and not plan.creates:
        changes.campaign(session, campaign.id)
    if draft.source is Source.SHARED:
        _share(session, campaign, draft, keyring)
    session.flush()
    if plan.shows:
        tell_campaign(session, campaign.id)
    return campaign


def _columns(draft: Draft) -> dict[str, Any]:
    options = {name: value for name, value in draft.source_options.items() if name != "code"}
    return {
        "name": draft.name,
        "kind": draft.kind,
        "authority": draft.authority.value,
        "currency": draft.currency,
        "timezone": draft.timezone,
        "source": draft.source.value,
        "source_options": options,
        "budget_uses": draft.budget_uses,
        "budget_minor": draft.budget_minor,
        "birthday": draft.birthday,
        "rules": draft.rules,
    }


def _share(session: Session, campaign: Campaign, draft: Draft, keyring: Keyring) -> None:
    """The one code that everybody shares; a revision may change its limit, or the code itself,
    which makes another row: vouchers keep the code they were given.
    """
    text = draft.source_options["code"]
    lookup = keyring.lookup(text)
    limit = draft.source_options.get("limit")
    row = session.scalar(select(Code).where(Code.lookup == lookup).with_for_update())
    if row is None:
        session.add(
            Code(
                lookup=lookup,
                sealed=keyring.seal(text.strip(), row=lookup),
                key_id=keyring.newest,
                campaign_id=campaign.id,
                free=False,
                # Everybody knows a shared code: its end reveals nothing.
                hint=normalise(text)[-4:],
                limit=limit,
            )
        )
    elif row.campaign_id != campaign.id:
        raise CampaignFault(
            [DocumentFault("codes.code", "belongs to another campaign.", "Choose another code.")]
        )
    elif limit is not None and row.used + row.held > limit:
        raise CampaignFault(
            [
                DocumentFault(
                    "codes.limit",
                    f"is below the {row.used + row.held} uses taken already.",
                    "Write at least that.",
                )
            ]
        )
    else:
        row.limit = limit


def _missing(session: Session, draft: Draft) -> Iterator[DocumentFault]:
    terms = draft.terms
    stores = set(session.scalars(select(Store.key).where(Store.key.in_(terms.stores))))
    for key in terms.stores:
        if key not in stores:
            yield DocumentFault(
                "limits.stores", f"{key!r} is no store.", f"Add it: `passerelle stores add {key}`."
            )
    tills = select(Terminal.key).join(Store).where(Terminal.key.in_(terms.terminals))
    if terms.stores:
        tills = tills.where(Store.key.in_(terms.stores))
    terminals = set(session.scalars(tills))
    for key in terms.terminals:
        if key not in terminals:
            yield DocumentFault(
                "limits.terminals",
                f"{key!r} is no terminal of {' or '.join(terms.stores) or 'any store'}.",
                f"Add it: `passerelle stores add STORE --terminal {key}`.",
            )
    yield from _borrowed(session, draft)


def _borrowed(session: Session, draft: Draft) -> Iterator[DocumentFault]:
    """Values that are issued from another campaign, which has to be of a kind that has them."""
    for at, grant in grants_of(read_rules(draft.rules)):
        if grant.campaign is None:
            continue
        if grant.campaign == draft.key:
            kind = draft.kind
        elif (other := find(session, grant.campaign)) is None:
            yield DocumentFault(
                f"{at}.campaign",
                f"{grant.campaign!r} is no campaign.",
                "Apply that one first, or check its key.",
            )
            continue
        else:
            kind = other.kind
        money = KINDS[kind].holds_money
        if grant.benefit is not None if money else grant.amount_minor is not None:
            yield DocumentFault(
                f"{at}.campaign",
                f"{grant.campaign!r} is a {kind.replace('_', ' ')}, which cannot have this value.",
                "Write card, the balance." if money else "Write percent or amount.",
            )


def _refused(
    session: Session, campaign: Campaign, stored: dict[str, Any], wanted: dict[str, Any]
) -> Iterator[DocumentFault]:
    changed = [name for name in _FIXED if stored[name] != wanted[name]]
    if changed and session.scalar(select(exists().where(Voucher.campaign_id == campaign.id))):
        for name in changed:
            yield DocumentFault(
                name,
                f"is {stored[name]} and vouchers rely on it.",
                "Keep it, or start a campaign with another key.",
            )
    if stored["source"] != wanted["source"] and session.scalar(
        select(exists().where(Code.campaign_id == campaign.id))
    ):
        yield DocumentFault(
            "codes.source",
            f"is {stored['source']} and the campaign has codes.",
            "Keep it, or start a campaign with another key.",
        )
    taken = {
        "budget_uses": campaign.used + campaign.held,
        "budget_minor": campaign.used_minor + campaign.held_minor,
    }
    for name, amount in taken.items():
        if wanted[name] is not None and wanted[name] < amount:
            money = name == "budget_minor" and campaign.currency
            taken_already = written(amount, campaign.currency or "") if money else str(amount)
            yield DocumentFault(
                name.replace("_", ".", 1).replace("minor", "amount"),
                f"is below the {taken_already} taken already.",
                "Write at least that, or pause the campaign.",
            )


def _differences(at: str, before: Any, after: Any) -> Iterator[ChangedValue]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in (*after, *(name for name in before if name not in after)):
            yield from _differences(f"{at}.{name}".lstrip("."), before.get(name), after.get(name))
    elif isinstance(after, dict) and before is None:
        yield from _differences(at, {}, after)
    elif before != after:
        yield ChangedValue(at, before, after)


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
