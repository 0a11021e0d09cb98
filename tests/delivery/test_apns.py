"""The sender against the stand-in of Apple's push service: each documented answer, each break."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.delivery.apns import ApnsSender, BarePush, judge, sender
from app.delivery.outcomes import DONE, Done, Drop, Outcome, RequestFault, Retry, StopSender
from app.sandbox.apns import SILENCE, ApnsStandIn, PushAnswer
from app.sandbox.certificates import CertificateAuthority, Identity
from app.services.certificates import CertificateFault

TOPIC = "pass.example.loyalty"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Wire:
    """A stand-in, a sender that talks to it, and the files both read."""

    apns: ApnsStandIn
    sender: ApnsSender
    authority: CertificateAuthority
    clock: Clock
    identity: Identity | None = None

    def send(self, *tokens: str) -> dict[str, Outcome]:
        sent = self.sender.send(pushes(*tokens), now=NOW)
        return {push.token: outcome for push, outcome in sent}

    def install(self, uid: str = TOPIC) -> None:
        self.identity = self.authority.client(uid)

    def pem(self) -> bytes:
        if self.identity is None:
            raise CertificateFault("apple/pass.pem: There is no certificate.")
        return self.identity.certificate + self.identity.key


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority()


@pytest.fixture
def wire(
    authority: CertificateAuthority, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Wire]:
    """A sender and Apple's stand-in; its parameter is how long an answer is waited for (s)."""
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    clock = Clock()

    def identity() -> bytes:
        return made.pem()

    with ApnsStandIn(
        identity=authority.server(), trusted=authority.certificate, streams=20
    ) as apns:
        sender = ApnsSender(
            topic=TOPIC,
            identity=identity,
            url=apns.url,
            ca=tmp_path / "ca.pem",
            answer_timeout=getattr(request, "param", 3.0),
            grace=0.1,
            clock=clock,
        )
        made = Wire(apns, sender, authority, clock)
        made.install()
        yield made
        sender.close()


def pushes(*tokens: str) -> list[BarePush]:
    return [BarePush(token) for token in tokens]


def tokens(count: int) -> list[str]:
    return [f"{number:064x}" for number in range(1, count + 1)]


def test_a_push_is_what_apple_asks_for(wire: Wire) -> None:
    assert wire.send("ab" * 32) == {"ab" * 32: DONE}
    push = wire.apns.received[0]
    assert push.payload == b"{}"
    assert push.headers[":path"] == "/3/device/" + "ab" * 32
    assert push.headers["apns-topic"] == TOPIC
    assert push.headers["apns-push-type"] == "background"
    assert push.headers["apns-priority"] == "5"
    life = datetime.fromtimestamp(int(push.headers["apns-expiration"]), UTC) - NOW
    assert timedelta(days=7) < life < timedelta(days=30)


def test_many_pushes_share_one_connection_up_to_its_stream_limit_and_it_stays_open(
    wire: Wire,
) -> None:
    wire.apns.answer(PushAnswer(delay=0.01), times=400)
    for _ in range(2):
        assert set(wire.send(*tokens(200)).values()) == {DONE}
    assert wire.apns.connections == wire.sender.connections == 1
    assert len(wire.apns.received) == 400
    assert 2 <= wire.apns.most_streams <= 20


