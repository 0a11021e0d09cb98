"""Who is asking, checked before a request does anything: an API key in the Authorization header,
or, for the till page, the session that such a key opened.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask, g, request

from app.services.access import Client, Scope
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
                raise Problem(
                    403,
                    "scope_missing",
                    cause="The key may not do this.",
                    remedy=f"Use a key with the scope {' or '.join(scopes)}.",
                )
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
        if request.url_rule is not None and request.path.startswith(_FOR_KEYS):
            client()


def identify() -> Client:
    """The client whose key the request carries.

    Raises:
        Problem: 401, without saying whether the key is unknown, wrong, revoked or expired.
    """
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    house = deployment()
    if not scheme:
        signed_in = till_session.client()
        if signed_in is not None:
            return signed_in
    if scheme.lower() == "bearer":
        found = house.doorkeeper.identify(key.strip(), now=house.now())
        if found is not None:
            return found
    raise Problem(
        401,
        "key_required",
        cause="The request carries no valid API key.",
        remedy="Send `Authorization: Bearer pk_…` with a key that is not revoked or expired.",
        headers={"WWW-Authenticate": "Bearer"},
    )
