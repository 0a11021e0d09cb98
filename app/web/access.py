"""Who is asking, checked before a request does anything: an API key in the Authorization header,
or, for the till page, the session that such a key opened.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask, g, request

from app.services import security
from app.services.access import Client, KeyRefusal, Refused, Scope
from app.services.security import Actor, Kind, network_of
from app.web import deployment, till_session
from app.web.problems import Problem

P = ParamSpec("P")
R = TypeVar("R")

#: Doors that answer nobody without a key.
_FOR_KEYS = ("/pos/v1/", "/api/v1/")

#: For `abp_security` of doors that need a key.
SECURITY: list[dict[str, list[str]]] = [{"key": []}]
SECURITY_SCHEMES: dict[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key: `passerelle access create` makes one.",
    }
}


def requires(*scopes: Scope) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be called only with a key that has one of `scopes`; it finds the client by
    `client()`.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            asking = client()
            if not any(asking.may(scope) for scope in scopes):
                raise scope_missing(*scopes, cause="The key may not do this.")
            return view(*args, **kwargs)

        return checked

    return decorate


def client() -> Client:
    """The client of the present request, in a view under `requires`."""
    if "client" not in g:
        g.client = identify()
    found: Client = g.client
    return found


def register(app: Flask) -> None:
    """Ask for the key before anything of a request is read: who has none learns nothing of what a
    valid request looks like, not even that theirs is not.
    """

    @app.before_request
    def _identify() -> None:
        # Bound anew for each request: threads serve one after the other.
        security.act_as(Actor(address=request.remote_addr))
        if request.url_rule is not None and request.path.startswith(_FOR_KEYS):
            client()


def scope_missing(*scopes: Scope, cause: str) -> Problem:
    """The answer to a key that lacks every one of `scopes`; that it asked is counted."""
    rule = request.url_rule
    deployment().security.count(
        Kind.SCOPE_REFUSED,
        by=security.acting(),
        object=f"{request.method} {rule.rule if rule is not None else '?'}",
        reason=f"needs {' or '.join(scopes)}",
    )
    return Problem(
        403,
        "scope_missing",
        cause=cause,
        remedy=f"Use a key with the scope {' or '.join(scopes)}.",
    )


def identify() -> Client:
    """The client whose key the request carries.

    Raises:
        Problem: 401, without saying whether the key is unknown, wrong, revoked or expired.
    """
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        found = till_session.client()
    elif scheme.lower() == "bearer":
        found = verify(key.strip())
    else:
        found = Refused(KeyRefusal.MALFORMED)
    if isinstance(found, Client):
        _act_as(found)
        return found
    g.key_refused = found
    raise Problem(
        401,
        "key_required",
        cause="The request carries no valid API key.",
        remedy="Send `Authorization: Bearer pk_…` with a key that is not revoked or expired.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def verify(key: str) -> Client | Refused:
    """The client of a key that somebody sent, or why there is none; a wrong key is counted."""
    house = deployment()
    found = house.doorkeeper.identify(key, now=house.now())
    if isinstance(found, Refused):
        house.security.count(
            Kind.KEY_REFUSED,
            by=Actor(key_prefix=found.prefix, address=network_of(request.remote_addr)),
            reason=found.reason.value,
        )
    return found


def _act_as(found: Client) -> None:
    security.act_as(
        Actor(key_prefix=found.prefix, terminal=found.place, address=request.remote_addr)
    )
