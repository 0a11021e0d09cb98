"""The Android phones of a soak: what happens to them and at Google, and what they show."""

from __future__ import annotations

import datetime as dt
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update

from app.sandbox.android import AndroidPhone, NotSavedError
from app.sandbox.google import Chaos, GoogleStandIn, PlannedFault
from app.sandbox.line import LossyLine, Lost
from app.services.wallets import holdings
from app.services.wallets.google import resources, standing
from app.store.models import GoogleClass, GoogleMessage, GoogleObject, Voucher
from tests.apple_world import World
from tests.storefront import Issued

#: Longer than the client waits for an answer.
_HANGS = 16.0
#: Failures on command, beside those that come at random.
MISFORTUNES: tuple[Callable[[], PlannedFault], ...] = (
    lambda: PlannedFault(404, "PATCH", "Object/"),
    lambda: PlannedFault(404, "POST", "Object$"),
    lambda: PlannedFault(404, "POST", "addMessage"),
    lambda: PlannedFault(409, "POST", "Object$"),
    lambda: PlannedFault(401),
    lambda: PlannedFault(0, "POST", "/batch"),
    lambda: PlannedFault(0, "PATCH", "Object/", after=True),
    lambda: PlannedFault(0, "POST", "addMessage", after=True),
    lambda: PlannedFault(503, "POST", "addMessage", after=True),
    lambda: PlannedFault(500, "PATCH", "Class/", after=True),
)


@dataclass(slots=True)
class Holder:
    """A person with an Android phone, and the voucher whose link they have."""

    phone: AndroidPhone
    issued: Issued
    money: bool
    #: They followed the link, and were told to try again.
    wants: bool = False
    #: They deleted it since they last saved it.
    deleted: bool = False


