"""The iPhones and watches of a soak: what happens to them, and what they show in the end."""

from __future__ import annotations

import datetime as dt
import io
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from sqlalchemy import func, or_, select, update

from app.delivery.apple.results import DOUBT
from app.sandbox.apns import SILENCE, PushAnswer
from app.sandbox.iphone import Lost, Phone
from app.sandbox.pkpass import Rejected
from app.services.wallets.apple.pkpass import signed_pass
from app.services.wallets.apple.states import LISTED, PUSHED, behind
from app.services.wallets.holdings import find_all
from app.store.models import AppleDevice, AppleRegistration, Campaign, Voucher
from tests.apple_world import World
from tests.storefront import Issued

#: Every answer of Apple's that is no verdict on the token, and the two that our fault may cause.
MISFORTUNES = (
    SILENCE,
    PushAnswer(400, "BadDeviceToken"),
    PushAnswer(400, "DeviceTokenNotForTopic"),
    PushAnswer(400, "BadTopic"),
    PushAnswer(400, "PayloadEmpty"),
    PushAnswer(404, "BadPath"),
    PushAnswer(405, "MethodNotAllowed"),
    PushAnswer(413, "PayloadTooLarge"),
    PushAnswer(429, "TooManyRequests"),
    PushAnswer(500, "InternalServerError"),
    PushAnswer(503, "ServiceUnavailable"),
)
#: Apple's word that our certificate is refused: the sender stops.
REFUSED = PushAnswer(403, "BadCertificate")


