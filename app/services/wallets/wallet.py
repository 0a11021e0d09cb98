"""What the rest of the service asks of a wallet, and the values in which it is answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.orm import Session

from app.domain.funnel import Stage
from app.domain.overrides import Override
from app.services.campaigns.file import Draft
from app.services.campaigns.stored import store_presentation, store_terms
from app.services.deployment import Deployment
from app.services.wallets.holdings import Holding
from app.settings import Settings
from passes.content import PassContent

#: How many, by a name that is part of the API.
Counts = Mapping[str, int]


class Wallet(Protocol):
    """A wallet that passes are in; `WALLETS` has one of each.

    Whoever asks goes through all of `WALLETS` and does not look which one it is: a wallet's name,
    its tables and its words stand in its own modules.
    """

    @property
    def name(self) -> str:
        """How addresses, events and figures call it: lower-case letters, never changed."""

    @property
    def title(self) -> str:
        """How its maker calls it, in every language."""

    @property
    def devices(self) -> frozenset[str]:
        """Sorts of devices ("iphone", "android", "desktop") whose pages offer it."""

    @property
    def bundles_need_browser(self) -> bool:
        """Whether only some browsers of a phone take several passes in one go."""

    @property
    def added(self) -> Stage:
        """The stage of reports that a voucher reaches when it comes into this wallet."""

    @property
    def jobs(self) -> tuple[Callable[[Deployment], None], ...]:
        """What is to be done because time passes; each decides itself whether it is due."""

    def add(
        self, deployment: Deployment, holdings: Sequence[Holding], *, now: dt.datetime
    ) -> PassFile | SaveAddress | TryAgain:
        """Return what a customer's phone follows or opens to add the vouchers' passes.

        Raises:
            CertificateFault: nothing can sign it.
            passes.errors.PassError: the content cannot be a pass; names field and remedy.
        """

    def picture(self, content: PassContent, *, language: str) -> bytes:
        """Return a PNG of the pass as the wallet draws it."""

    def reach(self, session: Session, campaign_id: int) -> UpdateReach:
        """Count what an update of the campaign would touch."""

    def progress(self, session: Session, campaign_id: int, version: int) -> WalletProgress:
        """Count how far the campaign's version has come to the passes that are held."""

    def forecast(
        self, session: Session, campaign_key: str, edit: Edit, *, settings: Settings
    ) -> Forecast | None:
        """Say what an edit of a campaign costs; None for a wallet whose rate does not matter."""

    def hand_over(self, session: Session, voucher_id: int, *, to: int) -> None:
        """Let everything that holds one voucher's pass hold another's; both are row ids."""

    def health(self, session: Session, *, settings: Settings, now: dt.datetime) -> WalletHealth:
        """Count what is held, owed and failing."""

    def show(self, found: WalletHealth) -> None:
        """Set the wallet's own gauges."""

    def counted(self, counts: Counts) -> str:
        """Say a campaign's counts in a line for operators."""

    def failed(self, failure: Failure) -> str:
        """Say a failure in a line for operators."""

    def progressed(self, counts: Counts) -> str:
        """Say an update's progress in a line for operators; nothing where it is not told."""


@dataclass(frozen=True, slots=True)
class PassFile:
    """A file that a phone opens in its wallet."""

    data: bytes
    media_type: str
    name: str


@dataclass(frozen=True, slots=True)
class SaveAddress:
    """An address at the wallet's maker that the customer goes on to."""

    url: str


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The pass cannot be added yet, and may be soon."""

    after: dt.timedelta
    cause: str


@dataclass(frozen=True, slots=True)
class UpdateReach:
    """What an update touches: passes, and what is told at once, counted by its name in the API."""

    passes: int
    targets: Counts
    #: The same for people, such as "2 devices of Apple's".
    text: str


@dataclass(frozen=True, slots=True)
class WalletProgress:
    """How far a campaign's version has come, by name in the API; nothing where it is not told."""

    counts: Counts = field(default_factory=dict)
    #: The same counts of a version that is not published yet, of which nobody can have been told.
    before: Counts = field(default_factory=dict)
    #: How many passes are held, of those that the counts speak of, and whether all were told.
    installed: int = 0
    delivered: bool = True


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an edit costs where passes are changed at a limited rate: how many, and how long."""

    passes: int
    takes: dt.timedelta
    #: The wallet's title.
    wallet: str

    def __str__(self) -> str:
        if not self.passes:
            return f"{self.wallet}: one call updates every pass."
        minutes = self.takes.total_seconds() / 60
        length = f"{minutes:.0f} minutes" if minutes >= 1.5 else "about a minute"
        return f"{self.wallet}: {self.passes:,} passes are updated one by one, {length} in all."


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What could not be told, by the reason that the wallet's service gave."""

    wallet: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that a person has to mend."""

    name: str
    cause: str
    remedy: str
    #: Whether it is of the service alone, and says nothing of any campaign's passes.
    of_service: bool = True

    def as_dict(self) -> dict[str, str]:
        """Return it as programs read it."""
        return {"name": self.name, "cause": self.cause, "remedy": self.remedy}


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletHealth:
    """What a wallet holds and is owed, at one moment."""

    #: Every count that `campaigns` has, at zero: what a campaign shows that the wallet has none of.
    none: Counts
    #: By key of a campaign.
    campaigns: Mapping[str, Counts]
    #: Passes that are in the wallet, or may be.
    held: int
    failures: tuple[Failure, ...]
    #: Since when what waits longest has been waiting, and what that is, as a sentence's beginning.
    oldest_owed: dt.datetime | None
    waits: str
    alarms: tuple[Alarm, ...] = ()
    #: More that programs are told, by a name that says which wallet's it is.
    figures: Mapping[str, Any] = field(default_factory=dict)
    #: More that operators are told.
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is about to change of a campaign.

    Args:
        columns: of the campaign.
        terms, presentation: in their stored form; members that are left out stay, unless `whole`.
        override: to be laid over the present one.
        message: whether holders are told something.
    """

    columns: Mapping[str, Any] = field(default_factory=dict)
    terms: Mapping[str, Any] = field(default_factory=dict)
    presentation: Mapping[str, Any] = field(default_factory=dict)
    override: Override | None = None
    message: bool = False
    whole: bool = False

    @classmethod
    def of(cls, draft: Draft) -> Edit:
        """Return what a campaign file would change of a campaign that is there."""
        return cls(
            columns={
                "kind": draft.kind,
                "authority": draft.authority.value,
                "source": draft.source.value,
                "currency": draft.currency,
                "timezone": draft.timezone,
            },
            terms=store_terms(draft.terms),
            presentation=store_presentation(draft.presentation),
            whole=True,
        )
