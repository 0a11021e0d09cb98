"""What every pass of a campaign shares: made once for each revision.

A process keeps the templates that were used last, by the bytes of their pictures: its memory does
not grow with the campaigns that it ever showed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from app.services import campaigns
from app.services.campaigns.pictures import prepared
from app.services.campaigns.shared import shared_presentation
from app.services.deployment import Deployment
from app.services.wallets.holdings import Holding
from app.store.models import Campaign, Revision
from passes import apple

#: Bytes of templates that a process keeps at most; a small campaign's has some tens of thousands,
#: one with the largest pictures two millions.
KEPT_BYTES = 32_000_000

_guard = threading.Lock()
_templates: OrderedDict[tuple[str, int], apple.Template] = OrderedDict()
_kept = 0


def template_for(deployment: Deployment, holding: Holding) -> apple.Template:
    """What every pass of the campaign's latest revision shares, made once for each revision.

    A revision never changes, so neither does its template.
    """
    return template_of(deployment, holding.campaign, holding.latest)


def template_of(deployment: Deployment, campaign: Campaign, latest: Revision) -> apple.Template:
    """As `template_for`, for a campaign of which nobody holds a voucher yet."""
    key = (deployment.settings.database_url, latest.id)
    with _guard:
        found = _templates.get(key)
        if found is not None:
            _templates.move_to_end(key)
            return found
    presentation = campaigns.presentation_of(latest)
    organization = presentation.organization or deployment.settings.organization
    shared = shared_presentation(
        presentation,
        kind=campaign.kind,
        name=campaign.name,
        organization=organization,
        artwork=prepared(
            deployment.database, presentation.look, organization, now=deployment.now()
        ),
    )
    made = apple.Template(shared)
    _keep(key, made)
    return made


def _keep(key: tuple[str, int], made: apple.Template) -> None:
    global _kept
    with _guard:
        if key in _templates:
            return
        _templates[key] = made
        _kept += made.size
        # The newest stays, however large it is.
        while _kept > KEPT_BYTES and len(_templates) > 1:
            _, old = _templates.popitem(last=False)
            _kept -= old.size
