"""A trial makes the passes of a campaign that is not stored yet, and throws them away.

A draft that was tried out can be a pass in either wallet and in each of its languages,
fresh, used, expired or withdrawn, and so can a pass with the words of each value by rule; what
stands in the way is a fault with its place in the campaign and the remedy. Values that read the
same are tried out once. Refuses what a pass would otherwise lack without a word: a picture that is
not stored, a banner without a logo, a value's text in a language that the pass does not have, or
not in all that it has. Writes nothing, and holds no lock while pictures are resized.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.domain.campaign import Presentation
from app.services.campaigns.barcodes import (
    longest_code,
    symbology_of_codes,
    unreadable,
)
from app.services.campaigns.file import CampaignFault, DocumentFault, Draft
from app.services.campaigns.shared import pictures_of
from app.services.campaigns.stored import find, latest_revision, presentation_of
from app.services.campaigns.trial.wallets import (
    CODE,
    SYMBOLOGIES,
    Trial,
    Values,
)
from app.services.campaigns.value_rules import read_rules
from app.services.campaigns.value_texts import grants_of
from app.store.keyring import Keyring
from app.store.models import Campaign
from passes.symbology import Symbology

__all__ = ["Tried", "faults_of", "try_out"]

#: What stands for codes that come from a list: how they are is judged when they are read.
_SAMPLE = ("codes", CODE)


@dataclass(frozen=True, slots=True)
class Tried:
    """A draft of which passes can be made."""

    draft: Draft


def try_out(session: Session, draft: Draft, *, organization: str, keyring: Keyring) -> Tried:
    """Make what passes of `draft` would be.

    Args:
        organization: the deployment's, for a campaign that names none.
        keyring: opens the codes of a stored campaign that would be shown in another barcode.

    Raises:
        CampaignFault: every reason for which no pass could be made.
    """
    presentation = draft.presentation
    code_at, code = longest_code(draft.kind, draft.source, draft.source_options) or _SAMPLE
    values = tuple(grants_of(read_rules(draft.rules)))
    found = Trial(
        presentation=presentation,
        kind=draft.kind,
        name=draft.name,
        currency=draft.currency,
        organization=presentation.organization or organization,
        pictures={**pictures_of(session, presentation.look), **draft.pictures},
        code=code,
        code_at=code_at,
        symbology=_read_symbology(presentation, draft.authority),
        # Those that are issued from the campaign itself.
        values=tuple(each for each in values if each[1].campaign in (None, draft.key)),
    ).faults()
    if (campaign := find(session, draft.key)) is not None and not found:
        before = presentation_of(latest_revision(session, campaign))
        found += unreadable(session, keyring, campaign, presentation, before)
    found += _of_others(session, draft.key, values, organization=organization)
    if found:
        raise CampaignFault(
            [
                replace(each, at="barcode.symbology") if each.at == "symbology" else each
                for each in found
            ]
        )
    return Tried(draft)


def faults_of(
    session: Session,
    campaign: Campaign,
    presentation: Presentation,
    *,
    organization: str,
    keyring: Keyring,
) -> list[DocumentFault]:
    """Why no pass of a stored campaign could look like `presentation`; empty when it can."""
    # Words of values are tried out with the campaign that carries them.
    found = _stored(session, campaign, presentation, (), organization=organization).faults()
    if found:
        return found
    before = presentation_of(latest_revision(session, campaign))
    return unreadable(session, keyring, campaign, presentation, before)


def _read_symbology(presentation: Presentation, authority: str) -> Symbology | None:
    """As `symbology_of_codes`; what is no symbology is named by the trial."""
    known = presentation.symbology in SYMBOLOGIES
    return symbology_of_codes(presentation, authority) if known else None


def _of_others(
    session: Session, key: str, values: Values, *, organization: str
) -> list[DocumentFault]:
    """Faults of values that are issued from other campaigns, which dress and word them.

    A campaign that is not there yet is left out: until it is, nothing can be issued from it.
    """
    found: list[DocumentFault] = []
    named = {grant.campaign for _, grant in values} - {None, key}
    for other in sorted(filter(None, named)):
        campaign = find(session, other)
        if campaign is None:
            continue
        given = tuple(each for each in values if each[1].campaign == other)
        if campaign.birthday is not None:
            found += [
                DocumentFault(
                    f"{at}.campaign",
                    f"names {other}, which gives one voucher for each birthday itself.",
                    f"Name a campaign without [birthday], or write [rules] for {other}.",
                )
                for at, _ in given
            ]
            continue
        presentation = presentation_of(latest_revision(session, campaign))
        trial = _stored(session, campaign, presentation, given, organization=organization)
        # What else is wrong with the other campaign is no fault of this one.
        found += [each for each in trial.faults() if each.at.startswith("rules.")]
    return found


def _stored(
    session: Session,
    campaign: Campaign,
    presentation: Presentation,
    values: Values,
    *,
    organization: str,
) -> Trial:
    return Trial(
        presentation=presentation,
        kind=campaign.kind,
        name=campaign.name,
        currency=campaign.currency,
        organization=presentation.organization or organization,
        pictures=pictures_of(session, presentation.look),
        code=CODE,
        code_at="codes",
        symbology=_read_symbology(presentation, campaign.authority),
        values=values,
    )
