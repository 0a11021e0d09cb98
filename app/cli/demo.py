"""`passerelle demo`: a running shop in a minute, from nothing.

Everything it makes is in `var/demo`, made anew each time: throw-away certificates, master keys, a
SQLite database with two campaigns, codes, recipients and links, a store with a till and its key.
Settings that the environment names win over the demo's own.
"""

from __future__ import annotations

import base64
import csv
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from app.cli import serve
from app.domain.campaign import Source
from app.domain.codes import Purpose
from app.sandbox.google import GoogleStandIn
from app.services import access, campaigns, importing, issuing, stores
from app.services.access import Scope
from app.services.deployment import Deployment
from app.settings import Settings, from_environment
from app.store import migrations
from passes.google import ServiceAccount
from passes.signing import throwaway_service_account

FOLDER = Path("var/demo")
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

_console = Console(highlight=False, soft_wrap=True)


@click.command()
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
@click.option("--serve/--no-serve", "serves", default=True, help="Serve when all is made.")
def demo(port: int, serves: bool) -> None:
    """Make a shop with two campaigns and serve it on http://127.0.0.1:8000."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    environment = _environment(port)
    with ExitStack() as stack:
        if serves and "PASSERELLE_GOOGLE_API_URL" not in environment:
            environment |= stack.enter_context(_google(environment, port=port + 1))
        _run(environment, port=port, serves=serves)


def _run(environment: Mapping[str, str], *, port: int, serves: bool) -> None:
    deployment = Deployment(from_environment(environment))
    with _step("Making throw-away certificates"):
        deployment.certificates.check()
    with _step("Migrating the database"):
        migrations.upgrade(deployment.database)
    with _step("Loading two campaigns, importing codes"):
        _load_campaigns(deployment)
    with _step("Issuing to recipients"):
        links = _issue(deployment)
    with _step("Opening a store with a till"):
        key = _open_store(deployment)
    _explain(deployment, links, key)
    if "PASSERELLE_GOOGLE_API_URL" in environment:
        phone = environment["PASSERELLE_GOOGLE_API_URL"]
        _console.print(
            "[bold]An Android phone[/bold]\n"
            f"  {phone}/phone\n"
            "  Save a pass to it with the Google button of a customer's page, then scan: it\n"
            "  changes by itself. (A stand-in for Google Wallet, on this machine.)\n"
        )
    threads = deployment.settings.threads
    deployment.close()
    if serves:
        os.environ.update(environment)
        serve.run(host="127.0.0.1", port=port, processes=1, threads=threads)


def _environment(port: int) -> dict[str, str]:
    """The demo's settings as the service reads them; the caller's own win."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {
        "PASSERELLE_BASE_URL": f"http://127.0.0.1:{port}",
        "PASSERELLE_DATABASE_URL": f"sqlite:///{FOLDER}/passerelle.sqlite",
        "PASSERELLE_QUEUE_URL": f"sqlite:///{FOLDER}/queue.sqlite",
        "PASSERELLE_MASTER_KEYS": f"1:{key}",
        "PASSERELLE_CERTS": str(FOLDER / "certs"),
        "PASSERELLE_SPOOL": str(FOLDER / "spool"),
        "PASSERELLE_ORGANIZATION": "Demo Shop",
        "PASSERELLE_LOG_LEVEL": "warning",
    } | {name: value for name, value in os.environ.items() if name.startswith("PASSERELLE_")}


