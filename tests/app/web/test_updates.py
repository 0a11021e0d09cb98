"""The marketer's trigger: one row, told beforehand, at a time, paused, and seen to arrive."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import event, select
from werkzeug.test import TestResponse

from app.cli import main
from app.domain.campaign import Texts
from app.services import (
    access,
    clockwork,
    heartbeats,
    updates,
)
from app.services.access import Scope
from app.services.changes import Change, Subject
from app.services.deployment import Deployment
from app.services.metrics import REGISTRY
from app.services.wallets import holdings
from app.services.wallets.apple import registrations
from app.services.wallets.apple.listing import list_changed, record_fetch
from app.services.wallets.apple.pkpass import signed_pass
from app.services.wallets.health import Meter
from app.services.wallets.holdings import Holding
from app.store.models import AppleDevice, Campaign, Event, GoogleClass, GoogleObject, Voucher
from tests.conftest import Clock
from tests.serving import environment
from tests.storefront import Issued, Storefront, days

#: Calls a second to Google, so that few passes take minutes.
SLOW = 1


class Marketer:
    """Calls the API as a marketer's system does."""

    def __init__(self, client: FlaskClient, house: Deployment, *scopes: Scope) -> None:
        self._client = client
        with house.database.write() as session:
            key = access.create(session, "marketer", list(scopes), now=house.now())
        self._headers = {"Authorization": f"Bearer {key}"}

    def post(self, path: str, body: dict[str, Any] | None = None) -> TestResponse:
        return self._client.post(f"/api/v1{path}", json=body or {}, headers=self._headers)

    def get(self, path: str) -> TestResponse:
        return self._client.get(f"/api/v1{path}", headers=self._headers)

    def delete(self, path: str) -> TestResponse:
        return self._client.delete(f"/api/v1{path}", headers=self._headers)


@pytest.fixture
def marketer(client: FlaskClient, deployment: Deployment) -> Marketer:
    return Marketer(client, deployment, Scope.CAMPAIGN, Scope.REPORT)


def install(house: Deployment, issued: Issued, *, device: str = "d1") -> None:
    """Put the pass on a device, as far as the service knows."""
    with house.database.write() as session:
        registrations.register(
            session,
            library_id=device,
            push_token="ab" * 32,
            voucher_id=issued.id,
            now=house.now(),
        )
        list_changed(session.connection(), library_id=device, tag=None, now=house.now())


def holding(house: Deployment, issued: Issued) -> Holding:
    with house.database.read() as session:
        found = holdings.find(session, issued.public_id)
        assert found is not None
        return found


def key_of(house: Deployment, campaign: int) -> str:
    with house.database.read() as session:
        return session.get_one(Campaign, campaign).key


