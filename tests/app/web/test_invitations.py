"""An offer behind a link: what it hides, who can take it, and that it is taken once."""

import base64
import datetime as dt
import re
import threading
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.cli.invite import invite
from app.faults import CampaignUnknown
from app.services import invitations
from app.services.deployment import Deployment
from app.services.invitations import Invitation, InvitationFault
from app.store.models import Campaign, Code, Event, Recipient, Voucher
from app.words import LANGUAGES
from tests.browser import IPHONE
from tests.storefront import Storefront, days

PERSON = "lea.martin@example.com"


def _campaign(storefront: Storefront, *, code: bool = True, **changes: Any) -> str:
    """A campaign with one shared code, or (for a list) none at all."""
    id_ = storefront.campaign(source="shared" if code else "list", **changes)
    house = storefront.deployment
    ring = house.keyring
    with house.database.write() as session:
        campaign = session.get_one(Campaign, id_)
        if code:
            lookup = ring.lookup("SUN20")
            session.add(
                Code(
                    lookup=lookup,
                    sealed=ring.seal("SUN20", row=lookup),
                    key_id=ring.newest,
                    campaign_id=id_,
                    free=False,
                )
            )
        return campaign.key


def _path(house: Deployment, key: str, **changes: Any) -> str:
    values: dict[str, Any] = {
        "external_id": PERSON,
        "occasion": "summer",
        "expires_at": house.now() + days(30),
    }
    link = invitations.link(house.settings, house.keyring, key, Invitation(**(values | changes)))
    return link.removeprefix(house.settings.base_url)


def _vouchers(house: Deployment) -> int:
    with house.database.read() as session:
        return session.scalar(select(func.count()).select_from(Voucher)) or 0


