"""Five stories of marketers, over HTTP: from the campaign file to the till and the results."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from app.services import (
    access,
    clockwork,
    reports,
)
from app.services.access import Scope
from app.services.codes import queue
from app.services.deployment import Deployment
from tests.conftest import Clock
from tests.shop import Shop, Till

EXAMPLES = files("app.examples")
Ask = Callable[..., Any]


@pytest.fixture
def ask(client: FlaskClient, deployment: Deployment) -> Ask:
    """A marketer's system: asks `/api/v1` with a key of its scopes and reads the answer."""
    with deployment.database.write() as session:
        key = access.create(
            session,
            "marketing",
            [Scope.CAMPAIGN, Scope.ISSUE, Scope.REPORT],
            now=deployment.now(),
        )

    def asked(method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = client.open(
            f"/api/v1{path}",
            method=method,
            json=body,
            headers={"Authorization": f"Bearer {key}"},
        )
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json(silent=True) or answer.get_data(as_text=True)

    return asked


@pytest.fixture
def tills(client: FlaskClient, deployment: Deployment) -> dict[str, Till]:
    """A shop's till and the web shop."""
    shop = Shop(deployment)
    shop.store("paris")
    shop.store("web", channel="online")
    return {
        store: Till(client, shop.key(Scope.POS, store=store, terminal="1"))
        for store in ("paris", "web")
    }


def apply(ask: Ask, name: str, **changes: Any) -> None:
    """Apply an example campaign as its file says."""
    document = tomllib.loads((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    ask("POST", "/campaigns", document | changes)


def basket(minor: int) -> dict[str, Any]:
    return {"currency": "EUR", "lines": [{"id": "1", "sku": "a", "amount_minor": minor}]}


def barcode(deployment: Deployment, serial: str) -> str:
    """What the phone of the voucher's holder shows."""
    from app.domain.codes import Purpose, from_serial

    public_id = from_serial(serial)
    assert public_id is not None
    ring = deployment.keyring
    return ring.token(Purpose.BARCODE, key_id=ring.newest, public_id=public_id)


def results(deployment: Deployment, ask: Ask, campaign: str, query: str = "") -> Any:
    while reports.roll_up(deployment):
        pass
    return ask("GET", f"/campaigns/{campaign}/results{query}")["rows"]


def test_abandoned_basket_gets_a_code_worth_what_was_in_it_once_in_thirty_days(
    ask: Ask, deployment: Deployment, tills: dict[str, Till], clock: Clock
) -> None:
    document = tomllib.loads((EXAMPLES / "abandoned-basket.toml").read_text(encoding="utf-8"))
    document["rules"]["holdout_percent"] = 0
    ask("POST", "/campaigns", document)

    def left(name: str, basket_id: str, minor: int) -> Any:
        candidate = {
            "recipient": {"external_id": name},
            "occasion": basket_id,
            "facts": {"basket": minor},
        }
        body = {"campaign": "abandoned-basket", "candidates": [candidate]}
        return ask("POST", "/decisions", body)["decisions"][0]

    large, small = left("ada", "b1", 18_000), left("bob", "b2", 3_500)
    assert (large["tier"], small["tier"]) == ("large", "small")
    assert left("cyd", "b3", 900)["outcome"] == "no_tier"
    assert left("ada", "b4", 18_000)["outcome"] == "capped"
    assert left("ada", "b1", 18_000)["serial"] == large["serial"]
    ask(
        "POST",
        "/activities",
        {"activities": [{"external_id": "dan", "name": "purchase", "id": "1"}]},
    )
    assert left("dan", "b5", 9_000)["outcome"] == "stopped"

    redeemed = tills["web"].redeem(barcode(deployment, large["serial"]), basket=basket(18_000))
    assert redeemed["discount_minor"] == 2_000
    clock.advance(hours=49)
    late = tills["paris"].redeem(barcode(deployment, small["serial"]), basket=basket(3_500))
    assert late["reason"] == "expired"

    rows = {
        row["part"]["tier"]: row for row in results(deployment, ask, "abandoned-basket", "?by=tier")
    }
    assert rows["large"]["vouchers"]["redeemed"] == 1
    assert (rows["large"]["discount_minor"], rows["large"]["revenue_minor"]) == (2_000, 18_000)
    assert rows["small"]["refused"] == {"expired": 1}


def test_best_customers_get_twenty_the_next_fifteen_and_the_rest_nothing_for_two_days(
    ask: Ask, deployment: Deployment, tills: dict[str, Till], clock: Clock
) -> None:
    apply(ask, "best-customers")
    scores = {"ada": 900, "bob": 500, "cyd": 100}
    body = {
        "campaign": "best-customers",
        "candidates": [
            {"recipient": {"external_id": name, "score": score}} for name, score in scores.items()
        ],
    }
    planned = ask("POST", "/decisions", body | {"dry_run": True})
    decided = ask("POST", "/decisions", body)
    assert planned["most_minor"] == decided["most_minor"] == 13_000
    assert [each["outcome"] for each in decided["decisions"]] == ["given", "given", "no_tier"]

    discounts = []
    for each in decided["decisions"][:2]:
        answer = tills["paris"].redeem(barcode(deployment, each["serial"]), basket=basket(10_000))
        discounts.append(answer["discount_minor"])
    assert discounts == [2_000, 1_500]

    extra = {
        "campaign": "best-customers",
        "candidates": [{"recipient": {"external_id": "dan", "score": 450}}],
    }
    (late,) = ask("POST", "/decisions", extra)["decisions"]
    clock.advance(hours=49)
    refused = tills["paris"].redeem(barcode(deployment, late["serial"]), basket=basket(10_000))
    assert refused["reason"] == "expired"
    others = ask("GET", "/campaigns/best-customers/people?which=non_redeemers")
    names = {line.partition(",")[0] for line in others.splitlines()}
    assert "dan" in names
    assert "ada" not in names


def test_variable_in_a_mail_becomes_a_single_use_code_worth_half(
    ask: Ask, deployment: Deployment, tills: dict[str, Till]
) -> None:
    apply(ask, "flash-50")
    mail = {
        "message_id": "newsletter-47",
        "template": 'Your code: {{ promotional_code("flash-50") }}',
        "format": "text",
        "recipients": [{"external_id": "ada"}, {"external_id": "bob"}],
    }

    first, again = (ask("POST", "/messages/render", mail) for _ in range(2))

    assert first == again
    texts = [each["text"] for each in _messages(first)]
    codes = [text.removeprefix("Your code: ") for text in texts]
    assert len(set(codes)) == 2
    used = tills["web"].redeem(codes[0], basket=basket(8_000))
    assert used["discount_minor"] == 4_000
    assert tills["paris"].redeem(codes[0], basket=basket(8_000))["reason"] == "already_redeemed"
    (row,) = results(deployment, ask, "flash-50")
    assert (row["vouchers"]["issued"], row["vouchers"]["redeemed"]) == (2, 1)
    assert row["refused"] == {"already_redeemed": 1}


def test_platforms_list_is_redeemed_in_store_and_online_and_non_redeemers_come_back(
    ask: Ask, client: FlaskClient, deployment: Deployment, tills: dict[str, Till]
) -> None:
    document = tomllib.loads((EXAMPLES / "minus-20.toml").read_text(encoding="utf-8"))
    document["look"].pop("logo")
    ask("POST", "/campaigns", document)
    with deployment.database.write() as session:
        key = access.create(session, "issue", [Scope.ISSUE], now=deployment.now())
    codes = [f"SUNNY-{number:04}-{number * 7919 % 10_000:04}" for number in range(4)]
    brought = client.post(
        "/api/v1/imports?campaign=minus-20",
        data="code\n" + "\n".join(codes),
        headers={"Authorization": f"Bearer {key}"},
    )
    assert brought.status_code == 202, brought.get_data(as_text=True)
    queue.resume(deployment)
    _wait(lambda: ask("GET", f"/imports/{brought.get_json()['id']}")["status"] == "complete")
    names = ("ada", "bob", "cyd", "dan")
    wanted = [
        {"recipient": {"external_id": name, "attributes": {"brand": f"brand-{name}"}}}
        for name in names
    ]
    issued = ask("POST", "/vouchers", {"campaign": "minus-20", "vouchers": wanted})["vouchers"]
    for store, voucher in (("paris", issued[0]), ("web", issued[1])):
        answer = tills[store].redeem(barcode(deployment, voucher["serial"]), basket=basket(10_000))
        assert answer["discount_minor"] == 2_000

    redeemers = ask("GET", "/campaigns/minus-20/people?which=redeemers")
    others = ask("GET", "/campaigns/minus-20/people?which=non_redeemers")
    assert all(f"brand-{name}" in redeemers for name in names[:2])
    assert all(f"brand-{name}" in others for name in names[2:])
    by_store = {
        row["part"]["store"]: row["vouchers"]["redeemed"]
        for row in results(deployment, ask, "minus-20", "?by=store")
    }
    assert (by_store["paris"], by_store["web"]) == (1, 1)


def test_birthday_card_and_a_partners_code_in_one_mail(
    ask: Ask, client: FlaskClient, deployment: Deployment, tills: dict[str, Till]
) -> None:
    apply(ask, "birthday-card")
    apply(ask, "partner-code")
    with deployment.database.write() as session:
        key = access.create(session, "issue", [Scope.ISSUE], now=deployment.now())
    brought = client.post(
        "/api/v1/imports?campaign=partner-code",
        data="code\nRIVAGE-7F3K9Q2M\n",
        headers={"Authorization": f"Bearer {key}"},
    )
    queue.resume(deployment)
    _wait(lambda: ask("GET", f"/imports/{brought.get_json()['id']}")["status"] == "complete")
    mail = {
        "message_id": "birthday-2026-11-24",
        "template": 'Card: {{ wallet_link("birthday-card") }} '
        'Film: {{ promotional_code("partner-code") }}',
        "format": "text",
        "recipients": [{"external_id": "ada", "birth_date": "1990-11-24"}],
    }

    (message,) = _messages(ask("POST", "/messages/render", mail))
    link, _, film = message["text"].removeprefix("Card: ").partition(" Film: ")

    assert film == "RIVAGE-7F3K9Q2M"
    assert client.get(link.removeprefix(deployment.settings.base_url)).status_code == 200
    assert tills["paris"].redeem(film, basket=basket(1_000))["reason"] == "partner_only"
    people = ask("GET", "/campaigns/birthday-card/people?format=json")
    serial = people["serial"] if isinstance(people, dict) else people.split('"serial":"')[1][:16]
    paid = tills["paris"].redeem(
        barcode(deployment, serial), amount={"minor": 600, "currency": "EUR"}
    )
    assert paid["outcome"] == "accepted"
    (row,) = results(deployment, ask, "birthday-card")
    assert (row["vouchers"]["redeemed"], row["spent_minor"]) == (1, 600)


def test_redemptions_alone_end_the_reminder_and_earn_the_reward_until_they_are_a_year_old(
    ask: Ask, deployment: Deployment, tills: dict[str, Till], clock: Clock
) -> None:
    made = {"codes": {"source": "on_demand"}, "kind": "coupon", "currency": "EUR"}
    words = {"texts": {"en": {"title": "Shop", "offer": "−10 %"}}}
    plain = {**made, **words, "benefit": {"type": "percent", "percent": 10}, "timezone": "UTC"}
    keen = {"key": "keen", "when": [{"fact": "points", "at_least": 20}]}
    rules = {
        "welcome": None,
        "reminder": {"stops": [{"event": "redeemed", "days": 30}]},
        "reward": {"tiers": [keen], "points": {"redeemed": 10}, "points_within_days": 365},
    }
    for key, own in rules.items():
        ask(
            "POST",
            "/campaigns",
            {**plain, "key": key, "name": key} | ({"rules": own} if own else {}),
        )

    def decide(campaign: str, occasion: str = "", **more: Any) -> Any:
        candidates = [
            {"recipient": {"external_id": name}, "occasion": occasion} for name in ("ada", "bob")
        ]
        body = {"campaign": campaign, "candidates": candidates, **more}
        return ask("POST", "/decisions", body)["decisions"]

    def outcomes(campaign: str, occasion: str) -> list[str]:
        return [each["outcome"] for each in decide(campaign, occasion, dry_run=True)]

    def states(campaign: str) -> dict[str, str]:
        lines = ask("GET", f"/campaigns/{campaign}/people?format=json").splitlines()
        rows = [orjson.loads(line) for line in lines]
        return {row["external_id"]: row["status"] for row in rows}

    first, second = (decide("welcome", occasion)[0] for occasion in ("may", "june"))
    decide("reminder")
    tills["paris"].redeem(barcode(deployment, first["serial"]))
    clockwork.run(deployment)
    assert states("reminder") == {"ada": "revoked", "bob": "active"}
    assert outcomes("reminder", "next") == ["stopped", "given"]

    clock.advance(days=31)
    assert outcomes("reminder", "next") == ["given", "given"]
    assert outcomes("reward", "") == ["no_tier", "no_tier"]
    tills["web"].redeem(barcode(deployment, second["serial"]))
    assert outcomes("reward", "") == ["given", "no_tier"]
    (found,) = ask("GET", "/recipients/ada/points")["campaigns"]
    assert (found["campaign"], found["points"], found["within_days"]) == ("reward", 20, 365)

    clock.advance(days=365 - 31)
    (found,) = ask("GET", "/recipients/ada/points?campaign=reward")["campaigns"]
    assert (found["points"], found["events"][0]["booked"]) == (10, 1)
    assert outcomes("reward", "") == ["no_tier", "no_tier"]


def _messages(answer: Any) -> Any:
    """The rendered messages of an answer of lines or of one object."""
    if isinstance(answer, str):
        return [orjson.loads(line) for line in answer.splitlines() if line]
    return answer.get("messages", [answer])


def _wait(done: Callable[[], bool]) -> None:
    import time

    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until, "the import does not end"
        time.sleep(0.05)
