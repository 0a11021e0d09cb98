"""An occasion has one source: a birthday's year its campaign, a mail its id, whoever asks."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.cli import main
from app.domain import birthdays, codes
from app.domain.birthdays import Birthdays, LeapDay
from app.domain.codes import Purpose
from app.domain.occasions import canonical, of_message, spellings
from app.services import (
    access,
    birthday_cards,
    campaigns,
    decisions,
    invitations,
    issuance,
    people,
)
from app.services.access import Scope
from app.services.campaigns import CampaignFault
from app.services.decisions import Candidate, Tally
from app.services.deployment import Deployment
from app.services.invitations import Invitation
from app.services.issuance import (
    IssueFault,
    Person,
    VoucherRequest,
)
from app.store.models import Campaign, Decision, Voucher
from tests.conftest import Clock
from tests.marketing import apply, apply_document, card, document
from tests.serving import environment

#: The clock of the tests stands at 21 November 2026, noon in UTC.
BORN = dt.date(1990, 11, 24)
BIRTHDAY = {"days_ahead": 3, "catch_up_days": 30}
RULES = {"tiers": [{"key": "all", "card": "15.00"}]}


class Ways:
    """Every way to ask for a voucher of a campaign; each answers with its serial, or why not."""

    def __init__(self, client: FlaskClient, deployment: Deployment) -> None:
        self.client, self.house = client, deployment
        with deployment.database.write() as session:
            key = access.create(session, "m", [Scope.ISSUE], now=deployment.now())
        self.headers = {"Authorization": f"Bearer {key}"}

    def post(self, path: str, body: dict[str, Any], *, status: int = 200) -> Any:
        answer = self.client.post(f"/api/v1{path}", json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def clock(self, name: str) -> str:
        birthday_cards.celebrate(self.house)
        with self.house.database.read() as session:
            vouchers = session.scalars(
                select(Voucher)
                .join(Campaign, Campaign.id == Voucher.campaign_id)
                .where(Campaign.key == "card")
            ).all()
        assert len(vouchers) == 1
        return codes.serial(vouchers[0].public_id)

    def issue(self, name: str, *, campaign: str = "card", occasion: str = "") -> str:
        voucher = {"recipient": {"external_id": name}, "occasion": occasion}
        body = {"campaign": campaign, "vouchers": [voucher]}
        answer = self.client.post("/api/v1/vouchers", json=body, headers=self.headers)
        if answer.status_code == 422:
            return str(answer.get_json()["detail"])
        return str(answer.get_json()["vouchers"][0]["serial"])

    def decide(self, name: str, *, campaign: str = "card", occasion: str = "") -> str:
        candidate = {"recipient": {"external_id": name}, "occasion": occasion}
        body = {"campaign": campaign, "candidates": [candidate]}
        (answer,) = self.post("/decisions", body)
        (decided,) = answer["decisions"]
        return str(decided["serial"] or decided["outcome"])

    def mail(
        self,
        name: str,
        *,
        campaign: str = "card",
        id_: str = "happy-birthday",
        text: str = '{{ wallet_link("card") }}',
        **about: Any,
    ) -> str:
        body = {
            "message_id": id_,
            "template": text.replace('"card"', f'"{campaign}"'),
            "format": "text",
            "recipients": [{"external_id": name, **about}],
        }
        (line,) = self.post("/messages/render", body)
        if "text" not in line:
            return str(line["fault"])
        return self._serial(line["text"]) if "/p/" in line["text"] else str(line)

    def invitation(self, name: str, *, campaign: str = "card") -> str:
        invitation = Invitation(external_id=name, expires_at=self.house.now() + dt.timedelta(9))
        house = self.house
        link = invitations.link(house.settings, house.keyring, campaign, invitation)
        path = link.removeprefix(house.settings.base_url)
        self.client.get(path)
        answer = self.client.post(path)
        return self._serial(answer.headers["Location"]) if answer.status_code == 303 else "none"

    def _serial(self, link: str) -> str:
        found = self.house.keyring.verify(link.rpartition("/")[2], Purpose.LINK)
        assert found is not None
        return codes.serial(found.public_id)


@pytest.fixture
def ways(client: FlaskClient, deployment: Deployment) -> Ways:
    return Ways(client, deployment)


def know(deployment: Deployment, name: str, born: dt.date | None = BORN) -> None:
    people.remember(
        deployment.database, [Person(external_id=name, birth_date=born)], now=deployment.now()
    )


def vouchers(deployment: Deployment) -> list[str]:
    with deployment.database.read() as session:
        return list(session.scalars(select(Voucher.occasion).order_by(Voucher.id)))


FIRST = ["clock", "issue", "decide", "mail", "invitation"]


@pytest.mark.parametrize("first", FIRST)
def test_whoever_asks_for_a_birthdays_card_gets_the_years_one(
    ways: Ways, deployment: Deployment, first: str
) -> None:
    apply_document(deployment, card(birthday=BIRTHDAY))
    know(deployment, "ada")

    serial = getattr(ways, first)("ada")

    for other in FIRST:
        assert getattr(ways, other)("ada") == serial, other
    assert ways.mail("ada", id_="another-mail") == serial
    assert ways.issue("ada", occasion="birthday-2026") == serial
    assert vouchers(deployment) == ["birthday-2026"]


@pytest.mark.parametrize("first", ["clock", "decide", "mail", "invitation"])
def test_rules_of_a_birthday_campaign_decide_once_whoever_asks(
    ways: Ways, deployment: Deployment, first: str
) -> None:
    rules = RULES | {"most_vouchers": 1, "frequency": {"group": "b", "count": 1, "days": 300}}
    apply_document(deployment, card(birthday=BIRTHDAY, rules=rules))
    know(deployment, "ada")

    serial = getattr(ways, first)("ada")

    assert {getattr(ways, other)("ada") for other in ("clock", "decide", "mail", "invitation")} == {
        serial
    }
    with deployment.database.read() as session:
        assert session.scalars(select(Decision.occasion)).all() == ["birthday-2026"]
    know(deployment, "bob")
    assert ways.decide("bob") == "budget"
    assert "budget" in ways.mail("bob")
    assert ways.invitation("bob") == "none"
    assert birthday_cards.celebrate(deployment)[0].not_given == {"budget": 1}


def test_who_is_held_out_for_a_birthday_gets_nothing_by_any_way(
    ways: Ways, deployment: Deployment
) -> None:
    apply_document(deployment, card(birthday=BIRTHDAY, rules=RULES | {"holdout_percent": "99.9"}))
    know(deployment, "ada")

    assert ways.invitation("ada") == "none"
    assert birthday_cards.celebrate(deployment)[0].issued == 0
    assert "holdout" in ways.mail("ada")
    assert ways.decide("ada") == "holdout"
    assert vouchers(deployment) == []


def test_two_who_ask_at_once_get_the_same_card(ways: Ways, deployment: Deployment) -> None:
    apply_document(deployment, card(birthday=BIRTHDAY))
    know(deployment, "ada")
    found: list[str] = []
    start = threading.Barrier(6)

    def ask(way: Callable[[str], str]) -> None:
        start.wait()
        found.append(way("ada"))

    asking = [ways.clock, ways.mail, ways.issue, ways.decide, ways.clock, ways.mail]
    threads = [threading.Thread(target=ask, args=(way,)) for way in asking]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(found) == 6
    assert len(set(found)) == 1
    assert vouchers(deployment) == ["birthday-2026"]


def test_a_birthday_that_is_not_due_is_refused_with_its_day_and_the_last_card_is_kept(
    ways: Ways, deployment: Deployment, clock: Clock
) -> None:
    apply_document(deployment, card(birthday=BIRTHDAY))
    know(deployment, "ada", dt.date(1990, 11, 25))

    # A day too early.
    assert "Ask again from 2026-11-22 on." in ways.issue("ada")
    assert ways.decide("ada") == "not_due"
    assert "no birthday of the recipient is due" in ways.mail("ada")
    asks = '{% if wallet_link("card") %}{{ wallet_link("card") }}{% else %}Hello{% endif %}'
    assert '"not_due"' in ways.mail("ada", text=asks).replace("'", '"')
    assert ways.invitation("ada") == "none"
    assert vouchers(deployment) == []

    clock.advance(days=1)
    serial = ways.mail("ada", text=asks)
    # Long after the day: the card that there is, and none for who has none.
    clock.now = dt.datetime(2027, 6, 1, tzinfo=dt.UTC)
    know(deployment, "bob", dt.date(1990, 11, 25))
    assert ways.issue("ada") == ways.decide("ada") == ways.mail("ada") == serial
    assert ways.invitation("ada") == serial
    assert "Ask again from 2027-11-22 on." in ways.issue("bob")
    assert vouchers(deployment) == ["birthday-2026"]
    # The next year's is another one.
    clock.now = dt.datetime(2027, 11, 22, tzinfo=dt.UTC)
    assert ways.mail("ada") != serial
    assert vouchers(deployment) == ["birthday-2026", "birthday-2027"]


def test_a_card_may_be_asked_for_as_late_as_it_is_caught_up(
    ways: Ways, deployment: Deployment, clock: Clock
) -> None:
    apply_document(deployment, card(birthday={"catch_up_days": 2}))
    know(deployment, "ada", dt.date(1990, 11, 19))
    know(deployment, "bob", dt.date(1990, 11, 18))

    assert ways.decide("ada") != "not_due"
    assert ways.decide("bob") == "not_due"


def test_a_recipient_without_a_birthday_is_refused_until_it_is_told(
    ways: Ways, deployment: Deployment
) -> None:
    apply_document(deployment, card(birthday=BIRTHDAY))

    assert "send `birth_date`" in ways.issue("eve")
    assert ways.decide("eve") == "no_birthday"
    assert "send `birth_date`" in ways.mail("eve")
    assert ways.invitation("eve") == "none"
    (answer,) = ways.post("/vouchers", {"campaign": "card", "vouchers": [{}]}, status=422)
    assert answer["code"] == "no_birthday"
    know(deployment, "ada")
    asked = [{"recipient": {"external_id": name}} for name in ("eve", "ada")]
    (answer,) = ways.post("/vouchers", {"campaign": "card", "vouchers": asked})
    assert [each["external_id"] for each in answer["vouchers"]] == ["ada"]
    (left_out,) = answer["refused"]
    assert (left_out["external_id"], left_out["code"]) == ("eve", "no_birthday")
    assert vouchers(deployment) == ["birthday-2026"]

    serial = ways.mail("eve", birth_date="1990-11-24")
    assert ways.issue("eve") == serial


def test_those_born_on_29_february_and_in_january_get_one_card_for_the_year_of_their_day(
    ways: Ways, deployment: Deployment, clock: Clock
) -> None:
    apply_document(deployment, card(birthday={"days_ahead": 3, "leap_day": "march_1"}))
    know(deployment, "leap", dt.date(2000, 2, 29))
    know(deployment, "new", dt.date(1990, 1, 3))

    # Half past midnight of 31 December in Paris is yesterday in UTC.
    clock.now = dt.datetime(2026, 12, 30, 22, 30, tzinfo=dt.UTC)
    assert ways.decide("new") == "not_due"
    clock.advance(hours=1)
    new = ways.decide("new")
    clock.now = dt.datetime(2027, 2, 25, 12, tzinfo=dt.UTC)
    assert ways.decide("leap") == "not_due"
    clock.advance(days=1)
    leap = ways.mail("leap")

    assert vouchers(deployment) == ["birthday-2027", "birthday-2027"]
    clock.now = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
    birthday_cards.celebrate(deployment)
    assert (ways.issue("new"), ways.issue("leap")) == (new, leap)
    assert len(vouchers(deployment)) == 2


@given(
    birth=st.dates(dt.date(1920, 1, 1), dt.date(2026, 6, 1)) | st.just(dt.date(2004, 2, 29)),
    start=st.dates(dt.date(2026, 1, 1), dt.date(2029, 12, 31)),
    ahead=st.integers(0, 60),
    late=st.integers(0, 300),
    leap_day=st.sampled_from(LeapDay),
)
def test_a_turn_is_open_exactly_from_so_many_days_before_the_day_to_so_many_after(
    birth: dt.date, start: dt.date, ahead: int, late: int, leap_day: LeapDay
) -> None:
    settings = Birthdays(days_ahead=ahead, leap_day=leap_day, catch_up_days=late)
    days = [
        day
        for year in range(start.year - 2, start.year + 3)
        if (day := birthdays.celebrated(birth, year, leap_day=leap_day)) > birth
    ]
    for today in (start + dt.timedelta(days=7 * n) for n in range(60)):
        turn = settings.turn(birth, today)
        due = [
            day
            for day in days
            if day - dt.timedelta(days=ahead) <= today <= day + dt.timedelta(days=late)
        ]
        assert turn.open == bool(due)
        if due:
            assert turn.day == max(due)
        if turn.opens is not None:
            assert turn.opens > today
            assert settings.turn(birth, turn.opens).open


def test_an_occasion_of_the_callers_own_is_refused_before_anything_is_done(
    ways: Ways,
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    apply_document(deployment, card(birthday=BIRTHDAY))
    for name in ("ada", "bob"):
        know(deployment, name)
    asked = [
        {"recipient": {"external_id": "ada"}},
        {"recipient": {"external_id": "bob"}, "occasion": "spring"},
    ]
    bodies = {
        "/vouchers": {"campaign": "card", "vouchers": asked},
        "/decisions": {"campaign": "card", "candidates": asked},
        "/campaigns/card/invitations": {
            "recipients": [{"external_id": "ada"}],
            "occasion": "spring",
        },
    }
    for path, body in bodies.items():
        (answer,) = ways.post(path, body, status=422)
        assert answer["remedy"] == "Leave `occasion` out.", path
    # Another year's is not the campaign's word, either.
    asked[1]["occasion"] = "birthday-2025"
    for path in ("/vouchers", "/decisions"):
        (answer,) = ways.post(path, bodies[path], status=422)
        assert answer["remedy"] == "Leave `occasion` out.", path
    assert vouchers(deployment) == []

    for name, value in environment(deployment.settings).items():
        monkeypatch.setenv(name, value)
    rows, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    rows.write_text("external_id,occasion\nada,\nbob,spring\n", encoding="utf-8")
    cli = CliRunner()
    for command in (
        ["issue", "card", str(rows), "--out", str(out), "--occasion", "spring"],
        ["decide", "card", str(rows), "--out", str(out), "--occasion", "spring"],
        ["invite", "card", "ada", "--occasion", "spring"],
    ):
        done = cli.invoke(main, command)
        assert done.exit_code != 0
        assert "Leave `occasion` out." in done.output
    assert vouchers(deployment) == []
    assert (
        "line 3 is left out"
        in cli.invoke(main, ["issue", "card", str(rows), "--out", str(out)]).output
    )
    assert vouchers(deployment) == ["birthday-2026"]
    assert "line 3: " in cli.invoke(main, ["decide", "card", str(rows)]).output
    rows.write_text("external_id\nada\neve\n", encoding="utf-8")
    done = cli.invoke(main, ["issue", "card", str(rows), "--out", str(out)])
    assert "eve has none: The campaign card needs the recipient's birthday" in done.output
    assert len(out.read_text(encoding="utf-8").splitlines()) == 2
    assert vouchers(deployment) == ["birthday-2026"]


def test_rules_of_another_campaign_give_no_birthday_card(
    ways: Ways, deployment: Deployment
) -> None:
    rules = {"tiers": [{"key": "all", "campaign": "card"}]}
    described = document(codes={"source": "on_demand"}, rules=rules)
    # Before the other campaign is one for birthdays, nothing is wrong with it.
    apply_document(deployment, card())
    apply_document(deployment, described)
    apply_document(deployment, card(birthday=BIRTHDAY))
    know(deployment, "ada")

    with pytest.raises(CampaignFault, match=r"rules\.tiers\.0\.campaign: names card") as refused:
        apply_document(deployment, described | {"name": "Other"})
    assert len(refused.value.faults) == 1
    asked = [Candidate(person=Person(external_id="ada"))]
    for dry_run in (True, False):
        with pytest.raises(IssueFault, match="one for each birthday itself"):
            list(decisions.decide(deployment, "spring", asked, Tally(), dry_run=dry_run))
    assert vouchers(deployment) == []


@pytest.mark.parametrize("rules", [None, {"frequency": {"group": "m", "count": 1, "days": 30}}])
def test_a_mails_variable_gives_what_was_decided_for_the_mail_and_the_other_way_round(
    ways: Ways, deployment: Deployment, rules: Any
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules=rules)
    asked = {"campaign": "spring"}

    decided = ways.decide("ada", occasion="mail-1", **asked)
    assert ways.mail("ada", id_="mail-1", **asked) == decided
    mailed = ways.mail("bob", id_="mail-1", **asked)
    assert ways.decide("bob", occasion="mail-1", **asked) == mailed
    assert ways.decide("bob", occasion="message:mail-1", **asked) == mailed
    # What a mail to one recipient is about, as it was decided.
    basket = ways.decide("cyd", occasion="basket-9", **asked)
    assert ways.mail("cyd", id_="mail-1", occasion="basket-9", **asked) == basket
    assert ways.mail("cyd", id_="mail-2", occasion="basket-9", **asked) == basket
    assert sorted(vouchers(deployment)) == ["basket-9", "mail-1", "message:mail-1"]
    if rules is None:
        assert ways.issue("ada", occasion="mail-1", **asked) == decided
        assert ways.mail("ada", id_="mail-2", **asked) != decided


def test_one_ask_for_both_names_of_a_mail_is_one_voucher(deployment: Deployment) -> None:
    apply(deployment, codes={"source": "on_demand"})
    person = Person(external_id="ada")
    asked = [VoucherRequest(person=person, occasion=name) for name in ("m", "message:m", "")]
    with deployment.database.write() as session:
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        batch = issuance.issue(session, deployment.keyring, campaign, asked, now=deployment.now())
    one, same, plain = batch.issued
    assert one.public_id == same.public_id != plain.public_id
    assert (one.fresh, same.fresh, plain.fresh) == (True, False, True)


def test_two_vouchers_that_an_earlier_release_gave_for_one_mail_are_each_answered_by_their_name(
    ways: Ways, deployment: Deployment
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    for name in ("a", "b"):
        ways.issue("ada", campaign="spring", occasion=name)
    with deployment.database.write() as session:
        first, second = session.scalars(select(Voucher).order_by(Voucher.id))
        first.occasion, second.occasion = "m", "message:m"
        serials = [codes.serial(each.public_id) for each in (first, second)]

    assert ways.decide("ada", campaign="spring", occasion="m") == serials[0]
    assert ways.mail("ada", campaign="spring", id_="m") == serials[1]
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Voucher)) == 2


def test_a_mailing_goes_by_its_id_and_by_its_stored_name() -> None:
    assert canonical(of_message("m")) == canonical("m") == "m"
    assert spellings(["m"]) == spellings([of_message("m")]) == {"m", "message:m"}
    assert spellings([""]) == {""}
