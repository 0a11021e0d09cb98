"""What passes show can be scanned: codes and patterns are judged by the barcode that shows them."""

from __future__ import annotations

import io
from typing import Any

import pytest
import zxingcpp
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import func, select, update

from app.domain.codes import Purpose
from app.services import issuance, updates
from app.services.campaigns import CampaignFault, barcodes
from app.services.codes import jobs, moved
from app.services.codes.jobs import ImportFault
from app.services.deployment import Deployment
from app.services.updates import UpdateFault, UpdateRequest
from app.store.models import Campaign, Code, Revision, Voucher
from passes.symbology import Symbology
from tests.marketing import apply, bring
from tests.verifying import pass_json

#: Bars for the code itself.
BARS = {"barcode": {"profile": "code", "symbology": "code128"}}
#: Lines of lists with what a till reads off a phone as Code 128, and with what it does not.
READ = [
    "ab12cd34",
    'A&B<C>-1"x',
    "50%OFF+X #1?y=2",
    "O'NEIL;1",
    "L20-ABCDEFGHIJKLMNOP",
    "L24-ABCDEFGHIJKLMNOPQRST",
    "L28-ABCDEFGHIJKLMNOPQRSTUVWX",
    "L29-ABCDEFGHIJKLMNOPQRSTUVWXY",
    "1234567890" * 5,
]
UNREAD = [
    "LONGCODE-0123456789-0123456789-0123456789-0123456789-ABCDEFG",
    "MED-0123456789-0123456789-0123456789-012",
    "L30-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "L38-ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGH",
]


def as_lines(codes: list[str]) -> bytes:
    return "\n".join(codes).encode()


def issued(deployment: Deployment, count: int) -> list[str]:
    """The links of vouchers for nobody in particular."""
    keyring = deployment.keyring
    with deployment.database.write() as session:
        campaign = session.scalars(select(Campaign)).one()
        wanted = [issuance.VoucherRequest(person=None)] * count
        batch = issuance.issue(session, keyring, campaign, wanted, now=deployment.now())
    return [
        keyring.token(Purpose.LINK, key_id=each.key_id, public_id=each.public_id)
        for each in batch.issued
    ]


def decoded(picture: bytes) -> list[str]:
    with Image.open(io.BytesIO(picture)) as opened:
        drawn = opened.convert("RGB")
    return [each.text for each in zxingcpp.read_barcodes(drawn)]


def test_every_code_of_a_list_is_shown_so_that_it_can_be_scanned_or_refused_with_its_reason(
    client: FlaskClient, deployment: Deployment
) -> None:
    apply(deployment, **BARS)
    done = bring(deployment, as_lines(READ + UNREAD))
    links = issued(deployment, len(READ))

    found = list(jobs.rejects(deployment, done.id))
    assert [(line, reason) for line, reason, _ in found] == [
        (len(READ) + number, "too_wide") for number in range(1, len(UNREAD) + 1)
    ]
    assert all("at most 29 characters (58 where all are digits)" in why for *_, why in found)
    seen = []
    for link in links:
        page = f"/p/{link}"
        code = decoded(client.get(f"{page}/code.png").data)
        document = pass_json(client.get(f"{page}/apple").data)
        assert document["barcodes"][0]["format"] == "PKBarcodeFormatCode128"
        assert code == [document["barcodes"][0]["message"]]
        assert decoded(client.get(f"{page}/pass.png?wallet=apple").data) == code
        assert decoded(client.get(f"{page}/pass.png?wallet=google").data) == code
        assert client.get(page).status_code == 200
        seen += code
    assert sorted(seen) == sorted(READ)