def test_pushes_are_taken_only_as_places_become_free(wire: Wire) -> None:
    taken: list[str] = []

    def offered() -> Iterator[BarePush]:
        for token in tokens(3000):
            taken.append(token)
            yield BarePush(token)

    next(sending := wire.sender.send(offered(), now=NOW))
    assert len(taken) <= 1001
    sending.close()
    assert set(wire.send(*tokens(5)).values()) == {DONE}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (PushAnswer(400, "BadDeviceToken"), Drop("BadDeviceToken", doubtful=True)),
        (PushAnswer(400, "DeviceTokenNotForTopic"), Drop("DeviceTokenNotForTopic", doubtful=True)),
        (PushAnswer(410, "Unregistered", timestamp=NOW), Drop("Unregistered", since=NOW)),
        (PushAnswer(410, "ExpiredToken", timestamp=NOW), Drop("ExpiredToken", since=NOW)),
    ],
)
def test_an_answer_about_the_token_is_a_drop(
    wire: Wire, answer: PushAnswer, expected: Drop
) -> None:
    wire.apns.answer(answer, token="aa")
    assert wire.send("aa", "bb") == {"aa": expected, "bb": DONE}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "BadTopic"),
        (400, "TopicDisallowed"),
        (400, "PayloadEmpty"),
        (404, "BadPath"),
        (405, "MethodNotAllowed"),
        (413, "PayloadTooLarge"),
    ],
)
def test_an_answer_about_our_request_is_a_fault_with_a_remedy(
    wire: Wire, status: int, reason: str
) -> None:
    wire.apns.answer(PushAnswer(status, reason))
    outcome = wire.send("aa")["aa"]
    assert isinstance(outcome, RequestFault)
    assert outcome.reason == reason
    assert outcome.remedy
    assert wire.send("aa") == {"aa": DONE}


def test_a_certificate_of_another_topic_is_a_fault(wire: Wire) -> None:
    wire.install("pass.example.other")
    outcome = wire.send("aa")["aa"]
    assert isinstance(outcome, RequestFault)
    assert outcome.reason == "TopicDisallowed"
    assert "PASSERELLE_PASS_TYPE_ID" in outcome.remedy


@pytest.mark.parametrize("reason", ["BadCertificate", "BadCertificateEnvironment"])
def test_a_refused_certificate_stops_the_sender_until_it_is_replaced(
    wire: Wire, reason: str
) -> None:
    wire.apns.answer(PushAnswer(403, reason))
    outcome = wire.send("aa")["aa"]
    assert isinstance(outcome, StopSender)
    assert outcome.reason == reason
    assert wire.send("aa", "bb") == {}
    pause = wire.sender.pause()
    assert pause is not None
    assert pause.reason == reason
    assert pause.remedy
    assert len(wire.apns.received) == 1
    wire.install()
    assert wire.sender.pause() is None
    assert wire.send("aa") == {"aa": DONE}


def test_a_stopped_sender_asks_again_after_an_hour(wire: Wire) -> None:
    wire.apns.answer(PushAnswer(403, "BadCertificate"))
    wire.send("aa")
    wire.clock.now += 3601
    assert wire.send("aa") == {"aa": DONE}


def test_a_replaced_certificate_is_used_without_a_restart(wire: Wire) -> None:
    wire.send("aa")
    wire.install()
    wire.send("bb")
    assert [push.connection for push in wire.apns.received] == [1, 2]


def test_a_missing_certificate_is_a_pause_and_not_a_crash(wire: Wire) -> None:
    wire.identity = None
    pause = wire.sender.pause()
    assert pause is not None
    assert "There is no certificate" in pause.reason
    assert "pass.pem" in pause.remedy
    assert wire.send("aa") == {}


def test_a_certificate_refused_in_the_handshake_stops_the_sender(wire: Wire) -> None:
    wire.identity = CertificateAuthority("Somebody else").client(TOPIC)
    assert isinstance(wire.send("aa")["aa"], StopSender | Retry)
    assert wire.sender.pause() is not None
    assert wire.apns.received == []


def test_too_many_requests_delays_that_token_alone(wire: Wire) -> None:
    wire.apns.answer(PushAnswer(429, "TooManyRequests", retry_after=60), token="aa")
    outcomes = wire.send("aa", "bb")
    assert outcomes["bb"] == DONE
    held = outcomes["aa"]
    assert isinstance(held, Retry)
    assert timedelta(seconds=60) <= held.after <= timedelta(seconds=75)


def test_too_many_requests_without_a_time_waits_a_minute_not_a_quarter_of_an_hour(
    wire: Wire,
) -> None:
    wire.apns.answer(PushAnswer(429, "TooManyRequests"), token="aa")
    held = wire.send("aa")["aa"]
    assert isinstance(held, Retry)
    assert timedelta(seconds=60) <= held.after <= timedelta(seconds=75)
    assert not held.asked


