"""Stop conditions take back what was issued and not used, once, and never from a holder's hands."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.domain import codes
from app.domain.codes import Purpose
from app.domain.values import Why
from app.services import (
    access,
    audit,
    campaigns,
    clockwork,
    decisions,
    issuance,
    people,
)
from app.services.access import Scope
from app.services.decisions import Candidate, Tally
from app.services.deployment import Deployment
from app.services.issuance import (
    IssueOutcome,
    Person,
    VoucherRequest,
)
from app.services.people import Did
from app.store import migrations
from app.store.models import Activity, Campaign, Decision, Event, Stopping, Voucher
from tests.conftest import Clock
from tests.marketing import apply, apply_document, card, document
from tests.shop import Shop, Till

RENEWED = [{"event": "renewed", "days": 60}]


def give(deployment: Deployment, *names: str, campaign: str = "spring", **more: Any) -> list[Any]:
    asked = [Candidate(person=Person(external_id=name, **more)) for name in names]
    return [
        each.issued.voucher_id if each.issued else each.why
        for each in decisions.decide(deployment, campaign, asked, Tally())
    ]


def plainly(deployment: Deployment, *names: str, campaign: str = "spring") -> list[int]:
    """Issue as a campaign without rules does."""
    wanted = [VoucherRequest(person=Person(external_id=name)) for name in names]
    return [
        each.voucher_id
        for batch in issuance.issue_many(deployment, campaign, wanted, IssueOutcome())
        for each in batch.issued
    ]


def did(deployment: Deployment, name: str, event: str = "renewed", key: str = "1") -> int:
    with deployment.database.write() as session:
        done = Did(external_id=name, name=event, key=key, at=deployment.now())
        people.report(session, deployment.keyring, [done], now=deployment.now())
    return decisions.withdraw(deployment.database, now=deployment.now())


def statuses(deployment: Deployment, *ids: int) -> list[tuple[str, int]]:
    with deployment.database.read() as session:
        rows = {row.id: row for row in session.scalars(select(Voucher))}
        return [(rows[id_].status, rows[id_].version) for id_ in ids]


def barcode(deployment: Deployment, voucher_id: int) -> str:
    with deployment.database.read() as session:
        row = session.get_one(Voucher, voucher_id)
        return deployment.keyring.token(Purpose.BARCODE, key_id=row.key_id, public_id=row.public_id)


def right(deployment: Deployment) -> bool:
    return not any(section.findings for section in audit.run(deployment.database))


@pytest.fixture
def till(deployment: Deployment, client: FlaskClient) -> Till:
    return Till(client, Shop(deployment).key())


def test_once_renewed_the_incentive_is_withdrawn_on_every_phone_and_the_books_stay_right(
    deployment: Deployment, client: FlaskClient, till: Till
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    ada, bob = give(deployment, "ada", "bob")
    assert client.get(f"/p/{link(deployment, ada)}").status_code == 200
    hints: list[Any] = []
    deployment.database.committed = hints.extend

    assert did(deployment, "ada") == 1
    assert did(deployment, "ada") == 0
    assert did(deployment, "ada", key="2") == 0

    assert statuses(deployment, ada, bob) == [("revoked", 2), ("active", 1)]
    assert [each.id for each in hints] == [ada]
    with deployment.database.read() as session:
        events = session.scalars(select(Event).where(Event.voucher_id == ada)).all()
        assert [(each.kind, each.reason) for each in events if each.kind != "viewed"] == [
            ("issued", None),
            ("updated", "stopped"),
        ]
    assert till.redeem(barcode(deployment, ada))["reason"] == "revoked"
    assert till.redeem(barcode(deployment, bob))["outcome"] == "accepted"
    # Asked again, it is not offered again.
    assert give(deployment, "ada", "bob") == [Why.STOPPED, bob]
    assert right(deployment)


def link(deployment: Deployment, voucher_id: int) -> str:
    with deployment.database.read() as session:
        row = session.get_one(Voucher, voucher_id)
        return deployment.keyring.token(Purpose.LINK, key_id=row.key_id, public_id=row.public_id)


def test_what_is_used_stays_and_what_a_till_holds_is_decided_when_the_hold_is_over(
    deployment: Deployment, till: Till, clock: Clock
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    names = ("used", "captured", "voided", "lapsed")
    ids = dict(zip(names, give(deployment, *names), strict=True))
    assert till.redeem(barcode(deployment, ids["used"]))["outcome"] == "accepted"
    holds = {
        name: till.redeem(barcode(deployment, ids[name]), mode="hold")["holds"][0]["hold_id"]
        for name in names[1:]
    }
    for name in names:
        assert did(deployment, name) == 0
    assert statuses(deployment, *ids.values()) == [("active", 2)] + [("active", 1)] * 3

    assert till.post(f"/holds/{holds['captured']}/capture", {}).status_code == 200
    assert till.post(f"/holds/{holds['voided']}/void", {}).status_code == 200
    clockwork.run(deployment)

    found = dict(zip(names, statuses(deployment, *ids.values()), strict=True))
    assert {name: status for name, (status, _) in found.items()} == {
        "used": "active",
        "captured": "active",
        "voided": "revoked",
        "lapsed": "active",
    }
    clock.advance(minutes=16)
    clockwork.run(deployment)
    clockwork.run(deployment)
    assert statuses(deployment, ids["lapsed"])[0][0] == "revoked"
    with deployment.database.read() as session:
        assert session.scalars(select(Stopping.voucher_id)).all() == []
    assert right(deployment)


@pytest.mark.parametrize("decided", [True, False], ids=["by rules", "before the rules"])
def test_card_that_was_spent_from_stays_with_its_holder_and_an_untouched_one_is_withdrawn(
    deployment: Deployment, till: Till, *, decided: bool
) -> None:
    ruled = card(key="card", rules={"stops": RENEWED})
    apply_document(deployment, ruled if decided else card(key="card"))
    spent, whole = (give if decided else plainly)(deployment, "spent", "whole", campaign="card")
    apply_document(deployment, ruled)
    taken = till.redeem(barcode(deployment, spent), amount={"minor": 300, "currency": "EUR"})
    assert taken["outcome"] == "accepted"

    assert [did(deployment, "spent"), did(deployment, "whole")] == [0, 1]

    assert [status for status, _ in statuses(deployment, spent, whole)] == ["active", "revoked"]
    assert right(deployment)


def test_card_with_money_of_its_holder_stays_whatever_its_balance_is(
    deployment: Deployment, client: FlaskClient
) -> None:
    supervisor = Till(client, Shop(deployment).key(Scope.POS, Scope.POS_SUPERVISOR))
    apply_document(deployment, card(key="card", rules={"stops": RENEWED}))
    loaded, emptied, moved = give(deployment, "loaded", "emptied", "moved", campaign="card")

    def book(action: str, voucher_id: int, **body: Any) -> None:
        sent = {"barcode": barcode(deployment, voucher_id), "operator": "ann", **body}
        answer = supervisor.post(f"/gift-cards/{action}", sent).get_json()
        assert answer["outcome"] == "accepted", answer

    def spend(voucher_id: int, minor: int) -> None:
        amount = {"minor": minor, "currency": "EUR"}
        taken = supervisor.redeem(barcode(deployment, voucher_id), amount=amount)
        assert taken["outcome"] == "accepted", taken

    # What was spent is paid in again, so that the card holds what it held at first.
    spend(loaded, 300)
    book("load", loaded, amount={"minor": 300, "currency": "EUR"})
    spend(moved, 300)
    book("adjust", moved, change={"minor": 300, "currency": "EUR"}, reason="goodwill")
    with deployment.database.read() as session:
        opening = session.get_one(Voucher, emptied).balance_minor
    book("load", emptied, amount={"minor": 200, "currency": "EUR"})
    spend(emptied, 200)
    with deployment.database.read() as session:
        assert session.get_one(Voucher, emptied).balance_minor == opening

    assert [did(deployment, name) for name in ("loaded", "emptied", "moved")] == [0, 0, 0]

    found = statuses(deployment, loaded, emptied, moved)
    assert [status for status, _ in found] == ["active"] * 3
    assert right(deployment)


def test_blocked_voucher_is_withdrawn_once_it_is_unblocked(
    deployment: Deployment, client: FlaskClient
) -> None:
    supervisor = Till(client, Shop(deployment).key(Scope.POS, Scope.POS_SUPERVISOR))
    apply_document(deployment, card(key="card", rules={"stops": RENEWED}))
    before, after = give(deployment, "before", "after", campaign="card")

    def turn(action: str, voucher_id: int) -> None:
        sent = {"barcode": barcode(deployment, voucher_id), "operator": "ann", "because": "lost"}
        assert supervisor.post(f"/gift-cards/{action}", sent).get_json()["outcome"] == "accepted"

    turn("block", before)
    assert did(deployment, "before") == 0
    with deployment.database.write() as session:
        people.report(
            session,
            deployment.keyring,
            [Did(external_id="after", name="renewed", key="1", at=deployment.now())],
            now=deployment.now(),
        )
    turn("block", after)
    assert decisions.withdraw(deployment.database, now=deployment.now()) == 0
    assert [status for status, _ in statuses(deployment, before, after)] == ["blocked"] * 2

    for voucher_id in (before, after):
        turn("unblock", voucher_id)
    clockwork.run(deployment)

    assert [status for status, _ in statuses(deployment, before, after)] == ["revoked"] * 2
    assert right(deployment)


@pytest.mark.parametrize(
    ("stop", "event", "status"),
    [
        ({"event": "renewed"}, "renewed", "revoked"),
        ({"event": "renewed", "withdraw": False}, "renewed", "active"),
        # The purchase may be the one that uses the voucher, and the shop may report the use later.
        ({"event": "purchase"}, "purchase", "active"),
        ({"event": "purchase", "withdraw": True}, "purchase", "revoked"),
        ({"event": "renewed"}, "visit", "active"),
    ],
)
def test_the_campaign_says_which_events_take_back(
    deployment: Deployment, stop: dict[str, Any], event: str, status: str
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": [stop]})
    (ada,) = give(deployment, "ada")

    did(deployment, "ada", event)

    assert statuses(deployment, ada)[0][0] == status


def test_event_from_before_its_days_takes_nothing_back(
    deployment: Deployment, clock: Clock
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    old = Did(external_id="ada", name="renewed", key="0", at=clock.now - dt.timedelta(days=61))
    (ada,) = give(deployment, "ada")
    with deployment.database.write() as session:
        people.report(session, deployment.keyring, [old], now=clock.now)
    assert decisions.withdraw(deployment.database, now=clock.now) == 0
    assert statuses(deployment, ada) == [("active", 1)]
    clock.advance(days=1)
    assert did(deployment, "ada") == 1


def test_facts_that_are_told_later_take_back_when_the_condition_says_so(
    deployment: Deployment,
) -> None:
    when = [{"fact": "premium", "is": "no"}]
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": [{"when": when}]})
    apply(
        deployment,
        key="strict",
        codes={"source": "on_demand"},
        rules={"stops": [{"when": when, "withdraw": True}]},
    )
    (kept,) = give(deployment, "ada", attributes={"premium": "yes"})
    (taken,) = give(deployment, "ada", campaign="strict")

    told = Person(external_id="ada", attributes={"premium": "no"})
    people.remember(deployment.database, [told], now=deployment.now())

    assert [status for status, _ in statuses(deployment, kept, taken)] == ["active", "revoked"]


def test_value_of_another_campaign_is_withdrawn_by_the_rules_that_gave_it(
    deployment: Deployment,
) -> None:
    apply_document(deployment, card(key="card"))
    apply(
        deployment,
        codes={"source": "on_demand"},
        rules={"tiers": [{"key": "all", "campaign": "card"}], "stops": RENEWED},
    )
    (ada,) = give(deployment, "ada")

    assert did(deployment, "ada") == 1
    assert statuses(deployment, ada)[0][0] == "revoked"


def test_a_till_and_an_event_at_the_same_time_never_both_have_the_voucher(
    deployment: Deployment, till: Till
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    names = [f"r{number}" for number in range(8)]
    ids = give(deployment, *names)
    barcodes = [barcode(deployment, each) for each in ids]
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def redeem() -> None:
        start.wait()
        outcomes.extend(till.redeem(each)["outcome"] for each in barcodes)

    thread = threading.Thread(target=redeem)
    thread.start()
    start.wait()
    for name in reversed(names):
        did(deployment, name)
    thread.join()

    with deployment.database.read() as session:
        rows = session.scalars(select(Voucher).order_by(Voucher.id)).all()
        found = [(row.status, row.used) for row in rows]
    assert found == [
        ("active", 1) if outcome == "accepted" else ("revoked", 0) for outcome in outcomes
    ]
    assert right(deployment)


def test_report_over_http_withdraws_and_stored_rules_of_before_take_nothing(
    client: FlaskClient, deployment: Deployment
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    apply(deployment, key="older", codes={"source": "on_demand"}, rules={"stops": RENEWED})
    with deployment.database.write() as session:
        older = campaigns.find(session, "older")
        assert older is not None
        # As rules were stored before stop conditions could withdraw.
        stops = [{k: v for k, v in older.rules["stops"][0].items() if k != "withdraw"}]
        session.get_one(Campaign, older.id).rules = {**older.rules, "stops": stops}
        key = access.create(session, "crm", [Scope.ISSUE], now=deployment.now())
    (ada,), (kept,) = give(deployment, "ada"), give(deployment, "ada", campaign="older")

    answer = client.post(
        "/api/v1/activities",
        json={"activities": [{"external_id": "ada", "name": "renewed", "id": "1"}]},
        headers={"Authorization": f"Bearer {key}"},
    )

    assert answer.get_json() == {"recorded": 1}
    assert [status for status, _ in statuses(deployment, ada, kept)] == ["revoked", "active"]
    with deployment.database.read() as session:
        serial = codes.serial(session.get_one(Voucher, ada).public_id)
    with deployment.database.write() as session:
        admin = access.create(session, "admin", [Scope.ADMIN], now=deployment.now())
    held = client.get("/api/v1/recipients/ada", headers={"Authorization": f"Bearer {admin}"})
    shown = {each["serial"]: each["status"] for each in held.get_json()["vouchers"]}
    assert shown[serial] == "revoked"


def test_file_says_withdraw_and_only_a_truth_value() -> None:
    with pytest.raises(campaigns.CampaignFault) as raised:
        campaigns.read_document(
            document(rules={"stops": [{"event": "renewed", "withdraw": "perhaps"}]})
        )
    assert [fault.at for fault in raised.value.faults] == ["rules.stops.0.withdraw"]


def serials(deployment: Deployment, *ids: int) -> list[str]:
    with deployment.database.read() as session:
        return [codes.serial(session.get_one(Voucher, id_).public_id) for id_ in ids]


def test_what_was_issued_before_the_campaign_had_rules_is_withdrawn_unless_it_was_touched(
    deployment: Deployment, till: Till, clock: Clock
) -> None:
    source = {"source": "on_demand"}
    apply(deployment, codes=source)
    apply(deployment, key="other", codes=source)
    names = ("unused", "used", "held", "bob")
    ids = dict(zip(names, plainly(deployment, *names), strict=True))
    (elsewhere,) = plainly(deployment, "unused", campaign="other")
    apply(deployment, codes=source, rules={"stops": RENEWED})
    assert till.redeem(barcode(deployment, ids["used"]))["outcome"] == "accepted"
    held = till.redeem(barcode(deployment, ids["held"]), mode="hold")["holds"][0]["hold_id"]

    assert [did(deployment, name) for name in names[:3]] == [1, 0, 0]
    assert till.post(f"/holds/{held}/void", {}).status_code == 200
    assert statuses(deployment, ids["held"])[0][0] == "active"
    clockwork.run(deployment)

    found = statuses(deployment, *ids.values(), elsewhere)
    assert [status for status, _ in found] == ["revoked", "active", "revoked", "active", "active"]
    assert till.redeem(barcode(deployment, ids["unused"]))["reason"] == "revoked"
    with deployment.database.read() as session:
        assert session.scalars(select(Stopping.voucher_id)).all() == []
    # Long after the event the rules would give again, but not what was taken back.
    clock.advance(days=61)
    assert give(deployment, "unused") == [Why.STOPPED]
    assert right(deployment)


def test_days_of_a_stop_count_back_from_the_issue_of_a_voucher_that_no_rule_decided(
    deployment: Deployment, clock: Clock
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    earlier, later = (
        Did(external_id=name, name="renewed", key="0", at=clock.now - dt.timedelta(days=days))
        for name, days in (("earlier", 61), ("later", 59))
    )
    ids = plainly(deployment, "earlier", "later")
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    with deployment.database.write() as session:
        people.report(session, deployment.keyring, [earlier, later], now=clock.now)

    assert decisions.withdraw(deployment.database, now=clock.now) == 1
    assert [status for status, _ in statuses(deployment, *ids)] == ["active", "revoked"]


def test_dry_run_of_a_report_says_what_would_be_withdrawn_and_writes_nothing(
    client: FlaskClient, deployment: Deployment, till: Till
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    (plain,) = plainly(deployment, "plain")
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    decided, used, held = give(deployment, "decided", "used", "held")
    till.redeem(barcode(deployment, used))
    till.redeem(barcode(deployment, held), mode="hold")
    with deployment.database.write() as session:
        key = access.create(session, "crm", [Scope.ISSUE], now=deployment.now())

    def report(*, dry_run: bool) -> Any:
        done = [
            {"external_id": name, "name": "renewed", "id": "1"}
            for name in ("plain", "decided", "used", "held", "nobody")
        ]
        return client.post(
            "/api/v1/activities",
            json={"activities": done, "dry_run": dry_run},
            headers={"Authorization": f"Bearer {key}"},
        ).get_json()

    for _ in range(2):
        assert report(dry_run=True) == {
            "recorded": 5,
            "withdraws": serials(deployment, plain, decided),
        }
    clockwork.run(deployment)
    assert {status for status, _ in statuses(deployment, plain, decided)} == {"active"}
    with deployment.database.read() as session:
        assert session.scalars(select(Activity.id)).all() == []
        assert people.find(session, "nobody") is None

    assert report(dry_run=False) == {"recorded": 5}
    found = statuses(deployment, plain, decided, used, held)
    assert [status for status, _ in found] == ["revoked", "revoked", "active", "active"]


def test_dry_run_and_real_run_agree_on_who_had_a_voucher_before_the_rules(
    deployment: Deployment,
) -> None:
    apply(deployment, codes={"source": "on_demand"})
    plainly(deployment, "ada", "bob")
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    did(deployment, "bob")
    asked = [Candidate(person=Person(external_id=name)) for name in ("ada", "bob", "cyd")]
    tallies = Tally(), Tally()

    for tally, dry_run in zip(tallies, (True, False), strict=True):
        list(decisions.decide(deployment, "spring", asked, tally, dry_run=dry_run))

    for tally in tallies:
        assert (tally.given, tally.known, tally.not_given) == (1, 1, {"stopped": 1})


def test_marks_of_an_earlier_release_are_kept_by_the_update(
    deployment: Deployment, till: Till
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    (ada,) = give(deployment, "ada")
    till.redeem(barcode(deployment, ada), mode="hold", ttl_seconds=60)
    assert did(deployment, "ada") == 0
    migrations.downgrade(deployment.database, "0011_baskets")

    migrations.upgrade(deployment.database)

    with deployment.database.read() as session:
        assert session.scalars(select(Stopping.voucher_id)).all() == [ada]


def test_what_a_server_of_the_earlier_release_marks_after_the_update_is_withdrawn(
    deployment: Deployment,
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": RENEWED})
    (ada,) = give(deployment, "ada")
    with deployment.database.write() as session:
        session.execute(update(Decision).values(stopping=True))

    assert decisions.withdraw(deployment.database, now=deployment.now()) == 1
    assert decisions.withdraw(deployment.database, now=deployment.now()) == 0
    assert statuses(deployment, ada) == [("revoked", 2)]
