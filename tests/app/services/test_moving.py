"""Codes that nobody was given move into another campaign: once, whole, and never a used one."""

from __future__ import annotations

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from app.faults import CampaignUnknown
from app.services import (
    access,
    audit,
    campaigns,
    issuance,
)
from app.services.access import Scope
from app.services.codes import jobs, moved, queue
from app.services.codes.jobs import ImportFault
from app.services.deployment import Deployment
from app.services.issuance import (
    IssueOutcome,
    Person,
    VoucherRequest,
)
from app.store.models import Campaign, Code, ImportJob
from tests.conftest import Cli, Clock
from tests.marketing import apply_document, bring, card, document, working

ENDED = {"ends": "2026-01-01"}


def two(deployment: Deployment, codes: int = 10) -> None:
    """`old` has codes, `new` has none."""
    for key in ("old", "new"):
        apply_document(deployment, document(key=key))
    bring(deployment, b"".join(b"CODE%05d\n" % n for n in range(codes)), campaign="old")


def free(deployment: Deployment, key: str) -> int:
    with deployment.database.read() as session:
        campaign = campaigns.find(session, key)
        assert campaign is not None
        stock = issuance.stock(session, campaign, exact=True)
        return stock.left if stock else 0


def issue(deployment: Deployment, key: str, *names: str) -> IssueOutcome:
    outcome = IssueOutcome()
    items = [VoucherRequest(person=Person(external_id=name)) for name in names]
    for _ in issuance.issue_many(deployment, key, items, outcome):
        time.sleep(0.05)
    return outcome


def clean(deployment: Deployment) -> bool:
    return all(not section.findings for section in audit.run(deployment.database))


def test_all_unused_codes_of_an_ended_campaign_move_and_an_issued_one_stays(
    deployment: Deployment, clock: Clock
) -> None:
    two(deployment)
    issue(deployment, "old", "a", "b")
    apply_document(deployment, document(key="old", validity={"ends": clock.now.date().isoformat()}))
    clock.now += dt.timedelta(days=2)

    done = moved.take(deployment, "new", "old")

    assert (done.status, done.accepted, done.filename) == ("complete", 8, "(from old)")
    assert (free(deployment, "old"), free(deployment, "new")) == (0, 8)
    assert issue(deployment, "new", "c", "d").issued == 2
    with deployment.database.read() as session:
        old = session.scalars(select(Campaign.id).where(Campaign.key == "old")).one()
        kept = session.scalar(select(func.count(Code.id)).where(Code.campaign_id == old))
    assert kept == 2
    assert clean(deployment)
    # Asked again there is nothing left to take, and nothing is taken twice.
    assert moved.take(deployment, "new", "old").accepted == 0
    assert free(deployment, "new") == 6


def test_the_same_number_under_the_same_name_is_taken_once(deployment: Deployment) -> None:
    two(deployment)

    first = moved.take(deployment, "new", "old", count=3)
    again = moved.take(deployment, "new", "old", count=3)
    more = moved.take(deployment, "new", "old", count=3, name="more")
    rest = moved.take(deployment, "new", "old", count=100)

    assert (first.accepted, again.accepted, again.known, again.id) == (3, 3, True, first.id)
    assert (more.accepted, more.known, rest.accepted) == (3, False, 4)
    assert (free(deployment, "old"), free(deployment, "new")) == (0, 10)


def test_two_who_ask_for_the_same_at_the_same_time_get_the_same_move(
    deployment: Deployment,
) -> None:
    two(deployment)
    together = threading.Barrier(2)

    def ask(_: int) -> jobs.ImportProgress:
        together.wait()
        return moved.begin_taking(deployment, "new", "old", count=3)

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(ask, range(2))
    assert one.id == other.id
    moved.go_on(deployment, one.id)
    assert (free(deployment, "old"), free(deployment, "new")) == (7, 3)


