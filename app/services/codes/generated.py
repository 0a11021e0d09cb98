"""Makes codes by the campaign's pattern, and goes on with that after a crash."""

from __future__ import annotations

import secrets
from zoneinfo import ZoneInfo

from app.domain.campaign import Source
from app.domain.minting import Recipe
from app.services import campaigns
from app.services.campaigns import barcodes
from app.services.codes.claims import Claim, Stopped
from app.services.codes.formats.records import Record
from app.services.codes.jobs import (
    ImportFault,
    ImportProgress,
    OnProgress,
    begin,
    complete,
    expected,
    fail,
    spool_of,
    stopped,
)
from app.services.codes.sealing import Sealer
from app.services.codes.sources import PatternSource
from app.services.codes.table import fill
from app.services.deployment import Deployment
from app.store.models import Campaign, ImportJob
from passes.symbology import fits, narrow

#: Codes that are made and sealed at once.
_BATCH = 16_384
#: How often as many codes as collided are made anew.
_MOST_ROUNDS = 20


def generate(
    deployment: Deployment,
    campaign_key: str,
    count: int,
    *,
    on_progress: OnProgress = lambda _: None,
) -> ImportProgress:
    """Make `count` codes by the campaign's pattern and store them; they become usable together.

    Raises:
        ImportFault: the campaign's codes are not generated, or its pattern names the recipient.
    """
    with deployment.database.read() as session:
        campaign = campaigns.required(session, campaign_key)
    if campaign.source != Source.GENERATED.value:
        raise ImportFault(
            f"The codes of {campaign_key} come from {campaign.source}.",
            "Only generated ones are made ahead.",
        )
    if recipe_of(campaign).personal:
        raise ImportFault(
            "The pattern names the recipient, so that codes can be made only when they are issued.",
            'Use source = "on_demand".',
        )
    with deployment.database.read() as session:
        shown = campaigns.presentation_of(campaigns.latest_revision(session, campaign))
    symbology = barcodes.symbology_of_codes(shown, campaign.authority)
    if symbology is not None and not fits(recipe_of(campaign).widest(), symbology):
        raise ImportFault(
            f"The pattern of {campaign_key} makes codes that are too long for its"
            f" {symbology.value} barcode, which tills read with {narrow(symbology)}.",
            "Shorten it, or show codes as qr.",
        )
    source = PatternSource(count=count)
    claim = begin(deployment, campaign_key, source, filename=PatternSource.label)
    return make(claim, source, on_progress=on_progress)


def make(
    claim: Claim, source: PatternSource, *, on_progress: OnProgress = lambda _: None
) -> ImportProgress:
    """Make and load the codes that are still lacking; those of an earlier attempt count.

    Raises:
        ImportFault: the pattern has too few codes left.
    """
    try:
        return _make(claim, source.count, on_progress)
    except Stopped:
        return stopped(claim.deployment, claim.job_id)


def _make(claim: Claim, count: int, on_progress: OnProgress) -> ImportProgress:
    deployment = claim.deployment
    with deployment.database.write() as session:
        job = session.get_one(ImportJob, claim.job_id)
        campaign = session.get_one(Campaign, job.campaign_id)
        # The codes that are still to be made are sealed with the newest key.
        options = {**job.options, "key_id": deployment.keyring.newest}
        status = job.status
        claim.note(session, held=status, options=options)
    recipe = recipe_of(campaign)
    pins = int(campaign.source_options.get("pin_digits", 0))
    spool = spool_of(deployment, claim.job_id)
    today = deployment.now().astimezone(ZoneInfo(campaign.timezone)).date()
    sealer = Sealer(
        keyring=deployment.keyring,
        expected=expected(deployment, campaign),
        hinted=recipe.hides_40_bits,
    )
    wanted, first = count - job.accepted, 1
    for _ in range(_MOST_ROUNDS):
        if not wanted:
            break
        spool.begin()
        for done in range(0, wanted, _BATCH):
            codes = recipe.mint(min(_BATCH, wanted - done), today=today)
            rows, _rejects, _count = sealer.seal(
                _with_pins(first + done, codes, pins) if pins else (first + done, codes)
            )
            spool.add(rows)
            claim.keep(held=status)
        spool.seal()
        first += wanted
        with deployment.database.write() as session:
            claim.note(session, held=status, status="loading", read=count)
        status = "loading"
        wanted = count - fill(claim, spool, on_progress)
    if not wanted:
        return complete(claim)
    fail(claim, "The pattern has too few codes left: lengthen it.")
    raise ImportFault(
        f"The pattern of {campaign.key} has too few codes left for {count} more.", "Lengthen it."
    )


def recipe_of(campaign: Campaign) -> Recipe:
    """Say how the campaign's codes are made."""
    return Recipe.of(campaign.kind, campaign.source_options)


def _with_pins(first: int, codes: list[str], digits: int) -> list[Record]:
    return [
        Record(line, code, pin=f"{secrets.randbelow(10**digits):0{digits}d}")
        for line, code in enumerate(codes, start=first)
    ]
