"""Codes made here by the campaign's pattern, and made on with after a crash."""

from __future__ import annotations

import secrets
import uuid
from zoneinfo import ZoneInfo

from app.domain.campaign import Source
from app.domain.minting import Recipe
from app.services import campaigns
from app.services.campaigns import barcodes
from app.services.codes import formats, table
from app.services.codes.jobs import (
    GENERATED,
    ImportFault,
    Progress,
    Standing,
    begin,
    complete,
    discard,
    expected,
    note_read,
    spool_of,
    standing,
)
from app.services.codes.load import fill, stopped
from app.services.codes.sealing import Sealer
from app.services.deployment import Deployment
from app.store.models import Campaign, ImportJob
from passes.symbology import fits, narrow

_GENERATED = 16_384


_MOST_ROUNDS = 20


def generate(
    deployment: Deployment,
    campaign_key: str,
    count: int,
    *,
    progress: Progress = lambda _: None,
) -> Standing:
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
    job_id = begin(
        deployment, campaign_key, filename=GENERATED, options={"count": count}, files=False
    )
    return make(deployment, job_id, campaign, progress)


def make(
    deployment: Deployment, job_id: uuid.UUID, campaign: Campaign, progress: Progress
) -> Standing:
    """Make and load the codes that are still lacking; those of an earlier attempt count."""
    with deployment.database.read() as session:
        job = session.get_one(ImportJob, job_id)
    recipe, count = recipe_of(campaign), int(job.options["count"])
    pins = int(campaign.source_options.get("pin_digits", 0))
    spool = spool_of(deployment, job_id)
    today = deployment.now().astimezone(ZoneInfo(campaign.timezone)).date()
    sealer = Sealer(
        keyring=deployment.keyring,
        expected=expected(deployment, campaign),
        hinted=recipe.hides_40_bits,
    )
    wanted, first = count - job.accepted, 1
    for _ in range(_MOST_ROUNDS):
        if not wanted:
            return complete(deployment, job_id)
        spool.begin()
        for done in range(0, wanted, _GENERATED):
            codes = recipe.mint(min(_GENERATED, wanted - done), today=today)
            rows, _rejects, _count = sealer.seal(
                _with_pins(first + done, codes, pins) if pins else (first + done, codes)
            )
            spool.add(rows)
        spool.seal()
        first += wanted
        note_read(deployment, job_id, "", read=count)
        try:
            fill(deployment, job_id, progress)
        except table.Stopped:
            return stopped(deployment, job_id)
        wanted = count - standing(deployment, job_id).accepted
    if not wanted:
        return complete(deployment, job_id)
    discard(deployment, job_id, "failed", "The pattern has too few codes left: lengthen it.")
    raise ImportFault(
        f"The pattern of {campaign.key} has too few codes left for {count} more.", "Lengthen it."
    )


def recipe_of(campaign: Campaign) -> Recipe:
    """How the campaign's codes are made."""
    return Recipe.of(campaign.kind, campaign.source_options)


def _with_pins(first: int, codes: list[str], digits: int) -> list[formats.Record]:
    return [
        formats.Record(line, code, pin=f"{secrets.randbelow(10**digits):0{digits}d}")
        for line, code in enumerate(codes, start=first)
    ]
