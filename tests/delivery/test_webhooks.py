"""Webhooks lose nothing and reorder nothing, whatever their receiver does."""

from __future__ import annotations

import datetime as dt
import ipaddress
import random
import socket
import socketserver
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme
from sqlalchemy import insert, select, update

from app.delivery.destinations import Destination, DestinationRefusal, is_public
from app.delivery.engine import Runner
from app.delivery.webhooks import Webhooks
from app.delivery.webhooks.job import Job
from app.delivery.wire import Unanswered, Wire
from app.sandbox.receiver import ReceivedRequest, Receiver, ReceiverReply
from app.services import readiness, webhooks
from app.services.deployment import Deployment
from app.services.wallets.health import assess
from app.services.webhooks import SCHEDULE, WebhookFault
from app.settings import Settings
from app.store.models import Event, Voucher, Webhook, WebhookDelivery
from tests.conftest import Clock
from tests.storefront import Issued, Storefront

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, webhook_allow=LOOPBACK)


@contextmanager
def worker(deployment: Deployment, *, ca: str | None = None) -> Iterator[Runner[Job]]:
    runner = Runner(deployment, Webhooks(deployment, ca=ca))
    try:
        yield runner
    finally:
        runner.kind.close()


def made(deployment: Deployment, url: str, **wanted: list[str]) -> tuple[str, str]:
    """A webhook's id and secret."""
    keyring = deployment.keyring
    with deployment.database.write() as session:
        webhook, secret = webhooks.register(session, keyring, url, now=deployment.now(), **wanted)
        return str(webhook.public_id), secret


def happen(deployment: Deployment, *vouchers: Issued, kind: str = "scanned") -> None:
    """Something happens to each voucher."""
    with deployment.database.write() as session:
        for voucher in vouchers:
            number, campaign_id = session.execute(
                update(Voucher)
                .where(Voucher.id == voucher.id)
                .values(events=Voucher.events + 1)
                .returning(Voucher.events, Voucher.campaign_id)
            ).one()
            session.execute(
                insert(Event).values(
                    kind=kind,
                    at=deployment.now(),
                    campaign_id=campaign_id,
                    voucher_id=voucher.id,
                    number=number,
                )
            )


def numbers(messages: list[ReceivedRequest]) -> dict[str, list[int]]:
    """What was accepted of each voucher, in order, each event counted when it first came."""
    found: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        event = message.event
        if event["data"]["number"] not in found[event["subject"]]:
            found[event["subject"]].append(event["data"]["number"])
    return dict(found)


