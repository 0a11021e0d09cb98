"""`passerelle certs`: from nothing to signed passes, without a search engine.

`csr` makes the request that Apple's portal asks for, `install` puts in place what it returns,
`check` says in plain words what is wrong and what to do, `throwaway` makes certificates to try
everything with. The guide's page for operators leads through Apple's and Google's own pages.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from app.cli.terminal import fail, say
from app.delivery.google import check as google_check
from app.environment import from_environment
from app.services.deployment import Deployment
from app.settings import Settings
from passes.errors import CertificateError
from passes.signing import Finding, diagnose, make_request, throwaway
from passes.signing import install as put_in_place
from passes.signing.signer import is_p12

_DEFAULTS = Settings()
_folder = click.option(
    "--folder",
    envvar="PASSERELLE_CERTS",
    type=click.Path(file_okay=False, path_type=Path),
    default=_DEFAULTS.certs,
    show_default=True,
    help="The folder of certificates.",
)
_COLOURS = {"good": "green", "warning": "yellow", "error": "red"}


@click.group()
def certs() -> None:
    """Apple's certificates and Google's key: request, install, check."""


@certs.command()
@_folder
@click.option("--email", prompt="E-mail of your Apple account", help="Goes into the request.")
@click.option("--name", prompt="Name of your organisation", help="Goes into the request.")
def csr(folder: Path, email: str, name: str) -> None:
    """Make a key and the signing request that Apple's portal asks for."""
    try:
        made = make_request(folder, email=email, name=name)
    except CertificateError as error:
        fail(str(error))
    say(f"The key is {made.key}: keep it secret, and keep a copy.")
    say(f"The request is {made.request}. Now:")
    say("  1. Open https://developer.apple.com/account/resources/certificates/add")
    say("  2. Choose Pass Type ID Certificate, then your pass type.")
    say(f"  3. Upload {made.request.name} and download pass.cer.")
    say("  4. Run: passerelle certs install pass.cer")


@certs.command()
@_folder
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def install(folder: Path, file: Path) -> None:
    """Put FILE in its place: pass.cer, Apple's WWDR certificate, or a .p12 with its key."""
    data = file.read_bytes()
    password = None
    if is_p12(data):
        password = click.prompt("Password of the .p12", hide_input=True, default="").encode()
    try:
        place = put_in_place(folder, data, password=password)
    except CertificateError as error:
        fail(str(error))
    say(f"{file.name} is {place} now.")
    if place.name == "pass.pem" and not any(folder.glob("apple/**/wwdr.*")):
        say("Next, download the certificate Worldwide Developer Relations - G4 from")
        say("https://www.apple.com/certificateauthority/ and install it in the same way.")
    else:
        say("See what is left to do: passerelle certs check")


@certs.command()
@click.argument(
    "folder",
    envvar="PASSERELLE_CERTS",
    type=click.Path(file_okay=False, path_type=Path),
    default=_DEFAULTS.certs,
)
@click.option("--pass-type-id", envvar="PASSERELLE_PASS_TYPE_ID", help="What the service uses.")
@click.option("--team-id", envvar="PASSERELLE_TEAM_ID", help="What the service uses.")
@click.option(
    "--online", is_flag=True, help="Ask Google too, with the service's settings of the environment."
)
def check(folder: Path, pass_type_id: str | None, team_id: str | None, online: bool) -> None:
    """Say what is wrong with FOLDER, and what to do; ends with 1 if nothing can be signed."""
    findings = list(
        diagnose(folder, now=datetime.now(UTC), pass_type_id=pass_type_id, team_id=team_id)
    )
    asks_google = online and not _wrong(findings)
    if asks_google:
        deployment = Deployment(replace(from_environment(os.environ), certs=folder))
        try:
            findings += google_check.check(deployment)
        finally:
            deployment.close()
    for each in findings:
        say(f"{click.style(each.level, fg=_COLOURS[each.level]):>7}  {each.field}: {each.cause}")
        if each.remedy:
            say(f"         → {each.remedy}")
    if online and not asks_google:
        say("Google was not asked: what is wrong above comes first.")
    if _wrong(findings):
        fail("The service cannot sign passes for both wallets yet.")


def _wrong(findings: Iterable[Finding]) -> bool:
    return any(each.level == "error" for each in findings)


@certs.command("throwaway")
@_folder
@click.option(
    "--pass-type-id",
    envvar="PASSERELLE_PASS_TYPE_ID",
    default=_DEFAULTS.pass_type_id,
    help="The identifier that the certificate names.",
)
@click.option(
    "--team-id",
    envvar="PASSERELLE_TEAM_ID",
    default=_DEFAULTS.team_id,
    help="The team that the certificate names.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=365,
    show_default=True,
    help="They are good for so many days.",
)
def make_throwaway(folder: Path, pass_type_id: str, team_id: str, days: int) -> None:
    """Make certificates and a Google key to try everything with; no phone accepts them."""
    if any(folder.glob("apple/pass.*")) or any(folder.glob("google/*.json")):
        fail(f"{folder} holds certificates already. Name another folder, or move them away.")
    throwaway(folder, now=datetime.now(UTC), pass_type_id=pass_type_id, team_id=team_id, days=days)
    say(f"Throw-away certificates for {pass_type_id} are in {folder} for {days} days.")
