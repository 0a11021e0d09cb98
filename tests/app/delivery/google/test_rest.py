"""The client tells apart everything that Google can answer, and never guesses."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from app.delivery.google import (
    AccessTokens,
    GoogleAnswer,
    Patch,
    ResourceVerdict,
    WalletApi,
    outcome,
)
from app.delivery.outcomes import DONE, Retry, StopSender
from app.delivery.outcomes import RequestFault as Faulty
from app.sandbox.google import GoogleStandIn, PlannedFault
from tests.conftest import Clock
from tests.google_wire import ISSUER, account, google

CLASS: dict[str, Any] = {
    "id": f"{ISSUER}.summer",
    "issuerName": "Corner Shop",
    "provider": "Corner",
    "title": "20 % off",
    "redemptionChannel": "BOTH",
    "reviewStatus": "UNDER_REVIEW",
}
OBJECT: dict[str, Any] = {
    "id": f"{ISSUER}.c-1",
    "classId": CLASS["id"],
    "state": "ACTIVE",
    "barcode": {"type": "QR_CODE", "value": "ABC"},
    "textModulesData": [{"header": "For", "body": "Zoë"}, {"header": "Until", "body": "May"}],
}
MESSAGE = {"id": "m1", "header": "Hello", "body": "New", "messageType": "TEXT_AND_NOTIFY"}


@pytest.fixture
def wire(clock: Clock) -> Iterator[GoogleStandIn]:
    with google(clock=clock, rate=1000.0, burst=1000.0) as stand_in:
        yield stand_in


@contextmanager
def client(wire: GoogleStandIn, clock: Clock) -> Iterator[WalletApi]:
    ours = account(wire.token_url)
    tokens = AccessTokens(lambda: ours)
    with WalletApi(wire.url, tokens=tokens, clock=clock) as api:
        yield api


@pytest.fixture
def api(wire: GoogleStandIn, clock: Clock) -> Iterator[WalletApi]:
    with client(wire, clock) as api:
        yield api


def sent_to(answer: GoogleAnswer, attempts: int = 0) -> object:
    return outcome(answer, attempts=attempts, jitter=lambda: 0.5)


def test_a_class_and_an_object_are_inserted_and_read_back(api: WalletApi) -> None:
    assert api.insert("offerClass", CLASS).ok
    stored = api.insert("offerObject", OBJECT).resource
    assert stored is not None
    assert stored["hasUsers"] is False
    found = api.get("offerObject", OBJECT["id"]).resource
    assert found is not None
    assert found["textModulesData"] == OBJECT["textModulesData"]
    assert found["classReference"]["reviewStatus"] == "APPROVED"


def test_one_token_serves_all_calls_until_a_minute_before_it_lapses(
    wire: GoogleStandIn, api: WalletApi, clock: Clock
) -> None:
    for _ in range(5):
        api.get("offerClass", CLASS["id"])
    assert wire.tokens_issued == 1
    clock.advance(minutes=59, seconds=1)
    assert api.get("offerClass", CLASS["id"]).verdict is ResourceVerdict.MISSING
    assert wire.tokens_issued == 2


def test_a_revoked_token_is_replaced_without_the_caller_noticing(
    wire: GoogleStandIn, api: WalletApi
) -> None:
    assert api.insert("offerClass", CLASS).ok
    wire.expire_tokens()
    assert api.get("offerClass", CLASS["id"]).ok
    assert wire.tokens_issued == 2


def test_an_account_google_does_not_know_stops_the_sender(
    wire: GoogleStandIn, api: WalletApi
) -> None:
    wire.accounts.clear()
    answer = api.get("offerClass", CLASS["id"])
    assert answer.verdict is ResourceVerdict.UNAUTHENTICATED
    stopped = sent_to(answer)
    assert isinstance(stopped, StopSender)
    assert "JSON key" in stopped.remedy


def test_an_account_that_was_not_invited_stops_the_sender_and_says_what_to_do(
    wire: GoogleStandIn, api: WalletApi
) -> None:
    wire.invited = False
    stopped = sent_to(api.insert("offerClass", CLASS))
    assert isinstance(stopped, StopSender)
    assert "Invite" in stopped.remedy


def test_an_id_that_exists_is_told_from_one_that_is_missing(api: WalletApi) -> None:
    assert (
        api.insert("offerObject", OBJECT).verdict is ResourceVerdict.MISSING
    )  # its class is not there
    assert api.insert("offerClass", CLASS).ok
    assert (
        api.patch("offerObject", OBJECT["id"], {"state": "EXPIRED"}).verdict
        is ResourceVerdict.MISSING
    )
    assert api.insert("offerObject", OBJECT).ok
    assert api.insert("offerObject", OBJECT).verdict is ResourceVerdict.EXISTS


def test_a_patch_merges_members_and_replaces_lists(api: WalletApi) -> None:
    api.insert("offerClass", CLASS)
    api.insert("offerObject", OBJECT)
    change = {"barcode": {"alternateText": "A-B-C"}, "textModulesData": [{"header": "x"}]}
    stored = api.patch("offerObject", OBJECT["id"], change).resource
    assert stored is not None
    assert stored["barcode"] == {"type": "QR_CODE", "value": "ABC", "alternateText": "A-B-C"}
    assert stored["textModulesData"] == [{"header": "x"}]
    assert stored["state"] == "ACTIVE"


def test_a_class_goes_under_review_with_every_change(api: WalletApi, wire: GoogleStandIn) -> None:
    api.insert("offerClass", CLASS)
    assert api.patch("offerClass", CLASS["id"], {"title": "30 % off"}).ok
    assert wire.calls[-1].body["reviewStatus"] == "UNDER_REVIEW"


def test_content_that_google_refuses_is_a_fault_with_googles_reason(api: WalletApi) -> None:
    answer = api.insert("offerClass", {**CLASS, "id": "1.summer"})
    assert answer.verdict is ResourceVerdict.INVALID
    faulty = sent_to(answer)
    assert isinstance(faulty, Faulty)
    assert "Invalid resource ID" in faulty.reason


def test_too_many_calls_wait_as_long_as_google_asks(wire: GoogleStandIn, api: WalletApi) -> None:
    wire.fail(PlannedFault(429, retry_after=7))
    answer = api.get("offerClass", CLASS["id"])
    assert answer.verdict is ResourceVerdict.BUSY
    assert sent_to(answer) == Retry(timedelta(seconds=7), "Fault on command.")


def test_failures_back_off_and_never_longer_than_half_an_hour() -> None:
    unclear = GoogleAnswer(ResourceVerdict.UNCLEAR, 503, reason="x")
    waits = [sent_to(unclear, attempts) for attempts in (0, 1, 5, 40)]
    assert [wait.after.total_seconds() for wait in waits if isinstance(wait, Retry)] == [
        0.75,
        1.5,
        24.0,
        1350.0,
    ]
    assert sent_to(GoogleAnswer(ResourceVerdict.OK)) == DONE


@pytest.mark.parametrize(
    "fault", [PlannedFault(500, after=True), PlannedFault(0, after=True), PlannedFault(503)]
)
def test_an_answer_that_leaves_the_call_open_is_unclear(
    wire: GoogleStandIn, api: WalletApi, fault: PlannedFault
) -> None:
    api.get("offerClass", CLASS["id"])
    wire.fail(fault)
    assert api.insert("offerClass", CLASS).verdict is ResourceVerdict.UNCLEAR
    assert api.get("offerClass", CLASS["id"]).ok == fault.after


def test_nobody_listening_is_unreachable_or_unclear_but_never_an_exception(clock: Clock) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nowhere = account(f"http://127.0.0.1:{port}/token")
    tokens = AccessTokens(lambda: nowhere)
    with WalletApi(f"http://127.0.0.1:{port}", tokens=tokens, clock=clock) as api:
        assert api.get("offerClass", "1.x").verdict is ResourceVerdict.UNREACHABLE


def test_the_fourth_notification_of_a_day_is_told_from_a_busy_google(
    wire: GoogleStandIn, api: WalletApi, clock: Clock
) -> None:
    api.insert("offerClass", CLASS)
    api.insert("offerObject", OBJECT)
    for number in range(3):
        message = {**MESSAGE, "id": f"m{number}"}
        assert api.add_message("offerObject", OBJECT["id"], message).ok
    fourth = {**MESSAGE, "id": "m4"}
    assert (
        api.add_message("offerObject", OBJECT["id"], fourth).verdict
        is ResourceVerdict.MESSAGE_QUOTA
    )
    silent = {**fourth, "messageType": "TEXT"}
    stored = api.add_message("offerObject", OBJECT["id"], silent).resource
    assert stored is not None
    assert [message["id"] for message in stored["messages"]] == ["m0", "m1", "m2", "m4"]
    clock.advance(hours=24)
    assert api.add_message("offerObject", OBJECT["id"], {**MESSAGE, "id": "m5"}).ok
    assert len(wire.store.notifications) == 4


def test_a_message_without_an_id_cannot_be_sent(api: WalletApi) -> None:
    with pytest.raises(ValueError, match="id"):
        api.add_message("offerObject", OBJECT["id"], {"header": "h", "body": "b"})


def test_a_batch_answers_each_change_by_itself_in_order(
    wire: GoogleStandIn, api: WalletApi
) -> None:
    api.insert("offerClass", CLASS)
    api.insert("offerObject", OBJECT)
    wire.fail(PlannedFault(429, path="c-1", retry_after=3))
    answers = api.patch_all(
        [
            Patch("offerObject", OBJECT["id"], {"state": "EXPIRED"}),
            Patch("offerObject", f"{ISSUER}.c-9", {"state": "EXPIRED"}),
            Patch("offerClass", CLASS["id"], {"title": "30 % ☀"}),
        ]
    )
    assert [answer.verdict for answer in answers] == [
        ResourceVerdict.BUSY,
        ResourceVerdict.MISSING,
        ResourceVerdict.OK,
    ]
    assert answers[0].retry_after == timedelta(seconds=3)
    assert answers[2].resource is not None
    assert answers[2].resource["title"] == "30 % ☀"


def test_a_lost_batch_leaves_every_change_unclear(wire: GoogleStandIn, api: WalletApi) -> None:
    api.get("offerClass", CLASS["id"])
    wire.fail(PlannedFault(0, path="/batch"))
    answers = api.patch_all([Patch("offerClass", CLASS["id"], {"title": "x"})] * 2)
    assert [answer.verdict for answer in answers] == [ResourceVerdict.UNCLEAR] * 2


def test_googles_rate_is_enforced_on_every_call_of_a_batch(clock: Clock) -> None:
    with google(clock=clock, rate=0.001, burst=3.0) as wire, client(wire, clock) as api:
        api.insert("offerClass", CLASS)
        change = Patch("offerClass", CLASS["id"], {"title": "x"})
        verdicts = [answer.verdict for answer in api.patch_all([change] * 4)]
        assert verdicts == [
            ResourceVerdict.OK,
            ResourceVerdict.OK,
            ResourceVerdict.BUSY,
            ResourceVerdict.BUSY,
        ]
        assert wire.over_rate == 2


def test_a_replaced_key_file_is_taken_up_with_the_next_call(
    wire: GoogleStandIn, clock: Clock
) -> None:
    held = [account(wire.token_url)]
    tokens = AccessTokens(lambda: held[0])
    with WalletApi(wire.url, tokens=tokens, clock=clock) as api:
        api.get("offerClass", CLASS["id"])
        held[0] = account(wire.token_url)
        api.get("offerClass", CLASS["id"])
    assert wire.tokens_issued == 2
