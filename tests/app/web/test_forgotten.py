"""What was given to somebody who is forgotten stays given, and nobody stores them by chance."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.cli.campaigns import issue as issue_command
from app.cli.invite import invite as invite_command
from app.services import (
    access,
    birthday_cards,
    clockwork,
    invitations,
    issuance,
    keys,
    people,
    privacy,
)
from app.services.access import Scope
from app.services.campaigns import find
from app.services.deployment import Deployment
from app.services.invitations import Invitation
from app.services.issuance import Person, VoucherRequest
from app.store.models import Base, Forgotten, Recipient, Voucher
from tests.conftest import Clock
from tests.marketing import apply, apply_document, card
from tests.vouchers import clean

ADA = "ada@example.com"


class Marketing:
    """The marketer's doors, and what they left in the database."""

    def __init__(self, client: FlaskClient, deployment: Deployment, clock: Clock) -> None:
        self.client, self.house, self.clock = client, deployment, clock
        with deployment.database.write() as session:
            key = access.create(
                session, "all", [Scope.ISSUE, Scope.CAMPAIGN, Scope.ADMIN], now=deployment.now()
            )
        self.headers = {"Authorization": f"Bearer {key}"}

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.client.post(f"/api/v1{path}", json=body, headers=self.headers)

    def voucher(self, campaign: str, occasion: str = "mail", name: str = ADA) -> Any:
        wanted = {"recipient": {"external_id": name}, "occasion": occasion}
        return self.post("/vouchers", {"campaign": campaign, "vouchers": [wanted]})

    def decide(self, campaign: str, occasion: str = "mail", **more: Any) -> dict[str, Any]:
        asked = [{"recipient": {"external_id": ADA}, "occasion": occasion}]
        answer = self.post("/decisions", {"campaign": campaign, "candidates": asked, **more})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json["decisions"][0]
        return found

    def link(self, campaign: str, occasion: str = "mail") -> str:
        """The path of an invitation, which says an address."""
        body = {
            "recipients": [{"external_id": ADA, "attributes": {"mail": ADA}}],
            "occasion": occasion,
        }
        answer = self.post(f"/campaigns/{campaign}/invitations", body)
        assert answer.status_code == 200, answer.text
        address: str = answer.json["invitations"][0]["invitation_link"]
        return address.removeprefix(self.house.settings.base_url)

    def forget(self) -> None:
        answer = self.client.delete(f"/api/v1/recipients/{ADA}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        self.clock.advance(minutes=1)

    def come_back(self, **facts: Any) -> None:
        answer = self.post("/recipients", {"recipients": [{"external_id": ADA, **facts}]})
        assert answer.json == {"stored": 1}

    @property
    def vouchers(self) -> tuple[int, int]:
        """How many there are, and what is on them."""
        with self.house.database.read() as session:
            row = session.execute(
                select(func.count(), func.coalesce(func.sum(Voucher.balance_minor), 0))
            ).one()
            return row[0], int(row[1])

    @property
    def known(self) -> bool:
        """Whether anything in the database says the person's name."""
        with self.house.database.read() as session:
            return any(
                ADA in repr(tuple(row))
                for table in Base.metadata.sorted_tables
                for row in session.execute(select(table))
            )


@pytest.fixture
def marketing(client: FlaskClient, deployment: Deployment, clock: Clock) -> Marketing:
    apply_document(deployment, card())
    return Marketing(client, deployment, clock)


def ruled(deployment: Deployment, **rules: Any) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules=rules)


def test_an_invitation_that_was_taken_is_over_once_its_recipient_is_forgotten(
    marketing: Marketing,
) -> None:
    link = marketing.link("card")
    assert marketing.client.post(link).status_code == 303
    assert (marketing.known, marketing.vouchers) == (True, (1, 1_500))
    marketing.forget()

    for _ in range(3):
        for answer in (marketing.client.get(link), marketing.client.post(link)):
            assert answer.status_code == 410
            assert ADA not in answer.text
    assert (marketing.known, marketing.vouchers) == (False, (1, 1_500))
    assert clean(marketing.house)