def test_an_update_says_whom_it_touches_and_writes_no_row_of_a_holder(
    marketer: Marketer, deployment: Deployment, storefront: Storefront
) -> None:
    campaign = storefront.campaign()
    key = key_of(deployment, campaign)
    for number in range(3):
        install(deployment, storefront.voucher(campaign), device=f"d{number}")
    install(deployment, storefront.voucher(campaign), device="d0")
    path = f"/campaigns/{key}/updates"
    body = {"presentation": {"texts": {"en": {"offer": "-30 %"}}}}
    dry = marketer.post(path, body | {"dry_run": True})
    assert dry.status_code == 200
    assert dry.json == {
        "touches": {"passes": 4, "devices": 3, "objects": 0},
        "google": {"passes": 0, "seconds": 0.0},
        "warnings": [],
    }
    told: list[Change] = []
    deployment.database.committed = told.extend
    written: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            written.append(statement.split()[2 if statement.startswith("INSERT") else 1])

    event.listen(deployment.database.engine, "before_cursor_execute", note)
    ordered = marketer.post(path, body)
    event.remove(deployment.database.engine, "before_cursor_execute", note)
    assert ordered.status_code == 202
    assert ordered.json is not None
    assert ordered.json["status"] == "delivering"
    assert set(written) <= {"campaign", "revision", "campaign_update", "api_key"}
    assert written.count("campaign") == 1
    assert told == [Change(Subject.CAMPAIGN, campaign)]
    progress = marketer.get(f"/updates/{ordered.json['id']}").json
    assert progress is not None
    assert (progress["installed"], progress["pushed"], progress["fetched"]) == (4, 0, 0)
    issued = storefront.voucher(campaign)
    assert holding(deployment, issued).presentation.in_language("en").offer == "-30 %"
    assert holding(deployment, issued).presentation.in_language("en").title == "On everything"


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        ({"presentation": {"texts": {"en": {"title": "Another"}}}}, 0),
        ({"presentation": {"texts": {"de": {"title": "Auf alles", "offer": "−20 %"}}}}, 240),
        ({"message": {"en": "Two days left"}}, 240),
        ({"percent": 30}, 240),
    ],
    ids=["class alone", "language", "message", "terms"],
)
def test_an_update_says_beforehand_how_long_it_takes_at_google_as_the_command_does(
    marketer: Marketer,
    deployment: Deployment,
    storefront: Storefront,
    tmp_path: Path,
    body: dict[str, Any],
    passes: int,
) -> None:
    campaign = storefront.campaign()
    key = key_of(deployment, campaign)
    vouchers = [storefront.voucher(campaign).id for _ in range(240)]
    with deployment.database.write() as session:
        session.add_all(
            GoogleObject(
                voucher_id=voucher,
                object_id=f"1.{voucher}",
                status="inserted",
                created_at=deployment.now(),
            )
            for voucher in vouchers
        )
    words = ["campaign", "update", key]
    if "presentation" in body:
        (tmp_path / "look.json").write_text(json.dumps(body["presentation"]))
        words += ["--presentation", str(tmp_path / "look.json")]
    words += [f"--message=en={text}" for text in body.get("message", {}).values()]
    words += [f"--percent={body['percent']}"] if "percent" in body else []
    settings = environment(replace(deployment.settings, google_rate=SLOW))
    said = CliRunner().invoke(main, words, input="n\n", env=settings).output

    dry = marketer.post(f"/campaigns/{key}/updates", body | {"dry_run": True})
    ordered = marketer.post(f"/campaigns/{key}/updates", body)

    assert dry.json is not None
    assert ordered.json is not None
    assert dry.json["google"] == {
        "passes": passes,
        "seconds": passes / deployment.settings.google_rate,
    }
    assert ordered.json["google"] == dry.json["google"]
    told = f"{passes} passes are updated one by one, {passes // SLOW // 60} minutes in all."
    assert (told if passes else "one call updates every pass.") in said


def test_a_dry_run_refuses_what_the_update_would_be_refused_for(
    marketer: Marketer, deployment: Deployment, storefront: Storefront
) -> None:
    path = f"/campaigns/{key_of(deployment, storefront.campaign())}/updates"
    body = {"presentation": {"look": {"logo": "0" * 64}}}

    dry = marketer.post(path, body | {"dry_run": True})
    real = marketer.post(path, body)

    assert (dry.status_code, real.status_code) == (422, 422)
    assert dry.json is not None
    assert real.json is not None
    assert (dry.json["code"], dry.json["detail"]) == (real.json["code"], real.json["detail"])


def test_progress_follows_what_phones_were_told(
    marketer: Marketer, deployment: Deployment, storefront: Storefront
) -> None:
    campaign = storefront.campaign()
    issued = storefront.voucher(campaign)
    install(deployment, issued)
    ordered = marketer.post(
        f"/campaigns/{key_of(deployment, campaign)}/updates", {"message": {"en": "Two days left"}}
    ).json
    assert ordered is not None
    with deployment.database.write() as session:
        now = deployment.now()
        list_changed(session.connection(), library_id="d1", tag=None, now=now)
        pair = holding(deployment, issued).pair
        record_fetch(session.connection(), issued.id, pair, now=now)
    progress = marketer.get(f"/updates/{ordered['id']}").json
    assert progress is not None
    assert progress["status"] == "delivered"
    assert (progress["pushed"], progress["listed"], progress["fetched"]) == (1, 1, 1)


