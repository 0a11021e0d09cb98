"""An edit's cost at Google is said beforehand, and what is owed is shown meanwhile."""

import datetime as dt

from sqlalchemy import insert, update

from app.services import google_standing
from app.services.deployment import Deployment
from app.store.models import Campaign, GoogleObject
from tests.storefront import Storefront


def held(deployment: Deployment, count: int) -> str:
    """Put passes of one campaign at Google; returns the campaign's key."""
    shop = Storefront(deployment)
    campaign = shop.campaign()
    issued = [shop.voucher(campaign) for _ in range(count)]
    with deployment.database.write() as session:
        session.execute(
            insert(GoogleObject),
            [
                {
                    "voucher_id": each.id,
                    "object_id": f"1.{each.serial}",
                    "status": "inserted",
                    "sent_voucher": 1,
                    "sent_campaign": 1,
                    "created_at": deployment.now(),
                }
                for each in issued
            ],
        )
        return session.get_one(Campaign, campaign).key


def test_an_edit_of_texts_is_one_call_and_one_of_barcodes_touches_every_pass(
    deployment: Deployment,
) -> None:
    key = held(deployment, 3)
    with deployment.database.read() as session:
        texts = google_standing.forecast(session, key, ["presentation.texts.en.title"], rate=20)
        barcodes = google_standing.forecast(session, key, ["presentation.barcode"], rate=0.01)
    assert texts.passes == 0
    assert str(texts) == "Google Wallet: one call updates every pass."
    assert barcodes.passes == 3
    assert str(barcodes) == "Google Wallet: 3 passes are updated one by one, 5 minutes in all."


def test_a_hundred_thousand_passes_take_83_minutes() -> None:
    takes = dt.timedelta(seconds=100_000 / 20)
    assert "100,000 passes are updated one by one, 83 minutes" in str(
        google_standing.Forecast(100_000, takes)
    )


def test_what_is_owed_and_what_fails_is_counted(deployment: Deployment) -> None:
    key = held(deployment, 4)
    with deployment.database.write() as session:
        session.execute(update(Campaign).values(version=2))
        session.execute(
            update(GoogleObject)
            .where(GoogleObject.id == 1)
            .values(failure="No answer (ReadTimeout).", sent_at=deployment.now())
        )
        session.execute(update(GoogleObject).where(GoogleObject.id == 2).values(has_users=False))
    with deployment.database.read() as session:
        found = google_standing.standing(session, rate=2, campaign_key=key)
        others = google_standing.standing(session, rate=2, campaign_key="other")
    assert (found.held, found.owed) == (3, 3)
    assert found.takes == dt.timedelta(seconds=1.5)
    assert found.failing == (("No answer (ReadTimeout).", 1),)
    assert (others.held, others.owed) == (0, 0)