def test_one_that_was_never_taken_ends_too_and_stores_nothing(marketing: Marketing) -> None:
    link, later = marketing.link("card", "spring"), marketing.link("card", "summer")
    assert marketing.voucher("card").status_code == 200
    marketing.forget()

    assert [marketing.client.post(each).status_code for each in (link, later)] == [410, 410]
    assert (marketing.known, marketing.vouchers) == (False, (1, 1_500))


def test_a_link_of_a_release_that_did_not_say_when_it_was_made_ends_as_well(
    marketing: Marketing,
) -> None:
    house = marketing.house
    old = Invitation(external_id=ADA, occasion="old", expires_at=house.now() + dt.timedelta(days=9))
    link = invitations.link(house.settings, house.keyring, "card", old)
    path = link.removeprefix(house.settings.base_url)
    assert marketing.client.get(path).status_code == 200
    assert marketing.voucher("card").status_code == 200
    marketing.forget()
    marketing.come_back()
    assert marketing.client.get(path).status_code == 410
    assert marketing.client.post(path).status_code == 410
    assert marketing.vouchers == (1, 1_500)


def test_vouchers_are_refused_with_a_code_and_the_others_of_a_request_are_issued(
    marketing: Marketing,
) -> None:
    assert marketing.voucher("card").json["vouchers"][0]["fresh"] is True
    marketing.forget()

    for occasion in ("mail", "another"):
        refused = marketing.voucher("card", occasion)
        assert (refused.status_code, refused.json["code"]) == (422, "recipient_forgotten")
        assert "/api/v1/recipients" in refused.json["remedy"]
    both = [{"recipient": {"external_id": name}, "occasion": "mail"} for name in (ADA, "bob")]
    answer = marketing.post("/vouchers", {"campaign": "card", "vouchers": both})
    assert answer.status_code == 200
    assert [each["external_id"] for each in answer.json["vouchers"]] == ["bob"]
    (left_out,) = answer.json["refused"]
    assert (left_out["external_id"], left_out["occasion"]) == (ADA, "mail")
    assert left_out["code"] == "recipient_forgotten"
    assert "forgotten" in left_out["cause"]
    assert answer.json["missing"] == 0
    assert (marketing.known, marketing.vouchers) == (False, (2, 3_000))


@pytest.mark.parametrize("holdout", [0, 99.9999])
def test_decisions_say_so_also_to_who_was_kept_from_it_by_a_holdout(
    marketing: Marketing, holdout: int
) -> None:
    ruled(marketing.house, holdout_percent=holdout)
    outcome = marketing.decide("spring")["outcome"]
    assert outcome == ("holdout" if holdout else "given")
    before = marketing.vouchers
    marketing.forget()
    if holdout:
        ruled(marketing.house, holdout_percent=0)
    for more in ({"dry_run": True}, {}):
        for occasion in ("mail", "another"):
            assert marketing.decide("spring", occasion, **more)["outcome"] == "forgotten"
    assert not marketing.known
    marketing.come_back()
    for more in ({"dry_run": True}, {}):
        assert marketing.decide("spring", **more)["outcome"] == "forgotten"
    assert marketing.vouchers == before
    assert marketing.decide("spring", "another")["outcome"] == "given"
    assert clean(marketing.house)


def test_what_another_campaigns_rules_gave_is_given_neither_by_them_nor_without(
    marketing: Marketing,
) -> None:
    ruled(marketing.house, tiers=[{"key": "gift", "campaign": "card"}])
    assert marketing.decide("spring")["outcome"] == "given"
    assert marketing.vouchers == (1, 1_500)
    marketing.forget()
    marketing.come_back()
    assert marketing.decide("spring")["outcome"] == "forgotten"
    assert marketing.voucher("card").status_code == 422
    # By other rules, too, which give the same card.
    apply(
        marketing.house,
        key="other",
        codes={"source": "on_demand"},
        rules={"tiers": [{"key": "gift", "campaign": "card"}]},
    )
    assert marketing.decide("other")["outcome"] == "forgotten"
    assert marketing.vouchers == (1, 1_500)