class Androids:
    """All of Google's side in a soak."""

    def __init__(
        self,
        world: World,
        wire: GoogleStandIn,
        vouchers: Sequence[tuple[Issued, bool]],
        *,
        chance: random.Random,
    ) -> None:
        self.world = world
        self.wire = wire
        self.counts: Counter[str] = Counter()
        self._chance = chance
        # One way for all of them, whose weather repeats itself by its own seed.
        self._line = LossyLine(chance=random.Random(chance.random()))
        self.holders = [
            Holder(self._phone(number), issued, money)
            for number, (issued, money) in enumerate(vouchers)
        ]

    def install(self, *, seconds: float) -> None:
        """Everybody follows their link until the pass is theirs, in fair weather."""
        for holder in self.holders:
            holder.wants = True
        until = time.monotonic() + seconds
        while self.waiting() and time.monotonic() < until:
            self.save_rest()

    def moves(self) -> list[tuple[int, Callable[[], None]]]:
        """What may happen to phones and at Google, with how often it does."""
        return [
            (10, self._save),
            (6, self._delete),
            (6, self._save_again),
            (1, self._share),
            (6, self._misfortune),
            (1, self.wire.expire_tokens),
        ]

    def storm(self) -> None:
        """Spoil the phones' way, let a tenth of Google's answers fail, and let callbacks come twice
        or, Google having given up, never.
        """
        self.wire.chaos = Chaos(0.1, seed=self._chance.randrange(1 << 30))
        self.wire.sender.doubled = True
        self.wire.sender.chance = random.Random(self._chance.random())
        self.wire.sender.lose = 0.3
        self._line.lose = self._line.double = 0.1

    def hang(self) -> None:
        """Google carries a change and a message out, and does not answer in time."""
        self.counts["answers of Google that never came"] += 2
        self.wire.fail(PlannedFault(0, "PATCH", "Object/", after=True, hang=_HANGS))
        self.wire.fail(PlannedFault(0, "POST", "addMessage", after=True, hang=_HANGS))

    def refuse(self) -> None:
        """Google refuses the account, once."""
        self.counts["accounts refused"] += 1
        self.wire.fail(PlannedFault(403))

    def clear(self) -> None:
        """Fair weather: Google answers, and everybody follows their link to the end."""
        self.wire.chaos = None
        self.wire.faults.clear()
        self.wire.sender.lose = 0.0
        self._line.lose = self._line.double = 0.0
        self.counts["callbacks of Google that never came"] += self.wire.sender.lost

    def close(self) -> None:
        """Close the phones' connections."""
        self._line.close()

    def save_rest(self) -> None:
        """Follow the links of those who never came through."""
        for holder in self.holders:
            if holder.wants:
                self._follow(holder)

    def waiting(self) -> int:
        return sum(holder.wants for holder in self.holders)

    def end_leases(self) -> None:
        """Make what the dead workers had leased free, as two minutes do; no worker may live."""
        now = self.world.house.now()
        with self.world.house.database.write() as session:
            for table in (GoogleObject, GoogleClass):
                session.execute(
                    update(table)
                    .where(table.claimed_until.is_not(None))
                    .values(claimed_until=now - dt.timedelta(seconds=1), due_at=now)
                )
                session.execute(update(table).where(table.due_at > now).values(due_at=now))
            # A server whose clock was ahead wrote down times that are still to come.
            session.execute(
                update(GoogleObject)
                .where(GoogleObject.ask_users_at > now)
                .values(ask_users_at=now, due_at=now)
            )

    def owed(self) -> int:
        """Calls and messages that wait, of objects that somebody holds or wants."""
        with self.world.house.database.read() as session:
            at_google = standing.standing(session, rate=1.0)
            messages = session.scalar(
                select(func.count())
                .select_from(GoogleMessage)
                .join(GoogleObject, GoogleObject.id == GoogleMessage.object_id)
                .where(
                    GoogleMessage.status.in_(("wanted", "unclear")),
                    GoogleObject.has_users.is_not(False),
                )
            )
            asked = session.scalar(
                select(func.count()).where(GoogleObject.ask_users_at <= self.world.house.now())
            )
        return at_google.owed + at_google.classes_owed + (messages or 0) + (asked or 0)

    def told_by(self, voucher_id: int) -> int:
        """Objects in wallets that a change of the voucher concerns: one or none."""
        with self.world.house.database.read() as session:
            return (
                session.scalar(
                    select(func.count()).where(
                        GoogleObject.voucher_id == voucher_id, GoogleObject.status == "inserted"
                    )
                )
                or 0
            )

    def saved(self) -> int:
        held = self._stored().values()
        return sum(bool(each["hasUsers"]) for each in held)

    def wrong(self) -> list[str]:
        """Every class and object that is not as the service would make it; every broken rule."""
        return [*self._wrong_classes(), *self._wrong_objects(), *self._broken_rules()]

    def _wrong_classes(self) -> list[str]:
        house = self.world.house
        there = {
            each["id"]: each | {"reviewStatus": "UNDER_REVIEW"}
            for kind in ("offerClass", "giftCardClass")
            for each in self.wire.store.resources(kind)
        }
        with house.database.read() as session:
            rows = session.scalars(select(GoogleClass)).all()
        found = []
        for row in rows:
            meant = resources.class_resource(house, row.campaign_id, row.variant, now=house.now())
            kept = there.get(row.class_id, {})
            found += [f"{row.class_id}: {name}" for name in meant if kept.get(name) != meant[name]]
        return found

    def _wrong_objects(self) -> list[str]:
        house, stored = self.world.house, self._stored()
        with house.database.read() as session:
            rows = session.execute(
                select(GoogleObject.object_id, GoogleObject.has_users, Voucher.public_id).join(
                    Voucher, Voucher.id == GoogleObject.voucher_id
                )
            ).all()
        found = []
        for object_id, has_users, public_id in rows:
            kept = stored.get(object_id, {"hasUsers": False})
            if not kept["hasUsers"]:
                if has_users:
                    found.append(f"{object_id} is in no wallet, and taken to be in one")
                continue
            with house.database.read() as session:
                holding = holdings.find(session, public_id)
            if holding is None:
                found.append(f"{object_id} is nobody's voucher")
                continue
            meant = resources.object_resource(house, holding, now=house.now())
            differing = [name for name in meant if kept.get(name) != meant[name]]
            if differing or has_users is not True:
                found.append(f"{object_id} shows another {differing}; users: {has_users}")
        known = {row.object_id for row in rows}
        return found + [
            f"{object_id} is held and unknown"
            for object_id, each in stored.items()
            if each["hasUsers"] and object_id not in known
        ]

    def _broken_rules(self) -> list[str]:
        """Two calls at once, a fourth ring in a day, a message twice, a debt to what is gone."""
        found = [f"{name} got two calls at once" for name in self.wire.overlapping]
        rang: defaultdict[str, list[dt.datetime]] = defaultdict(list)
        for seen in self.wire.store.notifications:
            rang[seen.object_id].append(seen.at)
        for object_id, moments in rang.items():
            moments.sort()
            for first, fourth in zip(moments, moments[3:], strict=False):
                if fourth - first < dt.timedelta(hours=24):
                    found.append(f"{object_id} rang a fourth time in a day")
        found += [
            f"{object_id} was told {message_id} {count} times"
            for (object_id, message_id), count in self.wire.store.taken.items()
            if count > 1
        ]
        with self.world.house.database.read() as session:
            removed = session.scalars(
                select(GoogleObject.object_id).where(
                    GoogleObject.has_users.is_(False),
                    GoogleObject.status == "inserted",
                    GoogleObject.due_at.is_not(None) | GoogleObject.claimed_until.is_not(None),
                )
            ).all()
        return found + [f"{object_id} was removed and is owed something" for object_id in removed]

    def _stored(self) -> dict[str, dict[str, object]]:
        return {
            each["id"]: each
            for kind in ("offerObject", "giftCardObject")
            for each in self.wire.store.resources(kind)
        }

    def _follow(self, holder: Holder) -> None:
        link = f"{self.world.settings.base_url}/p/{holder.issued.link}/google"
        try:
            holder.phone.save(link)
            holder.wants = holder.deleted = False
        except NotSavedError as refusal:
            # "Try again", which customers do; or somebody else holds the card, which stays so.
            holder.wants = "somebody else" not in str(refusal)
        except Lost:
            # Nobody knows whether it was saved, least of all the customer, who tries again.
            self.counts["requests of Android phones lost"] += 1
            holder.wants = True

    def _phone(self, number: int) -> AndroidPhone:
        return AndroidPhone(self.wire.url, user=f"user-{number}", line=self._line)

    def _save(self) -> None:
        self.counts["saves"] += 1
        self._follow(self._chance.choice(self.holders))

    def _save_again(self) -> None:
        """Somebody wants back what they deleted, which only a callback or a question tells."""
        deleted = [holder for holder in self.holders if holder.deleted]
        if deleted:
            self.counts["saves after a deletion"] += 1
            self._follow(self._chance.choice(deleted))

    def _delete(self) -> None:
        holder = self._chance.choice(self.holders)
        try:
            for object_id in holder.phone.passes():
                self.counts["Android deletions"] += 1
                holder.wants, holder.deleted = False, True
                holder.phone.delete(object_id)
        except NotSavedError:
            # It arrived twice, and had been done the first time.
            return
        except Lost:
            self.counts["requests of Android phones lost"] += 1

    def _share(self) -> None:
        """Somebody passes their link on: one more holder of the same voucher, or a refusal."""
        self.counts["links passed on"] += 1
        given = self._chance.choice(self.holders)
        other = self._phone(len(self.holders))
        self.holders.append(Holder(other, given.issued, given.money))
        self._follow(self.holders[-1])

    def _misfortune(self) -> None:
        self.counts["failures of Google"] += 1
        self.wire.fail(self._chance.choice(MISFORTUNES)())
