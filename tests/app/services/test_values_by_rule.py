"""Rules decide wherever vouchers are made: for birthdays and in messages, as in a dry run."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.cli import main
from app.domain.values import Why
from app.services import (
    access,
    audit,
    birthday_cards,
    campaigns,
    decisions,
    people,
)
from app.services.access import Scope
from app.services.campaigns import CampaignFault
from app.services.codes import generated
from app.services.decisions import Candidate, Tally
from app.services.deployment import Deployment
from app.services.issuance import Person
from app.services.people import Did
from app.store.models import Campaign, Decision, Recipient, Voucher
from tests.conftest import Clock
from tests.marketing import apply, apply_document, card
from tests.serving import environment

BORN = dt.date(1990, 11, 21)
BY_SCORE = [
    {"key": "best", "when": [{"fact": "score", "above": 500}], "card": "30.00"},
    {"key": "good", "when": [{"fact": "score", "above": 200}]},
]


def know(deployment: Deployment, **scores: int | None) -> None:
    told = [
        Person(external_id=name, score=score, birth_date=BORN) for name, score in scores.items()
    ]
    people.remember(deployment.database, told, now=deployment.now())


def cards(deployment: Deployment) -> dict[str, int]:
    with deployment.database.read() as session:
        rows = session.execute(
            select(Recipient.external_id, Voucher.balance_minor).join(
                Voucher, Voucher.recipient_id == Recipient.id
            )
        )
        return {str(row.external_id): row.balance_minor for row in rows}


def right(deployment: Deployment) -> bool:
    return not any(section.findings for section in audit.run(deployment.database))


def birthday(deployment: Deployment, *, dry_run: bool = False) -> Any:
    (done,) = birthday_cards.celebrate(deployment, dry_run=dry_run)
    return done


def test_birthday_cards_have_the_value_that_the_rules_say_and_nobody_else_gets_one(
    deployment: Deployment, clock: Clock
) -> None:
    rules = {"tiers": BY_SCORE, "stops": [{"event": "left"}]}
    apply_document(deployment, card(birthday={"days_ahead": 0}, rules=rules))
    know(deployment, ada=900, bob=300, cyd=10, dee=None, eve=900)
    with deployment.database.write() as session:
        left = Did(external_id="eve", name="left", key="1", at=clock.now)
        people.report(session, deployment.keyring, [left], now=clock.now)

    planned = birthday(deployment, dry_run=True)
    assert cards(deployment) == {}
    done = birthday(deployment)

    assert planned == done
    assert (done.issued, done.missing, done.fault) == (2, 0, None)
    assert done.not_given == {"no_tier": 2, "stopped": 1}
    assert cards(deployment) == {"ada": 3000, "bob": 1500}
    # Again, once the worker's turn came: who matches since then gets theirs, nobody a second.
    know(deployment, cyd=300)
    assert birthday(deployment, dry_run=True).issued == 1
    assert birthday(deployment).issued == 1
    assert birthday_cards.celebrate(deployment, again=False) == []
    assert cards(deployment) == {"ada": 3000, "bob": 1500, "cyd": 1500}
    clock.now = clock.now.replace(year=2027)
    assert birthday(deployment).issued == 3
    assert right(deployment)


def test_birthdays_keep_the_holdout_the_caps_and_the_budget_and_the_dry_run_agrees(
    deployment: Deployment, clock: Clock
) -> None:
    apply(
        deployment,
        codes={"source": "on_demand"},
        rules={"frequency": {"group": "all", "count": 1, "days": 30}},
    )
    apply_document(
        deployment,
        card(
            birthday={"days_ahead": 1, "catch_up_days": 30},
            rules={
                "holdout_percent": 30,
                "most_cost": "180.00",
                "frequency": {"group": "all", "count": 1, "days": 30},
            },
        ),
    )
    know(deployment, **dict.fromkeys((f"r{number}" for number in range(30)), 1))
    with deployment.database.write() as session:
        session.execute(
            update(Recipient)
            .where(Recipient.external_id.in_([f"r{number}" for number in range(9)]))
            .values(birth_date=BORN.replace(day=22), birth_day=1122)
        )
    capped = [Candidate(person=Person(external_id=f"r{number}")) for number in range(3)]
    list(decisions.decide(deployment, "spring", capped, Tally()))

    planned, done = birthday(deployment, dry_run=True), birthday(deployment)

    assert planned == done
    assert done.issued == 12  # 180.00 / 15.00, over both days
    assert done.not_given["capped"] == 3
    assert done.not_given["holdout"] > 0
    assert done.not_given["budget"] > 0
    with deployment.database.read() as session:
        held_out = session.scalar(
            select(func.count()).select_from(Decision).where(Decision.held_out)
        )
        assert held_out == done.not_given["holdout"]
        assert session.scalars(
            select(Campaign.given_minor).where(Campaign.key == "card")
        ).one() == (18_000)
    again = birthday(deployment)
    # The holdout is decided for this birthday; the others are asked about again.
    assert (again.issued, again.not_given.get("holdout")) == (0, None)
    assert right(deployment)


def test_birthdays_by_rules_go_on_when_there_are_codes_again(
    deployment: Deployment, clock: Clock
) -> None:
    apply_document(
        deployment,
        card(codes={"source": "generated"}, birthday={"days_ahead": 0}, rules={"tiers": BY_SCORE}),
    )
    generated.generate(deployment, "card", 3)
    know(deployment, **dict.fromkeys("abcde", 300), low=1)

    planned, done = birthday(deployment, dry_run=True), birthday(deployment)
    assert planned == done
    assert (done.issued, done.missing, dict(done.not_given)) == (3, 2, {"no_tier": 1})
    generated.generate(deployment, "card", 3)
    clock.advance(days=1)
    assert (birthday(deployment, dry_run=True).issued, birthday(deployment).issued) == (2, 2)


@pytest.mark.parametrize("source", ["on_demand", "generated"])
def test_dry_run_of_birthdays_without_rules_agrees_with_the_run(
    deployment: Deployment, source: str
) -> None:
    apply_document(deployment, card(codes={"source": source}, birthday={"days_ahead": 0}))
    if source == "generated":
        generated.generate(deployment, "card", 2)
    know(deployment, a=1, b=2, c=None)

    planned = birthday(deployment, dry_run=True)
    assert cards(deployment) == {}
    with deployment.database.read() as session:
        assert session.scalars(select(Campaign.birthdays_through)).one() is None
    assert planned == birthday(deployment)


def test_command_says_how_many_birthdays_get_nothing_and_why(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_document(deployment, card(birthday={"days_ahead": 60}, rules={"tiers": BY_SCORE}))
    know(deployment, ada=900, cyd=10)
    # The command looks at the present day.
    with deployment.database.write() as session:
        today = dt.datetime.now(dt.UTC).date()
        born = (today + dt.timedelta(days=30)).replace(year=1990)
        session.execute(
            update(Recipient).values(birth_date=born, birth_day=born.month * 100 + born.day)
        )
    for name, value in environment(deployment.settings).items():
        monkeypatch.setenv(name, value)

    planned = CliRunner().invoke(main, ["birthdays", "card", "--dry-run"])
    done = CliRunner().invoke(main, ["birthdays", "card"])

    assert planned.output.splitlines()[0] == "card: 1 would be issued."
    assert done.output.splitlines()[0] == "card: 1 issued."
    assert done.output.splitlines()[1].split() == ["1", "nothing:", "no_tier"]
    assert (planned.exit_code, done.exit_code) == (0, 0)


# -- messages ------------------------------------------------------------------------------------

SPRING = [
    {"key": "large", "when": [{"fact": "basket", "at_least": "100.00"}], "percent": 20},
    {"key": "loyal", "when": [{"fact": "segment", "is": "loyal"}], "percent": 15},
]


class Mailer:
    """Sends a message over HTTP and reads its lines."""

    def __init__(self, client: FlaskClient, deployment: Deployment) -> None:
        with deployment.database.write() as session:
            key = access.create(session, "mail", [Scope.ISSUE], now=deployment.now())
        self.client, self.headers = client, {"Authorization": f"Bearer {key}"}

    def send(self, template: str, *recipients: Any, **more: Any) -> list[dict[str, Any]]:
        body = {
            "message_id": "m1",
            "format": "text",
            "template": template,
            "recipients": list(recipients),
            **more,
        }
        answer = self.client.post("/api/v1/messages/render", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
def mailer(client: FlaskClient, deployment: Deployment) -> Mailer:
    return Mailer(client, deployment)


PEOPLE = (
    {"external_id": "ada", "facts": {"basket": 12000}},
    {"external_id": "bob", "segment": "loyal"},
    {"external_id": "cyd", "segment": "new", "facts": {"basket": 900}},
)


def test_message_gives_each_recipient_the_value_that_the_rules_say_or_no_code_and_why(
    deployment: Deployment, mailer: Mailer
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"tiers": SPRING})
    template = "Code: [shop:promotional_code(spring)]"

    preview = mailer.send(template, *PEOPLE, preview=True)
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Recipient)) == 0
    sent = mailer.send(template, *PEOPLE)

    assert [line["text"] for line in preview] == ["Code: SAMPLE-CODE"] * 2 + ["Code: "]
    assert [len(line["text"]) > 6 for line in sent] == [True, True, False]
    for lines in (preview, sent):
        assert [line.get("not_given") for line in lines] == [None, None, {"spring": "no_tier"}]
    assert mailer.send(template, *PEOPLE) == sent
    with deployment.database.read() as session:
        rows = session.execute(
            select(Recipient.external_id, Decision.tier, Decision.occasion)
            .join(Decision, Decision.recipient_id == Recipient.id)
            .order_by(Recipient.external_id)
        ).all()
    assert [tuple(row) for row in rows] == [
        ("ada", "large", "message:m1"),
        ("bob", "loyal", "message:m1"),
    ]
    assert right(deployment)


def test_message_keeps_the_holdout_and_the_limits_and_its_preview_agrees(
    deployment: Deployment, mailer: Mailer
) -> None:
    apply(
        deployment,
        codes={"source": "on_demand"},
        rules={
            "holdout_percent": 30,
            "most_vouchers": 5,
            "frequency": {"group": "all", "count": 1, "days": 30},
        },
    )
    names = [{"external_id": f"r{number}"} for number in range(20)]
    mailer.send("[promotional_code(spring)]", *names[:1], message_id="m0")

    preview = mailer.send("[promotional_code(spring)]", *names, preview=True)
    asked = [
        Candidate(person=Person(external_id=each["external_id"]), occasion="message:m1")
        for each in names
    ]
    planned = list(decisions.decide(deployment, "spring", asked, Tally(), dry_run=True))
    sent = mailer.send("[promotional_code(spring)]", *names)

    why = [line.get("not_given", {}).get("spring") for line in sent]
    assert why == [line.get("not_given", {}).get("spring") for line in preview]
    assert why == [each.why.value if each.why else None for each in planned]
    assert {"holdout", "budget", None} <= set(why)
    assert why[0] in ("capped", "holdout")
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Voucher)) == 5
    assert mailer.send("[promotional_code(spring)]", *names) == sent


def test_template_may_say_something_else_or_offer_another_campaign_where_rules_give_nothing(
    deployment: Deployment, mailer: Mailer
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"tiers": SPRING})
    apply(deployment, key="plain", codes={"source": "on_demand"})
    template = (
        '{% if promotional_code("spring") %}A {{ promotional_code("spring") }}'
        '{% else %}B {{ promotional_code("plain") }}{% endif %}'
    )

    lines = mailer.send(template, *PEOPLE)

    assert [line["text"][:2] for line in lines] == ["A ", "A ", "B "]
    assert all(len(line["text"]) > 10 and "fault" not in line for line in lines)
    with deployment.database.read() as session:
        issued = session.execute(
            select(Campaign.key, func.count())
            .join(Voucher, Voucher.campaign_id == Campaign.id)
            .group_by(Campaign.key)
        ).all()
    assert {row[0]: row[1] for row in issued} == {"spring": 2, "plain": 1}


def test_message_of_two_campaigns_with_rules_decides_each_and_a_fault_of_one_leaves_no_trace(
    deployment: Deployment, mailer: Mailer
) -> None:
    apply_document(deployment, card(key="card"))
    apply(deployment, codes={"source": "on_demand"}, rules={"tiers": SPRING, "most_vouchers": 9})
    apply(
        deployment,
        key="autumn",
        codes={"source": "on_demand"},
        rules={
            "tiers": [
                {"key": "own", "when": [{"fact": "segment", "is": "loyal"}]},
                {"key": "card", "campaign": "card"},
            ],
            "most_vouchers": 9,
        },
    )
    with deployment.database.write() as session:
        session.execute(update(Campaign).where(Campaign.key == "card").values(status="paused"))
    template = "[promotional_code(spring)] [promotional_code(autumn)]"

    refused = mailer.send(template, *PEOPLE)
    assert all("card is paused" in line["fault"] for line in refused)
    with deployment.database.read() as session:
        autumn = campaigns.find(session, "autumn")
        assert autumn is not None
        assert autumn.given == 0
        assert (
            session.scalars(select(Voucher.id).where(Voucher.campaign_id == autumn.id)).all() == []
        )
        session.expunge_all()
    with deployment.database.write() as session:
        session.execute(update(Campaign).where(Campaign.key == "card").values(status="live"))

    sent = mailer.send(template, *PEOPLE)
    assert [len(line["text"].split()) for line in sent] == [2, 2, 1]
    assert [line.get("not_given") for line in sent] == [None, None, {"spring": "no_tier"}]
    assert right(deployment)


def test_message_out_of_codes_has_no_text_though_rules_would_give(
    deployment: Deployment, mailer: Mailer
) -> None:
    apply(deployment, codes={"source": "generated"}, rules={"tiers": SPRING})
    generated.generate(deployment, "spring", 1)

    lines = mailer.send("[promotional_code(spring)]", *PEOPLE)

    assert "text" in lines[0]
    assert "No code of spring is left" in lines[1]["fault"]
    assert lines[2]["not_given"] == {"spring": "no_tier"}


def test_voucher_that_was_withdrawn_is_in_no_later_message(
    deployment: Deployment, mailer: Mailer
) -> None:
    apply(deployment, codes={"source": "on_demand"}, rules={"stops": [{"event": "renewed"}]})
    first = mailer.send("[promotional_code(spring)]", {"external_id": "ada"})
    assert first[0]["text"]
    mailer.client.post(
        "/api/v1/activities",
        json={"activities": [{"external_id": "ada", "name": "renewed", "id": "1"}]},
        headers=mailer.headers,
    )

    again = mailer.send("[promotional_code(spring)]", {"external_id": "ada"})

    assert again == [{"external_id": "ada", "text": "", "not_given": {"spring": "stopped"}}]
    assert Why.STOPPED == "stopped"


def test_shared_code_is_still_refused_for_birthdays() -> None:
    with pytest.raises(CampaignFault, match="one shared code"):
        campaigns.read_document(
            card(
                kind="coupon",
                gift_card=None,
                benefit={"type": "free_shipping"},
                codes={"source": "shared", "code": "SAME"},
                birthday={},
                rules={},
            )
        )
