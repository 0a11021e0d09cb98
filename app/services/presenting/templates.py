"""What every pass of a campaign shares: made once for each revision."""

from __future__ import annotations

import threading
from collections import OrderedDict

from app.services import campaigns
from app.services.campaigns.shared import artwork_of, pictures_of, shared_presentation
from app.services.deployment import Deployment
from app.services.presenting.holdings import Holding
from app.store.models import Campaign, Revision
from passes import apple

#: Templates that a process keeps; one holds a campaign's pictures, some hundreds of kilobytes.
KEPT_TEMPLATES = 64

_guard = threading.Lock()
_templates: OrderedDict[tuple[str, int], apple.Template] = OrderedDict()


def template(deployment: Deployment, holding: Holding) -> apple.Template:
    """What every pass of the campaign's latest revision shares, made once for each revision.

    A revision never changes, so neither does its template; the newest few are kept.
    """
    return template_of(deployment, holding.campaign, holding.latest)


def template_of(deployment: Deployment, campaign: Campaign, latest: Revision) -> apple.Template:
    """As `template`, for a campaign of which nobody holds a voucher yet."""
    key = (deployment.settings.database_url, latest.id)
    with _guard:
        found = _templates.get(key)
        if found is not None:
            _templates.move_to_end(key)
            return found
    presentation = campaigns.presentation_of(latest)
    organization = presentation.organization or deployment.settings.organization
    with deployment.database.read() as session:
        pictures = pictures_of(session, presentation.look)
    shared = shared_presentation(
        presentation,
        kind=campaign.kind,
        name=campaign.name,
        organization=organization,
        artwork=artwork_of(presentation.look, organization, pictures),
    )
    made = apple.Template(shared)
    with _guard:
        _templates[key] = made
        while len(_templates) > KEPT_TEMPLATES:
            _templates.popitem(last=False)
    return made