def test_a_message_stands_on_the_pass_and_replaces_the_last_one(
    marketer: Marketer, deployment: Deployment, storefront: Storefront
) -> None:
    campaign = storefront.campaign()
    issued = storefront.voucher(campaign)
    path = f"/campaigns/{key_of(deployment, campaign)}/updates"
    for text in ("Soon over", "Over tonight"):
        assert marketer.post(path, {"message": {"en": text}}).status_code == 202
    fields = holding(deployment, issued).presentation.fields
    assert [field.value for field in fields] == [{"en": "Over tonight"}]
    assert signed_pass(deployment, holding(deployment, issued), now=deployment.now()).startswith(
        b"PK"
    )


def test_an_override_prolongs_every_holder_and_shortens_none_unless_forced(
    marketer: Marketer, deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    path = f"/campaigns/{key_of(deployment, campaign)}/updates"
    short = storefront.voucher(campaign, ends_at=clock() + days(1))
    long = storefront.voucher(campaign, ends_at=clock() + days(30))
    for_ever = storefront.voucher(campaign)
    until = clock() + days(7)
    marketer.post(path, {"ends_at": until.isoformat()})
    assert holding(deployment, short).ends_at == until
    assert holding(deployment, long).ends_at == clock() + days(30)
    assert holding(deployment, for_ever).ends_at is None
    marketer.post(path, {"ends_at": until.isoformat(), "forced": True})
    assert holding(deployment, long).ends_at == until
    assert holding(deployment, for_ever).ends_at == until


def test_a_scheduled_update_waits_for_its_time_and_can_be_cancelled_until_then(
    marketer: Marketer, deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    issued = storefront.voucher(campaign)
    path = f"/campaigns/{key_of(deployment, campaign)}/updates"
    at = (clock() + dt.timedelta(hours=2)).isoformat()
    orders = [
        marketer.post(path, {"message": {"en": text}, "at": at}).json for text in ("one", "two")
    ]
    assert all(order is not None and order["status"] == "scheduled" for order in orders)
    first, second = (str(order["id"]) for order in orders if order)
    assert marketer.delete(f"/updates/{second}").json["status"] == "cancelled"  # type: ignore[index]
    clockwork.run(deployment)
    assert holding(deployment, issued).presentation.fields == ()
    clock.advance(hours=3)
    clockwork.run(deployment)
    clockwork.run(deployment)
    found = holding(deployment, issued)
    assert [field.value for field in found.presentation.fields] == [{"en": "one"}]
    assert found.campaign.version == 2
    refused = marketer.delete(f"/updates/{first}")
    assert refused.status_code == 409
    assert refused.json is not None
    assert refused.json["code"] == "already_published"


def test_a_faulty_update_is_refused_before_its_time_with_the_member_named(
    marketer: Marketer, deployment: Deployment, storefront: Storefront
) -> None:
    path = f"/campaigns/{key_of(deployment, storefront.campaign())}/updates"
    for body, word in (
        ({}, "changes nothing"),
        ({"presentation": {"colour": "red"}}, "presentation.colour"),
        ({"presentation": {"texts": {"en": {"headline": "x"}}}}, "presentation.texts.en.headline"),
        ({"presentation": {"places": 5}}, "presentation.places"),
    ):
        answer = marketer.post(path, body)
        assert answer.status_code == 422, body
        assert word in answer.text
    assert marketer.post("/campaigns/none/updates", {"message": {"en": "x"}}).status_code == 404


@pytest.mark.parametrize(
    "patch",
    [
        {"look": {"background": "red"}},
        {"links": [{"url": "javascript:alert(1)"}]},
        {"links": [{"url": "http://shop.example"}]},
        {"look": {"logo": "0" * 64}},
        {"look": {"banner": "f" * 64}},
        {"symbology": "nope"},
        {"symbology": "code128"},
        {"default_language": "zz"},
        {"default_language": "de"},
        {"texts": {"zz": {"title": "?"}}},
    ],
)
@pytest.mark.parametrize("at", [None, "2026-11-22T03:00:00+00:00"])
def test_an_update_of_which_no_pass_can_be_made_is_refused_and_leaves_passes_whole(
    marketer: Marketer,
    deployment: Deployment,
    storefront: Storefront,
    patch: dict[str, Any],
    at: str | None,
) -> None:
    campaign = storefront.campaign()
    issued = storefront.voucher(campaign)
    path = f"/campaigns/{key_of(deployment, campaign)}/updates"

    refused = marketer.post(path, {"presentation": patch, "at": at})

    assert refused.status_code == 422, refused.text
    assert refused.get_json()["code"] == "invalid_presentation"
    assert refused.get_json()["remedy"]
    assert marketer.get(path).get_json()["updates"] == []
    assert signed_pass(deployment, holding(deployment, issued), now=deployment.now())


def test_a_scheduled_update_that_fits_no_more_fails_with_the_cause_and_publishes_nothing(
    marketer: Marketer, deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    path = f"/campaigns/{key_of(deployment, campaign)}/updates"
    later = {"presentation": {"default_language": "fr"}, "at": "2026-11-22T03:00:00Z"}
    assert marketer.post(path, later).status_code == 202
    storefront.revise(campaign, texts={"en": Texts(title="In one language now")})

    clock.now += days(2)
    updates.apply_due(deployment)

    (update,) = marketer.get(path).get_json()["updates"]
    assert (update["status"], update["version"]) == ("failed", None)
    assert "texts.fr: is missing" in update["failure"]


def test_a_paused_campaign_says_so_and_goes_on(
    marketer: Marketer, deployment: Deployment, storefront: Storefront
) -> None:
    campaign = storefront.campaign()
    key = key_of(deployment, campaign)
    install(deployment, storefront.voucher(campaign))
    ordered = marketer.post(f"/campaigns/{key}/updates", {"message": {"en": "x"}}).json
    assert ordered is not None
    assert marketer.post(f"/campaigns/{key}/deliveries/pause").status_code == 204
    assert marketer.get(f"/updates/{ordered['id']}").json["status"] == "paused"  # type: ignore[index]
    told: list[Change] = []
    deployment.database.committed = told.extend
    assert marketer.post(f"/campaigns/{key}/deliveries/resume").status_code == 204
    assert told == [Change(Subject.CAMPAIGN, campaign)]
    history = marketer.get(f"/campaigns/{key}/updates").json
    assert history is not None
    assert [each["status"] for each in history["updates"]] == ["delivering"]


def test_single_vouchers_are_prolonged_and_withdrawn_and_never_shortened(
    marketer: Marketer, deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    one, two = (storefront.voucher(campaign, ends_at=clock() + days(1)) for _ in range(2))
    until = (clock() + days(9)).isoformat()
    answer = marketer.post(
        "/vouchers/updates",
        {"serials": [one.serial, "0" * 16], "action": "prolong", "ends_at": until},
    )
    assert answer.json == {"changed": 1, "unknown": ["0" * 16]}
    assert holding(deployment, one).ends_at == clock() + days(9)
    sooner = (clock() + dt.timedelta(hours=1)).isoformat()
    refused = marketer.post(
        "/vouchers/updates", {"serials": [two.serial], "action": "prolong", "ends_at": sooner}
    )
    assert refused.status_code == 422
    endless = storefront.voucher(campaign)
    refused = marketer.post(
        "/vouchers/updates", {"serials": [endless.serial], "action": "prolong", "ends_at": until}
    )
    assert (refused.status_code, holding(deployment, endless).ends_at) == (422, None)
    marketer.post("/vouchers/updates", {"serials": [two.serial], "action": "withdraw"})
    assert holding(deployment, two).voucher.status == "revoked"
    assert holding(deployment, two).voucher.version == 2
    with deployment.database.read() as session:
        assert session.scalars(select(Event.kind).order_by(Event.id)).all() == ["updated"] * 2


def test_a_key_of_a_till_may_not_update(client: FlaskClient, deployment: Deployment) -> None:
    till = Marketer(client, deployment, Scope.POS)
    assert till.post("/campaigns/x/updates", {"message": {"en": "x"}}).status_code == 403
    assert till.get("/sync").status_code == 403


def test_sync_counts_each_pass_once_and_alarms_name_their_remedy(
    marketer: Marketer,
    client: FlaskClient,
    deployment: Deployment,
    storefront: Storefront,
    clock: Clock,
) -> None:
    campaign = storefront.campaign()
    key = key_of(deployment, campaign)
    cards = [storefront.voucher(campaign) for _ in range(3)]
    for number, card in enumerate(cards):
        install(deployment, card, device=f"d{number}")
    with deployment.database.write() as session:
        session.get_one(Voucher, cards[0].id).version += 1
        record_fetch(session.connection(), cards[1].id, (1, 1), now=clock())
        failing = session.scalars(select(AppleDevice).order_by(AppleDevice.id)).first()
        assert failing is not None
        failing.attempts, failing.failure = 3, "503 ServiceUnavailable"
        at_google = {"sent_voucher": 1, "sent_campaign": 1, "created_at": clock()}
        for number, more in enumerate(
            [
                at_google | {"status": "inserted", "failure": "HTTP 500"},
                at_google | {"status": "inserted"},
                {"status": "wanted", "created_at": clock()},
            ]
        ):
            session.add(GoogleObject(voucher_id=cards[number].id, object_id=f"1.{number}", **more))
        session.add(GoogleClass(campaign_id=campaign, class_id="1.c", created_at=clock()))
    clock.advance(hours=1)
    found = marketer.get("/sync").json
    assert found is not None
    assert found["campaigns"] == [
        {
            "campaign": key,
            "installed": 3,
            "owed": 1,
            "pushed": 0,
            "listed": 1,
            "fetched": 1,
            "objects": 2,
            "objects_owed": 2,
        }
    ]
    assert found["failures"] == [
        {"wallet": "apple", "reason": "503 ServiceUnavailable", "count": 1},
        {"wallet": "google", "reason": "HTTP 500", "count": 1},
    ]
    assert found["google_classes_owed"] == 1
    assert found["google_takes_seconds"] == 3 / deployment.settings.google_rate
    assert {alarm["name"] for alarm in found["alarms"]} >= {
        "no_worker",
        "late_apple",
        "late_google",
    }
    assert found["oldest"].keys() == {"apple", "google"}
    assert found["oldest_owed"] == min(found["oldest"].values())
    with deployment.database.write() as session:
        state = {"apple": {"rests": True, "reason": "BadCertificate", "remedy": "Replace it."}}
        heartbeats.say(session, heartbeats.WORKER, state, now=clock())
    found = marketer.get("/sync").json
    assert found is not None
    assert found["workers"] == 1
    names = {alarm["name"]: alarm["remedy"] for alarm in found["alarms"]}
    assert names["sender_stopped_apple"] == "Replace it."
    metrics = client.get("/metrics").text
    assert f'passerelle_installed_passes{{campaign="{key}",state="owed"}} 1.0' in metrics
    assert f'passerelle_google_objects{{campaign="{key}",state="owed"}} 2.0' in metrics
    assert 'passerelle_alarm{name="sender_stopped_apple"} 1.0' in metrics
    assert 'passerelle_oldest_owed_seconds{wallet="google"} 3600.0' in metrics


@pytest.mark.parametrize(
    ("state", "waits"),
    [
        ({"status": "wanted"}, True),
        ({"status": "inserted", "sent_voucher": 1, "sent_campaign": 2, "attempts": 2}, True),
        ({"status": "inserted", "sent_voucher": 2, "sent_campaign": 1, "attempts": 2}, True),
        # Behind, and not failing: Google's rate is what it waits for.
        ({"status": "inserted", "sent_voucher": 1, "sent_campaign": 2}, False),
        ({"status": "inserted", "sent_voucher": 2, "sent_campaign": 2, "attempts": 2}, False),
        # Nobody holds it.
        (
            {
                "status": "inserted",
                "sent_voucher": 1,
                "sent_campaign": 2,
                "attempts": 2,
                "has_users": False,
            },
            False,
        ),
    ],
)
def test_what_waits_longest_at_google_is_told(
    marketer: Marketer,
    deployment: Deployment,
    storefront: Storefront,
    clock: Clock,
    state: dict[str, Any],
    waits: bool,
) -> None:
    campaign = storefront.campaign()
    card = storefront.voucher(campaign)
    with deployment.database.write() as session:
        session.get_one(Voucher, card.id).version = 2
        row = session.get_one(Campaign, campaign)
        row.version, row.updated_at = 2, clock()
        session.add(GoogleObject(voucher_id=card.id, object_id="1.1", created_at=clock(), **state))
    began = clock()
    clock.advance(minutes=20)
    found = marketer.get("/sync").json
    assert found is not None
    assert found["oldest"] == ({"google": began.isoformat()} if waits else {})
    assert ("late_google" in {alarm["name"] for alarm in found["alarms"]}) == waits


def test_an_edit_that_is_held_back_makes_nobody_late(
    marketer: Marketer, deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    card = storefront.voucher(campaign)
    with deployment.database.write() as session:
        row = session.get_one(Campaign, campaign)
        row.version, row.delivery_paused = 2, True
        session.add(
            GoogleObject(
                voucher_id=card.id,
                object_id="1.1",
                status="inserted",
                sent_voucher=1,
                sent_campaign=1,
                attempts=2,
                created_at=clock(),
            )
        )
    clock.advance(hours=1)
    found = marketer.get("/sync").json
    assert found is not None
    assert found["oldest"] == {}


def test_many_scrapes_cost_one_count(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    """And the slower a count is, the longer it is shown."""
    ticks = iter([0.0, 4.0, 10.0, 79.0, 85.0, 85.0])
    meter = Meter(clock=lambda: next(ticks))
    campaign = storefront.campaign()
    key = key_of(deployment, campaign)

    def listed() -> float | None:
        meter.measure(deployment)
        return REGISTRY.get_sample_value(
            "passerelle_installed_passes", {"campaign": key, "state": "listed"}
        )

    install(deployment, storefront.voucher(campaign), device="d1")
    assert listed() == 1
    install(deployment, storefront.voucher(campaign), device="d2")
    # Counting took four seconds, which is a twentieth of eighty.
    assert [listed(), listed()] == [1, 1]
    assert listed() == 2


def test_starts_and_ends_are_shown_without_a_cron_and_each_only_once(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    issued = storefront.voucher(
        campaign,
        starts_at=clock() + dt.timedelta(hours=1),
        ends_at=clock() + dt.timedelta(hours=3),
    )
    other = storefront.voucher(campaign)
    clockwork.run(deployment)
    versions = []
    for _ in range(5):
        clock.advance(hours=1)
        clockwork.run(deployment)
        clockwork.run(deployment)
        versions.append(holding(deployment, issued).voucher.version)
    assert versions == [2, 2, 3, 3, 3]
    assert holding(deployment, other).voucher.version == 1


def test_the_command_line_does_the_same(deployment: Deployment, storefront: Storefront) -> None:
    campaign = storefront.campaign()
    key = key_of(deployment, campaign)
    issued = storefront.voucher(campaign)
    install(deployment, issued)

    def run(*words: str) -> str:
        done = CliRunner().invoke(main, list(words), env=environment(deployment.settings))
        assert done.exit_code == 0, done.output
        return done.output

    said = run("campaign", "update", key, "--message", "en=Hello", "--yes")
    assert "touches 1 pass: 1 device of Apple's" in said
    assert "delivering" in run("campaign", "updates", key)
    run("campaign", "pause", key)
    assert "paused" in run("campaign", "updates", key)
    run("campaign", "resume", key)
    assert "1 vouchers are changed" in run("vouchers", "withdraw", issued.serial)
    with deployment.database.write() as session:
        session.scalars(select(AppleDevice)).one().attempts = 1
    said = run("sync")
    assert f"{key}" in said
    assert "owed 1" in said
    assert "apple: what waits longest has waited since" in said


def test_a_key_of_some_campaigns_sees_only_what_devices_said_of_their_passes(
    marketer: Marketer, client: FlaskClient, deployment: Deployment, storefront: Storefront
) -> None:
    campaign = storefront.campaign()
    ours, theirs = storefront.voucher(campaign), storefront.voucher(storefront.campaign())
    said = [
        f"Update requested for unregistered serial number {each.serial}" for each in (ours, theirs)
    ]
    client.post("/apple/v1/log", json={"logs": [*said, "of nothing"]})
    with deployment.database.write() as session:
        key = access.create(
            session,
            "agency",
            [Scope.REPORT],
            now=deployment.now(),
            campaigns=[session.get_one(Campaign, campaign).key],
        )

    answer = client.get("/api/v1/sync/complaints", headers={"Authorization": f"Bearer {key}"})

    assert [each["serial"] for each in answer.get_json()["complaints"]] == [ours.serial]
    assert len(marketer.get("/sync/complaints").get_json()["complaints"]) == 3
