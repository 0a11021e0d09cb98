"""`passerelle google status` says what is owed to Google, for how long, and what fails."""

from __future__ import annotations

from click.testing import CliRunner

from app.cli import main
from app.services.deployment import Deployment
from app.store.models import Campaign, GoogleCallback, GoogleClass, GoogleObject
from tests.serving import environment
from tests.storefront import Storefront


def status(deployment: Deployment, *arguments: str) -> str:
    done = CliRunner().invoke(
        main, ["google", "status", *arguments], env=environment(deployment.settings)
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_the_status_counts_what_is_held_owed_and_failing_of_one_campaign_or_of_all(
    deployment: Deployment, storefront: Storefront
) -> None:
    assert "Google: 0 passes held; nothing is owed." in status(deployment)
    now = deployment.now()
    quiet, busy = storefront.campaign(), storefront.campaign()
    with deployment.database.write() as session:
        for campaign, version in ((quiet, 1), (busy, None)):
            session.add(
                GoogleClass(
                    campaign_id=campaign,
                    class_id=f"1.{campaign}",
                    sent_campaign=version,
                    created_at=now,
                )
            )
        key = session.get_one(Campaign, quiet).key
    for campaign, sent, failure in (
        (quiet, 1, None),
        (busy, 0, "No answer (ReadTimeout)."),
        (busy, 0, "No answer (ReadTimeout)."),
    ):
        issued = storefront.voucher(campaign)
        with deployment.database.write() as session:
            session.add(
                GoogleObject(
                    voucher_id=issued.id,
                    object_id=f"1.{issued.serial}",
                    status="inserted",
                    sent_voucher=sent,
                    sent_campaign=1,
                    failure=failure,
                    created_at=now,
                )
            )
    said = status(deployment)
    assert "Google: 3 passes held; 3 calls are owed, 0 s in all." in said
    assert "2 failing: No answer (ReadTimeout)." in said
    assert "Google: 1 pass held; nothing is owed." in status(deployment, "--campaign", key)


def test_genuine_callbacks_that_nothing_was_done_for_are_listed(deployment: Deployment) -> None:
    with deployment.database.write() as session:
        session.add(
            GoogleCallback(
                nonce="n",
                received_at=deployment.now(),
                event="activate",
                reason="event",
                message='{"eventType": "activate"}',
            )
        )

    done = CliRunner().invoke(main, ["google", "callbacks"], env=environment(deployment.settings))

    assert done.exit_code == 0, done.output
    assert "activate    nothing is done for this event" in done.output