@pytest.mark.parametrize(
    "changes",
    [
        {
            "codes": {
                "source": "shared",
                "code": "SPRING-SALE-2026-PARIS-STORE-OPENING-WEEKEND-TWENTY-PERCENT",
            }
        },
        {"codes": {"source": "generated", "pattern": "{random:31}"}},
        {"codes": {"source": "on_demand", "pattern": "B-{recipient}-{random:12}"}},
    ],
)
def test_a_code_or_pattern_that_no_till_reads_is_refused_when_the_campaign_is_applied(
    deployment: Deployment, changes: dict[str, Any]
) -> None:
    with pytest.raises(CampaignFault) as refused:
        apply(deployment, **changes, **BARS)

    (fault,) = refused.value.faults
    assert fault.at == "barcode.symbology"
    assert "is too narrow for codes." in fault.cause
    assert "no till reads more than 377" in fault.cause
    assert "at most 29 characters" in fault.remedy
    apply(deployment, **changes, barcode={"profile": "code", "symbology": "qr"})


def test_an_edit_whose_barcode_cannot_hold_codes_that_are_there_is_refused_with_their_number(
    deployment: Deployment,
) -> None:
    square = {"barcode": {"profile": "code", "symbology": "qr"}}
    apply(deployment, **square)
    bring(deployment, as_lines(READ + UNREAD))

    with pytest.raises(CampaignFault, match=r"4 of the campaign's codes do not fit into CODE128"):
        apply(deployment, **BARS)
    wanted = UpdateRequest(presentation={"symbology": "code128"})
    with (
        deployment.database.read() as session,
        pytest.raises(UpdateFault, match="4 of the campaign's codes"),
    ):
        updates.rehearse(
            session,
            "spring",
            wanted,
            settings=deployment.settings,
            keyring=deployment.keyring,
        )
    # Words are no matter of barcodes.
    apply(deployment, name="Spring at last", **square)


def test_codes_that_came_since_they_were_looked_at_are_looked_at_too(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barcodes, "BATCH", 2)
    square = {"barcode": {"profile": "code", "symbology": "qr"}}
    apply(deployment, **square)
    bring(deployment, as_lines(READ))

    def misfits() -> int:
        with deployment.database.read() as session:
            campaign = session.scalars(select(Campaign)).one()
            return barcodes.misfits(session, deployment.keyring, campaign, Symbology.CODE128)

    assert misfits() == 0
    bring(deployment, as_lines(UNREAD))
    assert misfits() == len(UNREAD)


def test_codes_move_only_where_their_barcode_can_be_read(deployment: Deployment) -> None:
    apply(deployment, key="giving")
    apply(deployment, key="taking", **BARS)
    bring(deployment, as_lines(READ + UNREAD), campaign="giving")

    with pytest.raises(ImportFault, match="4 of the codes of giving are too long for the CODE128"):
        moved.take(deployment, "taking", "giving")


def test_an_update_to_bars_is_refused_where_the_pattern_is_too_long_for_them(
    deployment: Deployment,
) -> None:
    apply(deployment, codes={"source": "on_demand", "pattern": "{random:31}"})

    with (
        deployment.database.read() as session,
        pytest.raises(UpdateFault, match="too narrow for the campaign's pattern"),
    ):
        updates.rehearse(
            session,
            "spring",
            UpdateRequest(presentation={"barcode": "code", "symbology": "code128"}),
            settings=deployment.settings,
            keyring=deployment.keyring,
        )


def test_a_code_that_does_not_fit_all_the_same_is_drawn_as_a_square(
    client: FlaskClient, deployment: Deployment
) -> None:
    apply(deployment)
    bring(deployment, as_lines(UNREAD[:1]))
    (link,) = issued(deployment, 1)
    # As a release before stored it, which refused nothing.
    with deployment.database.write() as session:
        revision = session.scalars(select(Revision)).one()
        shown = {**revision.presentation, "barcode": "code", "symbology": "code128"}
        session.execute(update(Revision).values(presentation=shown))
        assert session.scalar(select(func.count(Code.id))) == 1
        assert session.scalar(select(func.count(Voucher.id))) == 1

    page = f"/p/{link}"
    assert pass_json(client.get(f"{page}/apple").data)["barcodes"][0]["format"] == (
        "PKBarcodeFormatQR"
    )
    for picture in ("code.png", "pass.png"):
        assert decoded(client.get(f"{page}/{picture}").data) == UNREAD[:1]
    assert client.get(page).status_code == 200
