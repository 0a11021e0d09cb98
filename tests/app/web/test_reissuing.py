"""A voucher whose link or barcode leaked gets new ones; its books, holder and money stay."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from app.domain import codes
from app.faults import VoucherUnknown
from app.services import (
    access,
    changes,
    issuance,
    reports,
)
from app.services.access import Scope
from app.services.changes import Subject
from app.services.deployment import Deployment
from app.services.issuance import (
    IssueFault,
    Left,
)
from app.services.wallets.apple import registrations
from app.services.wallets.apple.listing import list_changed
from app.services.wallets.apple.pkpass import signed_pass
from app.services.wallets.content import pass_content
from app.store.models import Code, Event, GoogleObject, Voucher
from passes.content import Status
from tests.conftest import Cli
from tests.marketing import apply_document, bring, card, document
from tests.shop import Shop, Till
from tests.vouchers import address, clean, clear, coupon, holding, issue, reissue, token


def test_the_old_barcode_code_and_link_are_no_good_and_the_new_ones_are(
    deployment: Deployment, client: FlaskClient, till: Till
) -> None:
    apply_document(deployment, coupon())
    old = issue(deployment, "spring")
    barcode, code, page = token(deployment, old), clear(deployment, old), address(deployment, old)
    assert till.redeem(barcode)["outcome"] == "accepted"

    new = reissue(deployment, old)

    for leaked in (barcode, code):
        refused = till.redeem(leaked)
        assert refused["outcome"] == "refused"
        assert refused["reason"] == "stale_barcode"
        assert "remplacé" in refused["cashier_text"]
    gone = client.get(page, headers={"Accept-Language": "en"})
    assert gone.status_code == 410
    assert "has been withdrawn" in gone.text
    assert codes.serial(new) not in gone.text
    assert client.get(f"{page}/apple").status_code == 410
    assert client.get(address(deployment, new)).status_code == 200
    # One of three uses was taken before: two are left.
    fresh = [token(deployment, new), clear(deployment, new), token(deployment, new)]
    assert [till.redeem(each)["outcome"] for each in fresh] == ["accepted", "accepted", "refused"]
    assert clean(deployment)


def test_asked_to_issue_again_the_recipient_gets_the_new_link(deployment: Deployment) -> None:
    apply_document(deployment, coupon())
    old = issue(deployment, "spring")

    new = reissue(deployment, old)

    assert issue(deployment, "spring") == new != old
    with deployment.database.read() as session:
        issued = select(func.count(Event.id)).where(Event.kind == "issued")
        assert session.scalar(issued) == 1


def test_a_cards_money_and_history_stay_and_its_old_pass_says_nothing_of_the_new_one(
    deployment: Deployment, client: FlaskClient, till: Till
) -> None:
    apply_document(deployment, card())
    old = issue(deployment, "card")
    barcode = token(deployment, old)
    euros = {"amount": {"minor": 400, "currency": "EUR"}}
    spent = till.redeem(barcode, **euros)["redemptions"][0]["redemption_id"]

    new = reissue(deployment, old)

    assert till.redeem(barcode, **euros)["reason"] == "stale_barcode"
    assert till.redeem(token(deployment, new), **euros)["outcome"] == "accepted"
    assert till.reverse(redemption_id=spent)["outcome"] == "accepted"
    now = deployment.now()
    shown = pass_content(deployment, holding(deployment, new), now=now)
    assert shown.balance is not None
    assert (shown.status, shown.balance.minor) == (Status.ACTIVE, 1_100)
    stale = pass_content(deployment, holding(deployment, old), now=now)
    assert stale.balance is not None
    assert (stale.status, stale.balance.minor) == (Status.WITHDRAWN, 0)
    assert all(each.key != "replacement" for each in stale.fields)
    assert stale.card_number != shown.card_number
    assert clean(deployment)


def test_passes_in_wallets_keep_their_old_serial_and_are_told_that_it_is_over(
    deployment: Deployment,
) -> None:
    apply_document(deployment, coupon())
    old = issue(deployment, "spring")
    before = holding(deployment, old)
    with deployment.database.write() as session:
        registrations.register(
            session,
            library_id="phone",
            push_token="aa" * 32,
            voucher_id=before.voucher.id,
            now=deployment.now(),
        )
        session.add(
            GoogleObject(
                voucher_id=before.voucher.id,
                object_id="1.a",
                status="inserted",
                created_at=deployment.now(),
            )
        )
        session.flush()
        list_changed(session, library_id="phone", tag=None, now=deployment.now())
    told: list[changes.Change] = []
    deployment.database.committed = told.extend

    new = reissue(deployment, old)

    stale = holding(deployment, old)
    assert stale.pair != before.pair
    assert changes.Change(Subject.VOUCHER, stale.voucher.id) in told
    assert stale.status(deployment.now()) is Status.WITHDRAWN
    with deployment.database.write() as session:
        listed = list_changed(session, library_id="phone", tag=None, now=deployment.now())
        object_of = session.scalars(select(GoogleObject.voucher_id)).one()
    assert [codes.serial(old)] == list(listed.serials if listed else ())
    assert object_of == stale.voucher.id
    assert stale.voucher.key_id == before.voucher.key_id
    assert signed_pass(deployment, stale, now=deployment.now())
    assert signed_pass(deployment, holding(deployment, new), now=deployment.now())


def test_a_code_that_nobody_read_may_stay_and_then_means_the_new_voucher(
    deployment: Deployment, till: Till
) -> None:
    apply_document(deployment, coupon())
    old = issue(deployment, "spring")
    code = clear(deployment, old)

    new = reissue(deployment, old, keep_code=True)

    assert clear(deployment, new) == code
    assert till.redeem(code)["outcome"] == "accepted"
    assert clean(deployment)


def test_a_shared_codes_holder_keeps_the_code_and_gets_another_barcode(
    deployment: Deployment, till: Till
) -> None:
    apply_document(deployment, document(codes={"source": "shared", "code": "SUMMER"}))
    old = issue(deployment, "spring")
    barcode = token(deployment, old)

    new = reissue(deployment, old)

    assert till.redeem(barcode)["reason"] == "stale_barcode"
    assert till.redeem(token(deployment, new))["outcome"] == "accepted"
    assert till.redeem("SUMMER")["outcome"] == "accepted"
    assert clean(deployment)


def test_without_a_code_left_nothing_is_changed(deployment: Deployment, till: Till) -> None:
    apply_document(deployment, document())
    bring(deployment, b"CODE0001\n")
    old = issue(deployment, "spring")

    with pytest.raises(IssueFault, match="no code left"):
        reissue(deployment, old)

    assert till.redeem(token(deployment, old))["outcome"] == "accepted"
    with deployment.database.read() as session:
        assert session.scalar(select(func.count(Voucher.id))) == 1
        assert session.scalar(select(func.count(Code.id))) == 1


def test_what_is_over_or_held_or_scanned_as_its_code_is_refused(
    deployment: Deployment, till: Till
) -> None:
    apply_document(deployment, coupon())
    apply_document(deployment, coupon(key="bare", barcode={"profile": "code"}))
    revoked, held, bare = (issue(deployment, "spring", name) for name in ("a", "b", "c"))
    bare = issue(deployment, "bare")
    issuance.withdraw(deployment, [codes.serial(revoked)])
    items = [{"barcode": token(deployment, held)}]
    assert till.post("/redemptions", {"mode": "hold", "items": items}).status_code == 200

    for public_id, options, word in (
        (revoked, {}, "is revoked"),
        (held, {}, "holds a part"),
        (bare, {"keep_code": True}, "is its code"),
        (12345, {}, "No such voucher"),
    ):
        with pytest.raises((IssueFault, VoucherUnknown), match=word):
            reissue(deployment, public_id, **options)
    assert reissue(deployment, bare)


def test_the_api_and_the_command_answer_again_with_the_voucher_as_it_is_called_now(
    deployment: Deployment, client: FlaskClient, cli: Cli
) -> None:
    apply_document(deployment, coupon())
    apply_document(deployment, coupon(key="other"))
    serial = codes.serial(issue(deployment, "spring"))
    with deployment.database.write() as session:
        key = access.create(session, "test", [Scope.ISSUE], now=deployment.now())
        other = access.create(
            session, "other", [Scope.ISSUE], now=deployment.now(), campaigns=["other"]
        )

    def ask(key: str, body: dict[str, Any]) -> Any:
        return client.post(
            f"/api/v1/vouchers/{serial}/reissue",
            json=body,
            headers={"Authorization": f"Bearer {key}"},
        )

    assert ask(other, {}).status_code == 404
    first, again = ask(key, {"reason": "mail list leaked"}).json, ask(key, {}).json
    assert (first["fresh"], first["new_code"], first["replaces"]) == (True, True, serial)
    assert (again["fresh"], again["serial"]) == (False, first["serial"])
    assert again["wallet_link"] == first["wallet_link"]
    told = cli("reissue", serial)
    assert f"{first['serial']} now" in told.output
    assert first["wallet_link"] in told.output.replace("\n", "")
    assert "a new code" in cli("reissue", first["serial"]).output
    assert cli("reissue", "nonsense").exit_code == 1
    with deployment.database.read() as session:
        reasons = session.scalars(select(Event.reason).where(Event.kind == "updated")).all()
    assert "mail list leaked" in reasons


def test_it_may_leak_again(deployment: Deployment, till: Till) -> None:
    apply_document(deployment, coupon())
    first = issue(deployment, "spring")
    barcodes = [token(deployment, first)]
    second = reissue(deployment, first)
    barcodes.append(token(deployment, second))
    third = reissue(deployment, second)

    assert [till.redeem(each)["outcome"] for each in barcodes] == ["refused", "refused"]
    assert till.redeem(token(deployment, third))["outcome"] == "accepted"
    assert clean(deployment)


def test_revoked_by_what_it_was_called_before_it_is_worth_nothing(
    deployment: Deployment, till: Till
) -> None:
    """Who asks knows the old serial alone, and is told that the voucher is withdrawn."""
    apply_document(deployment, coupon())
    old = issue(deployment, "spring")
    new = reissue(deployment, reissue(deployment, old))
    done = [issuance.withdraw(deployment, [codes.serial(old)])[0] for _ in range(2)]
    assert [each.left for each in done] == [None, Left.WITHDRAWN]
    assert {each.now for each in done} == {codes.serial(new)}
    assert holding(deployment, new).voucher.status == "revoked"
    assert till.redeem(token(deployment, new))["reason"] == "revoked"
    assert clean(deployment)


def test_a_use_that_is_reported_by_the_old_code_is_the_vouchers(
    deployment: Deployment, client: FlaskClient
) -> None:
    """The web shop took the code before it was given up, or knows nothing of that."""
    apply_document(
        deployment,
        document(codes={"source": "on_demand"}, authority="external", limits={"uses": 1}),
    )
    old = issue(deployment, "spring")
    code = clear(deployment, old)
    new = reissue(deployment, reissue(deployment, old))
    key = Shop(deployment).key(Scope.POS, Scope.REPORT)
    answer = client.post(
        "/api/v1/redemptions/report",
        json={"uses": [{"id": "1", "code": code}, {"id": "2", "code": clear(deployment, new)}]},
        headers={"Authorization": f"Bearer {key}"},
    ).get_json()
    assert "uses" in answer, answer
    assert [each["outcome"] for each in answer["uses"]] == ["applied", "conflict"]
    assert (holding(deployment, new).voucher.used, holding(deployment, old).voucher.used) == (1, 0)
    assert clean(deployment)


def test_two_who_issue_a_voucher_anew_at_the_same_time_get_the_same(
    deployment: Deployment,
) -> None:
    apply_document(deployment, coupon())
    old = issue(deployment, "spring")
    together = threading.Barrier(2)

    def anew(_: int) -> int:
        keyring = deployment.keyring
        together.wait()
        with deployment.database.write() as session:
            return issuance.reissue(session, keyring, old, now=deployment.now()).public_id

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(anew, range(2))
    assert one == other != old


def test_reports_and_lists_count_one_voucher_with_one_holder(
    deployment: Deployment, till: Till
) -> None:
    apply_document(deployment, coupon())
    old = issue(deployment, "spring")
    assert till.redeem(token(deployment, old))["outcome"] == "accepted"
    new = reissue(deployment, reissue(deployment, old))
    assert till.redeem(token(deployment, new))["outcome"] == "accepted"
    while reports.roll_up(deployment, limit=3):
        pass

    with deployment.database.read() as session:
        campaign = holding(deployment, new).campaign.id
        (row,) = reports.funnel(session, campaign, by=(), now=deployment.now()).rows
        assert (row.vouchers["issued"], row.vouchers["redeemed"]) == (1, 1)
        assert reports.recount(session) == []
        assert reports.misplaced(session) == []
    people = list(reports.people(deployment.database, campaign))
    assert [person["external_id"] for person in people] == ["ann"]
    assert clean(deployment)