def test_codes_on_their_way_are_nobodys_and_arrive_after_a_crash(
    deployment: Deployment, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    two(deployment)
    monkeypatch.setattr(moved, "BATCH", 4)
    begun = moved.begin_taking(deployment, "new", "old")
    with deployment.database.write() as session:
        job = session.get_one(ImportJob, begun.id)
        job.accepted += moved._move(session, job)

    assert (free(deployment, "old"), free(deployment, "new")) == (6, 0)
    assert queue.resume(deployment) == []
    clock.now += dt.timedelta(hours=1)
    (done,) = queue.resume(deployment)

    assert (done.id, done.status, done.accepted) == (begun.id, "complete", 10)
    assert (free(deployment, "old"), free(deployment, "new")) == (0, 10)


def test_a_move_that_is_cancelled_half_way_gives_back_what_it_took(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    two(deployment)
    monkeypatch.setattr(moved, "BATCH", 4)
    begun = moved.begin_taking(deployment, "new", "old")
    with deployment.database.write() as session:
        job = session.get_one(ImportJob, begun.id)
        job.accepted += moved._move(session, job)

    assert jobs.cancel(deployment, begun.id).status == "cancelled"
    assert moved.go_on(deployment, begun.id).status == "cancelled"

    assert (free(deployment, "old"), free(deployment, "new")) == (10, 0)
    assert clean(deployment)


@pytest.mark.parametrize(
    ("target", "word"),
    [
        (document(key="new", authority="external"), "authority"),
        (card(key="new", codes={"source": "list"}), "kind"),
        (document(key="new", codes={"source": "on_demand"}), "on_demand"),
        (document(key="new", validity=ENDED), "ended on"),
    ],
)
def test_codes_that_would_mean_another_thing_stay_where_they_are(
    deployment: Deployment, target: dict[str, object], word: str
) -> None:
    apply_document(deployment, document(key="old"))
    apply_document(deployment, target)
    bring(deployment, b"CODE0001\n", campaign="old")

    with pytest.raises(ImportFault, match=word):
        moved.take(deployment, "new", "old")

    for source, fault in (("none", CampaignUnknown), ("new", ImportFault)):
        with pytest.raises(fault):
            moved.take(deployment, "new", source)
    assert free(deployment, "old") == 1


def test_campaign_that_was_ended_by_force_takes_no_codes(deployment: Deployment) -> None:
    two(deployment)
    with deployment.database.write() as session:
        taking = session.scalars(select(Campaign).where(Campaign.key == "new")).one()
        taking.override = {"ends_at": deployment.now().isoformat()}
        taking.override_forced = True

    with pytest.raises(ImportFault, match="ended on"):
        moved.take(deployment, "new", "old")


def test_cards_without_an_amount_stay_where_the_new_campaign_has_none(
    deployment: Deployment,
) -> None:
    apply_document(deployment, card(key="old", codes={"source": "list"}))
    apply_document(
        deployment, card(key="new", codes={"source": "list"}, gift_card={"pin_above": "20.00"})
    )
    bring(deployment, b"code,amount\nCARD0001,25.00\nCARD0002,\n", campaign="old")

    done = moved.take(deployment, "new", "old")

    assert (done.accepted, done.rejected, done.reasons) == (1, 1, {"missing_amount": 1})
    assert (free(deployment, "old"), free(deployment, "new")) == (1, 1)


def test_the_audit_finds_a_code_that_strayed_or_is_given_twice(deployment: Deployment) -> None:
    two(deployment, codes=3)
    issue(deployment, "old", "a")
    moved.take(deployment, "new", "old")
    assert clean(deployment)
    with deployment.database.write() as session:
        new = session.scalars(select(Campaign.id).where(Campaign.key == "new")).one()
        session.execute(update(Code).where(Code.campaign_id != new).values(free=True))
    assert not clean(deployment)
    with deployment.database.write() as session:
        session.execute(update(Code).values(campaign_id=new, free=False))

    causes = [each.cause for part in audit.run(deployment.database) for each in part.findings]

    assert len(causes) == 2
    assert any("its import is of another campaign" in cause for cause in causes)


def test_a_key_takes_codes_only_between_campaigns_that_it_may_touch(
    client: FlaskClient, deployment: Deployment
) -> None:
    two(deployment)

    def take(campaigns_of_key: list[str] | None, **body: object) -> object:
        with deployment.database.write() as session:
            key = access.create(
                session, "test", [Scope.ISSUE], now=deployment.now(), campaigns=campaigns_of_key
            )
        return client.post(
            "/api/v1/campaigns/new/codes/take",
            json={"from": "old", **body},
            headers={"Authorization": f"Bearer {key}"},
        )

    assert take(["new"]).status_code == 404  # type: ignore[attr-defined]
    assert take(None, count=0).status_code == 422  # type: ignore[attr-defined]
    taken = take(None, count=4)
    assert taken.status_code == 202  # type: ignore[attr-defined]
    import_id = taken.headers["Location"].rpartition("/")[2]  # type: ignore[attr-defined]
    with working(deployment):
        deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
        while free(deployment, "new") < 4 and dt.datetime.now(dt.UTC) < deadline:
            time.sleep(0.05)
    assert take(None, count=4).json["known"]  # type: ignore[attr-defined]
    assert take(None, count=4).json["id"] == import_id  # type: ignore[attr-defined]
    assert free(deployment, "new") == 4


def test_the_command_says_how_many_came_and_how_many_are_missing(
    cli: Cli, deployment: Deployment
) -> None:
    two(deployment, codes=5)

    done = cli("campaign", "take-codes", "new", "--from", "old", "--count", "7")
    again = cli("campaign", "take-codes", "new", "--from", "old", "--count", "7")
    refused = cli("campaign", "take-codes", "new", "--from", "none")

    assert "5 codes of old are new's now." in done.output
    assert "2 are missing" in done.output
    assert "taken before" in again.output
    assert refused.exit_code == 1
    assert "No campaign 'none' exists" in refused.output