def test_an_offer_is_shown_by_get_and_issued_by_post_once(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    path = _path(deployment, _campaign(storefront), language="fr", attributes={"city": "Lyon"})
    shown = client.get(path, headers={"Accept-Language": "de"})

    assert shown.status_code == 200
    assert LANGUAGES["fr"].page.get_voucher in shown.text
    assert "Sur tout" in shown.text
    assert "SUN20" not in shown.text
    assert "21 décembre 2026" in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    client.head(path)
    assert _vouchers(deployment) == 0

    first, again = client.post(path), client.post(path)
    assert first.status_code == again.status_code == 303
    assert first.headers["Location"] == again.headers["Location"]
    assert _vouchers(deployment) == 1
    page = client.get(first.headers["Location"])
    assert "SUN20" in page.text
    assert '<html lang="fr">' in page.text
    # Opened again from the mail, the link leads to the voucher.
    assert client.get(path).headers["Location"] == first.headers["Location"]
    with deployment.database.read() as session:
        assert session.scalars(select(Event.kind)).all() == ["issued"]
        recipient = session.scalars(select(Recipient)).one()
        assert recipient.external_id == PERSON
        assert recipient.attributes == {"city": "Lyon"}


def test_two_taps_at_once_issue_one_voucher(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    path = _path(deployment, _campaign(storefront))
    app = client.application
    targets: list[str] = []

    def tap() -> None:
        targets.append(app.test_client().post(path).headers["Location"])

    taps = [threading.Thread(target=tap) for _ in range(6)]
    for each in taps:
        each.start()
    for each in taps:
        each.join()

    assert len(targets) == 6
    assert len(set(targets)) == 1
    assert _vouchers(deployment) == 1


def test_another_occasion_is_another_voucher_and_another_link_the_same(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    key = _campaign(storefront)
    one, same = _path(deployment, key), _path(deployment, key)
    other = _path(deployment, key, occasion="autumn")
    targets = [client.post(path).headers["Location"] for path in (one, same, other)]

    assert one != same
    assert targets[0] == targets[1] != targets[2]


def test_a_link_shows_nothing_of_its_recipient_and_hardly_the_length_of_the_name(
    deployment: Deployment, storefront: Storefront
) -> None:
    key = _campaign(storefront)
    short, long = _path(deployment, key, external_id="a"), _path(deployment, key)

    assert re.fullmatch(r"/c/[a-z0-9-]+/[A-Za-z0-9_-]+", long)
    raw = base64.urlsafe_b64decode(long.rpartition("/")[2] + "==")
    assert b"lea" not in raw
    assert PERSON not in repr(Invitation(external_id=PERSON, expires_at=deployment.now()))
    assert len(short) == len(_path(deployment, key, external_id="abcdefgh"))


def test_an_invitation_altered_in_any_character_is_refused_like_an_unknown_one(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    key, other = _campaign(storefront), _campaign(storefront, code=False)
    path = _path(deployment, key)
    base, _, text = path.rpartition("/")
    unknown = client.get(f"/c/{key}/nothing")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    wrong = [
        f"{base}/{text[:at]}{letters[(letters.index(text[at]) + by) % 64]}{text[at + 1 :]}"
        for at in range(len(text))
        for by in (1, 4, 32)
    ]
    wrong += [path.replace(key, other), path.replace(key, "nobody"), f"{path}=", f"{path}A", base]
    for each in wrong:
        answer = client.get(each)
        assert (answer.status_code, answer.data) == (404, unknown.data)
    assert client.post(wrong[0]).status_code == 404
    assert _vouchers(deployment) == 0


def test_what_is_no_invitation_is_refused_without_waiting_for_the_writers_turn(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    """Were it to ask for the turn, it would fail: this thread has it already."""
    path = f"/c/{_campaign(storefront)}/garbage"
    with deployment.database.write():
        assert client.post(path).status_code == 404


@pytest.mark.parametrize("reason", ["late", "paused", "over", "forced"])
def test_an_offer_that_ended_says_so_and_issues_nothing(
    client: FlaskClient, storefront: Storefront, deployment: Deployment, reason: str
) -> None:
    status = "paused" if reason == "paused" else "live"
    end = {"ends_at": deployment.now().isoformat()} if reason == "forced" else None
    key = _campaign(storefront, status=status, override=end, override_forced=end is not None)
    expires_at = deployment.now() + (days(-1) if reason == "late" else days(1))
    path = _path(deployment, key, expires_at=expires_at)
    if reason == "over":
        storefront.deployment.clock.now += days(2)  # type: ignore[attr-defined]

    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 410
        assert LANGUAGES["en"].page.offer_ended in answer.text
    assert _vouchers(deployment) == 0


def test_who_has_the_voucher_keeps_it_after_the_offer_ended(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    path = _path(
        deployment, _campaign(storefront), expires_at=deployment.now() + dt.timedelta(minutes=1)
    )
    target = client.post(path).headers["Location"]
    deployment.clock.now += days(1)  # type: ignore[attr-defined]

    assert client.get(path).headers["Location"] == target
    assert client.post(path).headers["Location"] == target


def test_an_offer_without_codes_says_that_all_are_gone(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    answer = client.post(_path(deployment, _campaign(storefront, code=False)))
    assert answer.status_code == 409
    assert LANGUAGES["en"].page.sold_out in answer.text
    assert _vouchers(deployment) == 0


@pytest.mark.parametrize(
    ("headers", "issues"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://elsewhere.example"}, False),
        ({"Origin": "http://localhost"}, True),
    ],
)
def test_another_site_cannot_make_a_visitor_accept(
    client: FlaskClient,
    storefront: Storefront,
    deployment: Deployment,
    headers: dict[str, str],
    issues: bool,
) -> None:
    path = _path(deployment, _campaign(storefront))
    answer = client.post(path, headers={"User-Agent": IPHONE.agent, **headers})

    assert answer.status_code == 303
    assert (answer.headers["Location"] != path) is issues
    assert _vouchers(deployment) == int(issues)


def test_a_gift_cards_offer_names_its_amount(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    key = _campaign(storefront, kind="gift_card")
    html = client.get(_path(deployment, key), headers={"Accept-Language": "fr"}).text
    assert "15,00\xa0€" in html
    assert LANGUAGES["fr"].page.get_card in html


def test_the_command_prints_a_link_for_each_recipient(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    key = _campaign(storefront)
    done = CliRunner().invoke(invite, [key, "r-1", "r-2", "--days", "3"], obj=deployment)
    rows = done.output.split()

    assert rows[0] == "external_id,invitation_link"
    for row, recipient in zip(rows[1:], ("r-1", "r-2"), strict=True):
        external_id, _, link = row.partition(",")
        assert external_id == recipient
        path = link.removeprefix(deployment.settings.base_url)
        # Three days after 21 November, to the end of that day in the campaign's zone.
        assert "November 24, 2026<" in client.get(path).text
        assert client.post(path).status_code == 303
    refused = CliRunner().invoke(invite, ["nothing", "r-1"], obj=deployment)
    assert isinstance(refused.exception, CampaignUnknown)


def test_an_invitation_needs_a_recipient_and_must_fit_into_an_address(
    deployment: Deployment,
) -> None:
    with pytest.raises(InvitationFault, match="external id"):
        _path(deployment, "sun", external_id="")
    with pytest.raises(InvitationFault, match="too long"):
        _path(deployment, "sun", attributes={"note": "x" * 2000})
