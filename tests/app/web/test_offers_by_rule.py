"""An invitation to a campaign with rules shows what they give its recipient, and gives that."""

from __future__ import annotations

import datetime as dt
import io
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import func, select

from app.services import (
    audit,
    campaigns,
    decisions,
    invitations,
    people,
)
from app.services.codes import generated
from app.services.decisions import Candidate, Tally
from app.services.deployment import Deployment
from app.services.invitations import Invitation
from app.services.issuance import Person
from app.store.models import Campaign, Code, Decision, Entry, Recipient, Revision, Voucher
from app.words import LANGUAGES
from tests.conftest import Clock
from tests.marketing import apply_document, card, document

TEXTS = {
    "en": {"title": "For you", "offer": "−5 €", "terms": "Once."},
    "fr": {"title": "Pour vous", "offer": "−5 €", "terms": "Une fois."},
    "de": {"title": "Für Sie", "offer": "−5 €", "terms": "Einmal."},
    "es": {"title": "Para usted", "offer": "−5 €", "terms": "Una vez."},
}
RULES: dict[str, Any] = {
    "tiers": [
        {
            "key": "best",
            "when": [{"fact": "score", "above": 500}],
            "amount": "20.00",
            "texts": {"en": {"terms": "For our best."}},
        },
        {"key": "good", "when": [{"fact": "score", "above": 200}]},
    ]
}
TABLES = (Recipient, Decision, Voucher, Code, Revision)


def described(**changes: Any) -> dict[str, Any]:
    return document(
        codes={"source": "on_demand"},
        benefit={"type": "amount", "amount": "5.00"},
        texts=TEXTS,
        **{"rules": RULES, **changes},
    )


def know(deployment: Deployment, **scores: int) -> None:
    told = [Person(external_id=name, score=score) for name, score in scores.items()]
    people.remember(deployment.database, told, now=deployment.now())


def path(deployment: Deployment, name: str, *, key: str = "spring", **more: Any) -> str:
    invitation = Invitation(
        external_id=name, expires_at=deployment.now() + dt.timedelta(days=30), **more
    )
    house = deployment
    link = invitations.link(house.settings, house.keyring, key, invitation)
    return link.removeprefix(house.settings.base_url)


def mark(html: str) -> str:
    found = re.search(r'name="offer" value="([0-9a-f]+)"', html)
    assert found is not None
    return found[1]


def counts(deployment: Deployment) -> list[int]:
    with deployment.database.read() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES]


def benefits(deployment: Deployment) -> list[int | None]:
    """What the coupons take off, by their own terms, in the order issued."""
    with deployment.database.read() as session:
        revisions = session.scalars(
            select(Revision).join(Voucher, Voucher.revision_id == Revision.id).order_by(Voucher.id)
        )
        return [campaigns.terms_of(each).benefit.minor for each in revisions]


def test_each_sees_the_value_of_their_tier_and_gets_just_that(
    client: FlaskClient, deployment: Deployment
) -> None:
    apply_document(deployment, described())
    know(deployment, ada=900, bob=300)
    best, good = path(deployment, "ada"), path(deployment, "bob")
    before = counts(deployment)

    shown = {language: client.get(f"{best}?lang={language}") for language in TEXTS}

    amounts = {"en": "−€20.00", "fr": "−20,00\xa0€", "de": "−20,00\xa0€", "es": "−20,00\xa0€"}
    for language, answer in shown.items():
        assert answer.status_code == 200
        assert amounts[language] in answer.text, language
        assert LANGUAGES[language].page.get_voucher in answer.text
    assert "For our best." in shown["en"].text
    own = client.get(good).text
    assert "−5 €" in own
    assert "−€20.00" not in own
    assert mark(own) != mark(shown["en"].text) == mark(shown["fr"].text)
    client.head(best)
    # Nothing is stored by looking, not even for what a program opens.
    assert counts(deployment) == before

    first = client.post(best, data={"offer": mark(shown["fr"].text)})
    again = client.post(best, data={"offer": "of another day"})
    assert first.status_code == again.status_code == 303
    assert first.headers["Location"] == again.headers["Location"]
    assert client.get(best).headers["Location"] == first.headers["Location"]
    # A program that never looked gets what is decided.
    assert client.post(good).status_code == 303
    assert benefits(deployment) == [2_000, 500]
    assert "−€20.00" in client.get(first.headers["Location"]).text
    assert not any(section.findings for section in audit.run(deployment.database))


