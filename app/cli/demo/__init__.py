"""`passerelle demo`: a running shop in a minute, from nothing, and two phones that show it.

Everything it makes is in `var/demo`, made anew each time: throw-away certificates, master keys, a
SQLite database with two campaigns, codes, recipients and links, a store with a till and its key.
Apple's push service, Google Wallet and the phones are stand-ins, and are called that.
Settings that the environment names win over the demo's own.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console

from app import logs
from app.cli.demo import shop
from app.cli.demo.standins import LOOPBACK, StandIns, phones, stand_ins
from app.cli.terminal import show_qr
from app.environment import from_environment
from app.services.deployment import Deployment
from app.serving.worker import check_port, run
from app.store import migrations, private

FOLDER = Path("var/demo")
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - refused

_console = Console(highlight=False, soft_wrap=True)


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on: this machine's in your network, for phones to reach it.",
)
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(1, 65_534),
    help="Port to listen on.",
)
@click.option("--serve/--no-serve", "serves", default=True, help="Serve when all is made.")
def demo(host: str, port: int, serves: bool) -> None:
    """Make a shop with two campaigns and serve it on http://127.0.0.1:8000."""
    if host in _EVERYWHERE and "PASSERELLE_BASE_URL" not in os.environ:
        raise click.UsageError(
            f"No phone can open http://{host}: name one address of this machine."
        )
    if serves:
        check_port(host, port)  # Before what a demo that runs already works with is removed.
    shutil.rmtree(FOLDER, ignore_errors=True)
    private.folder(FOLDER)
    environment = _environment(host, port)
    with ExitStack() as stack:
        running = None
        if serves:
            running = stack.enter_context(stand_ins(environment, FOLDER, port=port + 1))
            environment |= running.settings
        _run(environment, running, host=host, port=port)


def _run(environment: Mapping[str, str], running: StandIns | None, *, host: str, port: int) -> None:
    """Make the shop, and serve it if there is something `running` to serve it to."""
    deployment = Deployment(from_environment(environment))
    with _step("Making throw-away certificates"):
        deployment.certificates.check()
    with _step("Migrating the database"):
        migrations.upgrade(deployment.database)
    with _step("Loading two campaigns, importing codes"):
        shop.load_campaigns(deployment, FOLDER)
    with _step("Issuing to recipients"):
        links = shop.issue(deployment, FOLDER)
    with _step("Opening a store with a till"):
        key = shop.open_store(deployment)
    _explain(deployment, links, key)
    settings = deployment.settings
    base, threads, level = settings.base_url, settings.threads, settings.log_level
    deployment.close()
    if running is None:
        return
    _introduce(running)
    os.environ.update(environment)
    held = [links[name][0] for name in shop.CAMPAIGNS]
    logs.configure(level)
    with phones(running, held, base_url=base, host=host, tell=_tell):
        run(
            application="app.cli.applications:delivering",
            host=host,
            port=port,
            processes=1,
            threads=threads,
        )


def _environment(host: str, port: int) -> dict[str, str]:
    """The demo's settings as the service reads them; the caller's own win."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {
        "PASSERELLE_BASE_URL": f"http://{f'[{host}]' if ':' in host else host}:{port}",
        "PASSERELLE_DATABASE_URL": f"sqlite:///{FOLDER}/passerelle.sqlite",
        "PASSERELLE_QUEUE_URL": f"sqlite:///{FOLDER}/queue.sqlite",
        "PASSERELLE_MASTER_KEYS": f"1:{key}",
        "PASSERELLE_CERTS": str(FOLDER / "certs"),
        "PASSERELLE_SPOOL": str(FOLDER / "spool"),
        "PASSERELLE_ORGANIZATION": "Demo Shop",
        "PASSERELLE_LOG_LEVEL": "warning",
    } | {name: value for name, value in os.environ.items() if name.startswith("PASSERELLE_")}


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is being done, and that it is done."""
    with _console.status(f"{what} …"):
        yield
    _console.print(f"[green]✓[/green] {what}")


def _explain(deployment: Deployment, links: Mapping[str, list[str]], key: str) -> None:
    base = deployment.settings.base_url
    coupon, card = (shop.barcode(deployment, links[name][0]) for name in shop.CAMPAIGNS)
    basket = {"currency": "EUR", "lines": [{"id": "1", "sku": "SHOE-42", "amount_minor": 8990}]}
    five_euros = {"minor": 500, "currency": "EUR"}
    show = _console.print
    show("\n[bold]The customers' pages[/bold]")
    for name, pages in links.items():
        show(f"  {name}: {pages[0]}")
    show(f"  and the others in {FOLDER}/*-links.csv")
    show_qr(links[shop.CAMPAIGNS[0]][0])
    if urlsplit(base).hostname in LOOPBACK:
        show("  A phone reaches it when `passerelle demo --host` names this machine's address in")
        show("  your network.")
    show(f"\n[bold]The API[/bold]\n  {base}/docs\n  {base}/readyz\n  {base}/metrics")
    show(f"\n[bold]The till, in a browser[/bold]\n  {base}/till")
    show(
        f"  Sign in with the terminal's key: {key}\n"
        "  Say who is at the till (any name), then scan, or type, a barcode:",
        markup=False,
    )
    show(f"  coupon     {coupon}\n  gift card  {card}", markup=False)
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


def _introduce(running: StandIns) -> None:
    """Say which phones will tell what they show, and that they are stand-ins."""
    show = _console.print
    if running.fleet is None and running.google is None:
        return
    show("[bold]The phones[/bold] (stand-ins on this machine: nothing reaches Apple or Google)")
    if running.fleet is not None:
        show("  An iPhone takes both passes, checks their signatures, and is pushed by a stand-in")
        show("  for Apple's push service when one changes.")
    if running.google is not None:
        show("  An Android phone has them in a stand-in for Google Wallet, which you can look at:")
        show(f"  {running.google}/phone")
    show("  Redeem at the till above, and read here what they show. Stop with Ctrl-C.\n")


def _tell(phone: str, text: str) -> None:
    """Print what happened on a phone."""
    _console.print(f"{phone:8}", text, markup=False)
