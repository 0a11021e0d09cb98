"""Webhooks: addresses of yours that are told every event.

A secret is shown once, when a webhook is made or its secret is rotated.
"""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, WithJsonSchema
from sqlalchemy.orm import Session

from app.services import webhooks
from app.services.access import Scope
from app.services.permissions import Binding, Reach
from app.store.models import Webhook
from app.web import access, deployment
from app.web.description import example, fails_with
from app.web.marketing.door import Body, answered, one_of, part
from app.web.problem_codes import ProblemCode

Url = Annotated[str, StringConstraints(min_length=8, max_length=2_000)]
#: A kind of event; the description names the values where they stand, since security events have
#: kinds of their own.
EventKind = Annotated[
    webhooks.WebhookEventKind,
    WithJsonSchema({"type": "string", **one_of(*webhooks.WebhookEventKind)}),
]
Kinds = Annotated[list[EventKind], Field(max_length=50)]
Campaigns = Annotated[list[str], Field(max_length=1_000)]


class NewWebhook(Body):
    """An address, and what it wants; empty lists want everything."""

    model_config = example(
        url="https://shop.example.com/hooks/passerelle",
        kinds=["redeemed", "refunded"],
        campaigns=["summer"],
    )

    url: Url = Field(
        description="Where events are sent by POST; https in production, and a public address "
        "unless the operator allows its network"
    )
    kinds: Kinds = Field([], description="Kinds of event that it wants; empty wants every one")
    campaigns: Campaigns = Field(
        [], description="Keys of the campaigns whose events it wants; empty wants every one"
    )


class ChangedWebhook(Body):
    """What changes; the rest stays."""

    model_config = example(
        kinds=[],
        active=True,
    )

    url: Url | None = Field(None, description="Where events are sent from now on")
    kinds: Kinds | None = Field(None, description="Kinds that it wants; empty wants every one")
    campaigns: Campaigns | None = Field(
        None, description="Keys of campaigns whose events it wants; empty wants every one"
    )
    active: bool | None = Field(
        None, description="Whether it is told; made active again, it is told what it missed"
    )


class WebhookPath(BaseModel):
    """A webhook by its id."""

    id: str = Field(description="The webhook's id")


_WEBHOOK: dict[str, Any] = {
    "id": "0e7f3a5c-7a3e-4f57-8a36-2a1f0a3a9d55",
    "url": "https://shop.example.com/hooks/passerelle",
    "kinds": ["redeemed", "refunded"],
    "campaigns": ["summer"],
    "status": "active",
    "failure": None,
    "rotating_until": None,
    "created_at": "2026-06-01T07:00:00+00:00",
    "oldest_untold_at": None,
    "waiting": 0,
    "dead": 0,
}


class WebhookAnswer(BaseModel):
    """A webhook, without its secret."""

    model_config = example(**_WEBHOOK)

    id: str = Field(description="The webhook's id")
    url: str = Field(description="Where events are sent")
    kinds: list[str] = Field(description="Kinds of event that it wants; empty: every one")
    campaigns: list[str] = Field(
        description="Keys of the campaigns whose events it wants; empty: every one"
    )
    status: str = Field(
        description="active or disabled", json_schema_extra=one_of("active", "disabled")
    )
    failure: str | None = Field(description="Why it last failed; null when it did not")
    rotating_until: AwareDatetime | None = Field(
        description="Until when the previous secret signs too; null: it does not"
    )
    created_at: AwareDatetime = Field(description="When it was made")
    oldest_untold_at: AwareDatetime | None = Field(
        description="When the oldest event happened that it was not told yet; null when none"
    )
    waiting: int = Field(description="Events that wait for another attempt")
    dead: int = Field(description="Events that were given up; replay tries them again")