def test_event_arrives_signed_as_a_cloud_event(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    with Receiver() as receiver, worker(deployment) as runner:
        _, secret = made(deployment, receiver.url)
        happen(deployment, voucher)
        runner.settle()

    (message,) = receiver.messages
    assert webhooks.verify(secret, headers=message.headers, body=message.body)
    assert not webhooks.verify(secret, headers=message.headers, body=message.body + b" ")
    assert message.headers["webhook-timestamp"] == str(int(clock.now.timestamp()))
    assert message.headers["content-type"] == "application/cloudevents+json"
    event = message.event
    assert event["specversion"] == "1.0"
    assert event["type"] == "passerelle.voucher.scanned"
    assert event["subject"] == voucher.serial
    assert event["id"] == message.headers["webhook-id"] == f"{voucher.serial}-1"
    assert event["data"]["campaign"] == "coupon-1"
    assert event["data"]["recipient"].startswith("r-")
    assert voucher.code.encode() not in message.body
    assert len(message.body) < 20_000


def test_webhook_hears_only_the_kinds_and_campaigns_it_wants(
    deployment: Deployment, storefront: Storefront
) -> None:
    one, other = (
        storefront.voucher(storefront.campaign()),
        storefront.voucher(storefront.campaign()),
    )
    with Receiver() as receiver, worker(deployment) as runner:
        made(deployment, receiver.url, kinds=["redeemed"], campaigns=["coupon-1"])
        happen(deployment, one, other, kind="scanned")
        happen(deployment, one, other, kind="redeemed")
        runner.settle()

    assert numbers(receiver.messages) == {one.serial: [2]}


def test_receiver_that_fails_in_every_way_gets_everything_in_order(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    campaign = storefront.campaign()
    vouchers = [storefront.voucher(campaign) for _ in range(6)]
    dice = random.Random(3)
    replies = [
        ReceiverReply(500),
        ReceiverReply(404),
        ReceiverReply(0),
        ReceiverReply(302, {"Location": "/other"}),
        ReceiverReply(429),
    ]

    def reply(_: ReceivedRequest) -> ReceiverReply:
        return dice.choice(replies) if dice.random() < 0.5 else ReceiverReply()

    with Receiver(reply) as receiver, worker(deployment) as runner:
        made(deployment, receiver.url)
        for _ in range(5):
            happen(deployment, *vouchers)
            runner.settle()
            clock.advance(minutes=dice.choice([0, 1, 40]))
        receiver.replying = lambda _: ReceiverReply()
        for _ in range(4):
            clock.advance(hours=25)
            runner.settle()

    assert numbers(receiver.accepted) == {each.serial: [1, 2, 3, 4, 5] for each in vouchers}
    assert all(message.path == "/hook" for message in receiver.messages)
    with deployment.database.read() as session:
        assert session.scalar(select(WebhookDelivery.id)) is None


def test_event_is_tried_on_the_schedule_then_kept_and_replayed(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    with Receiver(lambda _: ReceiverReply(503)) as receiver, worker(deployment) as runner:
        webhook_id, _ = made(deployment, receiver.url)
        happen(deployment, voucher)
        runner.settle()
        happen(deployment, voucher)
        for attempt, after in enumerate(SCHEDULE, start=1):
            clock.now += after - dt.timedelta(seconds=1)
            runner.settle()
            assert len(receiver.messages) == attempt
            clock.advance(seconds=1)
            receiver.replying = lambda message: ReceiverReply(
                503 if message.event["data"]["number"] == 1 else 200
            )
            runner.settle()
        # The first is dead now; its successor went on in the same lease.
        assert numbers(receiver.accepted) == {voucher.serial: [2]}
        with deployment.database.read() as session:
            webhook = webhooks.find(session, webhook_id)
            assert webhook is not None
            (letter,) = webhooks.dead_letters(session, webhook)
            assert letter["failure"] == "It answered 503."
            assert webhooks.counts(session, webhook) == {"waiting": 0, "dead": 1}

        receiver.replying = lambda _: ReceiverReply()
        with deployment.database.write() as session:
            webhook = webhooks.find(session, webhook_id)
            assert webhook is not None
            assert webhooks.replay(session, webhook, now=clock.now) == 1
        runner.settle()

    assert numbers(receiver.accepted) == {voucher.serial: [2, 1]}


def test_receiver_may_ask_for_a_longer_pause(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    with (
        Receiver(lambda _: ReceiverReply(429, {"Retry-After": "600"})) as receiver,
        worker(deployment) as runner,
    ):
        made(deployment, receiver.url)
        happen(deployment, voucher)
        runner.settle()
        clock.advance(seconds=599)
        runner.settle()
        assert len(receiver.messages) == 1
        clock.advance(seconds=1)
        runner.settle()
        assert len(receiver.messages) == 2


def test_receiver_that_is_gone_is_left_alone_and_hears_the_rest_once_it_is_back(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    vouchers = [storefront.voucher(storefront.campaign()) for _ in range(3)]
    with Receiver(lambda _: ReceiverReply(410)) as receiver, worker(deployment) as runner:
        webhook_id, _ = made(deployment, receiver.url)
        happen(deployment, *vouchers)
        runner.settle()
        happen(deployment, *vouchers)
        clock.advance(hours=1)
        asked = len(receiver.messages)
        runner.settle()
        assert len(receiver.messages) == asked

        receiver.replying = lambda _: ReceiverReply()
        with deployment.database.write() as session:
            webhook = webhooks.find(session, webhook_id)
            assert webhook is not None
            assert webhook.status == "disabled"
            webhooks.change(session, webhook, active=True, now=clock.now)
        runner.settle()

    assert numbers(receiver.accepted) == {each.serial: [1, 2] for each in vouchers}


def test_both_secrets_sign_until_the_old_one_ends(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    with Receiver() as receiver, worker(deployment) as runner:
        webhook_id, old = made(deployment, receiver.url)
        with deployment.database.write() as session:
            webhook = webhooks.find(session, webhook_id)
            assert webhook is not None
            new = webhooks.rotate(session, deployment.keyring, webhook, now=clock.now)
            assert new.encode() not in webhook.secret
        for hours in (0, 25):
            clock.advance(hours=hours)
            happen(deployment, voucher)
            runner.settle()

    first, second = receiver.messages
    assert [webhooks.verify(each, headers=first.headers, body=first.body) for each in (old, new)]
    assert webhooks.verify(old, headers=first.headers, body=first.body)
    assert webhooks.verify(new, headers=second.headers, body=second.body)
    assert not webhooks.verify(old, headers=second.headers, body=second.body)


def test_worker_killed_after_posting_repeats_the_same_ids(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    vouchers = [storefront.voucher(storefront.campaign()) for _ in range(3)]
    with Receiver() as receiver, worker(deployment) as runner:
        made(deployment, receiver.url)
        happen(deployment, *vouchers)
        kind = runner.kind
        with deployment.database.write() as session:
            (target,) = kind.due(session, now=clock.now, limit=10)
            until = clock.now + dt.timedelta(seconds=120)
            jobs = kind.lease(session, [target], now=clock.now, until=until)
        with deployment.database.write() as session:
            assert kind.lease(session, [target], now=clock.now, until=until) == []
        left = iter(jobs)
        feed = SimpleNamespace(poll=lambda: next(left, None))
        list(kind.deliver(feed, now=clock.now))  # and it dies before it records
        clock.advance(seconds=121)
        runner.settle()

    assert len(receiver.messages) == 6
    assert numbers(receiver.messages) == {each.serial: [1] for each in vouchers}


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),  # noqa: S104
        *("::1", "::", "fe80::1", "fd00::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "64:ff9b:1::a00:1", "::ffff:169.254.169.254"),
    ],
)
def test_addresses_that_are_not_public_are_refused_in_every_form(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    shown = f"[{address}]" if ":" in address else address
    refused = Destination(f"https://{shown}/").open()
    assert isinstance(refused, DestinationRefusal)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_are_dialled(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_one_private_address_among_public_ones_condemns_the_name() -> None:
    destination = Destination(
        "https://example.test/", resolving=lambda host, port: ["1.1.1.1", "10.0.0.1"]
    )

    assert isinstance(destination.open(), DestinationRefusal)


def test_plain_http_is_for_named_networks_only() -> None:
    public = Destination("http://example.test/", resolving=lambda host, port: ["1.1.1.1"])

    assert isinstance(public.open(), DestinationRefusal)


def test_production_dials_nothing_in_plain_http_wherever_it_is() -> None:
    network = ipaddress.ip_network("10.20.0.0/16")
    inside = {"allowed": [network], "resolving": lambda host, port: ["10.20.1.1"]}
    assert Destination("http://till.internal/", **inside).open() is None
    refused = Destination("http://till.internal/", https_only=True, **inside).open()
    assert isinstance(refused, DestinationRefusal)
    assert "use https" in refused.reason
    assert Destination("https://till.internal/", https_only=True, **inside).open() is None


def test_name_is_resolved_once_and_its_certificate_is_checked_by_name(
    deployment: Deployment, tmp_path: Path
) -> None:
    """A name that turns to another address after it was judged is still dialled where it was."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hooks.example").configure_cert(context)
    asked = []

    def resolving(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with Receiver(tls=context) as receiver:
        for host, status in (("hooks.example", 200), ("other.example", None)):
            asked.clear()
            destination = Destination(
                f"https://{host}:{receiver.port}/hook",
                allowed=LOOPBACK,
                ca=str(tmp_path / "ca.pem"),
                resolving=resolving,
            )
            assert destination.open() is None
            answers = [destination.post(b"{}", {}) for _ in range(2)]
            destination.close()
            assert asked == [host]
            assert [getattr(answer, "status", None) for answer in answers] == [status, status]

    assert receiver.messages[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_refused_address_keeps_the_events_until_the_address_is_mended(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    with Receiver() as receiver, worker(deployment) as runner:
        webhook_id, _ = made(deployment, "https://10.0.0.1/")
        happen(deployment, voucher)
        happen(deployment, voucher)
        runner.settle()
        with deployment.database.write() as session:
            webhook = webhooks.find(session, webhook_id)
            assert webhook is not None
            assert "PASSERELLE_WEBHOOK_ALLOW" in (webhook.failure or "")
            webhooks.change(session, webhook, url=receiver.url, now=clock.now)
        clock.advance(seconds=6)
        runner.settle()

    assert numbers(receiver.accepted) == {voucher.serial: [1, 2]}


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.test/", "https://", "nothing", "https://u:p@example.test/"),
        *("https://example.test:99999/", "https://exämple.test/"),
    ],
)
def test_address_that_is_none_is_refused(deployment: Deployment, url: str) -> None:
    with pytest.raises(WebhookFault):
        made(deployment, url)


def test_secrets_move_to_the_newest_master_key(deployment: Deployment) -> None:
    webhook_id, secret = made(deployment, "https://example.test/")
    with deployment.database.write() as session:
        webhook = session.scalars(select(Webhook)).one()
        row = b"webhook:" + webhook.public_id.bytes
        webhook.secret = deployment.keyring.seal(secret, row=row, key_id=1)
        webhook.key_id = 1
    with deployment.database.write() as session:
        assert webhooks.reseal(session, deployment.keyring) == 1
    with deployment.database.read() as session:
        found = webhooks.find(session, webhook_id)
        assert found is not None
        assert found.key_id == deployment.keyring.newest
        (signing,) = webhooks.signing_secrets(deployment.keyring, found, now=deployment.now())
        headers = webhooks.sign([signing], message_id="a", at=deployment.now(), body=b"b")
        assert webhooks.verify(secret, headers=headers, body=b"b")


@contextmanager
def dripping() -> Iterator[str]:
    """The address of a receiver that sends a byte of its answer now and then, without end."""
    ending = threading.Event()

    class Dripping(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.recv(65_536)
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1_000:
                    if ending.wait(0.2):
                        return
                    self.request.send(bytes((byte,)))

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def never_accepting() -> Iterator[str]:
    """The address of a receiver that takes no connection: its queue of them is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        for each in waiting:
            each.close()


def test_receiver_that_drips_and_one_that_never_accepts_keep_nothing_from_another(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    vouchers = [storefront.voucher(storefront.campaign()) for _ in range(20)]
    with Receiver() as receiver, dripping() as drips, never_accepting() as deaf:
        for url in (drips, deaf, receiver.url):
            made(deployment, url)
        happen(deployment, *vouchers)
        runner = Runner(deployment, Webhooks(deployment, seconds=2.0))
        began = time.monotonic()
        running = threading.Thread(target=runner.run)
        running.start()
        try:
            while len(receiver.messages) < 20 and time.monotonic() - began < 30:
                time.sleep(0.02)
            heard = time.monotonic() - began
            # What happens while the slow ones are being told is heard at once as well.
            happen(deployment, *vouchers)
            while len(receiver.messages) < 40 and time.monotonic() - began < 60:
                time.sleep(0.02)
        finally:
            runner.stop()
            running.join()

    assert heard < 10
    assert numbers(receiver.messages) == {each.serial: [1, 2] for each in vouchers}
    with deployment.database.read() as session:
        slow, deaf_one, healthy = session.scalars(select(Webhook).order_by(Webhook.id))
        assert slow.failure == deaf_one.failure == "It did not answer in time."
        assert healthy.failure is None
        happened = clock.now
        assert webhooks.oldest_untold(session, slow) == happened
        assert webhooks.oldest_untold(session, healthy) is None

    clock.advance(minutes=16)
    assert {alarm.name for alarm in assess(deployment).alarms} >= {"late_webhook"}
    (check,) = [each for each in readiness.checks(deployment) if each.name == "webhooks"]
    assert check.passed
    assert check.warning
    assert "127.0.0.1 was not told an event" in check.detail
    assert "passerelle webhooks remove" in check.detail


def test_call_ends_in_its_seconds_and_reads_no_more_than_asked() -> None:
    wire = Wire()
    with dripping() as drips:
        began = time.monotonic()
        with pytest.raises(Unanswered) as late:
            wire.send("POST", drips, seconds=1.0, most=1_000, body=b"{}")
        assert time.monotonic() - began < 5
    assert late.value.sent
    with never_accepting() as deaf, pytest.raises(Unanswered) as unreached:
        wire.send("GET", deaf, seconds=1.0, most=1_000)
    assert not unreached.value.sent
    wire.close()


def test_a_webhook_for_rare_events_is_late_too_when_nobody_reads_the_log(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    made(deployment, "https://rare.example/", kinds=["redeemed"])
    happen(deployment, *[voucher] * 201)
    happen(deployment, voucher, kind="redeemed")
    clock.advance(minutes=16)

    # Nothing that it wants is among the first of what lies unread; that so much does is the sign.
    (waiting,) = _late(deployment, clock)
    assert waiting.host == "rare.example"


def test_a_webhook_for_rare_events_that_heard_all_is_not_late(
    deployment: Deployment, storefront: Storefront, clock: Clock
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    made(deployment, "https://rare.example/", kinds=["redeemed"])
    happen(deployment, *[voucher] * 20)
    clock.advance(minutes=16)
    assert _late(deployment, clock) == []


def _late(deployment: Deployment, clock: Clock) -> list[webhooks.Untold]:
    with deployment.database.read() as session:
        return [each for each in webhooks.untold(session) if each.is_late(now=clock.now)]