@contextmanager
def _google(environment: Mapping[str, str], *, port: int) -> Iterator[dict[str, str]]:
    """Run a stand-in for Google Wallet; yields the settings with which the service uses it."""
    certs = Path(environment["PASSERELLE_CERTS"])
    issuer = environment.get("PASSERELLE_GOOGLE_ISSUER_ID", Settings().google_issuer_id)
    with GoogleStandIn(issuer_id=issuer, accounts={}, port=port, latency=0.05) as google:
        maker = Deployment(from_environment(environment))
        maker.certificates.check()
        maker.close()
        throwaway_service_account(certs, token_uri=google.token_url)
        account = ServiceAccount.load(certs)
        google.accounts[account.email] = account.key.public_key()
        yield {
            "PASSERELLE_GOOGLE_API_URL": google.url,
            "PASSERELLE_GOOGLE_CALLBACK_KEYS_URL": google.keys_url,
            "PASSERELLE_GOOGLE_SAVE_URL": google.save_url.rstrip("/"),
        }


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is being done, and that it is done."""
    with _console.status(f"{what} …"):
        yield
    _console.print(f"[green]✓[/green] {what}")


def _load_campaigns(deployment: Deployment) -> None:
    with as_file(EXAMPLES) as folder:
        drafts = [campaigns.read_file(folder / f"{key}.toml") for key in CAMPAIGNS]
    keyring = deployment.keyring
    for draft in drafts:
        with deployment.database.write() as session:
            plan = campaigns.plan(session, draft)
            campaigns.apply(session, plan, keyring, now=deployment.now())
        if draft.source is Source.LIST:
            exported = FOLDER / f"{draft.key}-codes.csv"
            _export_codes(exported)
            importing.import_file(deployment, draft.key, exported)


def _export_codes(path: Path) -> None:
    """Write codes as a shop system exports them."""
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Code", "Created"])
        for _ in range(CODES):
            random = base64.b32encode(secrets.token_bytes(10)).decode()
            writer.writerow([f"SUN-{random[:5]}-{random[5:10]}", "2026-11-01"])


def _issue(deployment: Deployment) -> dict[str, list[str]]:
    """Issue both campaigns to the recipients; their links by campaign."""
    recipients = FOLDER / "recipients.csv"
    with recipients.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["external_id", "language", "birth_date"])
        writer.writerows(RECIPIENTS)
    links = {}
    for key in CAMPAIGNS:
        out = FOLDER / f"{key}-links.csv"
        issuing.issue_file(deployment, key, recipients, out)
        with out.open(encoding="utf-8", newline="") as file:
            links[key] = [row["wallet_link"] for row in csv.DictReader(file)]
    return links


def _open_store(deployment: Deployment) -> str:
    now = deployment.now()
    with deployment.database.write() as session:
        stores.add(session, "paris", name="Paris Rivoli", terminals=["1"], now=now)
        return access.create(
            session, "Demo till", [Scope.POS], now=now, store="paris", terminal="1"
        )


def _explain(deployment: Deployment, links: Mapping[str, list[str]], key: str) -> None:
    base = deployment.settings.base_url
    coupon, card = (_barcode(deployment, links[name][0]) for name in CAMPAIGNS)
    basket = {"currency": "EUR", "lines": [{"id": "1", "sku": "SHOE-42", "amount_minor": 8990}]}
    five_euros = {"minor": 500, "currency": "EUR"}
    show = _console.print
    show("\n[bold]The customers' pages[/bold]")
    for name, pages in links.items():
        show(f"  {name}: {pages[0]}")
    show(f"  and the others in {FOLDER}/*-links.csv")
    show(f"\n[bold]The API[/bold]\n  {base}/docs\n  {base}/readyz\n  {base}/metrics")
    once = '-H "Idempotency-Key: $(date +%s%N)" '
    calls: list[tuple[str, str, str, dict[str, Any]]] = [
        (
            "What is this coupon, and what would it give?",
            "scans",
            "",
            {"barcode": coupon, "basket": basket},
        ),
        (
            "Redeem it; a second time is refused",
            "redemptions",
            once,
            {"items": [{"barcode": coupon}], "basket": basket},
        ),
        (
            "Spend 5 € of the gift card",
            "redemptions",
            once,
            {"items": [{"barcode": card, "amount": five_euros}]},
        ),
    ]
    for title, path, more, body in calls:
        show(f"\n[bold]At the till:[/bold] {title}")
        show(
            f"  curl -s {base}/pos/v1/{path} -H 'Authorization: Bearer {key}' {more}"
            f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'",
            markup=False,
        )
    show("\nThen open the page again: it says so, and so does its pass.\n")


def _barcode(deployment: Deployment, link: str) -> str:
    """What the till scans for the voucher behind a link."""
    genuine = deployment.keyring.verify(link.rpartition("/")[2], Purpose.LINK)
    if genuine is None:
        raise click.ClickException("A link of the demo does not verify; this is a fault.")
    return deployment.keyring.token(
        Purpose.BARCODE, key_id=genuine.key_id, public_id=genuine.public_id
    )
