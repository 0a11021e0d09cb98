"""What a key that is bound says of people, gives by rules, and is told of what is another's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.domain.campaign import Source
from app.services.access import Scope
from app.services.deployment import Deployment
from app.store.models import Campaign, Recipient, Voucher
from tests.marketing import apply, apply_document, document
from tests.shop import Shop, Till

MADE = {"source": "on_demand"}


@pytest.fixture
def shop(deployment: Deployment) -> Shop:
    for key in ("sun", "moon"):
        apply(deployment, key=key, codes=MADE)
    made = Shop(deployment)
    with deployment.database.read() as session:
        made.campaigns |= {
            row.key: row.id for row in session.execute(select(Campaign.key, Campaign.id))
        }
    return made


def bearer(shop: Shop, *scopes: Scope, **bound: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {shop.key(*scopes, **bound)}"}


def known(deployment: Deployment, name: str) -> tuple[Any, ...]:
    with deployment.database.read() as session:
        row = session.scalars(select(Recipient).where(Recipient.external_id == name)).one()
        return row.language, row.birth_date, row.segment, row.score, row.attributes


def vouchers(deployment: Deployment) -> dict[str, int]:
    with deployment.database.read() as session:
        query = select(Campaign.key, func.count()).join(Voucher, Voucher.campaign_id == Campaign.id)
        rows = session.execute(query.group_by(Campaign.key))
        return {row[0]: row[1] for row in rows}


ADA = {
    "external_id": "ada",
    "language": "de",
    "birth_date": "1990-01-01",
    "segment": "vip",
    "score": 900,
    "attributes": {"name": "Eve"},
}


def test_a_bound_key_changes_nothing_that_is_known_of_anybody(
    client: FlaskClient, deployment: Deployment, shop: Shop
) -> None:
    free, bound = bearer(shop, Scope.ISSUE), bearer(shop, Scope.ISSUE, campaigns=["sun"])
    said = {"external_id": "ada", "language": "fr", "segment": "new", "attributes": {"name": "Ada"}}
    body = {"recipients": [said]}
    assert client.post("/api/v1/recipients", json=body, headers=free).status_code == 200
    before = known(deployment, "ada")

    issue = {"campaign": "sun", "vouchers": [{"recipient": ADA}]}
    mail = {"message_id": "m", "template": '{{ wallet_link("sun") }}', "recipients": [ADA]}
    guest = {name: ADA[name] for name in ("external_id", "language", "attributes")}
    invited = client.post(
        "/api/v1/campaigns/sun/invitations",
        json={"recipients": [guest], "occasion": "x"},
        headers=bound,
    )
    link = invited.get_json()["invitations"][0]["invitation_link"]
    assert client.post("/api/v1/vouchers", json=issue, headers=bound).status_code == 200
    assert client.post("/api/v1/messages/render", json=mail, headers=bound).status_code == 200
    assert client.post(link.removeprefix(deployment.settings.base_url)).status_code == 303

    assert vouchers(deployment) == {"sun": 3}
    assert known(deployment, "ada") == before
    assert client.post("/api/v1/vouchers", json=issue, headers=free).status_code == 200
    assert known(deployment, "ada")[2:] == ("vip", 900, {"name": "Eve"})


def test_somebody_new_is_stored_with_what_a_pass_shows_and_nothing_that_others_decide_by(
    client: FlaskClient, deployment: Deployment, shop: Shop
) -> None:
    bound = bearer(shop, Scope.ISSUE, campaigns=["sun"])
    issue = {"campaign": "sun", "vouchers": [{"recipient": ADA}]}

    assert client.post("/api/v1/vouchers", json=issue, headers=bound).status_code == 200

    assert known(deployment, "ada") == ("de", None, None, None, {"name": "Eve"})


def test_what_a_bound_key_says_counts_for_its_own_decision(
    client: FlaskClient, deployment: Deployment, shop: Shop
) -> None:
    tier = {"key": "best", "when": [{"fact": "score", "above": 500}]}
    apply(deployment, key="sun", codes=MADE, rules={"tiers": [tier]})
    bound = bearer(shop, Scope.ISSUE, campaigns=["sun"])
    body = {"campaign": "sun", "candidates": [{"recipient": ADA}]}

    answer = client.post("/api/v1/decisions", json=body, headers=bound)

    assert answer.get_json()["decisions"][0]["tier"] == "best"
    assert known(deployment, "ada")[3] is None


def test_rules_give_nothing_of_a_campaign_that_is_not_the_keys(
    client: FlaskClient, deployment: Deployment, shop: Shop
) -> None:
    rules = {"tiers": [{"key": "all", "campaign": "moon"}]}
    described = document(key="sun", codes=MADE, rules=rules)
    bound = bearer(shop, Scope.ISSUE, Scope.CAMPAIGN, campaigns=["sun"])

    refused = client.post("/api/v1/campaigns", json=described, headers=bound)

    assert refused.status_code == 422
    assert [each["at"] for each in refused.get_json()["errors"]] == ["rules.tiers.0.campaign"]
    apply_document(deployment, described)
    body = {"campaign": "sun", "candidates": [{"recipient": {"external_id": "ada"}}]}
    answer = client.post("/api/v1/decisions", json=body, headers=bound)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "campaign_key_refused")
    assert vouchers(deployment) == {}
    both = bearer(shop, Scope.ISSUE, campaigns=["sun", "moon"])
    assert client.post("/api/v1/decisions", json=body, headers=both).status_code == 200
    assert vouchers(deployment) == {"moon": 1}


def test_a_key_that_is_bound_lists_no_code_of_another_campaign_whichever_rules_gave_it(
    client: FlaskClient, deployment: Deployment, shop: Shop
) -> None:
    rules = {"tiers": [{"key": "all", "campaign": "moon"}]}
    apply(deployment, key="sun", codes=MADE, rules=rules)
    body = {"campaign": "sun", "candidates": [{"recipient": {"external_id": "ada"}}]}
    free = bearer(shop, Scope.ADMIN)
    assert client.post("/api/v1/decisions", json=body, headers=free).status_code == 200

    def people(campaign: str, **bound: Any) -> list[dict[str, Any]]:
        key = bearer(shop, Scope.REPORT, Scope.CODES_REVEAL, **bound)
        path = f"/api/v1/campaigns/{campaign}/people?format=json&codes=true"
        return [json.loads(line) for line in client.get(path, headers=key).text.splitlines()]

    assert [(each["given_by"], each["tier"]) for each in people("sun")] == [("sun", "all")]
    assert people("sun", campaigns=["sun"]) == []
    (own,) = people("moon", campaigns=["moon"])
    assert (own["external_id"], own["given_by"], own["tier"]) == ("ada", "", "")
    assert own["code"]


def test_a_typed_code_of_another_campaign_is_a_guess_like_one_that_does_not_exist(
    client: FlaskClient, shop: Shop
) -> None:
    shop.store("paris")
    shop.campaign("list", source=Source.LIST)
    code = shop.voucher("list", code="FOREIGN-1").code
    assert code is not None
    till = Till(client, shop.key(store="paris", terminal="1", campaigns=["sun"]))

    answers = [till.redeem(each) for each in (code, "NO-SUCH-1")]

    assert [each["reason"] for each in answers] == ["unknown_code"] * 2
    assert answers[0] == answers[1]
    for number in range(28):
        assert till.redeem(f"{code}-{number}")["reason"] == "unknown_code"
    assert till.post("/redemptions", {"items": [{"barcode": code}]}).status_code == 429


def test_a_till_of_some_campaigns_sees_their_entries_of_its_day_alone(
    client: FlaskClient, shop: Shop
) -> None:
    shop.store("paris")
    shop.campaign("one")
    shop.campaign("two")
    till = Till(client, shop.key(store="paris", terminal="1"))
    for key in ("one", "two"):
        assert till.redeem(shop.voucher(key).barcode)["outcome"] == "accepted"
    bound = bearer(shop, Scope.POS, store="paris", terminal="1", campaigns=["one"])

    day = client.get("/pos/v1/day", headers=bound).get_json()

    assert [each["name"] for each in day["entries"]] == ["One"]
    assert sum(each["uses"] for each in day["totals"]) == 1


def test_what_a_bound_key_reports_takes_back_no_voucher_of_another_campaign(
    client: FlaskClient, deployment: Deployment, shop: Shop
) -> None:
    stops = [{"event": "cancelled"}]
    for key in ("sun", "moon"):
        apply(deployment, key=key, codes=MADE, rules={"tiers": [{"key": "all"}], "stops": stops})
    mixed = {"tiers": [{"key": "all", "campaign": "moon"}], "stops": stops}
    apply(deployment, key="mixed", codes=MADE, rules=mixed)
    free = bearer(shop, Scope.ISSUE)
    for key in ("sun", "moon", "mixed"):
        body = {
            "campaign": key,
            "candidates": [{"recipient": {"external_id": "ada"}, "occasion": key}],
        }
        assert client.post("/api/v1/decisions", json=body, headers=free).status_code == 200
    done = {"activities": [{"external_id": "ada", "name": "cancelled", "id": "1"}]}

    def report(headers: dict[str, str], **more: Any) -> dict[str, Any]:
        answer = client.post("/api/v1/activities", json={**done, **more}, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def good() -> dict[str, int]:
        with deployment.database.read() as session:
            rows = session.execute(
                select(Campaign.key, func.count())
                .join(Voucher, Voucher.campaign_id == Campaign.id)
                .where(Voucher.status == "active")
                .group_by(Campaign.key)
            )
            return {row[0]: row[1] for row in rows}

    bound = bearer(shop, Scope.ISSUE, campaigns=["sun", "mixed"])
    assert good() == {"sun": 1, "moon": 2}
    assert len(report(bound, dry_run=True)["withdraws"]) == 1
    assert report(bound)["recorded"] == 1
    assert good() == {"moon": 2}
    # Neither now, nor when somebody else reports something of the same person.
    assert report(bound)["recorded"] == 0
    other = {"activities": [{"external_id": "ada", "name": "visit", "id": "2"}]}
    assert client.post("/api/v1/activities", json=other, headers=free).status_code == 200
    assert good() == {"moon": 2}
    # For all campaigns the same is new, and takes back what it says.
    assert report(free)["recorded"] == 1
    assert good() == {}
    assert report(free)["recorded"] == report(bound)["recorded"] == 0


def test_a_purchase_that_a_bound_key_reports_counts_for_its_campaigns_and_once_for_each(
    client: FlaskClient, deployment: Deployment, shop: Shop
) -> None:
    free = bearer(shop, Scope.ADMIN)
    for key in ("sun", "moon"):
        apply(deployment, key=key, codes=MADE, rules={"tiers": [{"key": "all"}]})
        body = {"campaign": key, "candidates": [{"recipient": {"external_id": "ada"}}]}
        assert client.post("/api/v1/decisions", json=body, headers=free).status_code == 200

    def buy(headers: dict[str, str], value: int) -> int:
        done = {"external_id": "ada", "name": "purchase", "id": "1", "value_minor": value}
        answer = client.post("/api/v1/activities", json={"activities": [done]}, headers=headers)
        return int(answer.get_json()["recorded"])

    def bought() -> dict[str, tuple[int, int]]:
        found = {}
        for key in ("sun", "moon"):
            answer = client.get(f"/api/v1/campaigns/{key}/lift", headers=free)
            arm = answer.get_json()["arms"][0]["treated"]
            found[key] = (arm["acted"], arm["spent_minor"])
        return found

    sun = bearer(shop, Scope.ISSUE, campaigns=["sun"])
    assert [buy(sun, 500), buy(sun, 500)] == [1, 0]
    assert bought() == {"sun": (1, 500), "moon": (0, 0)}
    assert [buy(free, 700), buy(sun, 500), buy(free, 700)] == [1, 0, 0]
    assert bought() == {"sun": (1, 500), "moon": (1, 700)}


def test_a_key_without_the_scope_learns_nothing_of_a_valid_request(
    client: FlaskClient, shop: Shop
) -> None:
    answer = client.post("/api/v1/vouchers", json={"wrong": 1}, headers=bearer(shop, Scope.REPORT))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "scope_missing")
