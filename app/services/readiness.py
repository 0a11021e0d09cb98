"""Readiness says in words whether the service should get requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text

from app.services import webhooks
from app.services.deployment import Deployment
from app.services.keys import KeyFault
from app.store import migrations
from app.store.session import Unavailable


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be right, and how it is; a warning does not make the service unready."""

    name: str
    passed: bool
    detail: str
    #: Whether somebody should look although requests are served all the same.
    warning: bool = False


def checks(deployment: Deployment) -> list[Check]:
    """Every check, in the order in which faults are mended."""
    database = _database(deployment)
    if not database.passed:
        return [database]
    schema = _migrations(deployment)
    certificates = _certificates(deployment)
    if not schema.passed:
        return [database, schema, certificates]
    return [
        database,
        schema,
        _keys(deployment),
        certificates,
        _webhooks(deployment),
        *_proxies(deployment),
    ]


def _database(deployment: Deployment) -> Check:
    try:
        with deployment.database.read() as session:
            session.execute(text("SELECT 1"))
    except Unavailable:
        return Check("database", False, "The database does not answer; see its own log.")
    return Check("database", True, "The database answers.")


def _migrations(deployment: Deployment) -> Check:
    if migrations.pending(deployment.database):
        return Check(
            "migrations",
            False,
            "The schema is older than this release: run `passerelle migrate`.",
        )
    if migrations.ahead(deployment.database):
        return Check(
            "migrations",
            True,
            "The schema is a later release's, beside which this one serves until that one takes "
            "over: finish the update.",
            warning=True,
        )
    return Check("migrations", True, "The schema is this release's.")


def _keys(deployment: Deployment) -> Check:
    try:
        keyring = deployment.keyring
    except KeyFault as fault:
        return Check("keys", False, str(fault))
    return Check("keys", True, f"{len(keyring.ids)} master keys fit the database.")


def _certificates(deployment: Deployment) -> Check:
    faults = deployment.certificates.check()
    if faults:
        return Check("certificates", False, " ".join(faults))
    days = deployment.certificates.signer.days_left(deployment.now())
    return Check("certificates", days > 0, f"The signing certificate lasts {days} more days.")


def _webhooks(deployment: Deployment) -> Check:
    """A receiver that hears nothing is no reason to send tills away."""
    now = deployment.now()
    with deployment.database.read() as session:
        late = [each for each in webhooks.untold(session) if each.is_late(now=now)]
    if not late:
        return Check("webhooks", True, "Webhooks hear what happens.")
    return Check(
        "webhooks",
        True,
        " ".join(f"{each.cause} {each.remedy}" for each in late),
        warning=True,
    )


def _proxies(deployment: Deployment) -> Iterator[Check]:
    """What passes and should be looked at. Anybody can send a proxy's header: it must not take
    the service out of use.
    """
    if deployment.undeclared_proxy is None:
        return
    yield Check(
        "proxies",
        True,
        f"Requests came with {deployment.undeclared_proxy}, and PASSERELLE_TRUSTED_PROXIES is 0: "
        "set it to the number of proxies in front, or callers without a key are counted together "
        "as one address. If there is none, let nothing pass the header on.",
        warning=True,
    )
