"""`campaign update` and what belongs to it, `vouchers` and `sync`, as a marketer uses them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import select

from app.domain import codes
from app.services import campaigns
from app.services.deployment import Deployment
from app.services.wallets.apple.complaints import keep_complaints, understand
from app.store.models import AppleDevice, AppleRegistration, CampaignUpdate, Voucher

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Cli = Callable[..., Result]


@pytest.fixture
def serial(cli: Cli, spring: Callable[..., Path], tmp_path: Path, deployment: Deployment) -> str:
    """A voucher of the campaign `spring`, which ends."""
    spring("[validity]\ndays = 5\n")
    file = tmp_path / "people.csv"
    file.write_text("external_id\nada\n")
    assert cli("issue", "spring", file, "--out", tmp_path / "links.csv").exit_code == 0
    with deployment.database.read() as session:
        return codes.serial(session.scalars(select(Voucher.public_id)).one())


def row(deployment: Deployment) -> Voucher:
    with deployment.database.read() as session:
        found = session.scalars(select(Voucher)).one()
        session.expunge(found)
        return found


def test_update_says_how_many_it_touches_asks_and_is_listed(
    cli: Cli, serial: str, deployment: Deployment, tmp_path: Path
) -> None:
    looks = tmp_path / "looks.json"
    looks.write_text('{"look": {"background": "#102030"}}')
    words = ("campaign", "update", "spring", "--presentation", looks, "--message", "en=Two days")

    refused = cli(*words, answer="n\n")
    assert refused.exit_code == 1
    assert cli("campaign", "updates", "spring").output == ""
    done = cli(*words, "--percent", "30", answer="y\n")

    assert "This touches 0 passes: 0 devices of Apple's, 0 objects at Google; now." in done.output
    warning = "! texts.en.offer: says “20 %”, and holders will get 30 %. Give the words as well"
    assert warning in done.output
    assert '{"texts": {"en": {"offer": "−30 %"}}}' in done.output
    found = re.search(r"Update ([0-9a-f-]{36}): see `passerelle campaign updates", done.output)
    assert found
    listed = cli("campaign", "updates", "spring").output
    assert listed.startswith(f"{found[1]}  delivered")
    assert "0 installed, 0 pushed, 0 fetched" in listed
    with deployment.database.read() as session:
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        shown = campaigns.presentation_of(campaigns.latest_revision(session, campaign))
        assert shown.look.background == "#102030"
        assert campaign.override == {"percent": "30"}


def test_update_for_later_can_be_cancelled_once_and_a_published_one_cannot(
    cli: Cli, serial: str, deployment: Deployment
) -> None:
    later = ("--at", "2099-12-24T18:00:00+01:00", "--yes")
    done = cli("campaign", "update", "spring", "--message", "en=Soon", *later)
    assert "at 2099-12-24T18:00:00+01:00." in done.output
    assert "scheduled" in cli("campaign", "updates", "spring").output
    with deployment.database.read() as session:
        update_id = session.scalars(select(CampaignUpdate.id)).one()

    assert cli("campaign", "cancel-update", update_id).output == "The update is cancelled.\n"
    assert "cancelled" in cli("campaign", "updates", "spring").output
    assert cli("campaign", "cancel-update", update_id).exit_code == 0
    assert "no such update" in cli("campaign", "cancel-update", uuid.uuid4()).stderr
    cli("campaign", "update", "spring", "--message", "en=Now", "--yes")
    with deployment.database.read() as session:
        published = session.scalars(
            select(CampaignUpdate.id).where(CampaignUpdate.status == "applied")
        ).one()
    refused = cli("campaign", "cancel-update", published)
    assert refused.exit_code == 1
    assert "Order another update" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        (["winter", "--uses", "2", "--yes"], 1, "No campaign 'winter' exists."),
        (["spring", "--yes"], 1, "The update changes nothing."),
        (["spring", "--ends-at", "tomorrow"], 2, "2026-12-24T18:00:00+01:00"),
        (["spring", "--ends-at", "2026-12-24T18:00:00"], 2, "It needs a zone"),
        (["spring", "--percent", "a lot"], 2, "Write it as a number"),
        (["spring", "--percent", "NaN"], 2, "Write it as a number"),
        (["spring", "--message", "hello"], 1, "Write --message as LANGUAGE=TEXT"),
        (["spring", "--amount", "500", "--yes"], 1, "not amount"),
        (["spring", "--uses", "-1", "--yes"], 1, "uses"),
    ],
)
def test_faulty_update_is_refused_with_its_remedy(
    cli: Cli, serial: str, words: list[str], code: int, cause: str
) -> None:
    refused = cli("campaign", "update", *words)

    assert refused.exit_code == code, refused.output
    assert cause in refused.stderr
    assert cli("campaign", "updates", "spring").output == ""


@pytest.mark.parametrize(
    ("text", "cause"), [("{", "is not JSON"), ("[]", "holds no JSON object"), ('{"lok": 1}', "lok")]
)
def test_faulty_presentation_file_is_named(
    cli: Cli, serial: str, tmp_path: Path, text: str, cause: str
) -> None:
    file = tmp_path / "looks.json"
    file.write_text(text)

    refused = cli("campaign", "update", "spring", "--presentation", file, "--yes")

    assert refused.exit_code == 1
    assert cause in refused.stderr


def test_deliveries_are_paused_and_go_on(cli: Cli, serial: str, deployment: Deployment) -> None:
    assert cli("campaign", "pause", "spring").output == "Deliveries of spring are paused.\n"
    with deployment.database.read() as session:
        campaign = campaigns.find(session, "spring")
        assert campaign is not None
        assert campaign.delivery_paused
    assert cli("campaign", "resume", "spring").output == "Deliveries of spring go on.\n"
    for command in ("pause", "resume"):
        assert "No campaign 'winter' exists." in cli("campaign", command, "winter").stderr


def test_single_vouchers_are_updated_prolonged_and_withdrawn(
    cli: Cli, serial: str, deployment: Deployment
) -> None:
    before = row(deployment)
    assert before.ends_at is not None

    assert cli("vouchers", "update", serial).output == "1 vouchers are changed.\n"
    earlier = cli("vouchers", "prolong", serial, "--ends-at", "2020-01-01T00:00:00Z")
    assert (earlier.exit_code, "Prolong to a later time" in earlier.stderr) == (1, True)
    later = "2099-01-01T00:00:00Z"
    refused = cli("vouchers", "update", serial, "--ends-at", later)
    assert "ends_at is for prolonging" in refused.stderr
    assert cli("vouchers", "prolong", serial, "--ends-at", later).exit_code == 0
    unknown = cli("vouchers", "withdraw", serial, "NOPE")
    assert unknown.output.splitlines() == ["1 vouchers are changed.", "  NOPE is unknown."]

    after = row(deployment)
    assert (after.status, after.version) == ("revoked", before.version + 3)
    assert after.ends_at is not None
    assert after.ends_at.year == 2099


def test_sync_says_what_phones_are_owed_complained_of_and_that_nobody_works(
    cli: Cli, serial: str, deployment: Deployment
) -> None:
    now = deployment.now()
    with deployment.database.write() as session:
        device = AppleDevice(library_id="phone", push_token="abc", created_at=now, updated_at=now)
        session.add(device)
        session.flush()
        session.add(
            AppleRegistration(device_id=device.id, voucher_id=row(deployment).id, registered_at=now)
        )
        keep_complaints(session, [understand("Passes do not update")], now=now)

    plain, done = cli("sync"), cli("sync", "--complaints")

    assert done.exit_code == 0
    line = next(line for line in plain.output.splitlines() if line.startswith("spring"))
    assert "installed 1  owed 1  pushed 0" in line
    assert "Passes do not update" in done.output
    assert "Passes do not update" not in plain.output
    assert "0 workers are at work." in plain.output
    assert any(line.startswith("! ") for line in plain.output.splitlines())