class Iphones:
    """All of Apple's side in a soak."""

    def __init__(
        self,
        world: World,
        cards: Sequence[Issued],
        often: Sequence[Issued],
        *,
        size: int,
        chance: random.Random,
    ) -> None:
        self.world = world
        self.phones: list[Phone] = []
        self.counts: Counter[str] = Counter()
        self._cards = cards
        self._often = often
        self._size = size
        self._chance = chance

    def install(self) -> None:
        """A phone for each card, and every tenth phone gets a second one."""
        with ThreadPoolExecutor(4) as pool:
            self.phones = list(pool.map(self.world.holder, self._cards[: self._size]))
        for _ in range(self._size // 10):
            self._phone().install(self.world.link(self._chance.choice(self._cards)))
        for each in self._often:
            self._phone().install(self.world.link(each))

    def moves(self) -> list[tuple[int, Callable[[], None]]]:
        """What may happen to phones and to the way to them, with how often it does."""
        apns = self.world.apns
        return [
            (4, self._register_again),
            (4, self._change_token),
            (3, self._delete),
            (3, self._add_again),
            (3, self._restore),
            (4, self._offline),
            (6, self._online),
            (1, self._pair_watch),
            (1, apns.goaway),
            (1, apns.cut),
            (4, self._misfortune),
        ]

    def storm(self) -> None:
        """Spoil the way to Apple and the phones' way to the service."""
        self.world.apns.weather(random.Random(self._chance.random()), 0.05)
        self.world.line.lose = 0.02
        self.world.line.double = 0.05

    def refuse(self) -> None:
        """Apple refuses the certificate, once."""
        self.counts["certificates refused"] += 1
        self.world.apns.answer(REFUSED)

    def clear(self) -> None:
        """Fair weather: nothing is lost any more, and everybody is online."""
        self.world.apns.weather(None)
        self.world.apns.calm()
        self.world.line.lose = self.world.line.double = 0.0
        for phone in self.phones:
            phone.go_online()

    def settle(self) -> None:
        """Let the phones do what is left to them, and let no pause of Apple's side last.

        What waits for the end of a pause, of a doubt or for a reminder is made due: nobody wants
        to wait hours for a test. A device leased by a worker may be pushed twice by this, which
        costs a push and harms nothing.
        """
        now = dt.datetime.now(dt.UTC)
        paused = or_(AppleDevice.due_at > now, AppleDevice.claimed_until > now)
        doubted = AppleDevice.doubtful_at > now - DOUBT
        with self.world.house.database.write() as session:
            # Those that a worker is writing at this moment are left to the next time.
            free = select(AppleDevice.id).where(or_(paused, doubted))
            ids = session.scalars(free.with_for_update(skip_locked=True)).all()
            chosen = update(AppleDevice).where(AppleDevice.id.in_(ids))
            session.execute(
                chosen.where(paused).values(due_at=now, claimed_until=None, reminders=0)
            )
            session.execute(chosen.where(doubted).values(doubtful_at=now - DOUBT))
        for phone in self.phones:
            phone.settle()

    def owed(self) -> int:
        """Registrations of which a device was not told, or of which it did not ask."""
        with self.world.house.database.read() as session:
            return (
                session.scalar(
                    select(func.count())
                    .select_from(AppleRegistration)
                    .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
                    .join(Campaign, Campaign.id == Voucher.campaign_id)
                    .where(behind(PUSHED) | behind(LISTED))
                )
                or 0
            )

    def told_by(self, voucher_id: int) -> int:
        """Devices that a change of the voucher concerns."""
        with self.world.house.database.read() as session:
            return (
                session.scalar(
                    select(func.count()).where(AppleRegistration.voucher_id == voucher_id)
                )
                or 0
            )

    def told_by_campaign(self, campaign_id: int) -> int:
        """Devices that an edit of the campaign concerns."""
        with self.world.house.database.read() as session:
            return (
                session.scalar(
                    select(func.count(AppleRegistration.device_id.distinct()))
                    .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
                    .where(Voucher.campaign_id == campaign_id)
                )
                or 0
            )

    def unchanged(self) -> int:
        """Passes that phones were sent although they showed nothing new, as Wallet complains."""
        return sum(
            "returned the full unchanged pass data" in fault
            for phone in self.phones
            for fault in phone.faults
        )

    def held(self) -> int:
        return sum(len(phone.cards) for phone in self.phones)

    def wrong(self) -> list[str]:
        """Every pass that is not, member by member, the one that the service would make now."""
        found = []
        meant = self._meant()
        held = set()
        for phone in self.phones:
            for (_, serial), card in phone.cards.items():
                public_id, content = meant[serial]
                held.add((phone.library_id, public_id))
                differing = [
                    name
                    for name in content.keys() | card.content.keys()
                    if content.get(name) != card.content.get(name)
                ]
                if differing:
                    found.append(f"{serial} shows another {', '.join(sorted(differing))}")
        with self.world.house.database.read() as session:
            known = {
                (row.library_id, row.public_id)
                for row in session.execute(
                    select(AppleDevice.library_id, Voucher.public_id)
                    .join(AppleRegistration, AppleRegistration.device_id == AppleDevice.id)
                    .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
                )
            }
        found += [f"{each} is on a phone that is not registered" for each in held - known]
        return found

    def _meant(self) -> dict[str, tuple[int, dict[str, Any]]]:
        """What every pass that is on a phone should show, by serial."""
        wanted = {serial for phone in self.phones for _, serial in phone.cards}
        held = (*self._cards, *self._often)
        public_ids = [card.public_id for card in held if card.serial in wanted]
        house = self.world.house
        meant = {}
        for at in range(0, len(public_ids), 500):
            with house.database.read() as session:
                holdings = find_all(session, public_ids[at : at + 500])
            for holding in holdings:
                package = signed_pass(house, holding, now=house.now())
                with zipfile.ZipFile(io.BytesIO(package)) as archive:
                    content = orjson.loads(archive.read("pass.json"))
                meant[holding.serial] = (holding.voucher.public_id, content)
        return meant

    def _phone(self) -> Phone:
        return self._chance.choice(self.phones)

    def _register_again(self) -> None:
        self.counts["re-registrations"] += 1
        self._phone().register_again()

    def _change_token(self) -> None:
        self.counts["token changes"] += 1
        phone = self._phone()
        old = phone.push_token
        phone.change_token()
        self.world.fleet.join(phone)
        self._gone(old)

    def _restore(self) -> None:
        self.counts["restores"] += 1
        phone = self._phone()
        old = phone.push_token
        phone.restore()
        self.world.fleet.join(phone)
        self._gone(old)

    def _gone(self, token: str) -> None:
        """Apple notices that a token is no more, and says so in one of its ways."""
        if self._chance.random() < 0.1 and self.counts["tokens called bad"] < self._size // 100:
            self.counts["tokens called bad"] += 1
            self.world.apns.always(token, PushAnswer(400, "BadDeviceToken"))
            return
        # The server's clock jumps by minutes, Apple's does not.
        since = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=10)
        reason = self._chance.choice(("Unregistered", "ExpiredToken"))
        self.world.apns.always(token, PushAnswer(410, reason, timestamp=since))

    def _delete(self) -> None:
        phone = self._phone()
        if phone.cards:
            self.counts["deletions"] += 1
            phone.delete(self._chance.choice(sorted(phone.cards))[1])

    def _add_again(self) -> None:
        self.counts["additions"] += 1
        try:
            self._phone().install(self.world.link(self._chance.choice(self._cards)))
        except (Lost, Rejected):
            return

    def _offline(self) -> None:
        self.counts["phones gone offline"] += 1
        self._phone().go_offline()

    def _online(self) -> None:
        away = [phone for phone in self.phones if not phone.online]
        if away:
            self._chance.choice(away).go_online()

    def _pair_watch(self) -> None:
        if len(self.phones) < self._size * 1.1:
            self.counts["watches"] += 1
            self.phones.append(self.world.fleet.join(self._phone().pair_watch()))

    def _misfortune(self) -> None:
        self.counts["failures of Apple"] += 1
        self.world.apns.answer(self._chance.choice(MISFORTUNES))