def test_messages_have_no_text_for_who_was_forgotten(marketing: Marketing) -> None:
    body = {
        "template": '{{ wallet_link("card") }}',
        "message_id": "mail",
        "recipients": [{"external_id": ADA}, {"external_id": "bob"}],
    }

    def rendered() -> dict[str, Any]:
        answer = marketing.post("/messages/render", body)
        assert answer.status_code == 200, answer.text
        lines = [json.loads(line) for line in answer.text.splitlines()]
        return {line["external_id"]: line for line in lines}

    assert "text" in rendered()[ADA]
    assert marketing.vouchers == (2, 3_000)
    marketing.forget()
    found = rendered()
    assert "forgotten" in found[ADA]["fault"]
    assert "text" in found["bob"]
    assert (marketing.known, marketing.vouchers) == (False, (2, 3_000))
    marketing.come_back()
    assert "given once" in rendered()[ADA]["fault"]
    assert marketing.vouchers == (2, 3_000)


def test_a_file_of_recipients_leaves_them_out_and_says_how_many(
    marketing: Marketing, tmp_path: Path
) -> None:
    source, out = tmp_path / "recipients.csv", tmp_path / "links.csv"
    source.write_text(f"external_id,occasion\n{ADA},mail\nbob,mail\n{ADA},later\n")
    words = ["card", str(source), "--out", str(out)]
    first = CliRunner().invoke(issue_command, words, obj=marketing.house)
    assert first.exit_code == 0, first.output
    assert marketing.vouchers == (3, 4_500)
    marketing.forget()
    again = CliRunner().invoke(issue_command, words, obj=marketing.house)
    assert "2 are left out" in again.output
    assert "recipients import" in again.output
    assert [line.split(",")[0] for line in out.read_text().splitlines()[1:]] == ["bob"]
    assert (marketing.known, marketing.vouchers) == (False, (3, 4_500))


def test_nobody_is_invited_who_was_forgotten(marketing: Marketing) -> None:
    assert marketing.voucher("card").status_code == 200
    marketing.forget()
    path = "/campaigns/card/invitations"
    one = marketing.post(path, {"recipients": [{"external_id": ADA}], "occasion": "new"})
    assert (one.status_code, one.json["code"]) == (422, "recipient_forgotten")
    two = marketing.post(path, {"recipients": [{"external_id": name} for name in (ADA, "bob")]})
    assert [each["external_id"] for each in two.json["invitations"]] == ["bob"]
    assert [each["external_id"] for each in two.json["refused"]] == [ADA]
    said = CliRunner().invoke(invite_command, ["card", ADA, "bob"], obj=marketing.house)
    assert (said.exit_code, said.output.count("/c/card/")) == (1, 1)
    assert "1 are not invited" in said.output
    assert not marketing.known


def test_what_they_do_is_not_recorded(marketing: Marketing) -> None:
    assert marketing.voucher("card").status_code == 200
    marketing.forget()
    bought = {"external_id": ADA, "name": "purchase", "id": "1"}
    for more in ({"dry_run": True}, {}):
        answer = marketing.post("/activities", {"activities": [bought], **more})
        assert answer.json["recorded"] == 0
    assert not marketing.known


def test_a_customer_who_comes_back_is_given_what_is_new_and_nothing_twice(
    marketing: Marketing,
) -> None:
    link = marketing.link("card", "other")
    assert marketing.voucher("card").status_code == 200
    marketing.forget()
    marketing.come_back(segment="gold")

    assert marketing.voucher("card").json["code"] == "recipient_forgotten"
    # What was sent before is as it was: over.
    assert marketing.client.get(link).status_code == 410
    assert marketing.voucher("card", "new").json["vouchers"][0]["fresh"] is True
    fresh = marketing.link("card", "newest")
    assert marketing.client.get(fresh).status_code == 200
    assert marketing.client.post(fresh).status_code == 303
    assert marketing.vouchers == (3, 4_500)
    same = marketing.post(
        "/campaigns/card/invitations",
        {"recipients": [{"external_id": ADA}], "occasion": "mail"},
    )
    assert same.json["code"] == "recipient_forgotten"
    # Forgotten once more, all of it stays given.
    marketing.forget()
    marketing.come_back()
    for occasion in ("mail", "new", "newest"):
        assert marketing.voucher("card", occasion).status_code == 422
    assert marketing.client.get(fresh).status_code == 410
    assert marketing.vouchers == (3, 4_500)
    assert clean(marketing.house)


