"""A rendering writes each recipient's text and issues, or plans, the vouchers that it names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.values import Fact, Why
from app.services import (
    campaigns,
    decisions,
    issuance,
    links,
    security,
)
from app.services.decisions import (
    Candidate,
    Decided,
    Tally,
)
from app.services.deployment import Deployment
from app.services.issuance import (
    FORGOTTEN,
    Issued,
    IssueFault,
    Person,
    VoucherRequest,
)
from app.services.mailings.expressions import MessageFault
from app.services.mailings.template import (
    Message,
    Rendered,
    fill,
)
from app.services.mailings.values import (
    Nothing,
    Sample,
    Values,
)
from app.services.security import Actor, SecurityEventKind
from app.store.models import Campaign, Code

_CHUNK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a mail to one recipient is about; without an occasion, the mailing itself.

    Facts are of that occasion: `basket` in minor units, say.
    """

    occasion: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)


def check(deployment: Deployment, message: Message, allowed: Iterable[str] | None) -> None:
    """Refuse a message whose campaigns are unknown, or not among `allowed`.

    Raises:
        MessageFault: names the campaigns, the same way for unknown and forbidden ones.
    """
    with deployment.database.read() as session:
        known = set(
            session.scalars(select(Campaign.key).where(Campaign.key.in_(message.campaigns)))
        )
    if allowed is not None:
        known &= set(allowed)
    if missing := [key for key in message.campaigns if key not in known]:
        raise MessageFault(
            f"No campaign of this key: {', '.join(missing)}. Check the names, and which campaigns "
            "the API key may touch."
        )


def preview(
    deployment: Deployment,
    message: Message,
    recipients: Iterable[Person],
    about: Mapping[str, About] | None = None,
) -> Iterator[Rendered]:
    """Each recipient's text with sample values; nothing is issued or stored.

    Campaigns that decide by rules are asked as in a dry run, so that who would get nothing has
    a text without a code here, too.
    """
    tallies = {key: Tally() for key in message.campaigns}
    yield from _texts(deployment, message, recipients, about or {}, tallies, by=security.acting())


def render(
    deployment: Deployment,
    message: Message,
    recipients: Iterable[Person],
    about: Mapping[str, About] | None = None,
) -> Iterator[Rendered]:
    """Each recipient's text, in their order, as it becomes ready.

    Vouchers are issued a few hundred at a time, each time in one transaction for all campaigns of
    the message. Who gets none, because codes ran out or a campaign ended, gets the fault instead
    of a text, as does who was forgotten. Who gets none by a campaign's rules gets a text in which
    that campaign's functions are empty, and the answer says why.

    Args:
        about: what the mail is about, by recipient.
    """
    return _texts(deployment, message, recipients, about or {}, None, by=security.acting())


def _texts(
    deployment: Deployment,
    message: Message,
    recipients: Iterable[Person],
    about: Mapping[str, About],
    tallies: Mapping[str, Tally] | None,
    *,
    by: Actor,
) -> Iterator[Rendered]:
    # A server may read on in another thread than the one that was asked.
    security.act_as(by)
    rest = iter(recipients)
    while people := list(islice(rest, _CHUNK)):
        with deployment.database.read() as session:
            names = {person.external_id for person in people}
            gone = issuance.forgotten.gone(session, deployment.keyring, names)
        asking = [person for person in people if person.external_id not in gone]
        served = _rounds(deployment, message, asking, about, tallies)
        served.faults.update(dict.fromkeys(gone, FORGOTTEN))
        for person in people:
            name = person.external_id
            if (fault := served.faults.get(name)) is not None:
                yield Rendered(external_id=name, text=None, fault=fault)
            else:
                text = fill(message, person, served.vouchers.get(name, {}))
                yield replace(text, not_given=served.not_given.get(name, {}))