@pytest.mark.parametrize("why", ["no_tier", "holdout", "capped", "stopped", "budget", "nobody"])
def test_for_whom_there_is_nothing_the_page_says_so_and_never_why(
    client: FlaskClient, deployment: Deployment, why: str
) -> None:
    rules: dict[str, Any] = {
        "holdout": RULES | {"holdout_percent": "99.9"},
        "capped": RULES | {"frequency": {"group": "all", "count": 1, "days": 30}},
        "stopped": RULES | {"stops": [{"when": [{"fact": "score", "above": 800}]}]},
        "budget": RULES | {"most_cost": "1.00"},
        "nobody": {"tiers": [{"key": "none", "nothing": True}]},
    }.get(why, RULES)
    apply_document(deployment, described(rules=rules))
    apply_document(deployment, described(key="other", rules=RULES | {"holdout_percent": "99.9"}))
    know(deployment, ada=100 if why == "no_tier" else 900, eve=900)
    if why == "capped":
        asked = [Candidate(person=Person(external_id="ada"), occasion="before")]
        list(decisions.decide(deployment, "spring", asked, Tally()))
    offered = path(deployment, "ada", attributes={"mail": "ada@example.com"})
    before = counts(deployment)

    for language, words in LANGUAGES.items():
        answer = client.get(f"{offered}?lang={language}")
        assert answer.status_code == 200
        assert words.page.nothing in answer.text
        assert words.page.nothing_more in answer.text
        assert "<form" not in answer.text
        # Word for word what somebody in the holdout of a campaign reads.
        other = client.get(f"{path(deployment, 'eve', key='other')}?lang={language}")
        assert (other.status_code, other.text) == (200, answer.text)
    assert counts(deployment) == before

    refused = client.post(offered)
    assert refused.status_code == 409
    assert LANGUAGES["en"].page.nothing in refused.text
    with deployment.database.read() as session:
        held_out = session.scalar(
            select(func.count()).select_from(Decision).where(Decision.held_out)
        )
        attributes = session.scalars(
            select(Recipient.attributes).where(Recipient.external_id == "ada")
        ).one()
    # A place in the holdout is decided once it is asked for; of the others nothing is kept.
    assert held_out == (why == "holdout")
    assert bool(attributes) == (why == "holdout")
    assert benefits(deployment) == ([2_000] if why == "capped" else [])


@pytest.mark.parametrize("change", ["score", "terms", "words", "gone"])
def test_what_changed_since_it_was_shown_is_said_and_not_given(
    client: FlaskClient, deployment: Deployment, change: str
) -> None:
    apply_document(deployment, described())
    know(deployment, ada=900)
    offered = path(deployment, "ada")
    seen = mark(client.get(offered).text)
    if change == "score":
        know(deployment, ada=300)
    elif change == "gone":
        know(deployment, ada=1)
    elif change == "terms":
        apply_document(deployment, described(limits={"min_basket": "50.00"}))
    else:
        worse = RULES["tiers"][0] | {"texts": {"en": {"terms": "Not on sale items."}}}
        apply_document(deployment, described(rules={"tiers": [worse]}))

    before = counts(deployment)
    answer = client.post(offered, data={"offer": seen}, headers={"Accept-Language": "de"})

    assert answer.status_code == 409
    assert counts(deployment) == before
    if change == "gone":
        assert LANGUAGES["de"].page.nothing in answer.text
        return
    assert LANGUAGES["de"].page.offer_changed in answer.text
    assert LANGUAGES["de"].page.offer_changed_more in answer.text
    assert mark(answer.text) != seen
    taken = client.post(offered, data={"offer": mark(answer.text)})
    assert taken.status_code == 303
    assert benefits(deployment) == [500 if change == "score" else 2_000]


