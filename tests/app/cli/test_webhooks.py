"""`webhooks` as an engineer uses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import select, update

from app.services import eventlog
from app.services.deployment import Deployment
from app.store.models import Event, Webhook, WebhookDelivery
from tests.storefront import Storefront

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Cli = Callable[..., Result]
URL = "https://crm.example/hooks"


@pytest.fixture
def hook(cli: Cli) -> str:
    """The id of a webhook."""
    made = cli("webhooks", "add", URL)
    assert made.exit_code == 0, made.stderr
    return made.output.split()[0]


def test_webhook_is_made_with_a_secret_that_is_shown_once_and_listed(
    cli: Cli, spring: Callable[..., Path]
) -> None:
    spring()
    made = cli("webhooks", "add", URL, "--kind", "redeemed", "--campaign", "spring")
    found = re.fullmatch(r"([0-9a-f-]{36})  (whsec_\S+)\n", made.output)
    assert found

    listed = cli("webhooks", "list")

    assert listed.output.split() == [found[1], "active", *["0", "waiting", "0", "dead"], URL]
    assert found[2] not in listed.output


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        (["crm.example"], 1, "Write https://host/path"),
        (["https://user:secret@crm.example/"], 1, "Leave those out"),
        ([URL, "--campaign", "winter"], 1, "No such campaign: winter"),
        ([URL, "--kind", "sold"], 2, "'redeemed'"),
    ],
)
def test_webhook_that_cannot_be_made_says_why_and_what_to_write(
    cli: Cli, words: list[str], code: int, cause: str
) -> None:
    refused = cli("webhooks", "add", *words)

    assert refused.exit_code == code
    assert cause in refused.stderr
    assert cli("webhooks", "list").output == ""


def test_new_secret_is_another_one(cli: Cli, hook: str) -> None:
    first, second = (cli("webhooks", "rotate", hook).output for _ in range(2))

    assert first.startswith("whsec_")
    assert first != second


def test_given_up_events_are_tried_again_and_the_webhook_is_active_again(
    cli: Cli, hook: str, deployment: Deployment, storefront: Storefront
) -> None:
    voucher = storefront.voucher(storefront.campaign())
    now = deployment.now()
    with deployment.database.write() as session:
        eventlog.append(session, "viewed", voucher.id, now=now)
        row = session.scalars(select(Webhook)).one()
        event = session.scalars(select(Event)).one()
        session.add(
            WebhookDelivery(
                webhook_id=row.id,
                event_id=event.id,
                voucher_id=voucher.id,
                status="dead",
                attempts=10,
                due_at=now,
                failure="answered 500",
                created_at=now,
            )
        )
        session.execute(update(Webhook).values(status="disabled", failure="answered 410"))
    listed = cli("webhooks", "list").output
    assert "disabled" in listed
    assert "1 dead" in listed
    assert "answered 410" in listed

    done = cli("webhooks", "replay", hook)

    assert done.output == "1 event is tried again.\n"
    listed = cli("webhooks", "list").output
    assert "active" in listed
    assert "1 waiting        0 dead  oldest untold" in listed


def test_removed_webhook_is_gone_and_unknown_ones_are_named(cli: Cli, hook: str) -> None:
    assert cli("webhooks", "remove", hook).output == "The webhook is removed.\n"

    for command in ("rotate", "replay", "remove"):
        for name in (hook, "no-id"):
            refused = cli("webhooks", command, name)
            assert refused.exit_code == 1
            assert f"No webhook {name}: `passerelle webhooks list` shows them." in refused.stderr
