"""What a worker does for Google from time to time: callback keys fetched, classes launched.

Google's root keys are fetched every hour, and well before the first of them lapses;
never because of something that was posted. A fetch that fails leaves the keys as they are. A new
campaign's class is wished for before its first customer comes. It does not keep a list that holds
no usable key.
"""

from __future__ import annotations

import datetime as dt

import structlog
from sqlalchemy import exists, select

from app.delivery.wire import Unanswered, Wire
from app.services.certificates import CertificateFault
from app.services.deployment import Deployment
from app.services.wallets.google import callbacks, resources
from app.settings import Settings
from app.store.models import Campaign, GoogleClass
from passes.errors import CallbackError

#: How old the kept keys may get, and how long before their end they are fetched anew.
KEYS_AGE = dt.timedelta(hours=1)
KEYS_MARGIN = dt.timedelta(days=1)
#: Where Google's keys are, unless a stand-in serves them.
KEYS = Settings().google_callback_keys_url
#: Seconds in which the keys have to come, and the bytes that they may be.
_SECONDS = 10.0
_LARGEST = 100_000


def run(deployment: Deployment) -> None:
    """Do what is due; cheap when nothing is."""
    refresh_root_keys(deployment)
    launch(deployment)


def refresh_root_keys(deployment: Deployment) -> bool:
    """Fetch Google's callback keys when it is time; returns whether usable ones are kept."""
    now = deployment.now()
    if _nobody_calls(deployment):
        return False
    kept = callbacks.root_keys_age(deployment.database, now=now)
    if kept is not None and kept[0] < KEYS_AGE and kept[1].expires - now > KEYS_MARGIN:
        return True
    wire = Wire()
    try:
        answer = wire.send(
            "GET",
            deployment.settings.google_callback_keys_url,
            seconds=_SECONDS,
            most=_LARGEST,
        )
        if answer.status != 200:
            raise Unanswered(f"It answered {answer.status}.", sent=True)
        callbacks.store_root_keys(deployment.database, answer.body, now=now)
    except (Unanswered, CallbackError, UnicodeDecodeError) as error:
        structlog.get_logger().warning(
            "google_keys_unavailable",
            reason=str(error) if isinstance(error, Unanswered) else type(error).__name__,
            remedy="Callbacks are judged by the keys kept so far; check"
            " PASSERELLE_GOOGLE_CALLBACK_KEYS_URL if this lasts.",
        )
        return kept is not None
    finally:
        wire.close()
    return True


def _nobody_calls(deployment: Deployment) -> bool:
    """Whether this is a development service that Google does not know, with no stand-in beside."""
    settings = deployment.settings
    try:
        account = deployment.certificates.account
    except CertificateFault:
        return True
    return account.throwaway and settings.google_callback_keys_url == KEYS


def launch(deployment: Deployment) -> int:
    """Wish for the classes of campaigns that have none; returns how many."""
    with deployment.database.read() as session:
        lacking = session.execute(
            select(Campaign.id, Campaign.key).where(
                ~exists().where(GoogleClass.campaign_id == Campaign.id, GoogleClass.variant == "")
            )
        ).all()
    if lacking:
        with deployment.database.write() as session:
            for campaign_id, key in lacking:
                resources.want_class(
                    session, deployment, campaign_id, key, "", now=deployment.now()
                )
    return len(lacking)
