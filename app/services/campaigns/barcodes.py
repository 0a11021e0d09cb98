"""This module counts a campaign's codes that a till could not scan off its passes.

A code that is stored is sealed, and its seal is as much longer than the code as any other's: only
those are opened that are too long to be sure of. What was found to fit is not looked at again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.campaign import Authority, BarcodeProfile, Presentation, Source
from app.domain.minting import Recipe
from app.services.campaigns.file.draft import DocumentFault
from app.store.keyring import SEAL_BYTES, Keyring
from app.store.models import Campaign, Code, ImportJob
from passes.symbology import MOST_MODULES, Symbology, fits, narrow, surely_narrow

#: Codes that are read, and perhaps opened, at a time.
BATCH = 5_000
#: After so many that do not fit, nobody needs to know how many more there are.
MOST_COUNTED = 10_000
#: Campaigns of which a process remembers up to which code all fit.
KEPT = 1_024
_guard = threading.Lock()
_fitting: OrderedDict[tuple[object, ...], int] = OrderedDict()


def symbology_of_codes(presentation: Presentation, authority: str) -> Symbology | None:
    """The symbology in which passes show their bare code; None where they show a token.

    A partner's tills know the partner's codes; ours must not even read them as a token.
    """
    bare = presentation.barcode is BarcodeProfile.CODE or authority == Authority.PARTNER
    return Symbology(presentation.symbology.upper()) if bare else None


def longest_code(kind: str, source: str, options: Mapping[str, Any]) -> tuple[str, str] | None:
    """The place in a campaign file that decides what its codes are like, and the widest of them;
    None for codes that come from a list.
    """
    if source == Source.SHARED and options.get("code"):
        return "codes.code", str(options["code"]).strip()
    if source in (Source.GENERATED, Source.ON_DEMAND):
        return "codes.pattern", Recipe.of(kind, options).widest()
    return None


def misfits(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    symbology: Symbology,
    *,
    unissued: bool = False,
) -> int:
    """Count the codes of a campaign that tills could not read from `symbology`; counting ends at
    MOST_COUNTED.

    Args:
        session: for reading, so that no till waits; asked again under a lock, only codes that came
            since are looked at.
        unissued: whether to count only those that nobody was given, which may move.
    """
    sure = surely_narrow(symbology)
    imports = session.execute(
        select(func.count(), func.max(ImportJob.updated_at)).where(
            ImportJob.campaign_id == campaign.id
        )
    ).one()
    # An import may be a move, whose codes are older than what was looked at.
    key = (
        str(session.get_bind().engine.url),
        campaign.id,
        campaign.created_at,
        symbology,
        unissued,
        *imports,
    )
    with _guard:
        last = _fitting.get(key, 0)
    doubtful = (
        select(Code.id, Code.lookup, Code.sealed, Code.key_id)
        .where(Code.campaign_id == campaign.id, func.length(Code.sealed) > sure + SEAL_BYTES)
        .order_by(Code.id)
        .limit(BATCH)
    )
    if unissued:
        doubtful = doubtful.where(Code.free, Code.used == 0, Code.held == 0)
    newest = session.scalar(select(func.max(Code.id))) or 0
    found = 0
    while found < MOST_COUNTED:
        rows = session.execute(doubtful.where(Code.id > last, Code.id <= newest)).all()
        if not rows:
            break
        last = rows[-1].id
        found += sum(
            not fits(keyring.open(row.sealed, row=row.lookup, key_id=row.key_id), symbology)
            for row in rows
        )
    if not found:
        with _guard:
            _fitting[key] = newest
            _fitting.move_to_end(key)
            while len(_fitting) > KEPT:
                _fitting.popitem(last=False)
    return found


def counted(found: int) -> str:
    """How many codes do not fit, for people."""
    return f"{found:,} or more" if found >= MOST_COUNTED else f"{found:,}"


def unreadable(
    session: Session,
    keyring: Keyring,
    campaign: Campaign,
    presentation: Presentation,
    before: Presentation,
) -> list[DocumentFault]:
    """Why a stored campaign cannot show its codes as `presentation` says; nothing where it shows
    them as `before` already, so that an edit of words is no matter of barcodes.
    """
    wanted = symbology_of_codes(presentation, campaign.authority)
    if wanted is None or wanted is symbology_of_codes(before, campaign.authority):
        return []
    made = longest_code(campaign.kind, campaign.source, campaign.source_options)
    if made is not None and not fits(made[1], wanted):
        return [
            DocumentFault(
                "symbology",
                f"is {wanted.value}, which is too narrow for the campaign's pattern: its codes have"
                f" up to {len(made[1])} characters, and tills read {narrow(wanted)}.",
                "Keep qr, or shorten the pattern first.",
            )
        ]
    if not (found := misfits(session, keyring, campaign, wanted)):
        return []
    return [
        DocumentFault(
            "symbology",
            f"{counted(found)} of the campaign's codes do not fit into {wanted.value}: no till"
            f" reads more than {MOST_MODULES} modules off a phone, which are {narrow(wanted)}.",
            "Keep qr, or apply a campaign with another key and shorter codes.",
        )
    ]