@pytest.mark.parametrize("status", [500, 503])
def test_trouble_at_apple_is_retried_on_a_new_connection(wire: Wire, status: int) -> None:
    wire.apns.answer(PushAnswer(status, "ServiceUnavailable"))
    assert isinstance(wire.send("aa")["aa"], Retry)
    assert wire.sender.pause() is not None
    wire.clock.now += 60
    assert wire.send("aa") == {"aa": DONE}
    assert wire.apns.connections == 2


def test_repeated_trouble_makes_the_pauses_grow_and_a_success_ends_them(wire: Wire) -> None:
    wire.apns.answer(PushAnswer(503, "Shutdown"), times=8)
    pauses = []
    for _ in range(8):
        assert isinstance(wire.send("aa")["aa"], Retry)
        pause = wire.sender.pause()
        assert pause is not None
        pauses.append(pause.until.total_seconds())
        wire.clock.now += 100
    assert pauses[-1] > 10 * pauses[0]
    assert max(pauses) <= 75
    assert wire.send("aa") == {"aa": DONE}
    assert wire.sender.pause() is None


def test_goaway_is_survived_by_a_new_connection(wire: Wire) -> None:
    wire.send(*tokens(5))
    wire.apns.goaway()
    outcomes = wire.send(*tokens(50))
    wire.clock.now += 5
    outcomes |= wire.send(*[token for token in tokens(50) if outcomes.get(token) != DONE])
    assert set(outcomes.values()) == {DONE}
    # Tokenes caught by the closing line may be one more failure, never a storm of connections.
    assert 2 <= wire.apns.connections <= 3


def test_goaway_in_the_middle_of_a_batch_loses_no_push(wire: Wire) -> None:
    waiting = set(tokens(400))
    for _ in range(10):
        sending = wire.sender.send(pushes(*sorted(waiting)), now=NOW)
        for number, (push, outcome) in enumerate(sending):
            if isinstance(outcome, Done):
                waiting.discard(push.token)
            else:
                assert isinstance(outcome, Retry)
            if number == 50 and wire.apns.connections == 1:
                wire.apns.goaway()
        wire.clock.now += 5
        if not waiting:
            break
    assert not waiting
    assert set(wire.apns.tokens()) == set(tokens(400))


def test_a_cut_connection_is_reopened_and_its_pushes_get_an_outcome(wire: Wire) -> None:
    wire.send("aa")
    wire.apns.answer(SILENCE, token="bb")
    sending = wire.sender.send(pushes("bb", "cc"), now=NOW)
    assert next(sending)[0].token == "cc"
    wire.apns.cut()
    ((push, outcome),) = sending
    assert push.token == "bb"
    assert isinstance(outcome, Done | Retry)
    wire.clock.now += 5
    assert wire.send("bb") == {"bb": DONE}
    assert wire.apns.connections == 2


def test_silence_ends_with_the_timeout(wire: Wire) -> None:
    wire.apns.answer(SILENCE, token="aa")
    outcome = wire.send("aa")["aa"]
    assert isinstance(outcome, Retry)
    assert "curl 28" in outcome.reason


def test_a_push_that_is_never_answered_holds_no_other_back(wire: Wire) -> None:
    wire.send("aa")
    wire.apns.always("bb", SILENCE)
    waiting = ["bb", *tokens(300)]
    order: list[str] = []
    asked_again = False

    def offered() -> BarePush | None:
        nonlocal asked_again
        if waiting:
            return BarePush(waiting.pop(0))
        if len(order) == 300 and not asked_again:
            # What comes up while only the silent one is under way goes at once.
            asked_again = True
            waiting.append("cc")
        return None

    outcomes = {}
    for push, outcome in wire.sender.stream(offered, now=NOW):
        order.append(push.token)
        outcomes[push.token] = outcome
    assert order[-2:] == ["cc", "bb"]
    silent = outcomes.pop("bb")
    assert isinstance(silent, Retry)
    assert set(outcomes.values()) == {DONE}
    # The connection that answered all others is kept, and the sender does not rest.
    assert wire.sender.pause() is None
    assert wire.send("dd") == {"dd": DONE}
    assert wire.apns.connections == 1


