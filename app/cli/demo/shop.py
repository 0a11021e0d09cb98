"""What the demo's shop is made of: two campaigns, codes, recipients with links, a store, a till."""

from __future__ import annotations

import base64
import csv
import secrets
from importlib.resources import as_file, files
from pathlib import Path

import click

from app.domain.campaign import Source
from app.domain.codes import Purpose
from app.services import (
    access,
    campaigns,
    issuance,
    stores,
)
from app.services.access import Scope
from app.services.codes import from_file
from app.services.deployment import Deployment
from app.store import private

#: Campaigns by key, and the folder of the package that has their files.
EXAMPLES = files("app.examples")
CAMPAIGNS = ("minus-20", "birthday-15")
RECIPIENTS = (
    ("anna", "de", "1990-11-23"),
    ("bruno", "fr", "1985-02-28"),
    ("carla", "es", "1979-07-14"),
    ("dylan", "en", "2001-12-31"),
    ("émilie", "fr", "1996-02-29"),
)
CODES = 200


def load_campaigns(deployment: Deployment, folder: Path) -> None:
    """Apply the example campaigns, and import codes for those that want a list."""
    with as_file(EXAMPLES) as examples:
        drafts = [campaigns.read_file(examples / f"{key}.toml") for key in CAMPAIGNS]
    keyring = deployment.keyring
    for draft in drafts:
        with deployment.database.read() as session:
            tried = campaigns.try_out(
                session,
                draft,
                organization=deployment.settings.organization,
                keyring=deployment.keyring,
            )
        with deployment.database.write() as session:
            plan = campaigns.plan(session, tried)
            campaigns.apply(session, plan, keyring, now=deployment.now())
        if draft.source is Source.LIST:
            exported = folder / f"{draft.key}-codes.csv"
            _export_codes(exported)
            from_file.import_file(deployment, draft.key, exported)


def issue(deployment: Deployment, folder: Path) -> dict[str, list[str]]:
    """Issue both campaigns to the recipients; their links by campaign."""
    recipients = folder / "recipients.csv"
    with open(recipients, "w", newline="", encoding="utf-8", opener=private.owner_only) as file:
        writer = csv.writer(file)
        writer.writerow(["external_id", "language", "birth_date"])
        writer.writerows(RECIPIENTS)
    links = {}
    for key in CAMPAIGNS:
        out = folder / f"{key}-links.csv"
        issuance.issue_file(deployment, key, recipients, out)
        with out.open(encoding="utf-8", newline="") as file:
            links[key] = [row["wallet_link"] for row in csv.DictReader(file)]
    return links


def open_store(deployment: Deployment) -> str:
    """Open a store with one terminal; returns the terminal's key."""
    now = deployment.now()
    with deployment.database.write() as session:
        stores.add(
            session, "paris", name="Paris Rivoli", terminals=["1"], timezone="Europe/Paris", now=now
        )
        return access.create(
            session, "Demo till", [Scope.POS], now=now, store="paris", terminal="1"
        )


def barcode(deployment: Deployment, link: str) -> str:
    """What the till scans for the voucher behind a link."""
    genuine = deployment.keyring.verify(link.rpartition("/")[2], Purpose.LINK)
    if genuine is None:
        raise click.ClickException("A link of the demo does not verify; this is a fault.")
    return deployment.keyring.token(
        Purpose.BARCODE, key_id=genuine.key_id, public_id=genuine.public_id
    )


def _export_codes(path: Path) -> None:
    """Write codes as a shop system exports them."""
    with open(path, "w", newline="", encoding="utf-8-sig", opener=private.owner_only) as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Code", "Created"])
        for _ in range(CODES):
            random = base64.b32encode(secrets.token_bytes(10)).decode()
            writer.writerow([f"SUN-{random[:5]}-{random[5:10]}", "2026-11-01"])
