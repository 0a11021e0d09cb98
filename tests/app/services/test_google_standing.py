"""An edit's cost at Google is said beforehand, and what is owed is shown meanwhile."""

import datetime as dt

import pytest
from sqlalchemy import insert, update

from app.domain.campaign import Presentation
from app.domain.overrides import Override
from app.services.campaigns import store_presentation, store_terms
from app.services.deployment import Deployment
from app.services.wallets.google import standing
from app.services.wallets.google.digests import CLASS_ALONE
from app.services.wallets.wallet import Edit, Forecast
from app.store.models import Campaign, GoogleClass, GoogleObject
from tests.storefront import PERCENT, TEXTS, Storefront


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
                    "campaign_digest": b"1",
                    "created_at": deployment.now(),
                }
                for each in issued
            ],
        )
        session.add(
            GoogleClass(
                campaign_id=campaign,
                class_id="1.class",
                status="inserted",
                sent_campaign=1,
                objects_digest=b"1",
                created_at=deployment.now(),
            )
        )
        return session.get_one(Campaign, campaign).key


#: For each member of a presentation, a value that differs from what the storefront's say.
OTHER: dict[str, object] = {
    "default_language": "fr",
    "texts": {"en": {"title": "Another", "offer": "−30 %"}},
    "look": {"background": "#000000", "logo": "ab" * 32},
    "organization": "Somebody else",
    "fields": [{"key": "a", "label": {"en": "A"}, "value": {"en": "B"}, "front": False}],
    "links": [{"url": "https://example.com", "label": {}}],
    "places": [{"latitude": 48.0, "longitude": 2.0, "text": {}}],
    "barcode": "code",
    "symbology": "pdf417",
    "expiry_notice": False,
}


@pytest.mark.parametrize("member", sorted(store_presentation(Presentation(texts=TEXTS))))
def test_an_edit_touches_every_pass_unless_it_is_known_to_show_on_the_class_alone(
    deployment: Deployment, member: str
) -> None:
    key = held(deployment, 3)
    edit = Edit(presentation={member: OTHER[member]})
    with deployment.database.read() as session:
        found = standing.forecast(session, key, edit, rate=20)
    alone = member in CLASS_ALONE or member in ("texts", "places")
    assert found.passes == (0 if alone else 3)


@pytest.mark.parametrize(
    "edit",
    [
        Edit(presentation={"texts": {"de": {"title": "Auf alles"}}}),
        Edit(presentation={"places": [{"latitude": 1.0, "longitude": n} for n in range(11)]}),
        Edit(message=True),
        Edit(override=Override(ends_at=dt.datetime(2027, 1, 1, tzinfo=dt.UTC))),
        Edit(columns={"timezone": "Europe/London"}),
        Edit(terms={"benefit": {"type": "percent", "percent": "30"}}),
    ],
    ids=["language", "more places than a pass holds", "message", "end", "zone", "benefit"],
)
def test_what_every_pass_reads_or_is_told_touches_every_pass(
    deployment: Deployment, edit: Edit
) -> None:
    key = held(deployment, 3)
    with deployment.database.read() as session:
        assert standing.forecast(session, key, edit, rate=20).passes == 3


def test_a_file_that_says_what_is_stored_touches_nothing(deployment: Deployment) -> None:
    key = held(deployment, 3)
    presentation = store_presentation(Presentation(texts=TEXTS))
    same = Edit(presentation=presentation, terms=store_terms(PERCENT), whole=True)
    fewer = Edit(
        presentation=presentation | {"texts": {"en": presentation["texts"]["en"]}},
        terms=store_terms(PERCENT),
        whole=True,
    )
    with deployment.database.read() as session:
        assert standing.forecast(session, key, same, rate=20).passes == 0
        assert standing.forecast(session, key, fewer, rate=20).passes == 3


def test_an_edit_of_texts_is_one_call_and_one_of_barcodes_touches_every_pass(
    deployment: Deployment,
) -> None:
    key = held(deployment, 3)
    with deployment.database.read() as session:
        words = Edit(presentation={"texts": {"en": {"title": "Another"}}})
        texts = standing.forecast(session, key, words, rate=20)
        barcode = Edit(presentation={"barcode": "code"})
        barcodes = standing.forecast(session, key, barcode, rate=0.01)
    assert texts.passes == 0
    assert str(texts) == "Google Wallet: one call updates every pass."
    assert barcodes.passes == 3
    assert str(barcodes) == "Google Wallet: 3 passes are updated one by one, 5 minutes in all."


def test_a_hundred_thousand_passes_take_83_minutes() -> None:
    takes = dt.timedelta(seconds=100_000 / 20)
    assert "100,000 passes are updated one by one, 83 minutes" in str(
        Forecast(100_000, takes, "Google Wallet")
    )


def test_what_is_owed_and_what_fails_is_counted(deployment: Deployment) -> None:
    key = held(deployment, 4)
    with deployment.database.write() as session:
        session.execute(update(Campaign).values(version=2))
        session.execute(update(GoogleClass).values(sent_campaign=2, objects_digest=b"2"))
        session.execute(
            update(GoogleObject)
            .where(GoogleObject.id == 1)
            .values(failure="No answer (ReadTimeout).", sent_at=deployment.now())
        )
        session.execute(update(GoogleObject).where(GoogleObject.id == 2).values(has_users=False))
    with deployment.database.read() as session:
        found = standing.standing(session, rate=2, campaign_key=key)
        others = standing.standing(session, rate=2, campaign_key="other")
    assert (found.held, found.owed) == (3, 3)
    assert found.takes == dt.timedelta(seconds=1.5)
    assert found.failing == (("No answer (ReadTimeout).", 1),)
    assert (others.held, others.owed) == (0, 0)