@dataclass(slots=True)
class _Served:
    """What was found for the recipients of a chunk, by their ids."""

    vouchers: dict[str, dict[str, Values]] = field(default_factory=dict)
    #: By campaign, why its rules gave nothing.
    not_given: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def refused(self, message: Message, key: str, decided: Iterable[Decided]) -> None:
        """Note what the rules gave nobody. Codes that ran out are a fault, not a decision."""
        for each in decided:
            if each.why is not None and each.why is not Why.NO_CODE:
                self.refuse(message, key, each.candidate.person.external_id, each.why, each.cause)

    def refuse(self, message: Message, key: str, name: str, why: Why, cause: str) -> None:
        """Note that a recipient gets nothing of a campaign, and why.

        A birthday that is not due leaves no text where the template does not ask: a mail that
        congratulates and links to nothing helps nobody.
        """
        if cause and not message.chooses:
            self.faults[name] = cause
            return
        self.not_given.setdefault(name, {})[key] = why.value
        self.vouchers.setdefault(name, {})[key] = Nothing()

    def known(self, name: str) -> set[str]:
        """Campaigns that were asked for this recipient."""
        return set(self.vouchers.get(name, ()))


def _asked(message: Message, people: Sequence[Person], served: _Served) -> dict[str, set[str]]:
    """Campaigns whose voucher each recipient's text names: a branch not taken mints nothing."""
    if not message.chooses:
        return {person.external_id: set(message.campaigns) for person in people}
    asked: dict[str, set[str]] = {}
    for person in people:
        if person.external_id in served.faults:
            asked[person.external_id] = set()
            continue
        seen = _Seen(message.is_html)
        seen.update(served.vouchers.get(person.external_id, {}))
        fill(message, person, seen)
        asked.setdefault(person.external_id, set()).update(seen.keys_seen)
    return asked


class _Seen(dict[str, Values]):
    """Sample vouchers that note which of them are asked for."""

    def __init__(self, is_html: bool) -> None:
        super().__init__()
        self.is_html = is_html
        self.keys_seen: set[str] = set()

    def __missing__(self, key: str) -> Values:
        self.keys_seen.add(key)
        return Sample(is_html=self.is_html)


def _rounds(
    deployment: Deployment,
    message: Message,
    people: Sequence[Person],
    about: Mapping[str, About],
    tallies: Mapping[str, Tally] | None,
) -> _Served:
    """What each recipient's text needs, asked for until it needs nothing more: a text may name
    another campaign where the first gave nothing.

    Args:
        tallies: of a preview, which issues nothing: what it planned so far, by campaign.
    """
    served = _Served()
    asked = _asked(message, people, served)
    while any(asked.values()):
        if tallies is None:
            _issue(deployment, message, people, about, asked, served)
        else:
            _plan(deployment, message, people, about, asked, served, tallies)
        if not message.chooses or not served.not_given:
            break
        before = {name: served.known(name) for name in asked}
        asked = {
            name: keys - before[name] for name, keys in _asked(message, people, served).items()
        }
    return served