def test_a_campaign_without_rules_gives_what_was_shown_too(
    client: FlaskClient, deployment: Deployment
) -> None:
    apply_document(deployment, card())
    offered = path(deployment, "ada", key="card")
    seen = mark(client.get(offered).text)
    apply_document(deployment, card(gift_card={"amount": "10.00"}))

    changed = client.post(offered, data={"offer": seen})

    assert changed.status_code == 409
    assert "€10.00" in changed.text
    assert counts(deployment)[2] == 0
    assert client.post(offered, data={"offer": mark(changed.text)}).status_code == 303
    with deployment.database.read() as session:
        assert session.scalars(select(Entry.amount_minor)).all() == [1_000]


def test_a_value_of_another_campaign_is_shown_in_its_dress_and_found_again(
    client: FlaskClient, deployment: Deployment
) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (480, 150), "#ffffff").save(picture, "PNG")
    look = {"logo": "logo.png", "background": "#123456"}
    gift = card(look=look, texts={"en": {"title": "A card", "offer": "15 €"}})
    draft = campaigns.read_document(gift, pictures=lambda name: picture.getvalue())
    keyring = deployment.keyring
    with deployment.database.read() as session:
        tried = campaigns.try_out(session, draft, organization="Shop", keyring=keyring)
    with deployment.database.write() as session:
        plan = campaigns.plan(session, tried)
        campaigns.apply(session, plan, keyring, now=deployment.now())
    rules = {"tiers": [{"key": "card", "campaign": "card", "card": "30.00"}]}
    apply_document(deployment, described(rules=rules))
    offered = path(deployment, "ada")

    html = client.get(offered).text
    assert "A card" in html
    assert "€30.00" in html
    assert "#123456" in html
    assert LANGUAGES["en"].page.get_card in html
    assert f"{offered}/logo.png" in html
    assert client.get(f"{offered}/logo.png").status_code == 200

    taken = client.post(offered, data={"offer": mark(html)})
    assert taken.status_code == 303
    assert client.get(offered).headers["Location"] == taken.headers["Location"]
    with deployment.database.read() as session:
        (voucher,) = session.scalars(select(Voucher))
        assert voucher.balance_minor == 3_000
        assert session.get_one(Campaign, voucher.campaign_id).key == "card"

    # The other campaign's end is the offer's end.
    with deployment.database.write() as session:
        for campaign in session.scalars(select(Campaign).where(Campaign.key == "card")):
            campaign.status = "paused"
    assert client.get(path(deployment, "bob")).status_code == 410
    assert client.post(path(deployment, "bob")).status_code == 410


def test_an_offer_by_rule_without_codes_says_that_all_are_gone(
    client: FlaskClient, deployment: Deployment
) -> None:
    apply_document(deployment, described() | {"codes": {"source": "generated"}})
    know(deployment, ada=900, bob=900)
    assert client.get(path(deployment, "ada")).status_code == 409
    generated.generate(deployment, "spring", 1)
    shown = client.get(path(deployment, "bob"))
    assert shown.status_code == 200
    assert client.post(path(deployment, "ada")).status_code == 303
    for answer in (client.get(path(deployment, "bob")), client.post(path(deployment, "bob"))):
        assert answer.status_code == 409
        assert LANGUAGES["en"].page.sold_out in answer.text


def test_a_birthdays_invitation_says_kindly_that_it_is_not_the_day(
    client: FlaskClient, deployment: Deployment, clock: Clock
) -> None:
    apply_document(deployment, card(birthday={"days_ahead": 3}))
    born = Person(external_id="ada", birth_date=dt.date(1990, 11, 26))
    people.remember(deployment.database, [born], now=clock.now)
    offered = path(deployment, "ada", key="card")

    early = client.get(offered)
    assert (early.status_code, LANGUAGES["en"].page.nothing in early.text) == (200, True)
    assert client.get(path(deployment, "eve", key="card")).text == early.text
    clock.advance(days=2)
    assert "€15.00" in client.get(offered).text
    assert client.post(offered).status_code == 303
