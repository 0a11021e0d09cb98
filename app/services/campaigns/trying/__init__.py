"""Passes of a campaign that is not stored yet, made once and thrown away.

Promises: a draft that was tried out can be a pass in either wallet and in each of its languages,
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
from app.services.campaigns.file import CampaignFault, Draft, Fault
from app.services.campaigns.rules import read_rules
from app.services.campaigns.shared import pictures_of
from app.services.campaigns.stored import find, latest_revision, presentation_of
from app.services.campaigns.trying.trial import CODE, Trial, Values
from app.services.campaigns.wording import grants_of
from app.store.models import Campaign

__all__ = ["Tried", "faults_of", "try_out"]


@dataclass(frozen=True, slots=True)
class Tried:
    """A draft of which passes can be made."""

    draft: Draft


def try_out(session: Session, draft: Draft, *, organization: str) -> Tried:
    """Make what passes of `draft` would be.

    Args:
        organization: the deployment's, for a campaign that names none.

    Raises:
        CampaignFault: every reason for which no pass could be made.
    """
    presentation = draft.presentation
    shared_code = draft.source_options.get("code")
    values = tuple(grants_of(read_rules(draft.rules)))
    found = Trial(
        presentation=presentation,
        kind=draft.kind,
        name=draft.name,
        currency=draft.currency,
        organization=presentation.organization or organization,
        pictures={**pictures_of(session, presentation.look), **draft.pictures},
        code=shared_code or CODE,
        # Those that are issued from the campaign itself.
        values=tuple(each for each in values if each[1].campaign in (None, draft.key)),
    ).faults()
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
    session: Session, campaign: Campaign, presentation: Presentation, *, organization: str
) -> list[Fault]:
    """Why no pass of a stored campaign could look like `presentation`; empty when it can."""
    # Words of values are tried out with the campaign that carries them.
    return _stored(session, campaign, presentation, (), organization=organization).faults()


def _of_others(session: Session, key: str, values: Values, *, organization: str) -> list[Fault]:
    """Faults of values that are issued from other campaigns, which dress and word them.

    A campaign that is not there yet is left out: until it is, nothing can be issued from it.
    """
    found: list[Fault] = []
    named = {grant.campaign for _, grant in values} - {None, key}
    for other in sorted(filter(None, named)):
        campaign = find(session, other)
        if campaign is None:
            continue
        given = tuple(each for each in values if each[1].campaign == other)
        if campaign.birthday is not None:
            found += [
                Fault(
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
        values=values,
    )