def _issue(
    deployment: Deployment,
    message: Message,
    people: Sequence[Person],
    about: Mapping[str, About],
    asked: Mapping[str, set[str]],
    served: _Served,
) -> None:
    keyring, settings = deployment.keyring, deployment.settings
    issued: list[tuple[str, Issued]] = []
    clear: dict[int | None, str] = {}
    now: dt.datetime = deployment.now()
    with deployment.database.write() as session:
        rows = {key: campaigns.required(session, key) for key in message.campaigns}
        if len(rows) > 1:
            # Each campaign keeps its recipients' rows, which two messages could take in turn.
            decisions.lock(session, keyring, people, now=now)
        # One order for every message, since limits are kept in the campaigns' rows.
        for key, campaign in sorted(rows.items()):
            # Who gets no text needs no voucher of another campaign.
            asking = [
                person
                for person in people
                if key in asked[person.external_id] and person.external_id not in served.faults
            ]
            if not asking:
                continue
            got = served.not_given
            try:
                if campaign.rules is None:
                    wanted = [
                        VoucherRequest(
                            person=each, occasion=_occasion(message, campaign, each, about)
                        )
                        for each in asking
                    ]
                    batch = issuance.issue(session, keyring, campaign, wanted, now=now)
                    found = list(batch.issued)
                    served.faults.update(
                        {
                            each.person.external_id: FORGOTTEN
                            for each in batch.forgotten
                            if each.person
                        }
                    )
                    for late in batch.not_due:
                        served.refuse(message, key, late.external_id or "", late.why, late.cause)
                else:
                    # A value of another campaign may be refused after some were issued.
                    with session.begin_nested():
                        decided = decisions.decide_some(
                            session,
                            keyring,
                            key,
                            _candidates(message, campaign, asking, about),
                            Tally(),
                            now=now,
                        )
                    found = [each.issued for each in decided if each.issued is not None]
                    served.refused(message, key, decided)
            except IssueFault as fault:
                served.faults.update({person.external_id: str(fault) for person in asking})
                continue
            issued.extend((key, item) for item in found)
            _record(session, message, key, found, now=now)
            names = {item.external_id for item in found}
            served.faults.update(
                {
                    person.external_id: f"No code of {key} is left: import or generate more, and "
                    "send the message again."
                    for person in asking
                    if person.external_id not in names
                    and person.external_id not in served.faults
                    and key not in got.get(person.external_id, {})
                }
            )
    ids = {item.code_id for _, item in issued}
    with deployment.database.read() as session:
        for code in session.scalars(select(Code).where(Code.id.in_(ids))):
            clear[code.id] = issuance.code_of(keyring, code)
    for key, item in issued:
        address = links.page(settings, keyring, [(item.public_id, item.key_id)])
        served.vouchers.setdefault(item.external_id or "", {})[key] = Values(
            address, f"{address}/code.png", clear.get(item.code_id, ""), message.is_html
        )


def _record(
    session: Session, message: Message, key: str, found: Sequence[Issued], *, now: dt.datetime
) -> None:
    """Record codes that the texts show, or links that were given out before."""
    shown = key in message.reveals
    security.record(
        session,
        SecurityEventKind.CODES_DISCLOSED if shown else SecurityEventKind.LINKS_DISCLOSED,
        now=now,
        object=f"campaign {key}",
        reason=f"message {message.id}",
        count=len(found) if shown else sum(not item.fresh for item in found),
    )


def _plan(
    deployment: Deployment,
    message: Message,
    people: Sequence[Person],
    about: Mapping[str, About],
    asked: Mapping[str, set[str]],
    served: _Served,
    tallies: Mapping[str, Tally],
) -> None:
    """Sample values for those who would get something."""
    with deployment.database.read() as session:
        for key in sorted(message.campaigns):
            asking = [person for person in people if key in asked[person.external_id]]
            campaign = campaigns.required(session, key)
            if asking and (campaign.rules or campaign.birthday):
                # A campaign that is no draft any more only when the message goes out is shown.
                with suppress(IssueFault):
                    served.refused(
                        message,
                        key,
                        decisions.decide_some(
                            session,
                            deployment.keyring,
                            key,
                            _candidates(message, campaign, asking, about),
                            tallies[key],
                            now=deployment.now(),
                            dry_run=True,
                        ),
                    )
            for person in asking:
                mine = served.vouchers.setdefault(person.external_id, {})
                mine.setdefault(key, Sample(is_html=message.is_html))


def _candidates(
    message: Message, campaign: Campaign, people: Sequence[Person], about: Mapping[str, About]
) -> list[Candidate]:
    return [
        Candidate(
            person=person,
            occasion=_occasion(message, campaign, person, about),
            facts=about.get(person.external_id, _NOTHING).facts,
        )
        for person in people
    ]


def _occasion(
    message: Message, campaign: Campaign, person: Person, about: Mapping[str, About]
) -> str:
    own = about.get(person.external_id, _NOTHING).occasion or message.occasion
    return issuance.told_occasion(campaign, own)


_NOTHING = About()
