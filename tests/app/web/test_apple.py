"""Apple's web service, call by call: what devices send and what they must get."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.http import parse_date
from werkzeug.test import TestResponse

from app.domain.codes import Purpose
from app.services.deployment import Deployment
from app.services.wallets.apple import complaints
from app.services.wallets.apple.complaints import keep_complaints, newest_complaints, understand
from app.services.wallets.apple.registrations import MOST_DEVICES
from app.settings import Settings
from app.store.models import AppleDevice, AppleRegistration, Event, Voucher
from tests.conftest import Clock
from tests.storefront import Issued, Storefront

TYPE = Settings().pass_type_id
DEVICE = "0d6b2a90c1fe4f6d9a3c5b7e8f901234"
TOKEN = "ab" * 32


@dataclass
class Device:
    """Sends what a device sends."""

    client: FlaskClient
    house: Deployment
    id: str = DEVICE
    root: str = "/apple/v1"

    def auth(self, issued: Issued, scheme: str = "ApplePass") -> dict[str, str]:
        ring = self.house.keyring
        token = ring.token(Purpose.APPLE, key_id=ring.newest, public_id=issued.public_id)
        return {"Authorization": f"{scheme} {token}"}

    def register(self, issued: Issued, token: str = TOKEN) -> TestResponse:
        return self.client.post(
            f"{self.root}/devices/{self.id}/registrations/{TYPE}/{issued.serial}",
            json={"pushToken": token},
            headers=self.auth(issued),
        )

    def unregister(self, issued: Issued) -> TestResponse:
        return self.client.delete(
            f"{self.root}/devices/{self.id}/registrations/{TYPE}/{issued.serial}",
            headers=self.auth(issued),
        )

    def list(self, tag: str | None = None) -> TestResponse:
        query = "" if tag is None else f"?passesUpdatedSince={tag}"
        return self.client.get(f"{self.root}/devices/{self.id}/registrations/{TYPE}{query}")

    def fetch(self, issued: Issued, since: str | None = None, **options: str) -> TestResponse:
        headers = self.auth(issued) | ({"If-Modified-Since": since} if since else {})
        return self.client.open(
            f"{self.root}/passes/{TYPE}/{issued.serial}",
            method=options.get("method", "GET"),
            headers=headers,
        )


@pytest.fixture
def device(client: FlaskClient, deployment: Deployment) -> Device:
    return Device(client, deployment)


@pytest.fixture
def issued(storefront: Storefront) -> Iterator[Issued]:
    return storefront.voucher(storefront.campaign("gift_card"))


def change(storefront: Storefront, issued: Issued) -> None:
    with storefront.deployment.database.write() as session:
        session.get_one(Voucher, issued.id).version += 1


def tokens(house: Deployment) -> list[str]:
    with house.database.read() as session:
        return list(session.scalars(select(AppleDevice.push_token)))


def test_the_first_registration_is_created_and_the_second_replaces_the_token(
    device: Device, issued: Issued
) -> None:
    assert device.register(issued).status_code == 201
    assert device.register(issued, "CD" * 32).status_code == 200
    assert tokens(device.house) == ["cd" * 32]
    with device.house.database.read() as session:
        assert len(session.scalars(select(AppleRegistration)).all()) == 1


def test_a_device_goes_with_its_last_registration(device: Device, storefront: Storefront) -> None:
    campaign = storefront.campaign()
    first, second = storefront.voucher(campaign), storefront.voucher(campaign)
    for each in (first, second):
        device.register(each)
    assert device.unregister(first).status_code == 200
    assert tokens(device.house) == [TOKEN]
    assert device.unregister(second).status_code == 200
    assert device.unregister(second).status_code == 200
    assert tokens(device.house) == []


def test_a_wrong_token_an_unknown_pass_and_no_token_are_answered_alike(
    device: Device, storefront: Storefront, issued: Issued
) -> None:
    other = storefront.voucher(storefront.campaign())
    ring = device.house.keyring
    absent = ring.token(Purpose.APPLE, key_id=ring.newest, public_id=1)
    link = ring.token(Purpose.LINK, key_id=ring.newest, public_id=issued.public_id)
    calls = [
        (issued.serial, device.auth(other)["Authorization"]),
        (issued.serial, f"ApplePass {link}"),
        (issued.serial, "ApplePass nonsense"),
        (issued.serial, "Bearer nonsense"),
        (issued.serial, None),
        ("0000000000000001", f"ApplePass {absent}"),
        ("unknown", f"ApplePass {absent}"),
    ]
    answers = set()
    for serial, authorization in calls:
        headers = {"Authorization": authorization} if authorization else {}
        registration = f"/apple/v1/devices/{DEVICE}/registrations/{TYPE}/{serial}"
        for answer in (
            device.client.get(f"/apple/v1/passes/{TYPE}/{serial}", headers=headers),
            device.client.post(registration, headers=headers, json={"pushToken": TOKEN}),
            device.client.delete(registration, headers=headers),
        ):
            kept = {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}
            answers.add((answer.status_code, answer.data, tuple(sorted(kept.items()))))
    assert len(answers) == 1
    assert answers.pop()[0] == 401
    assert tokens(device.house) == []


def test_a_pass_of_another_type_is_unknown(device: Device, issued: Issued) -> None:
    other = f"/apple/v1/passes/pass.other/{issued.serial}"
    assert device.client.get(other, headers=device.auth(issued)).status_code == 401
    listed = device.client.get(f"/apple/v1/devices/{DEVICE}/registrations/pass.other")
    assert listed.status_code == 204


def test_an_android_reader_may_name_its_own_scheme(device: Device, issued: Issued) -> None:
    headers = device.auth(issued, "AndroidPass")
    answer = device.client.get(f"/apple/v1/passes/{TYPE}/{issued.serial}", headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"pushToken": 5}',
        b'{"pushToken": "not hex"}',
        b"[",
        b"[" * 9_000 + b"]" * 9_000,
    ],
)
def test_a_registration_without_a_push_token_is_refused(
    device: Device, issued: Issued, body: bytes
) -> None:
    answer = device.client.post(
        f"/apple/v1/devices/{DEVICE}/registrations/{TYPE}/{issued.serial}",
        data=body,
        content_type="application/json",
        headers=device.auth(issued),
    )
    assert answer.status_code == 400
    assert tokens(device.house) == []


def test_a_list_names_what_changed_since_its_tag_and_nothing_else(
    device: Device, storefront: Storefront
) -> None:
    campaign = storefront.campaign("gift_card")
    first, second = storefront.voucher(campaign), storefront.voucher(campaign)
    for each in (first, second):
        device.register(each)
    listed = device.list()
    assert listed.status_code == 200
    assert listed.json is not None
    assert listed.json["serialNumbers"] == [first.serial, second.serial]
    tag = listed.json["lastUpdated"]
    assert isinstance(tag, str)
    assert tag.isdigit()
    assert device.list(tag).status_code == 204
    change(storefront, second)
    again = device.list(tag)
    assert again.json is not None
    assert again.json["serialNumbers"] == [second.serial]
    assert again.json["lastUpdated"] != tag
    assert device.list(again.json["lastUpdated"]).status_code == 204


def test_an_answer_that_got_lost_is_repeated_and_carries_what_changed_since(
    device: Device, storefront: Storefront
) -> None:
    campaign = storefront.campaign("gift_card")
    first, second = storefront.voucher(campaign), storefront.voucher(campaign)
    for each in (first, second):
        device.register(each)
    tag = device.list().json["lastUpdated"]  # type: ignore[index]
    change(storefront, first)
    lost = device.list(tag).json
    assert lost is not None
    change(storefront, second)
    repeated = device.list(tag).json
    assert repeated is not None
    assert repeated["serialNumbers"] == [first.serial, second.serial]
    assert int(repeated["lastUpdated"]) > int(lost["lastUpdated"])


def test_a_strange_tag_is_answered_with_everything(device: Device, issued: Issued) -> None:
    device.register(issued)
    device.list()
    for tag in ("", "abc", "-1", "1e3", "999999999999999999", "9" * 40, "1+2&3"):
        listed = device.list(tag)
        assert listed.json is not None, tag
        assert listed.json["serialNumbers"] == [issued.serial]


def test_a_tag_from_before_the_last_pass_was_removed_hides_nothing(
    device: Device, storefront: Storefront, issued: Issued
) -> None:
    device.register(issued)
    tag = device.list().json["lastUpdated"]  # type: ignore[index]
    device.unregister(issued)
    device.register(issued)
    assert device.list(tag).json["serialNumbers"] == [issued.serial]  # type: ignore[index]


def test_what_was_listed_but_not_fetched_is_listed_again_after_a_while(
    device: Device, issued: Issued, clock: Clock
) -> None:
    device.register(issued)
    tag = device.list().json["lastUpdated"]  # type: ignore[index]
    clock.advance(minutes=11)
    again = device.list(tag).json
    assert again is not None
    assert again["serialNumbers"] == [issued.serial]
    device.fetch(issued)
    clock.advance(minutes=11)
    assert device.list(again["lastUpdated"]).status_code == 204


def test_an_unknown_device_has_no_news(device: Device) -> None:
    assert device.list().status_code == 204


def test_last_modified_moves_with_each_change_and_never_with_the_clock(
    device: Device, storefront: Storefront, issued: Issued, clock: Clock
) -> None:
    first = device.fetch(issued).headers["Last-Modified"]
    clock.advance(days=1)
    assert device.fetch(issued).headers["Last-Modified"] == first
    change(storefront, issued)
    second = device.fetch(issued).headers["Last-Modified"]
    change(storefront, issued)
    third = device.fetch(issued).headers["Last-Modified"]
    assert len({first, second, third}) == 3
    stamp = parse_date(third)
    assert stamp is not None
    assert stamp < dt.datetime(2002, 1, 1, tzinfo=dt.UTC)


def test_304_is_for_equality_only(device: Device, storefront: Storefront, issued: Issued) -> None:
    held = device.fetch(issued).headers["Last-Modified"]
    same = device.fetch(issued, held)
    assert same.status_code == 304
    assert same.data == b""
    for other in ("Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT", "nonsense"):
        assert device.fetch(issued, other).status_code == 200
    change(storefront, issued)
    assert device.fetch(issued, held).status_code == 200


def test_a_pass_is_sent_with_wallets_type_and_is_never_cached(
    device: Device, issued: Issued
) -> None:
    answer = device.fetch(issued)
    assert answer.mimetype == "application/vnd.apple.pkpass"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_length == len(answer.data)
    assert answer.data.startswith(b"PK")


def test_head_answers_like_get_without_the_pass_and_counts_as_no_fetch(
    device: Device, issued: Issued
) -> None:
    device.register(issued)
    device.list()
    answer = device.fetch(issued, method="HEAD")
    assert answer.status_code == 200
    assert answer.headers["Last-Modified"] == device.fetch(issued).headers["Last-Modified"]
    assert answer.data == b""


@pytest.mark.parametrize("root", ["/apple/v1", "/apple//v1"])
def test_a_doubled_slash_is_served_and_not_redirected(
    device: Device, issued: Issued, root: str
) -> None:
    device.root = root
    assert device.register(issued).status_code == 201
    assert device.list().status_code == 200
    assert device.fetch(issued).status_code == 200
    assert device.client.post(f"{root}/log", json={"logs": ["x"]}).status_code == 200
    assert device.unregister(issued).status_code == 200


def test_complaints_of_devices_are_understood_counted_and_kept_without_secrets(
    device: Device, issued: Issued
) -> None:
    secret = device.auth(issued)["Authorization"]
    lines = [
        f"[2026-01-02 03:04:05 +0000] Web service error for {TYPE} (https://x): Server requested "
        f"update to serial number '{issued.serial}', but the pass was unchanged.",
        "Response to 'What changed?' request included 1 serial numbers but the lastUpdated tag (5) "
        "remained the same.",
        "Server returned the pass data for serial number 'x' but did not provide a 'last-modified' "
        "header.",
        "Server ignored the 'if-modified-since' header (x) and returned the full unchanged pass.",
        "Device received spurious push. Request for passesUpdatedSince '1' returned no serial "
        f"numbers. (Device = {DEVICE})",
        "Update requested for unregistered serial number 0123456789abcdef",
        f"[x] Register task (for d) encountered error: Unexpected response code 500 {secret}",
        "[x] Get pass task (pass type t) encountered error: Authentication failure",
        "something new\x00\x1b[31m",
    ]
    assert device.client.post("/apple/v1/log", json={"logs": lines}).status_code == 200
    with device.house.database.read() as session:
        kept = newest_complaints(session)[::-1]
    assert [each.kind for each in kept] == [
        "pass_unchanged",
        "tag_unchanged",
        "missing_last_modified",
        "ignored_if_modified_since",
        "spurious_push",
        "unregistered_serial",
        "register_failed",
        "authentication_failure",
        "other",
    ]
    assert kept[0].serial == issued.serial
    written = " ".join(each.message for each in kept)
    assert secret.partition(" ")[2] not in written
    assert DEVICE not in written
    assert "\x00" not in written
    metrics = device.client.get("/metrics").text
    assert 'passerelle_apple_complaints_total{kind="tag_unchanged"}' in metrics


def test_a_log_that_is_none_is_refused(device: Device) -> None:
    for body in (b"", b"[]", b'{"logs": "x"}', b"\xff", b"[" * 9_000 + b"]" * 9_000):
        answer = device.client.post("/apple/v1/log", data=body, content_type="application/json")
        assert answer.status_code == 400, body


def test_half_a_character_in_a_log_is_left_out(device: Device) -> None:
    """JSON may spell a lone surrogate, which no database stores."""
    answer = device.client.post(
        "/apple/v1/log", data=b'{"logs": ["odd \\ud800 line"]}', content_type="application/json"
    )
    assert answer.status_code == 200
    with device.house.database.read() as session:
        assert newest_complaints(session)[0].message == "odd   line"


def test_only_the_newest_complaints_are_kept(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complaints, "KEPT_LOGS", 100)
    for number in range(20):
        lines = [f"line {number} {index}" for index in range(20)]
        with device.house.database.write() as session:
            keep_complaints(
                session,
                [understand(line) for line in lines],
                now=device.house.now(),
            )
    with device.house.database.read() as session:
        kept = newest_complaints(session, limit=1000)
    assert len(kept) <= 150
    assert kept[0].message == "line 19 19"


def test_the_fetch_of_a_pass_on_two_devices_counts_for_one_of_them(
    client: FlaskClient, device: Device, issued: Issued
) -> None:
    other = Device(client, device.house, id="f" * 32)
    for each in (device, other):
        each.register(issued, each.id + each.id)
        each.list()
    fetched = []
    for _ in range(2):
        device.fetch(issued)
        with device.house.database.read() as session:
            fetched.append(
                [row.fetched_voucher for row in session.scalars(select(AppleRegistration))]
            )
    assert sorted(fetched[0], key=str) == [1, None]
    assert fetched[1] == [1, 1]


def test_a_pass_is_on_so_many_devices_and_the_longest_unseen_gives_way(
    device: Device, issued: Issued, clock: Clock
) -> None:
    house, most = device.house, MOST_DEVICES
    for number in range(most):
        clock.advance(seconds=1)
        assert (
            Device(device.client, house, id=f"device-{number}").register(issued).status_code == 201
        )
    clock.advance(seconds=1)
    # The first was seen since: it listed the pass.
    assert Device(device.client, house, id="device-0").list().status_code == 200

    assert Device(device.client, house, id="newest").register(issued).status_code == 201

    with house.database.read() as session:
        held = set(session.scalars(select(AppleDevice.library_id)))
        removed = session.scalars(select(Event.voucher_id).where(Event.kind == "removed")).all()
    assert len(held) == most
    assert {"device-0", "newest"} <= held
    assert "device-1" not in held
    assert removed == [issued.id]


def test_devices_that_register_at_once_stay_within_the_bound(
    device: Device, issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.wallets.apple.registrations.MOST_DEVICES", 5)
    house, statuses = device.house, []

    def add(number: int) -> None:
        phone = Device(house_client(), house, id=f"device-{number}")
        statuses.append(phone.register(issued).status_code)

    def house_client() -> FlaskClient:
        return device.client.application.test_client()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # What was passed over because it was busy gives way to the next.
    Device(device.client, house, id="last").register(issued)

    assert set(statuses) == {201}
    with house.database.read() as session:
        assert len(session.scalars(select(AppleRegistration.id)).all()) == 5
        assert len(session.scalars(select(AppleDevice.id)).all()) == 5
