"""Issuing by rules: one decision for a recipient and occasion, limits never passed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

import app.examples
from app.domain.values import Why
from app.services import (
    access,
    campaigns,
    clockwork,
    decisions,
    issuance,
    people,
)
from app.services.access import Scope
from app.services.campaigns import CampaignFault
from app.services.decisions import (
    Candidate,
    Decided,
    Tally,
)
from app.services.deployment import Deployment
from app.services.issuance import (
    IssueFault,
    Person,
    VoucherRequest,
)
from app.services.people import Did
from app.services.wallets.holdings import find as find_holding
from app.store.models import ArmCount, Campaign, Decision, Recipient, Revision, Voucher
from tests.conftest import Clock
from tests.marketing import apply, apply_document, card

EXAMPLES = Path(next(iter(app.examples.__path__)))
TIERS = [
    {"key": "best", "when": [{"fact": "score", "above": 500}], "percent": 20, "cap": "30.00"},
    {"key": "good", "when": [{"fact": "score", "above": 200}], "amount": "5.00"},
]


def ruled(deployment: Deployment, key: str = "spring", **rules: Any) -> str:
    return apply(deployment, key=key, codes={"source": "on_demand"}, rules=rules)


def candidate(name: str, score: int | None = None, occasion: str = "", **facts: Any) -> Candidate:
    return Candidate(person=Person(external_id=name, score=score), occasion=occasion, facts=facts)


def run(
    deployment: Deployment, *candidates: Candidate, campaign: str = "spring", dry_run: bool = False
) -> tuple[list[Decided], Tally]:
    tally = Tally()
    decided = list(decisions.decide(deployment, campaign, candidates, tally, dry_run=dry_run))
    return decided, tally


def told(decided: list[Decided]) -> list[tuple[str | None, str, str, str, bool]]:
    return [
        (each.why.value if each.why else None, each.tier, each.variant, each.campaign, each.fresh)
        for each in decided
    ]


def test_tiers_give_their_own_terms_and_words_and_nobody_else_gets_anything(
    deployment: Deployment,
) -> None:
    ruled(deployment, tiers=TIERS)

    decided, tally = run(
        deployment, candidate("ada", 900), candidate("bob", 300), candidate("cyd", 10)
    )

    assert [each.tier for each in decided] == ["best", "good", ""]
    assert [each.why for each in decided] == [None, None, Why.NO_TIER]
    assert (tally.given, tally.most_minor, tally.unbounded) == (2, 3500, 0)
    with deployment.database.read() as session:
        benefits, offers = [], []
        for each in decided[:2]:
            assert each.issued is not None
            voucher = session.get_one(Voucher, each.issued.voucher_id)
            revision = session.get_one(Revision, voucher.revision_id)
            terms = campaigns.terms_of(revision)
            benefits.append((terms.benefit.percent, terms.benefit.minor))
            offers.append(campaigns.presentation_of(revision).texts["en"].offer)
            assert voucher.variant == each.tier
            holding = find_holding(session, voucher.public_id)
            assert holding is not None
        assert benefits == [(20, None), (None, 500)]
        assert offers == ["−20 %", "−€5.00"]
        shown = campaigns.find(session, "spring")
        assert shown is not None
        assert campaigns.latest_revision(session, shown).number == 1


def test_asked_again_the_decision_is_the_same_though_the_score_has_changed(
    deployment: Deployment,
) -> None:
    ruled(deployment, tiers=TIERS)
    (first,), _ = run(deployment, candidate("ada", 300))
    (again,), tally = run(deployment, candidate("ada", 900))

    assert again.tier == "good"
    assert again.issued is not None
    assert first.issued is not None
    assert again.issued.voucher_id == first.issued.voucher_id
    assert (tally.given, tally.known) == (0, 1)


def test_variant_may_give_a_gift_card_of_another_campaign(deployment: Deployment) -> None:
    apply_document(deployment, card(key="card"))
    ruled(deployment, variants=[{"key": "card", "campaign": "card"}, {"key": "coupon"}])

    decided, _ = run(deployment, *(candidate(f"r{number}") for number in range(20)))

    assert {(each.variant, each.campaign) for each in decided} == {
        ("card", "card"),
        ("coupon", "spring"),
    }
    again, _ = run(deployment, *(candidate(f"r{number}") for number in range(20)))
    assert [each.issued and each.issued.voucher_id for each in again] == [
        each.issued and each.issued.voucher_id for each in decided
    ]


def test_frequency_cap_counts_over_every_campaign_of_its_group_and_lapses(
    deployment: Deployment, clock: Clock
) -> None:
    cap = {"group": "baskets", "count": 1, "days": 30}
    ruled(deployment, "spring", frequency=cap)
    ruled(deployment, "summer", frequency=cap)

    (first,), _ = run(deployment, candidate("ada", occasion="basket-1"))
    (second,), _ = run(deployment, candidate("ada", occasion="basket-2"), campaign="summer")
    clock.advance(days=31)
    (third,), _ = run(deployment, candidate("ada", occasion="basket-3"), campaign="summer")

    assert [each.why for each in (first, second, third)] == [None, Why.CAPPED, None]


def test_reported_event_stops_and_points_choose_the_tier(
    deployment: Deployment, clock: Clock
) -> None:
    ruled(
        deployment,
        tiers=[{"key": "keen", "when": [{"fact": "points", "at_least": 20}], "percent": 10}],
        stops=[{"event": "renewed", "days": 90}],
        points={"purchase": 10, "visit": 1},
    )
    done = [
        Did(external_id="ada", name="purchase", key=str(number), at=clock.now)
        for number in (1, 2, 2)
    ]
    with deployment.database.write() as session:
        assert people.report(session, deployment.keyring, done, now=clock.now) == 2
        people.report(
            session,
            deployment.keyring,
            [Did(external_id="bob", name="renewed", key="1", at=clock.now)],
            now=clock.now,
        )

    decided, _ = run(deployment, candidate("ada"), candidate("bob"), candidate("cyd"))

    assert [each.why for each in decided] == [None, Why.STOPPED, Why.NO_TIER]


def test_change_of_segment_is_noticed_from_what_was_stored(deployment: Deployment) -> None:
    ruled(
        deployment,
        tiers=[
            {
                "key": "slipping",
                "when": [
                    {"fact": "previous_segment", "is": "loyal"},
                    {"fact": "segment", "is": "lapsing"},
                ],
                "percent": 15,
            }
        ],
    )
    people.remember(
        deployment.database,
        [Person(external_id="ada", segment="loyal")],
        now=deployment.now(),
    )

    lapsing = Candidate(person=Person(external_id="ada", segment="lapsing"))
    planned, _ = run(deployment, lapsing, dry_run=True)
    decided, _ = run(deployment, lapsing)

    assert told(planned) == told(decided)
    assert decided[0].tier == "slipping"
    with deployment.database.read() as session:
        assert session.scalars(select(Recipient.previous_segment)).one() == "loyal"


@pytest.mark.parametrize(
    ("rules", "given_out"), [({"most_vouchers": 3}, 3), ({"most_cost": "15.00"}, 3)]
)
def test_limits_are_never_passed_by_many_who_decide_at_once(
    deployment: Deployment, rules: dict[str, Any], given_out: int
) -> None:
    tier = {"key": "all", "amount": "5.00"}
    ruled(deployment, tiers=[tier], **rules)
    _ = deployment.keyring
    results: list[Decided] = []

    def work(part: int) -> None:
        for number in range(3):
            decided, _ = run(deployment, candidate(f"r{part}-{number}"))
            results.extend(decided)

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 12
    assert sum(each.why is None for each in results) == given_out
    assert {each.why for each in results} == {None, Why.BUDGET}
    with deployment.database.read() as session:
        campaign = session.scalars(select(Campaign)).one()
        assert (campaign.given, campaign.given_minor) == (given_out, given_out * 500)
        assert session.scalar(select(func.count(Voucher.id))) == given_out


def test_two_requests_for_one_person_give_one_voucher_under_a_cap(deployment: Deployment) -> None:
    ruled(deployment, frequency={"group": "all", "count": 1, "days": 30})
    _ = deployment.keyring
    results: list[Decided] = []

    def work(part: int) -> None:
        results.extend(run(deployment, candidate("ada", occasion=f"basket-{part}"))[0])

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(each.why is None for each in results) == 1
    assert sum(each.why is Why.CAPPED for each in results) == 3


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from("abcdef"),
            st.sampled_from(["", "x", "y"]),
            st.one_of(st.none(), st.integers(0, 700)),
        ),
        max_size=25,
    ),
    most=st.one_of(st.none(), st.integers(1, 6)),
    cap=st.booleans(),
    holdout=st.sampled_from([0, 30]),
    number=st.integers(0, 10**9),
)
def test_dry_run_and_real_run_agree_and_the_dry_run_writes_nothing(
    deployment: Deployment,
    asked: list[tuple[str, str, int | None]],
    most: int | None,
    cap: bool,
    holdout: int,
    number: int,
) -> None:
    key = f"spring-{number}"
    with deployment.database.read() as session:
        if campaigns.find(session, key) is not None:
            return
    rules: dict[str, Any] = {"tiers": TIERS, "holdout_percent": holdout}
    if most is not None:
        rules["most_vouchers"] = most
    if cap:
        rules["frequency"] = {"group": f"g{number}", "count": 1, "days": 30}
    ruled(deployment, key, **rules)
    candidates = [
        Candidate(
            person=Person(external_id=f"{number}-{name}"),
            occasion=occasion,
            facts={} if score is None else {"score": score},
        )
        for name, occasion, score in asked
    ]

    def rows() -> tuple[int | None, ...]:
        with deployment.database.read() as session:
            return tuple(
                session.scalar(select(func.count()).select_from(model))
                for model in (Recipient, Decision, Voucher, ArmCount)
            )

    before = rows()
    planned, foreseen = run(deployment, *candidates, campaign=key, dry_run=True)
    assert rows() == before
    decided, tally = run(deployment, *candidates, campaign=key)

    assert told(planned) == told(decided)
    assert foreseen.most_minor == tally.most_minor
    pairs = {
        (each.candidate.person.external_id, each.candidate.occasion): each.issued.voucher_id
        for each in decided
        if each.issued is not None
    }
    with deployment.database.read() as session:
        held = session.execute(
            select(func.count(Voucher.id))
            .join(Campaign, Campaign.id == Voucher.campaign_id)
            .where(Campaign.key == key)
        ).scalar_one()
    assert held == len(pairs) == len(set(pairs.values()))


def test_dry_run_foresees_that_codes_run_out(deployment: Deployment) -> None:
    apply(deployment, codes={"source": "list"}, rules={})
    candidates = [candidate("ada"), candidate("bob")]

    planned, _ = run(deployment, *candidates, dry_run=True)
    decided, _ = run(deployment, *candidates)

    assert [each.why for each in planned] == [each.why for each in decided] == [Why.NO_CODE] * 2


def test_plain_issuing_cannot_pass_by_the_rules(deployment: Deployment) -> None:
    ruled(deployment, tiers=TIERS)
    keyring = deployment.keyring
    with deployment.database.write() as session, pytest.raises(IssueFault, match="by rules"):
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        issuance.issue(
            session,
            keyring,
            campaign,
            [VoucherRequest(person=Person(external_id="ada"))],
            now=deployment.now(),
        )


def test_lift_compares_purchases_with_the_holdout(deployment: Deployment, clock: Clock) -> None:
    ruled(deployment, holdout_percent=50)
    decided, _ = run(deployment, *(candidate(f"r{number}") for number in range(40)))
    treated = [each.candidate.person.external_id for each in decided if each.why is None]
    held_out = [each.candidate.person.external_id for each in decided if each.why is Why.HOLDOUT]
    assert treated
    assert held_out
    bought = [
        Did(external_id=name, name="purchase", key="1", value_minor=2000, at=clock.now)
        for name in (*treated[:5], held_out[0])
    ]
    again = Did(external_id=treated[0], name="purchase", key="2", value_minor=500, at=clock.now)
    late = Did(
        external_id=treated[6],
        name="purchase",
        key="1",
        value_minor=9,
        at=clock.now + dt.timedelta(days=31),
    )
    with deployment.database.write() as session:
        people.report(session, deployment.keyring, [*bought, again, late], now=clock.now)
        people.report(session, deployment.keyring, bought, now=clock.now)
    with deployment.database.read() as session:
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        (lift,) = people.lift(session, campaign.id)

    assert (lift.treated.people, lift.treated.acted) == (len(treated), 5)
    assert (lift.treated.spent_minor, lift.treated.spent_squared) == (
        10_500,
        2500.0**2 + 4 * 2000.0**2,
    )
    assert (lift.held_out.people, lift.held_out.acted) == (len(held_out), 1)
    assert lift.share is not None
    assert lift.share.low < lift.share.value < lift.share.high


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        ({"tiers": [{"key": "a", "when": [{"fact": "score"}]}]}, "rules.tiers.0.when.0"),
        ({"tiers": [{"key": "a"}, {"key": "a"}]}, "rules"),
        ({"holdout_percent": 100}, "rules.holdout_percent"),
        ({"variants": [{"key": "a", "weight": 0}]}, "rules"),
        ({"stops": [{}]}, "rules.stops.0"),
        ({"most_cost": "1.234"}, "rules.most_cost"),
    ],
)
def test_faulty_rules_are_named_by_their_place(rules: dict[str, Any], place: str) -> None:
    from tests.marketing import document

    with pytest.raises(CampaignFault) as raised:
        campaigns.read_document(document(rules=rules))

    assert [fault.at for fault in raised.value.faults] == [place]


def test_forgotten_person_is_in_no_table_and_their_card_still_holds_its_money(
    client: FlaskClient, deployment: Deployment, clock: Clock
) -> None:
    apply_document(deployment, card(key="card", rules={}))
    name, secret = "ada-lovelace-1815", "likes analytical engines"
    person = Person(
        external_id=name, language="en", segment="loyal-segment", attributes={"note": secret}
    )
    tally = Tally()
    wanted = Candidate(person=person, occasion=f"basket-of-{name}")
    (decided,) = decisions.decide(deployment, "card", [wanted], tally)
    assert decided.issued is not None
    with deployment.database.write() as session:
        people.report(
            session,
            deployment.keyring,
            [Did(external_id=name, name="purchase", key="k", value_minor=1, at=clock.now)],
            now=clock.now,
        )
        key = access.create(session, "admin", [Scope.ADMIN], now=clock.now)
    headers = {"Authorization": f"Bearer {key}"}
    held = client.get(f"/api/v1/recipients/{name}", headers=headers).get_json()
    assert held["attributes"] == {"note": secret}
    assert [each["campaign"] for each in held["vouchers"]] == ["card"]
    with deployment.database.read() as session:
        before = session.get_one(Voucher, decided.issued.voucher_id)
        version, balance = before.version, before.balance_minor

    answer = client.delete(f"/api/v1/recipients/{name}", headers=headers)

    assert answer.get_json() == {"vouchers": 1}
    assert client.get(f"/api/v1/recipients/{name}", headers=headers).status_code == 404
    with deployment.database.read() as session:
        voucher = session.get_one(Voucher, decided.issued.voucher_id)
        assert voucher.balance_minor == balance == 1500
        # No pass names its holder, so that no phone is woken for what it shows already.
        assert voucher.version == version
        for table in Voucher.metadata.sorted_tables:
            for row in session.execute(select(table)):
                text = repr(tuple(row))
                assert name not in text
                assert secret not in text
                assert table.name in ("funnel_count", "slice") or "loyal-segment" not in text


def test_decisions_and_dry_runs_answer_over_http(
    client: FlaskClient, deployment: Deployment
) -> None:
    ruled(
        deployment,
        tiers=[
            {"key": "large", "when": [{"fact": "basket", "at_least": "100.00"}], "amount": "15.00"},
            {"key": "small", "amount": "5.00"},
        ],
    )
    with deployment.database.write() as session:
        key = access.create(
            session,
            "issue",
            [Scope.ISSUE, Scope.REPORT],
            now=deployment.now(),
            campaigns=["spring"],
        )
    headers = {"Authorization": f"Bearer {key}"}
    body = {
        "campaign": "spring",
        "dry_run": True,
        "candidates": [
            {"recipient": {"external_id": "ada"}, "facts": {"basket": 12_000}, "occasion": "b1"},
            {"recipient": {"external_id": "bob"}, "facts": {"basket": 9_999}, "occasion": "b2"},
        ],
    }

    planned = client.post("/api/v1/decisions", json=body, headers=headers).get_json()
    real = client.post(
        "/api/v1/decisions", json=body | {"dry_run": False}, headers=headers
    ).get_json()

    assert planned["most_minor"] == real["most_minor"] == 2_000
    assert [each["tier"] for each in real["decisions"]] == ["large", "small"]
    assert all(each["wallet_link"] is None for each in planned["decisions"])
    link = real["decisions"][0]["wallet_link"].removeprefix(deployment.settings.base_url)
    assert client.get(link).status_code == 200
    activity = {"external_id": "ada", "name": "purchase", "id": "1", "value_minor": 5}
    reported = {"activities": [activity, activity]}
    answer = client.post("/api/v1/activities", json=reported, headers=headers)
    assert answer.get_json() == {"recorded": 1}
    lift = client.get("/api/v1/campaigns/spring/lift", headers=headers).get_json()
    assert lift["arms"][0]["treated"]["acted"] == 1
    other = client.post("/api/v1/decisions", json=body | {"campaign": "x"}, headers=headers)
    assert other.status_code == 404
    assert client.delete("/api/v1/recipients/ada", headers=headers).status_code == 403


def test_people_who_are_quiet_for_the_retention_period_and_hold_nothing_are_forgotten(
    deployment: Deployment, clock: Clock
) -> None:
    ruled(deployment)
    house = Deployment(
        dataclasses.replace(deployment.settings, retention_days=365), clock=lambda: clock.now
    )
    names = ("quiet", "holder", "buyer")
    people.remember(
        deployment.database, [Person(external_id=name) for name in names], now=clock.now
    )
    run(deployment, candidate("holder"))
    clock.advance(days=300)
    with deployment.database.write() as session:
        bought = Did(external_id="buyer", name="purchase", key="1", at=clock.now)
        people.report(session, deployment.keyring, [bought], now=clock.now)
    clock.advance(days=66)

    clockwork.run(deployment)  # which keeps everybody
    clockwork.run(house)

    with deployment.database.read() as session:
        left = set(session.scalars(select(Recipient.external_id)))
    house.close()
    assert left == {None, "holder", "buyer"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: str(path.stem))
def test_example_campaigns_are_read_without_a_fault(path: Path) -> None:
    assert campaigns.read_file(path).key == path.stem
