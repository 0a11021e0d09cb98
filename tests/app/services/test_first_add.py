"""A validity that counts from the first add: none before it, begun once, whatever comes later."""

from __future__ import annotations

import datetime as dt

import pytest
from flask.testing import FlaskClient

from app.domain.campaign import Anchor, Terms, Validity
from app.services.changes import Change, Subject
from app.services.deployment import Deployment
from app.services.wallets import holdings
from app.services.wallets.apple import registrations
from app.services.wallets.content import pass_content
from app.store.models import Voucher
from app.store.session import NOTES
from passes.content import PassContent
from tests.conftest import Clock
from tests.shop import Shop, Till
from tests.storefront import Issued, Storefront

THREE_DAYS = Validity(anchor=Anchor.FIRST_ADD, days=3)
#: Three days after 21 November in Paris.
END = dt.datetime(2026, 11, 24, 23, 0, tzinfo=dt.UTC)


def row(house: Deployment, issued: Issued) -> Voucher:
    with house.database.read() as session:
        return session.get_one(Voucher, issued.id)


def add(house: Deployment, issued: Issued, device: str) -> set[Change]:
    """Add the pass to a device; returns what the workers are told."""
    with house.database.write() as session:
        registrations.register(
            session,
            library_id=device,
            push_token="ab" * 32,
            voucher_id=issued.id,
            now=house.now(),
        )
        return set(session.info.get(NOTES, ()))


def shown(house: Deployment, issued: Issued) -> PassContent:
    with house.database.read() as session:
        holding = holdings.find(session, issued.public_id)
    assert holding is not None
    return pass_content(house, holding, now=house.now())


def test_the_end_is_set_when_a_pass_is_first_added_and_never_again(
    deployment: Deployment, storefront: Storefront, client: FlaskClient, clock: Clock
) -> None:
    shop = Shop(deployment)
    shop.store("paris", terminals=("1",))
    issued = storefront.voucher(storefront.campaign(terms=Terms(validity=THREE_DAYS)), uses=2)
    till = Till(client, shop.key(store="paris", terminal="1"))

    assert shown(deployment, issued).valid_until is None
    assert till.redeem(issued.barcode)["outcome"] == "accepted"
    before = row(deployment, issued).version

    assert add(deployment, issued, "first") == {Change(Subject.VOUCHER, issued.id)}
    after = row(deployment, issued)
    assert (after.ends_at, after.version) == (END, before + 1)
    until = shown(deployment, issued).valid_until
    assert until is not None
    assert until.isoformat() == "2026-11-24T23:59:59+01:00"

    clock.advance(days=1)
    assert add(deployment, issued, "second") == set()
    with deployment.database.write() as session:
        for device in ("first", "second"):
            registrations.unregister(
                session, library_id=device, voucher_id=issued.id, now=clock.now
            )
    add(deployment, issued, "first")
    after = row(deployment, issued)
    assert (after.ends_at, after.version) == (END, before + 1)

    clock.advance(days=3)
    assert till.redeem(issued.barcode)["reason"] == "expired"


@pytest.mark.parametrize(
    ("validity", "stored", "expected"),
    [
        (Validity(anchor=Anchor.ISSUE, days=3), END, END),
        # The window's end comes before the length's: the pass shows it already.
        (
            Validity(anchor=Anchor.FIRST_ADD, days=3, ends_at=END - dt.timedelta(days=1)),
            END - dt.timedelta(days=1),
            END - dt.timedelta(days=1),
        ),
        # Somebody prolonged the voucher before it was added: that was promised.
        (THREE_DAYS, END + dt.timedelta(days=30), END + dt.timedelta(days=30)),
    ],
    ids=["counted from issue", "window is narrower", "prolonged by hand"],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_end_that_the_first_add_does_not_decide_stays(
    deployment: Deployment,
    storefront: Storefront,
    validity: Validity,
    stored: dt.datetime,
    expected: dt.datetime,
) -> None:
    campaign = storefront.campaign(terms=Terms(validity=validity))
    issued = storefront.voucher(campaign, ends_at=stored)

    assert add(deployment, issued, "first") == set()
    after = row(deployment, issued)
    assert (after.ends_at, after.version) == (expected, 1)


def test_an_end_that_was_prolonged_to_the_window_after_the_first_add_is_not_cut_again(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    window_end = END + dt.timedelta(days=30)
    validity = Validity(anchor=Anchor.FIRST_ADD, days=3, ends_at=window_end)
    campaign = storefront.campaign(terms=Terms(validity=validity))
    issued = storefront.voucher(campaign, ends_at=window_end)
    add(deployment, issued, "first")
    assert row(deployment, issued).ends_at == END
    with deployment.database.write() as session:
        session.get_one(Voucher, issued.id).ends_at = window_end

    clock.advance(days=1)
    add(deployment, issued, "second")

    assert row(deployment, issued).ends_at == window_end
