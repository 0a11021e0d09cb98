"""The marketers' API: campaigns, imports, vouchers, messages, and what a key may touch."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.services import access
from app.services.access import Scope
from app.services.deployment import Deployment
from app.store.models import Campaign, Code, Voucher
from tests.marketing import apply, bring, card, document, working


@pytest.fixture
def headers(deployment: Deployment) -> dict[str, str]:
    return _key(deployment, Scope.CAMPAIGN, Scope.ISSUE)


def _key(
    deployment: Deployment, *scopes: Scope, campaigns: list[str] | None = None
) -> dict[str, str]:
    _ = deployment.keyring
    with deployment.database.write() as session:
        key = access.create(session, "test", scopes, now=deployment.now(), campaigns=campaigns)
    return {"Authorization": f"Bearer {key}"}


def _count(deployment: Deployment, model: type) -> int:
    with deployment.database.read() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_campaign_is_shown_before_it_is_applied_and_changes_what_it_says(
    client: FlaskClient, headers: dict[str, str], deployment: Deployment
) -> None:
    shown = client.post("/api/v1/campaigns?dry_run=true", json=document(), headers=headers)
    assert shown.json is not None
    assert shown.json["created"]
    assert _count(deployment, Campaign) == 0

    def send(**changes: Any) -> dict[str, Any]:
        answer = client.post("/api/v1/campaigns", json=document(**changes), headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json or {}
        return found

    assert (send()["revision"], send()["revision"], send()["changes"]) == (1, 1, [])
    # Other terms are for vouchers to come: nothing that is in a wallet shows them.
    terms = send(benefit={"type": "percent", "percent": 25})
    assert [change["at"] for change in terms["changes"]] == ["terms.benefit.percent"]
    assert (terms["revision"], terms["version"], terms["google"]) == (2, 1, None)
    look = send(benefit={"type": "percent", "percent": 25}, look={"background": "#112233"})
    assert (look["revision"], look["version"]) == (3, 2)
    assert look["google"] == {"passes": 0, "seconds": 0.0}


def test_a_language_without_words_of_ours_is_said_and_applied_all_the_same(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    texts = {
        each: {"title": "On everything", "offer": "−20 %", "terms": "Once."}
        for each in ("en", "sv", "pt-BR")
    }
    answer = client.post("/api/v1/campaigns", json=document(texts=texts), headers=headers)
    assert answer.status_code == 200
    (warning,) = answer.json["warnings"]
    assert warning["at"] == "texts.sv"
    assert "in English" in warning["cause"]
    assert answer.json["applied"]


def test_every_fault_of_a_campaign_is_named_with_its_place(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    faulty = document(
        timezone="Mars/Olympus",
        codes={"source": "generated", "pattern": "A-####"},
        benefit={"type": "amount", "percent": 5},
        validity={"starts": "2026-05-01", "ends": "2026-04-01", "dayz": 3},
        texts={"fr": {"title": "x"}},
        colour="red",
    )
    answer = client.post("/api/v1/campaigns", json=faulty, headers=headers)

    assert answer.status_code == 422
    assert answer.json is not None
    assert {error["at"] for error in answer.json["errors"]} >= {
        "timezone",
        "codes.pattern",
        "benefit.amount",
        "benefit.percent",
        "validity.dayz",
        "texts.en",
        "colour",
    }


def test_what_vouchers_rely_on_does_not_change(
    client: FlaskClient, headers: dict[str, str], deployment: Deployment
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    body = {"campaign": "spring", "vouchers": [{"recipient": {"external_id": "a"}}]}
    assert client.post("/api/v1/vouchers", json=body, headers=headers).status_code == 200

    answer = client.post("/api/v1/campaigns", json=card(key="spring"), headers=headers)

    assert answer.json is not None
    assert {error["at"] for error in answer.json["errors"]} == {"kind"}


def test_an_upload_is_loaded_behind_the_answer_and_says_how_far_it_is(
    client: FlaskClient, headers: dict[str, str], deployment: Deployment
) -> None:
    apply(deployment)
    data = b"code\n" + b"".join(b"CODE%05d\n" % n for n in range(9_000)) + b"CODE00000\n"

    answer = client.post("/api/v1/imports?campaign=spring", data=data, headers=headers)

    assert answer.status_code == 202, answer.text
    place = answer.headers["Location"]
    with working(deployment):
        deadline = time.monotonic() + 60
        while (found := client.get(place, headers=headers).json or {})["status"] != "complete":
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
    assert (found["accepted"], found["rejected"]) == (9_000, 1)
    rejects = client.get(f"{place}/rejects", headers=headers).text
    assert rejects.splitlines()[1] == '9002,duplicate,"Line 2 has the same code."'
    again = client.post("/api/v1/imports?campaign=spring", data=data, headers=headers)
    assert again.json is not None
    assert again.json["known"]


def test_a_key_bound_to_a_campaign_learns_nothing_of_the_others(
    client: FlaskClient, deployment: Deployment
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    apply(deployment, key="autumn", codes={"source": "on_demand"})
    bound = _key(deployment, Scope.ISSUE, campaigns=["autumn"])
    recipients = [{"external_id": "a"}]

    def issue(campaign: str) -> Any:
        body = {"campaign": campaign, "vouchers": [{"recipient": recipients[0]}]}
        return client.post("/api/v1/vouchers", json=body, headers=bound)

    def render(campaign: str) -> Any:
        body = {
            "message_id": "m",
            "template": f'{{{{ wallet_link("{campaign}") }}}}',
            "recipients": recipients,
        }
        return client.post("/api/v1/messages/render", json=body, headers=bound)

    assert issue("autumn").status_code == 200
    assert render("autumn").status_code == 200
    for call in (issue, render):
        there, nowhere = call("spring"), call("nothing")
        assert there.status_code == nowhere.status_code != 200
        assert there.json["code"] == nowhere.json["code"]
    assert client.post("/api/v1/campaigns", json=document(), headers=bound).status_code == 403


def test_invitations_are_made_for_many_and_each_is_good_for_one_voucher(
    client: FlaskClient, deployment: Deployment
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    bound = _key(deployment, Scope.ISSUE, campaigns=["spring"])
    door = "/api/v1/campaigns/spring/invitations"
    body = {
        "recipients": [
            {"external_id": "lea@example.com", "language": "fr", "attributes": {"city": "Lyon"}},
            {"external_id": "tom@example.com"},
        ],
        "occasion": "summer",
        "days": 2,
    }
    answer = client.post(door, json=body, headers=bound)

    assert answer.status_code == 200, answer.text
    made = answer.json
    # Two days after 21 November are over in Paris at 23:00 UTC.
    assert made["expires_at"] == "2026-11-23T23:00:00Z"
    links = [each["invitation_link"] for each in made["invitations"]]
    assert [each["external_id"] for each in made["invitations"]] == [
        "lea@example.com",
        "tom@example.com",
    ]
    assert not any("example" in link.removeprefix("http://") for link in links)
    assert _count(deployment, Voucher) == 0
    for _ in range(2):
        for link in links:
            taken = client.post(link.removeprefix(deployment.settings.base_url))
            assert taken.status_code == 303
    with deployment.database.read() as session:
        occasions = session.scalars(select(Voucher.occasion)).all()
    assert occasions == ["summer", "summer"]


def test_nobody_is_invited_without_the_right_to_issue_or_with_too_much_to_say(
    client: FlaskClient, deployment: Deployment
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    apply(deployment, key="autumn", codes={"source": "on_demand"})
    bound = _key(deployment, Scope.ISSUE, campaigns=["spring"])
    one = {"recipients": [{"external_id": "a"}]}

    def ask(campaign: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        return client.post(f"/api/v1/campaigns/{campaign}/invitations", json=body, headers=headers)

    assert ask("spring", one, _key(deployment, Scope.REPORT)).status_code == 403
    forbidden, absent = ask("autumn", one, bound), ask("nothing", one, bound)
    assert forbidden.status_code == absent.status_code == 404
    assert forbidden.json["code"] == absent.json["code"] == "campaign_unknown"
    free = _key(deployment, Scope.ISSUE)
    assert ask("nothing", one, free).json["code"] == "campaign_unknown"
    long = {
        "recipients": [{"external_id": "a"}, {"external_id": "b", "attributes": {"x": "y" * 2000}}]
    }
    refused = ask("spring", long, free)
    assert (refused.status_code, refused.json["code"]) == (422, "not_invited")
    assert refused.json["errors"][0]["at"] == "recipients.1"
    assert ask("spring", {"recipients": []}, free).status_code == 422


def test_a_message_mints_once_for_each_recipient_and_a_preview_mints_nothing(
    client: FlaskClient, headers: dict[str, str], deployment: Deployment
) -> None:
    apply(deployment)
    bring(deployment, b"".join(b"CODE%04d\n" % n for n in range(3)))
    body: dict[str, Any] = {
        "message_id": "spring-mail",
        "format": "text",
        "template": "Hi {{ recipient.name }}: [shop:promotional_code(spring)] "
        '{{ wallet_link("spring") }}',
        "recipients": [{"external_id": n, "attributes": {"name": f"<{n}>"}} for n in "abcd"],
    }

    def send(**changes: Any) -> list[dict[str, str]]:
        answer = client.post("/api/v1/messages/render", json=body | changes, headers=headers)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    assert send(preview=True)[0]["text"].startswith("Hi <a>: SAMPLE-CODE https://example.invalid")
    assert _count(deployment, Voucher) == 0
    first = send()
    assert [line["external_id"] for line in first] == list("abcd")
    assert len({line["text"].split()[2] for line in first[:3]}) == 3
    assert "No code of spring is left" in first[3]["fault"]
    assert "text" not in first[3]
    assert send() == first
    html = send(format="html", template='{{ recipient.name }} {{ wallet_buttons("spring") }}')
    assert html[0]["text"].startswith("&lt;a&gt; <a href=")
    assert _count(deployment, Voucher) == 3


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_buttons_and_barcodes_are_addresses_in_text_and_elements_in_html(
    client: FlaskClient, headers: dict[str, str], deployment: Deployment
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    rules = {"tiers": [{"key": "all", "when": [{"fact": "score", "above": 9}]}]}
    apply(deployment, key="ruled", codes={"source": "on_demand"}, rules=rules)

    def send(key: str, form: str, **more: Any) -> str:
        functions = ("wallet_link", "wallet_buttons", "barcode", "promotional_code")
        body = {
            "message_id": "m",
            "format": form,
            "template": "|".join(f'{{{{ {name}("{key}") }}}}' for name in functions),
            "recipients": [{"external_id": "ada"}],
            **more,
        }
        answer = client.post("/api/v1/messages/render", json=body, headers=headers)
        text: str = json.loads(answer.text.splitlines()[0])["text"]
        return text

    link, buttons, barcode, code = send("spring", "text").split("|")
    assert buttons == f"{link}/apple\n{link}/google"
    assert barcode == f"{link}/code.png"
    path = barcode.removeprefix(deployment.settings.base_url)
    assert client.get(path).mimetype == "image/png"
    in_html = send("spring", "html").split("|")
    assert in_html == [
        link,
        f'<a href="{link}/apple">Apple Wallet</a> <a href="{link}/google">Google Wallet</a>',
        f'<img src="{barcode}" alt="{code}" width="200">',
        code,
    ]
    assert "SAMPLE-CODE" in send("spring", "html", preview=True).split("|")[2]
    # Who gets nothing by the rules has no button that leads nowhere.
    assert send("ruled", "html") == send("ruled", "text") == "|||"


def test_a_branch_that_is_not_taken_mints_nothing(
    client: FlaskClient, headers: dict[str, str], deployment: Deployment
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    template = '{% if recipient.vip %}{{ promotional_code("spring") }}{% else %}none{% endif %}'
    body = {
        "message_id": "m",
        "template": template,
        "recipients": [
            {"external_id": "a", "attributes": {"vip": True}},
            {"external_id": "b", "attributes": {"vip": False}},
        ],
    }
    lines = client.post("/api/v1/messages/render", json=body, headers=headers).text.splitlines()

    assert json.loads(lines[1])["text"] == "none"
    assert len(json.loads(lines[0])["text"]) == 11
    assert _count(deployment, Code) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ recipient.keys() }}",
        "{{ wallet_link.__globals__ }}",
        "{{ 'x' * 999999999 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'x'.ljust(999999999) }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'x'|center(999999999) }}",
        "{% for a in recipient.name %}{% for b in recipient.name %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set x = 'a' %}{{ x }}",
        "{% include 'pass.html' %}",
        "{% import 'os' as os %}",
        "{{ range(999999999) }}",
        "{{ config }}",
        "{{ wallet_link(recipient.name) }}",
        "{{ unfinished",
        "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    ],
)
def test_a_template_reaches_nothing_but_its_recipient_and_the_functions(
    template: str, client: FlaskClient, headers: dict[str, str]
) -> None:
    body = {
        "message_id": "m",
        "template": template,
        "recipients": [{"external_id": "a", "attributes": {"name": "Ada"}}],
    }
    answer = client.post("/api/v1/messages/render", json=body, headers=headers)

    if answer.status_code == 200:
        assert set(json.loads(answer.text)) == {"external_id", "fault"}
    else:
        assert (answer.status_code, (answer.json or {})["code"]) == (422, "template_faulty")


def test_a_withdrawn_voucher_says_so_to_its_holder(
    client: FlaskClient, headers: dict[str, str], deployment: Deployment
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    body = {"campaign": "spring", "vouchers": [{"recipient": {"external_id": "a"}}]}
    answer = client.post("/api/v1/vouchers", json=body, headers=headers)
    assert answer.json is not None
    serial = answer.json["vouchers"][0]["serial"]
    place = f"/api/v1/vouchers/{serial}/withdraw"

    assert client.post(place, json={"what": "voucher"}, headers=headers).status_code == 200

    with deployment.database.read() as session:
        assert session.scalars(select(Voucher.status)).one() == "revoked"
    other = _key(deployment, Scope.ISSUE, campaigns=[])
    assert client.post(place, json={}, headers=other).status_code == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_update_warns_of_words_that_say_another_value_until_they_come_with_it(
    client: FlaskClient, headers: dict[str, str], deployment: Deployment
) -> None:
    apply(deployment)

    def warnings(**body: Any) -> list[str]:
        answer = client.post(
            "/api/v1/campaigns/spring/updates", json={"dry_run": True, **body}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        found: list[str] = (answer.json or {})["warnings"]
        return found

    assert [each.split(": says ")[0] for each in warnings(percent=30)] == ["texts.en.offer"]
    words = {"texts": {"en": {"offer": "−30 %"}}}
    assert warnings(percent=30, presentation=words) == warnings(uses=3) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_budget_below_what_was_taken_is_refused_with_the_amount_in_its_currency(
    client: FlaskClient, headers: dict[str, str], deployment: Deployment
) -> None:
    apply(deployment, budget={"amount": "100.00"})
    with deployment.database.write() as session:
        session.execute(update(Campaign).values(used_minor=5_050))

    answer = client.post(
        "/api/v1/campaigns", json=document(budget={"amount": "20.00"}), headers=headers
    )

    assert answer.json is not None
    (error,) = answer.json["errors"]
    assert error["at"] == "budget.amount"
    assert error["cause"].startswith("is below the €50.50 taken already.")