class SecretAnswer(WebhookAnswer):
    """A webhook and its new secret, which cannot be read again."""

    model_config = example(**_WEBHOOK, secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")  # noqa: S106 - an example

    secret: str = Field(
        description="The secret with which its events are signed (Standard Webhooks); keep it"
    )


class WebhookList(BaseModel):
    """Every webhook that the key may touch."""

    model_config = example(
        webhooks=[_WEBHOOK],
    )

    webhooks: list[WebhookAnswer] = Field(description="The webhooks, the oldest first")


class DeadLetter(BaseModel):
    """An event that was given up."""

    id: str = Field(description="The event's webhook-id")
    kind: str = Field(description="What the event tells of, such as redeemed")
    attempts: int = Field(description="How often it was tried")
    failure: str | None = Field(description="Why the last attempt failed")


class DeadLetters(BaseModel):
    """Events that were given up, oldest first, at most a thousand."""

    model_config = example(
        dead=[
            {
                "id": "0f3a9c27d18e4b60-4",
                "kind": "redeemed",
                "attempts": 10,
                "failure": "The receiver answered 500.",
            }
        ],
    )

    dead: list[DeadLetter] = Field(description="The events, the oldest first")


class Replayed(BaseModel):
    """How many events are tried again."""

    model_config = example(
        replayed=1,
    )

    replayed: int = Field(description="Events that are tried again")


blueprint = part("webhooks", "Events told to an address of yours")


@blueprint.get("/webhooks", responses={200: WebhookList})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def list_webhooks() -> Response:
    """List the webhooks that the key may touch, and how each does.

    For whoever looks after integrations. A key that is bound to campaigns sees webhooks that want
    events of its campaigns alone.
    """
    with deployment().database.read() as session:
        rows = session.query(Webhook).order_by(Webhook.id)
        found = [webhooks.describe(session, row) for row in rows if _may(row.campaigns)]
    return answered({"webhooks": found})


@blueprint.post("/webhooks", responses={201: SecretAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(
    ProblemCode.CAMPAIGN_UNKNOWN, ProblemCode.CAMPAIGN_KEY_REFUSED, ProblemCode.WEBHOOK_FAULTY
)
def add_webhook(body: NewWebhook) -> Response:
    """Make a webhook that is told what happens from now on; the answer holds its secret.

    For systems that follow what becomes of vouchers. Events are CloudEvents, signed as Standard
    Webhooks say, those of one voucher in order; one that is not answered with 2xx is tried ten
    times within four days and then kept for replay. No event holds a code, a PIN or a link.

    A key that is bound to campaigns names them: it may not want every campaign's events.
    """
    house = deployment()
    _refuse_others(body.campaigns)
    keyring = house.keyring
    with house.database.write() as session:
        webhook, secret = webhooks.register(
            session,
            keyring,
            body.url,
            kinds=body.kinds,
            campaigns=body.campaigns,
            now=house.now(),
            https_only=house.settings.production,
        )
        return answered({**webhooks.describe(session, webhook), "secret": secret}, status=201)


@blueprint.get("/webhooks/<id>", responses={200: WebhookAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.WEBHOOK_UNKNOWN)
def show_webhook(path: WebhookPath) -> Response:
    """Show a webhook and how it does.

    For whoever waits for events: what it has not been told, why it last failed, and how many events
    were given up.
    """
    with deployment().database.read() as session:
        return answered(webhooks.describe(session, _found(session, path)))


@blueprint.patch("/webhooks/<id>", responses={200: WebhookAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(
    ProblemCode.WEBHOOK_UNKNOWN,
    ProblemCode.CAMPAIGN_UNKNOWN,
    ProblemCode.CAMPAIGN_KEY_REFUSED,
    ProblemCode.WEBHOOK_FAULTY,
)
def change_webhook(path: WebhookPath, body: ChangedWebhook) -> Response:
    """Change a webhook's address and what it wants, or stop it.

    What is left out stays. One that is made active again is told what it missed.
    """
    house = deployment()
    with house.database.write() as session:
        webhook = _found(session, path)
        if body.campaigns is not None:
            _refuse_others(body.campaigns)
        webhooks.change(
            session,
            webhook,
            now=house.now(),
            https_only=house.settings.production,
            **body.model_dump(),
        )
        return answered(webhooks.describe(session, webhook))


@blueprint.delete("/webhooks/<id>", responses={204: None})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.WEBHOOK_UNKNOWN)
def remove_webhook(path: WebhookPath) -> Response:
    """Remove a webhook and all that waits for it.

    It cannot be undone: what it was not told yet is not told. To stop one for a while, change it
    with `active` false.
    """
    house = deployment()
    with house.database.write() as session:
        webhooks.remove(session, _found(session, path), now=house.now())
    return Response(status=204)


@blueprint.post("/webhooks/<id>/secret", responses={200: SecretAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.WEBHOOK_UNKNOWN)
def rotate_webhook_secret(path: WebhookPath) -> Response:
    """Give a webhook a new secret, which the answer holds.

    The present secret signs beside it for a day, so that no event is lost while receivers change
    over.
    """
    house = deployment()
    keyring = house.keyring
    with house.database.write() as session:
        webhook = _found(session, path)
        secret = webhooks.rotate(session, keyring, webhook, now=house.now())
        return answered({**webhooks.describe(session, webhook), "secret": secret})


@blueprint.get("/webhooks/<id>/dead", responses={200: DeadLetters})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.WEBHOOK_UNKNOWN)
def list_dead_events(path: WebhookPath) -> Response:
    """List the events that were given up, the oldest first, at most 1,000.

    For whoever mended a receiver: `POST …/replay` tries all of them again.
    """
    with deployment().database.read() as session:
        return answered({"dead": webhooks.dead_letters(session, _found(session, path))})


@blueprint.post("/webhooks/<id>/replay", responses={200: Replayed})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
@fails_with(ProblemCode.WEBHOOK_UNKNOWN)
def replay_dead_events(path: WebhookPath) -> Response:
    """Try the events that were given up again, from the start of their schedule.

    They arrive later than younger events of their voucher; `sequence` says where they belong.
    """
    house = deployment()
    with house.database.write() as session:
        count = webhooks.replay(session, _found(session, path), now=house.now())
    return answered({"replayed": count})


def _may(campaigns: list[Any]) -> bool:
    """Whether the key may touch a webhook that wants these campaigns; empty is all of them."""
    bound = access.client().campaigns
    return bound is None or (bool(campaigns) and set(campaigns) <= bound)


def _refuse_others(campaigns: list[str]) -> None:
    for key in campaigns:
        access.campaign(key)
    if not _may(campaigns):
        raise access.refused(Binding.CAMPAIGNS, cause="The webhook wants every campaign.")


def _found(session: Session, path: WebhookPath) -> Webhook:
    webhook = webhooks.find(session, path.id, locked=True)
    if webhook is None or not _may(webhook.campaigns):
        raise access.unknown("webhook")
    return webhook
