"""The marketers' door for webhooks: `/api/v1/webhooks`.

A secret is shown once, when a webhook is made or its secret is rotated.
"""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response, jsonify
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.orm import Session

from app.services import webhooks
from app.services.access import Scope
from app.services.permissions import Binding, Reach
from app.services.webhooks import WebhookFault
from app.store.models import Webhook
from app.web import access, deployment
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

Url = Annotated[str, StringConstraints(min_length=8, max_length=2_000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewWebhook(_Body):
    """An address, and what it wants; empty lists want everything."""

    url: Url
    kinds: Annotated[list[webhooks.Kind], Field(max_length=50)] = []
    campaigns: Annotated[list[str], Field(max_length=1_000)] = []


class ChangedWebhook(_Body):
    """What changes; the rest stays."""

    url: Url | None = None
    kinds: Annotated[list[webhooks.Kind], Field(max_length=50)] | None = None
    campaigns: Annotated[list[str], Field(max_length=1_000)] | None = None
    active: bool | None = None


class WebhookPath(BaseModel):
    """A webhook by its id."""

    id: str


class WebhookAnswer(BaseModel):
    """A webhook, without its secret."""

    id: str
    url: str
    kinds: list[str]
    campaigns: list[str]
    status: str = Field(description="active or disabled")
    failure: str | None = Field(description="Why it last failed; null when it did not")
    rotating_until: str | None = Field(description="Until when the previous secret signs too")
    created_at: str
    oldest_untold_at: str | None = Field(
        description="When the oldest event happened that it was not told yet; null when none"
    )
    waiting: int = Field(description="Events that wait for another attempt")
    dead: int = Field(description="Events that were given up; replay tries them again")


class SecretAnswer(WebhookAnswer):
    """A webhook and its new secret, which cannot be read again."""

    secret: str


class WebhookList(BaseModel):
    """Every webhook."""

    webhooks: list[WebhookAnswer]


class DeadLetter(BaseModel):
    """An event that was given up."""

    id: str = Field(description="The event's webhook-id")
    kind: str
    attempts: int
    failure: str | None


class DeadLetters(BaseModel):
    """Events that were given up, oldest first, at most a thousand."""

    dead: list[DeadLetter]


class Replayed(BaseModel):
    """How many events are tried again."""

    replayed: int


blueprint = APIBlueprint(
    "webhooks",
    __name__,
    url_prefix="/api/v1/webhooks",
    abp_tags=[Tag(name="webhooks", description="Events to an address of yours")],
    abp_security=access.SECURITY,
)


@blueprint.get("", responses={200: WebhookList})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def listed() -> Response:
    """List the webhooks that the key may touch."""
    with deployment().database.read() as session:
        rows = session.query(Webhook).order_by(Webhook.id)
        found = [webhooks.describe(session, row) for row in rows if _may(row.campaigns)]
    return _answer({"webhooks": found})


@blueprint.post("", responses={201: SecretAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def made(body: NewWebhook) -> Response:
    """Make a webhook that is told what happens from now on; the answer holds its secret."""
    house = deployment()
    _refuse_others(body.campaigns)
    keyring = house.keyring
    with house.database.write() as session:
        try:
            webhook, secret = webhooks.register(
                session,
                keyring,
                body.url,
                kinds=body.kinds,
                campaigns=body.campaigns,
                now=house.now(),
                https_only=house.settings.production,
            )
        except WebhookFault as fault:
            raise _faulty(fault) from None
        return _answer({**webhooks.describe(session, webhook), "secret": secret}, status=201)


@blueprint.get("/<id>", responses={200: WebhookAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def shown(path: WebhookPath) -> Response:
    """Show a webhook and how it does."""
    with deployment().database.read() as session:
        return _answer(webhooks.describe(session, _found(session, path)))


@blueprint.patch("/<id>", responses={200: WebhookAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def changed(path: WebhookPath, body: ChangedWebhook) -> Response:
    """Change a webhook; one that is made active again is told what it missed."""
    house = deployment()
    with house.database.write() as session:
        webhook = _found(session, path)
        if body.campaigns is not None:
            _refuse_others(body.campaigns)
        try:
            webhooks.change(
                session,
                webhook,
                now=house.now(),
                https_only=house.settings.production,
                **body.model_dump(),
            )
        except WebhookFault as fault:
            raise _faulty(fault) from None
        return _answer(webhooks.describe(session, webhook))


@blueprint.delete("/<id>", responses={204: None})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def removed(path: WebhookPath) -> Response:
    """Remove a webhook and all that waits for it."""
    house = deployment()
    with house.database.write() as session:
        webhooks.remove(session, _found(session, path), now=house.now())
    return Response(status=204)


@blueprint.post("/<id>/secret", responses={200: SecretAnswer})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def rotated(path: WebhookPath) -> Response:
    """Give a webhook a new secret; the present one signs beside it for a day."""
    house = deployment()
    keyring = house.keyring
    with house.database.write() as session:
        webhook = _found(session, path)
        secret = webhooks.rotate(session, keyring, webhook, now=house.now())
        return _answer({**webhooks.describe(session, webhook), "secret": secret})


@blueprint.get("/<id>/dead", responses={200: DeadLetters})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def dead(path: WebhookPath) -> Response:
    """List the events that were given up."""
    with deployment().database.read() as session:
        return _answer({"dead": webhooks.dead_letters(session, _found(session, path))})


@blueprint.post("/<id>/replay", responses={200: Replayed})
@access.requires(Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def replayed(path: WebhookPath) -> Response:
    """Try the events that were given up again."""
    house = deployment()
    with house.database.write() as session:
        count = webhooks.replay(session, _found(session, path), now=house.now())
    return _answer({"replayed": count})


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


def _faulty(fault: WebhookFault) -> Problem:
    return Problem(
        ProblemCode.WEBHOOK_FAULTY, cause=str(fault), remedy="Mend it and send the request again."
    )


def _answer(body: dict[str, Any], *, status: int = 200) -> Response:
    response = jsonify(body)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""
    app.register_api(blueprint)
