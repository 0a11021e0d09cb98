"""Issuing: once for each recipient and occasion, cleanly out of codes, birthdays, taking back."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from app.cli import main
from app.domain import birthdays, codes
from app.domain.birthdays import LeapDay
from app.domain.codes import Purpose
from app.faults import CampaignUnknown
from app.services import (
    birthday_cards,
    campaigns,
    decisions,
    issuance,
)
from app.services.codes import generated, jobs
from app.services.decisions import Candidate, Tally
from app.services.deployment import Deployment
from app.services.issuance import (
    IssueFault,
    IssueOutcome,
    Person,
    VoucherRequest,
)
from app.services.issuance.recipients import store
from app.settings import Settings
from app.store.models import Campaign, Code, Entry, Event, Recipient, Voucher
from tests.conftest import MASTER_KEYS, Clock
from tests.marketing import apply, apply_document, bring, card


def wanted(*ids: str, occasion: str = "mail") -> list[VoucherRequest]:
    return [VoucherRequest(person=Person(external_id=each), occasion=occasion) for each in ids]


def issue(
    deployment: Deployment, items: list[VoucherRequest], campaign: str = "spring"
) -> IssueOutcome:
    outcome = IssueOutcome()
    for _ in issuance.issue_many(deployment, campaign, items, outcome):
        pass
    return outcome


def count(deployment: Deployment, model: type) -> int:
    with deployment.database.read() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_asked_again_the_same_recipient_and_occasion_get_the_same_voucher(
    deployment: Deployment,
) -> None:
    apply(deployment)
    bring(deployment, b"".join(b"CODE%04d\n" % n for n in range(10)))

    (first,) = issuance.issue_many(deployment, "spring", wanted("a", "b", "a"), IssueOutcome())
    (again,) = issuance.issue_many(deployment, "spring", wanted("b", "a"), IssueOutcome())
    other = issue(deployment, wanted("a", occasion="other mail"))

    assert [item.fresh for item in first.issued] == [True, True, False]
    assert first.issued[0].voucher_id == first.issued[2].voucher_id == again.issued[1].voucher_id
    assert not any(item.fresh for item in again.issued)
    assert (other.issued, other.known) == (1, 0)
    assert count(deployment, Voucher) == count(deployment, Event) == 3


def test_out_of_codes_it_keeps_what_was_issued_and_says_how_many_are_missing(
    deployment: Deployment, tmp_path: Path
) -> None:
    apply(deployment, codes={"source": "list", "low_stock": 5})
    bring(deployment, b"".join(b"CODE%04d\n" % n for n in range(250)))
    people, links = tmp_path / "people.csv", tmp_path / "links.csv"
    people.write_text(
        "external_id;language;birth_date;city\n"
        + "".join(f"p{n};fr;1990-02-{n % 28 + 1:02};Lyon\n" for n in range(300))
        + ";fr;;\nx;français;;\ny;fr;31.12.1990;\n"
    )

    outcome = issuance.issue_file(deployment, "spring", people, links, clear_codes=True)

    assert (outcome.issued, outcome.missing) == (250, 50)
    assert outcome.stock is not None
    assert outcome.stock.low
    rows = list(csv.DictReader(links.read_text(encoding="utf-8").splitlines()))
    assert len({row["code"] for row in rows}) == len({row["wallet_link"] for row in rows}) == 250
    token = rows[0]["wallet_link"].rpartition("/p/")[2]
    assert deployment.keyring.verify(token, Purpose.LINK) is not None
    # More codes, the same file: the others get theirs, everybody keeps what they have.
    bring(deployment, b"".join(b"MORE%04d\n" % n for n in range(100)))
    outcome = issuance.issue_file(deployment, "spring", people, links)
    assert (outcome.issued, outcome.known, outcome.missing) == (300, 250, 0)
    assert [line for line, _ in outcome.rejected] == [302, 303, 304]
    with deployment.database.read() as session:
        one = session.scalars(select(Recipient).where(Recipient.external_id == "p3")).one()
        assert (one.language, one.birth_date, one.birth_day) == ("fr", dt.date(1990, 2, 4), 204)
        assert one.attributes == {"city": "Lyon"}


def test_two_who_issue_the_same_at_once_give_everybody_one_voucher_and_waste_no_code(
    deployment: Deployment,
) -> None:
    apply(deployment)
    bring(deployment, b"".join(b"CODE%04d\n" % n for n in range(120)))
    people = [f"p{n}" for n in range(100)]
    outcomes = [IssueOutcome(), IssueOutcome()]

    def work(outcome: IssueOutcome) -> None:
        for at in range(0, 100, 10):
            for _ in issuance.issue_many(
                deployment, "spring", wanted(*people[at : at + 10]), outcome
            ):
                pass

    threads = [threading.Thread(target=work, args=(outcome,)) for outcome in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [outcome.issued for outcome in outcomes] == [100, 100]
    assert count(deployment, Voucher) == 100
    with deployment.database.read() as session:
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        stock = issuance.stock(session, campaign)
        assert stock is not None
        assert stock.left == 20


def test_a_gift_card_is_booked_with_its_amount_when_it_is_issued(deployment: Deployment) -> None:
    apply_document(deployment, card(validity={"days": 90}))

    issue(deployment, wanted("a"), "card")

    with deployment.database.read() as session:
        voucher = session.scalars(select(Voucher)).one()
        entry = session.scalars(select(Entry)).one()
        code = session.scalars(select(Code)).one()
    assert voucher.balance_minor == entry.amount_minor == entry.balance_after_minor == 1_500
    assert voucher.ends_at == dt.datetime(2027, 2, 19, 23, 0, tzinfo=dt.UTC)
    assert len(issuance.code_of(deployment.keyring, code)) == 17


def test_a_code_made_on_demand_names_its_recipient_and_still_cannot_be_guessed(
    deployment: Deployment,
) -> None:
    options = {"source": "on_demand", "pattern": "PANIER-{recipient}-{date}-", "check": False}
    apply(deployment, codes=options)

    issue(deployment, wanted("k-1", "k-2"))

    with deployment.database.read() as session:
        texts = sorted(
            issuance.code_of(deployment.keyring, code) for code in session.scalars(select(Code))
        )
    assert [text[:19] for text in texts] == ["PANIER-K1-20261121-", "PANIER-K2-20261121-"]
    assert texts[0][19:] != texts[1][19:]


def test_a_shared_code_is_one_code_of_many_vouchers(deployment: Deployment) -> None:
    apply(deployment, codes={"source": "shared", "code": "SUMMER20", "limit": 100})

    issue(deployment, wanted("a", "b", "c"))

    assert (count(deployment, Code), count(deployment, Voucher)) == (1, 3)


def test_a_campaign_that_ended_or_is_paused_issues_nothing(
    deployment: Deployment, clock: Clock
) -> None:
    apply(deployment, codes={"source": "on_demand"}, validity={"ends": "2026-12-31"})
    clock.advance(days=41)
    with pytest.raises(IssueFault, match="ended on 2026-12-31 23:00 UTC"):
        issue(deployment, wanted("a"))
    with pytest.raises(CampaignUnknown, match="No campaign"):
        issue(deployment, wanted("a"), "none")


def end_for_all(deployment: Deployment, ends_at: dt.datetime, *, forced: bool = True) -> None:
    """Override the end of what the campaigns issued."""
    with deployment.database.write() as session:
        for campaign in session.scalars(select(Campaign)):
            campaign.override = {"ends_at": ends_at.isoformat()}
            campaign.override_forced = forced


def test_a_campaign_whose_vouchers_were_all_ended_by_force_issues_nothing_until_a_later_end(
    deployment: Deployment, clock: Clock
) -> None:
    ends = clock.now + dt.timedelta(hours=1)
    apply(deployment, codes={"source": "on_demand"}, validity={"days": 90})
    apply(deployment, key="ruled", codes={"source": "on_demand"}, rules={"holdout_percent": 0})
    apply_document(deployment, card(birthday={"days_ahead": 0}))
    person = Person(external_id="a", birth_date=dt.date(1990, 11, 21))
    with deployment.database.write() as session:
        store(session, [person], now=clock.now, keyring=None)
    end_for_all(deployment, ends)
    assert issue(deployment, wanted("a")).issued == 1
    clock.now = ends

    with pytest.raises(IssueFault, match=r"2026-11-21 13:00 UTC\. That end was forced"):
        issue(deployment, wanted("b"))
    for dry_run in (True, False):
        with pytest.raises(IssueFault, match="ruled ended on"):
            list(
                decisions.decide(
                    deployment, "ruled", [Candidate(person=person)], Tally(), dry_run=dry_run
                )
            )
        (birthdays_,) = birthday_cards.celebrate(deployment, dry_run=dry_run)
        assert "card ended on" in str(birthdays_.fault)
    assert count(deployment, Voucher) == 1

    end_for_all(deployment, clock.now + dt.timedelta(days=1))
    assert issue(deployment, wanted("b")).issued == 1
    (birthdays_,) = birthday_cards.celebrate(deployment)
    assert (birthdays_.issued, birthdays_.fault) == (1, None)


def test_a_later_end_for_holders_does_not_make_an_ended_campaign_issue_again(
    deployment: Deployment, clock: Clock
) -> None:
    apply(deployment, codes={"source": "on_demand"}, validity={"ends": "2026-12-31"})
    clock.advance(days=41)
    for forced in (False, True):
        end_for_all(deployment, clock.now + dt.timedelta(days=9), forced=forced)
        with pytest.raises(IssueFault, match=r"23:00 UTC\. Give it a later end"):
            issue(deployment, wanted("a"))


def test_a_revoked_voucher_and_a_withdrawn_link_say_so_and_change_the_pass_once(
    deployment: Deployment,
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    issue(deployment, wanted("a"))
    now = deployment.now()
    with deployment.database.read() as session:
        public_id = session.scalars(select(Voucher.public_id)).one()
    serial = codes.serial(public_id)
    for _ in range(2):
        issuance.withdraw_link(deployment, serial)
        issuance.withdraw(deployment, [serial])

    with deployment.database.read() as session:
        voucher = session.scalars(select(Voucher)).one()
        kinds = session.scalars(select(Event.kind).order_by(Event.number)).all()
    assert (voucher.status, voucher.version, voucher.link_withdrawn_at) == ("revoked", 2, now)
    assert kinds == ["issued", "updated"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_year_of_birthdays_with_outages_gives_everybody_exactly_one_card(
    deployment: Deployment, clock: Clock
) -> None:
    leap_day = LeapDay.MARCH_1
    apply_document(
        deployment, card(birthday={"days_ahead": 3, "leap_day": leap_day, "catch_up_days": 30})
    )
    born = dt.date(1960, 1, 1)
    people = {f"p{n}": born + dt.timedelta(days=n * 2) for n in range(9_990)}
    people |= {f"leap{n}": dt.date(1960 + 4 * n, 2, 29) for n in range(10)}
    with deployment.database.write() as session:
        session.add_all(
            Recipient(external_id=key, birth_date=date, created_at=clock.now, updated_at=clock.now)
            for key, date in people.items()
        )
    start = clock.now = dt.datetime(2026, 11, 21, 5, 0, tzinfo=dt.UTC)
    day = 0
    while day < 365:
        birthday_cards.celebrate(deployment)
        if day % 30 == 0:
            assert all(done.issued == 0 for done in birthday_cards.celebrate(deployment))
        # Now and then nothing runs for a while.
        day += 12 if day in (60, 200) else 1
        clock.now = start + dt.timedelta(days=day)

    with deployment.database.read() as session:
        rows = session.execute(
            select(Recipient.external_id, Voucher.occasion, Voucher.issued_at).join(
                Voucher, Voucher.recipient_id == Recipient.id
            )
        ).all()
    given = {(key, occasion) for key, occasion, _ in rows}
    assert len(given) == len(rows)
    first, last = start.date(), (start + dt.timedelta(days=364 + 3)).date()
    expected = {
        (key, birthdays.occasion(date))
        for key, birth in people.items()
        for year in (2026, 2027)
        if first <= (date := birthdays.celebrated(birth, year, leap_day=leap_day)) <= last
    }
    assert given == expected
    for key, occasion, issued_at in rows:
        date = birthdays.celebrated(people[key], int(occasion[-4:]), leap_day=leap_day)
        ahead = (date - issued_at.date()).days
        # Three days ahead, but for those whose day fell into an outage, or into the first days.
        assert -12 <= ahead <= 3


def test_the_clock_looks_for_birthdays_once_a_local_day(
    deployment: Deployment, clock: Clock
) -> None:
    apply_document(deployment, card(birthday={"days_ahead": 0}))
    assert [done.campaign for done in birthday_cards.celebrate(deployment, again=False)] == ["card"]
    assert birthday_cards.celebrate(deployment, again=False) == []
    # 23:30 UTC is the next day in Paris.
    clock.now = dt.datetime(2026, 11, 21, 23, 30, tzinfo=dt.UTC)
    assert [done.campaign for done in birthday_cards.celebrate(deployment, again=False)] == ["card"]


def test_birthdays_out_of_codes_go_on_when_there_are_codes_again(
    deployment: Deployment, clock: Clock
) -> None:
    apply_document(deployment, card(codes={"source": "generated"}, birthday={"days_ahead": 0}))
    generated.generate(deployment, "card", 3)
    with deployment.database.write() as session:
        session.add_all(
            Recipient(
                external_id=f"p{n}",
                birth_date=dt.date(1990, 11, 21),
                created_at=clock.now,
                updated_at=clock.now,
            )
            for n in range(5)
        )
    (done,) = birthday_cards.celebrate(deployment)
    assert (done.issued, done.missing) == (3, 2)
    generated.generate(deployment, "card", 3)
    clock.advance(days=1)
    (done,) = birthday_cards.celebrate(deployment)
    assert (done.issued, done.missing) == (2, 0)
    with deployment.database.read() as session:
        assert session.scalars(select(Campaign.birthdays_through)).one() == dt.date(2026, 11, 22)


def test_a_count_that_stops_at_the_threshold_says_at_least_and_a_list_says_the_number(
    deployment: Deployment, settings: Settings
) -> None:
    apply(deployment, codes={"source": "list", "low_stock": 50})
    bring(deployment, b"".join(b"CODE%04d\n" % n for n in range(195)))

    with deployment.database.read() as session:
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        near, full = (issuance.stock(session, campaign, exact=exact) for exact in (False, True))
    assert (str(near), str(full)) == ("at least 51 codes left", "195 codes left")
    environment = {
        "PASSERELLE_DATABASE_URL": settings.database_url,
        "PASSERELLE_MASTER_KEYS": " ".join(
            f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in MASTER_KEYS.items()
        ),
    }
    listed = CliRunner().invoke(main, ["campaign", "list"], env=environment)
    assert "  195 codes left" in listed.output
    # What is below the threshold is counted to the end, and told as it is.
    issue(deployment, wanted(*(str(number) for number in range(150))))
    with deployment.database.read() as session:
        low = issuance.stock(session, campaign)
    assert low is not None
    assert (str(low), low.low) == ("45 codes left", True)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_list_of_imports_that_is_cut_says_how_many_there_are(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.codes.jobs.MOST_LISTED", 2)
    for key in ("spring", "autumn"):
        apply(deployment, key=key)
        for number in range(3):
            bring(deployment, b"%b%04d\n" % (key.upper().encode(), number), campaign=key)

    total, found = jobs.listed(deployment)
    theirs, own = jobs.listed(deployment, ["spring"])

    assert (total, [each.campaign for each in found]) == (6, ["autumn", "autumn"])
    # The newest of all are none of this campaign's, and hide no earlier one of its own.
    assert (theirs, [each.campaign for each in own]) == (3, ["spring", "spring"])
