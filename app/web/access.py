"""Who is asking, and whether they may, checked before a request does anything: an API key in the
Authorization header, or, for the till page, the session that such a key opened.

Every view behind a key says with `requires` what that takes; what the key may then touch is decided
by `app.services.permissions`, and answered here. Without a key the answer is 401; without the
scope, or with a binding that rules the operation out, 403 whatever is named; for what is another's,
404 as for what does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, g, request

from app.services import permissions, security
from app.services.access import Client, KeyRefusal, KeyRefused, Scope
from app.services.guesses import Guessing
from app.services.permissions import Binding, Reach
from app.services.security import Actor, SecurityEventKind, network_of
from app.web import deployment, till_session
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

View = TypeVar("View", bound=Callable[..., Any])

#: Doors that answer nobody without a key.
_FOR_KEYS = ("/pos/v1/", "/api/v1/")
#: Under this name a view has its permission.
_PERMISSION = "permission"

#: For `abp_security` of doors that need a key.
SECURITY: list[dict[str, list[str]]] = [{"key": []}]
SECURITY_SCHEMES: dict[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key: `passerelle access create` makes one. Each operation names the "
        "scopes of which a key needs one (`admin` stands for all), and its `x-reach`, of which "
        "follows what a key may do there that is bound to campaigns or to a store.",
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What a view takes: a key with one of `scopes`, and what it touches."""

    scopes: tuple[Scope, ...]
    reach: Reach


def requires(*scopes: Scope, reach: Reach = Reach.DEPLOYMENT) -> Callable[[View], View]:
    """Let a view be called only with a key that has one of `scopes` and whose binding `reach` does
    not rule out; the view finds the client by `client()`.

    A view that does not say what it touches is closed to keys that are bound.
    """

    def decorate(view: View) -> View:
        vars(view)[_PERMISSION] = Permission(scopes=scopes, reach=reach)
        return view

    return decorate


def permission(app: Flask, endpoint: str) -> Permission | None:
    """What the view of an endpoint takes; None where it needs no key."""
    found: Permission | None = getattr(app.view_functions[endpoint], _PERMISSION, None)
    return found


def client() -> Client:
    """The client of the present request, in a view under `requires`."""
    if "client" not in g:
        g.client = identify()
    found: Client = g.client
    return found


def campaign(key: str) -> None:
    """Refuse a campaign that the key may not touch, as one that does not exist."""
    if not client().may_touch(key):
        raise unknown("campaign")


def giving(key: str) -> None:
    """Refuse a campaign of which the key may not give vouchers: as `campaign`, or because its rules
    give those of a campaign that is not the key's.
    """
    campaign(key)
    if client().campaigns is None:
        return
    with deployment().database.read() as session:
        if permissions.beyond(session, client(), key):
            raise refused(Binding.CAMPAIGNS, cause="The campaign's rules give another's vouchers.")


def unknown(what: str) -> Problem:
    """The answer for what does not exist or is not the key's."""
    return Problem(ProblemCode[f"{what.upper()}_UNKNOWN"])


def register(app: Flask) -> None:
    """Ask for the key, and whether it may, before anything of a request is read: who may not learns
    nothing of what a valid request looks like, not even that theirs is not.
    """

    @app.before_request
    def _identify() -> None:
        # Bound anew for each request: threads serve one after the other.
        security.act_as(Actor(address=request.remote_addr))
        if request.url_rule is None:
            return
        wanted = permission(app, request.url_rule.endpoint)
        if wanted is not None:
            _check(client(), wanted)
        elif request.path.startswith(_FOR_KEYS):
            raise LookupError(f"{request.url_rule} says nothing of who may: use `requires`.")


def _check(asking: Client, wanted: Permission) -> None:
    if not any(asking.may(scope) for scope in wanted.scopes):
        raise scope_missing(*wanted.scopes, cause="The key may not do this.")
    if (binding := permissions.hindrance(asking, wanted.reach)) is not None:
        raise refused(binding)


def refused(binding: Binding, *, cause: str | None = None) -> Problem:
    """The answer to a key whose binding rules an operation out; that it asked is counted."""
    _count(f"bound to {binding.value}")
    if binding is Binding.STORE:
        return Problem(
            ProblemCode.STORE_KEY_REFUSED,
            cause=cause or "This is of more than one store, and the key is bound to one.",
        )
    return Problem(
        ProblemCode.CAMPAIGN_KEY_REFUSED,
        cause=cause or "This is of more than some campaigns, and the key is bound to some.",
    )


def scope_missing(*scopes: Scope, cause: str) -> Problem:
    """The answer to a key that lacks every one of `scopes`; that it asked is counted."""
    _count(f"needs {' or '.join(scopes)}")
    return Problem(
        ProblemCode.SCOPE_MISSING,
        cause=cause,
        remedy=f"Use a key with the scope {' or '.join(scopes)}.",
    )


def _count(reason: str) -> None:
    """Count that a key was refused for what it may not."""
    rule = request.url_rule
    deployment().security.count(
        SecurityEventKind.SCOPE_REFUSED,
        by=security.acting(),
        object=f"{request.method} {rule.rule if rule is not None else '?'}",
        reason=reason,
    )


def identify() -> Client:
    """The client whose key the request carries.

    Raises:
        Problem: 429, after too many wrong keys from one address; else 401, without saying whether
            the key is unknown, wrong, revoked or expired.
    """
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        found = till_session.client()
    elif scheme.lower() == "bearer":
        found = verify(key.strip())
    else:
        found = KeyRefused(KeyRefusal.MALFORMED)
    if isinstance(found, Client):
        _act_as(found)
        return found
    g.key_refused = found
    raise Problem(
        ProblemCode.KEY_REQUIRED,
        headers={"WWW-Authenticate": "Bearer"},
    )


def verify(key: str) -> Client | KeyRefused:
    """The client of a key that somebody sent, or why there is none; a wrong key is counted.

    Raises:
        Problem: 429, too many wrong keys came from the caller's address; right ones work on.
    """
    house = deployment()
    found = house.doorkeeper.identify(key, now=house.now())
    if isinstance(found, KeyRefused):
        house.security.count(
            SecurityEventKind.KEY_REFUSED,
            by=Actor(key_prefix=found.prefix, address=network_of(request.remote_addr)),
            reason=found.reason.value,
        )
        if found.reason is not KeyRefusal.MALFORMED:
            _count_guess()
    return found


def _count_guess() -> None:
    """Count a key that was looked up in vain against the caller's address."""
    house = deployment()
    subjects = {"address": network_of(request.remote_addr) or ""}
    try:
        house.guesses.check(subjects, now=house.now())
        house.guesses.failed(subjects, keyring=house.keyring, now=house.now())
    except Guessing as guessing:
        raise Problem(
            ProblemCode.GUESSING,
            cause="Too many keys that are not valid came from this address.",
            remedy="Wait for the seconds in Retry-After; valid keys work on.",
            headers={"Retry-After": str(guessing.retry_after)},
        ) from None


def _act_as(found: Client) -> None:
    security.act_as(
        Actor(key_prefix=found.prefix, terminal=found.place, address=request.remote_addr)
    )