def test_who_fails_while_pushes_are_under_way_leaves_the_connection_usable(wire: Wire) -> None:
    """Storing answers may fail, and so may what is done meanwhile."""
    wire.send("aa")

    def slow() -> None:
        # Several answers come at once, of which only the first is taken.
        time.sleep(0.3)

    waiting = iter(pushes(*tokens(50)))
    stopped = wire.sender.stream(lambda: next(waiting, None), now=NOW, meanwhile=slow)
    next(stopped)
    stopped.close()
    assert set(wire.send(*tokens(20)).values()) == {DONE}

    def fails() -> None:
        raise RuntimeError("The database is away.")

    waiting = iter(pushes(*tokens(50)))
    with pytest.raises(RuntimeError, match="away"):
        list(wire.sender.stream(lambda: next(waiting, None), now=NOW, meanwhile=fails))
    assert set(wire.send(*tokens(20)).values()) == {DONE}


def test_a_silent_first_push_of_a_connection_lets_others_try(wire: Wire) -> None:
    wire.apns.always("aa", SILENCE)
    order = [push.token for push, _ in wire.sender.send(pushes("aa", *tokens(30)), now=NOW)]
    assert order[-1] == "aa"
    assert set(wire.apns.tokens()) == set(tokens(30))
    assert wire.apns.connections == 1


@pytest.mark.parametrize("wire", [60.0], indirect=True)
def test_a_connection_that_broke_waits_for_no_silent_push(wire: Wire) -> None:
    wire.send("cc")
    wire.apns.answer(SILENCE, token="aa")
    wire.apns.answer(PushAnswer(503, "Shutdown"), token="bb")
    began = time.monotonic()
    outcomes = wire.send("aa", "bb")
    assert time.monotonic() - began < 50
    assert {type(each) for each in outcomes.values()} == {Retry}
    wire.clock.now += 5
    assert wire.send("aa", "bb") == {"aa": DONE, "bb": DONE}


def test_a_connection_on_which_nothing_is_answered_is_replaced(wire: Wire) -> None:
    wire.send("aa")
    wire.apns.answer(SILENCE, times=10)
    assert {type(each) for each in wire.send(*tokens(10)).values()} == {Retry}
    assert wire.sender.pause() is not None
    wire.clock.now += 5
    assert wire.send("aa") == {"aa": DONE}
    assert wire.apns.connections == 2


def test_a_certificate_replaced_while_pushes_stream_ends_the_stream(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "CHECK_EVERY", 0.0)
    taken: list[BarePush] = []

    def endless() -> Iterator[BarePush]:
        for token in tokens(100_000):
            taken.append(BarePush(token))
            if len(taken) == 50:
                wire.install()
            yield taken[-1]

    yielded = [push.token for push, _ in wire.sender.send(endless(), now=NOW)]
    assert sorted(yielded) == [each.token for each in taken]
    assert len(taken) < 100_000
    wire.clock.now += 5
    assert wire.send("aa") == {"aa": DONE}
    assert wire.apns.received[-1].connection == 2


def test_an_unreachable_service_is_a_growing_pause_not_an_error(wire: Wire) -> None:
    wire.apns.refusing = True
    outcome = wire.send(*tokens(3))
    assert {type(each) for each in outcome.values()} == {Retry}
    assert wire.sender.pause() is not None
    assert wire.send("aa") == {}
    wire.apns.refusing = False
    wire.clock.now += 100
    assert wire.send("aa") == {"aa": DONE}


def test_the_remaining_pushes_stay_with_the_caller_when_the_connection_breaks(wire: Wire) -> None:
    taken: list[str] = []

    def offered() -> Iterator[BarePush]:
        for token in tokens(5000):
            taken.append(token)
            yield BarePush(token)

    wire.apns.answer(PushAnswer(503, "Shutdown"))
    answered = [push.token for push, _ in wire.sender.send(offered(), now=NOW)]
    assert sorted(answered) == sorted(taken)
    assert len(taken) < 5000


def test_an_answer_without_a_body_or_with_nonsense_still_has_an_outcome() -> None:
    assert judge(410, {}) == Drop("HTTP 410")
    assert isinstance(judge(418, {"reason": 5}), RequestFault)
    assert isinstance(judge(502, {}), Retry)