def test_a_birthday_is_given_once_a_year_whoever_was_forgotten_in_between(
    marketing: Marketing, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, today = marketing.house, marketing.clock.now.date()
    apply_document(house, card(key="birthday", birthday={"days_ahead": 0}))
    born = today.replace(year=1990).isoformat()
    marketing.come_back(birth_date=born)
    assert [each.issued for each in birthday_cards.celebrate(house)] == [1]
    marketing.forget()
    marketing.come_back(birth_date=born)

    # However few are looked at together, the turn ends.
    monkeypatch.setattr(birthday_cards, "CHUNK", 1)
    assert [each.issued for each in birthday_cards.celebrate(house, dry_run=True)] == [0]
    assert [each.issued for each in birthday_cards.celebrate(house)] == [0]
    marketing.clock.now = marketing.clock.now.replace(year=today.year + 1)
    assert [each.issued for each in birthday_cards.celebrate(house)] == [1]
    assert marketing.vouchers == (2, 3_000)


def test_who_is_forgotten_because_nothing_was_heard_of_them_is_as_who_asked_for_it(
    marketing: Marketing,
) -> None:
    link = marketing.link("card")
    assert marketing.client.post(link).status_code == 303
    with marketing.house.database.write() as session:
        session.execute(update(Voucher).values(status="expired"))
    house = Deployment(
        dataclasses.replace(marketing.house.settings, retention_days=5), clock=marketing.clock
    )
    marketing.clock.advance(days=6)
    clockwork.run(house)
    house.close()
    assert not marketing.known
    assert marketing.client.post(link).status_code == 410
    assert marketing.voucher("card").json["code"] == "recipient_forgotten"
    assert marketing.vouchers[0] == 1


def test_the_memory_outlives_rotated_keys_and_a_lookup_key_that_was_changed(
    marketing: Marketing,
) -> None:
    assert marketing.voucher("card").status_code == 200
    marketing.forget()
    database, masters = marketing.house.database, dict(marketing.house.settings.master_keys)
    keys.reindex(database, masters, now=marketing.clock.now)
    newer = {9: bytes(range(32)), **masters}
    ring = keys.open_keyring(database, newer, now=marketing.clock.now)
    keys.reindex(database, newer, now=marketing.clock.now)
    again = keys.open_keyring(database, newer, now=marketing.clock.now)

    for each in (ring, again):
        with database.read() as session:
            assert issuance.forgotten.gone(session, each, [ADA, "bob"]) == {ADA}
            campaign = find(session, "card")
            assert campaign is not None
            asked = {(ADA, "mail"), (ADA, "other"), ("bob", "mail")}
            found = issuance.forgotten.given(session, each, campaign.id, asked)
            assert found == {(ADA, "mail")}


def test_who_is_forgotten_while_they_are_given_something_gets_nothing(
    marketing: Marketing,
) -> None:
    """Their row was found before it lost its name."""
    house = marketing.house
    marketing.come_back()
    with house.database.read() as session:
        row_id = session.scalars(select(Recipient.id)).one()
    marketing.forget()
    keyring = house.keyring
    with house.database.write() as session:
        campaign = find(session, "card")
        assert campaign is not None
        wanted = [VoucherRequest(person=Person(external_id=ADA), occasion="mail")]
        batch = issuance.issue(
            session, keyring, campaign, wanted, now=house.now(), people={ADA: row_id}
        )
    assert (batch.issued, batch.missing, batch.forgotten) == ((), 0, tuple(wanted))
    assert marketing.vouchers == (0, 0)


def test_forgetting_again_changes_nothing(marketing: Marketing) -> None:
    assert marketing.voucher("card").status_code == 200
    house = marketing.house
    keyring = house.keyring
    with house.database.write() as session:
        recipient = people.find(session, ADA)
        assert recipient is not None
        assert [privacy.forget(session, keyring, recipient, now=house.now()) for _ in "ab"] == [
            1,
            1,
        ]
    with house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Forgotten)) == 2
