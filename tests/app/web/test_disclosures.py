"""Whoever is shown codes, or links that existed, leaves an event with how many, and nothing of
them; so does a supervisor's word.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.services import issuance, security
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.security import EventFilter, SecurityEventKind
from tests.conftest import Clock
from tests.marketing import apply
from tests.shop import Shop


@pytest.fixture
def api(client: FlaskClient, shop: Shop) -> Any:
    key = shop.key(Scope.ISSUE, Scope.CAMPAIGN)
    _ = shop.deployment.keyring
    apply(shop.deployment, codes={"source": "on_demand"})

    def post(path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        answer = client.post(f"/api/v1/{path}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer

    return post


def disclosed(deployment: Deployment) -> list[tuple[str, int, str | None, str | None]]:
    kinds = (SecurityEventKind.CODES_DISCLOSED, SecurityEventKind.LINKS_DISCLOSED)
    with deployment.database.read() as session:
        rows = security.listed(session, EventFilter(kinds=kinds), limit=99)
    return [(each.kind, each.count, each.object, each.reason) for each in reversed(rows)]


def people(*names: str) -> list[dict[str, Any]]:
    return [{"external_id": name} for name in names]


@pytest.mark.parametrize(
    ("template", "first", "again"),
    [
        ('{{ promotional_code("spring") }}', ("codes_disclosed", 3), ("codes_disclosed", 3)),
        ('{{ barcode("spring") }}', ("codes_disclosed", 3), ("codes_disclosed", 3)),
        ("[promotional_code(spring)]", ("codes_disclosed", 3), ("codes_disclosed", 3)),
        ('{{ wallet_link("spring") }}', None, ("links_disclosed", 3)),
    ],
)
def test_a_message_that_shows_codes_is_a_disclosure_and_one_with_links_when_sent_again(
    api: Any, deployment: Deployment, template: str, first: Any, again: Any
) -> None:
    told = []
    for _ in range(2):
        body = {"message_id": "m1", "template": template, "recipients": people("a", "b", "c")}
        assert len(api("messages/render", **body).text.splitlines()) == 3
        told = disclosed(deployment)
    about = ("campaign spring", "message m1")
    assert told == [(*each, *about) for each in (first, again) if each is not None]


def test_a_preview_discloses_nothing(api: Any, deployment: Deployment) -> None:
    template = '{{ promotional_code("spring") }}'
    api("messages/render", message_id="m", template=template, preview=True, recipients=people("a"))
    assert disclosed(deployment) == []


def test_the_event_names_the_key_though_the_answer_streams(
    api: Any, deployment: Deployment, client: FlaskClient
) -> None:
    template = '{{ promotional_code("spring") }}'
    api("messages/render", message_id="m", template=template, recipients=people("a")).get_data()
    with deployment.database.read() as session:
        (event,) = security.listed(
            session, EventFilter(kinds=[SecurityEventKind.CODES_DISCLOSED]), limit=9
        )
        made = security.listed(session, EventFilter(kinds=[SecurityEventKind.KEY_CREATED]), limit=9)
    assert f"key pk_{event.key_prefix}" in {each.object for each in made}
    assert event.address == "127.0.0.1"


def test_links_that_are_asked_for_again_are_one_event_with_their_count(
    api: Any, deployment: Deployment
) -> None:
    wanted = [{"recipient": each} for each in people("a", "b")]
    first = api("vouchers", campaign="spring", vouchers=wanted).get_json()
    assert disclosed(deployment) == []
    more = [*wanted, {"recipient": {"external_id": "c"}}]
    again = api("vouchers", campaign="spring", vouchers=more).get_json()
    assert [each["fresh"] for each in again["vouchers"]] == [False, False, True]
    assert disclosed(deployment) == [("links_disclosed", 2, "campaign spring", "asked for again")]

    serial = first["vouchers"][0]["serial"]
    now = api(f"vouchers/{serial}/reissue", reason="leaked").get_json()["serial"]
    api(f"vouchers/{serial}/reissue")
    assert disclosed(deployment)[1:] == [
        ("links_disclosed", 1, f"voucher {now}", "asked for again"),
    ]
    with deployment.database.read() as session:
        (event,) = security.listed(
            session, EventFilter(kinds=[SecurityEventKind.VOUCHER_REISSUED]), limit=9
        )
    assert (event.object, event.reason) == (f"voucher {serial}", f"now {now}: leaked")


def test_a_file_with_codes_in_clear_is_a_disclosure_and_is_its_owners_alone(
    api: Any, deployment: Deployment, tmp_path: Path
) -> None:
    source, out = tmp_path / "people.csv", tmp_path / "links.csv"
    source.write_text("external_id\na\nb\n")
    out.write_text("of an earlier run")
    out.chmod(0o644)
    issuance.issue_file(deployment, "spring", source, out, clear_codes=True)
    assert disclosed(deployment) == [
        ("codes_disclosed", 2, "campaign spring", "issued with codes in clear")
    ]
    with out.open() as file:
        codes = [row["code"] for row in csv.DictReader(file)]
    assert out.stat().st_mode & 0o777 == 0o600
    with deployment.database.read() as session:
        every = repr(security.listed(session, EventFilter(), limit=99))
    assert all(codes)
    assert not any(code in every for code in codes)


def test_a_supervisors_word_is_an_event_of_its_own(
    deployment: Deployment, client: FlaskClient, shop: Shop, clock: Clock
) -> None:
    shop.campaign("sun")
    voucher = shop.voucher("sun", ends_at=clock.now)
    clock.advance(days=1)
    key = shop.key(Scope.POS, Scope.POS_SUPERVISOR, store="paris", terminal="1")
    answer = client.post(
        "/pos/v1/redemptions",
        json={
            "items": [{"barcode": voucher.barcode}],
            "operator": "ada",
            "override": {"reasons": ["expired"], "because": "the snow"},
        },
        headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "1"},
    ).get_json()
    with deployment.database.read() as session:
        rows = security.listed(
            session, EventFilter(kinds=[SecurityEventKind.REFUSAL_OVERRIDDEN]), limit=9
        )
    assert answer["outcome"] == "accepted", answer
    (event,) = rows
    assert (event.operator, event.terminal) == ("ada", "paris/1")
    assert event.key_prefix == key.split("_")[1]
    assert (event.object, event.reason) == (f"voucher {voucher.serial}", "expired: the snow")


def test_what_is_withdrawn_and_who_is_forgotten_is_recorded_once(
    api: Any, deployment: Deployment, client: FlaskClient, shop: Shop
) -> None:
    wanted = [{"recipient": each} for each in people("a", "b", "c")]
    issued = api("vouchers", campaign="spring", vouchers=wanted).get_json()["vouchers"]
    serials = [each["serial"] for each in issued]
    for _ in range(2):
        api("vouchers/updates", serials=serials[:2], action="withdraw", reason="fraud")
        api(f"vouchers/{serials[2]}/withdraw", what="link")
    admin = {"Authorization": f"Bearer {shop.key(Scope.ADMIN)}"}
    assert client.get("/api/v1/recipients/a", headers=admin).status_code == 200
    assert client.delete("/api/v1/recipients/a", headers=admin).status_code == 200

    kinds = (SecurityEventKind.VOUCHER_WITHDRAWN, SecurityEventKind.LINK_WITHDRAWN)
    with deployment.database.read() as session:
        taken = security.listed(session, EventFilter(kinds=kinds), limit=99)
        kinds = (SecurityEventKind.PERSON_DISCLOSED, SecurityEventKind.PERSON_FORGOTTEN)
        forgotten, shown = security.listed(session, EventFilter(kinds=kinds), limit=99)
    assert [(each.kind, each.count, each.object, each.reason) for each in taken] == [
        ("link_withdrawn", 1, f"voucher {serials[2]}", None),
        ("voucher_withdrawn", 1, f"voucher {serials[1]}", "fraud"),
        ("voucher_withdrawn", 1, f"voucher {serials[0]}", "fraud"),
    ]
    assert (shown.kind, forgotten.kind) == ("person_disclosed", "person_forgotten")
    assert shown.object == forgotten.object
    assert "'a'" not in repr((shown, forgotten))
