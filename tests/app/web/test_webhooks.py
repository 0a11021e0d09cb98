"""Webhooks are managed at /api/v1/webhooks by keys of the scope `campaign`."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.services import access
from app.services.access import Scope
from app.services.deployment import Deployment
from tests.storefront import Storefront


@pytest.fixture
def campaign(storefront: Storefront) -> str:
    storefront.campaign()
    return "coupon-1"


def key(deployment: Deployment, *scopes: Scope, campaigns: list[str] | None = None) -> Any:
    with deployment.database.write() as session:
        made = access.create(
            session, "test", scopes or (Scope.CAMPAIGN,), now=deployment.now(), campaigns=campaigns
        )
    return {"Authorization": f"Bearer {made}"}


def test_webhook_is_made_shown_changed_and_removed_and_its_secret_is_shown_once(
    client: FlaskClient, deployment: Deployment, campaign: str
) -> None:
    headers = key(deployment)
    answer = client.post(
        "/api/v1/webhooks",
        json={"url": "https://example.test/hook", "campaigns": [campaign], "kinds": ["redeemed"]},
        headers=headers,
    )
    assert answer.status_code == 201
    made = answer.get_json()
    assert made["secret"].startswith("whsec_")
    path = f"/api/v1/webhooks/{made['id']}"

    shown = client.get(path, headers=headers).get_json()
    assert "secret" not in shown
    assert (shown["status"], shown["waiting"], shown["dead"]) == ("active", 0, 0)

    changed = client.patch(path, json={"active": False, "kinds": []}, headers=headers).get_json()
    assert (changed["status"], changed["kinds"], changed["campaigns"]) == (
        "disabled",
        [],
        [campaign],
    )
    rotated = client.post(f"{path}/secret", headers=headers).get_json()
    assert rotated["secret"] != made["secret"]
    assert rotated["rotating_until"] is not None
    assert client.post(f"{path}/replay", headers=headers).get_json() == {"replayed": 0}
    assert client.get(f"{path}/dead", headers=headers).get_json() == {"dead": []}

    assert client.delete(path, headers=headers).status_code == 204
    assert client.get(path, headers=headers).status_code == 404
    assert client.get("/api/v1/webhooks", headers=headers).get_json() == {"webhooks": []}


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ({"url": "https://user:pw@example.test/"}, "password"),
        ({"url": "https://example.test/", "campaigns": ["none"]}, "No such campaign: none"),
    ],
)
def test_faulty_webhook_is_refused_with_its_cause(
    client: FlaskClient, deployment: Deployment, body: Any, cause: str
) -> None:
    answer = client.post("/api/v1/webhooks", json=body, headers=key(deployment))

    assert answer.status_code == 422
    assert cause in answer.get_json()["detail"]


def test_key_bound_to_a_campaign_sees_and_makes_only_that_campaigns_webhooks(
    client: FlaskClient, deployment: Deployment, campaign: str
) -> None:
    everything = client.post(
        "/api/v1/webhooks", json={"url": "https://example.test/"}, headers=key(deployment)
    ).get_json()
    bound = key(deployment, campaigns=[campaign])

    assert client.get("/api/v1/webhooks", headers=bound).get_json() == {"webhooks": []}
    path = f"/api/v1/webhooks/{everything['id']}"
    assert client.delete(path, headers=bound).status_code == 404
    refused = client.post("/api/v1/webhooks", json={"url": "https://example.test/"}, headers=bound)
    assert refused.status_code == 403
    own = {"url": "https://example.test/", "campaigns": [campaign]}
    assert client.post("/api/v1/webhooks", json=own, headers=bound).status_code == 201


def test_other_scopes_are_refused(client: FlaskClient, deployment: Deployment) -> None:
    headers = key(deployment, Scope.ISSUE)

    assert client.get("/api/v1/webhooks", headers=headers).status_code == 403
    assert client.get("/api/v1/webhooks").status_code == 401
