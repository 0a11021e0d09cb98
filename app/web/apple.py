"""Apple's web service: what iPhones, watches and other readers ask about the passes they hold.

Apple's protocol to the letter, surprises included: HEAD on a pass, a doubled slash before
`v1` (answered, not redirected, since a redirect loses the token), tags that are absent or from
another life, `AndroidPass` instead of `ApplePass`. A wrong token and an unknown pass get the same
answer after the same work: whether a token is genuine is computed from the token alone, and only
who holds a genuine one learns anything. Passes are built when they are asked for, never stored.
It does not personalise passes, which needs a certificate for NFC.

Rules: developer.apple.com/documentation/walletpasses/adding-a-web-service-to-update-passes.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
import time

import orjson
import structlog
from flask import Blueprint, Flask, Response, g, request
from prometheus_client import Counter
from werkzeug.http import http_date, parse_date

from app.domain import codes
from app.domain.codes import Purpose
from app.services import heartbeats
from app.services.deployment import Deployment
from app.services.metrics import REGISTRY
from app.services.wallets import holdings
from app.services.wallets.apple import registrations
from app.services.wallets.apple.complaints import keep_complaints, understand
from app.services.wallets.apple.listing import has_news, list_changed, record_fetch
from app.services.wallets.apple.pkpass import signed_pass
from app.services.wallets.apple.states import last_modified
from app.services.wallets.holdings import Holding
from app.store.session import Unavailable
from app.web import deployment

MEDIA_TYPE = "application/vnd.apple.pkpass"
#: Lines of one /log request that are read, and complaints a process stores in a minute at most:
#: anybody can write there.
LOG_LINES = 20
LOGS_A_MINUTE = 300
#: Doors that go before phones.
TILLS = ("pos", "cards")

COMPLAINTS = Counter(
    "passerelle_apple_complaints_total",
    "What devices reported to /v1/log",
    ["kind"],
    registry=REGISTRY,
)

blueprint = Blueprint("apple", __name__)

# Clients that append /v1 to an address with a slash at its end ask for //v1.
_ROOTS = ("/apple/v1", "/apple//v1")
_DEVICE = "<string(maxlength=100):library_id>"
_TYPE = "<string(maxlength=200):type_id>"
_SERIAL = "<string(maxlength=64):serial>"


def register_device(library_id: str, type_id: str, serial: str) -> Response:
    """Note that a device holds a pass: 201 if that is new, 200 if it was known."""
    house = deployment()
    holding = _authenticated(house, type_id, serial)
    if holding is None:
        return _unauthorized()
    token = _said("pushToken")
    if not isinstance(token, str) or not _is_push_token(token):
        return Response(status=400)
    with house.database.write() as session:
        created = registrations.register(
            session,
            library_id=library_id,
            push_token=token.lower(),
            voucher_id=holding.voucher.id,
            now=house.now(),
        )
    return Response(status=201 if created else 200)


def unregister_device(library_id: str, type_id: str, serial: str) -> Response:
    """Forget that a device holds a pass: 200 whether or not it was known."""
    house = deployment()
    holding = _authenticated(house, type_id, serial)
    if holding is None:
        return _unauthorized()
    with house.database.write() as session:
        registrations.unregister(
            session, library_id=library_id, voucher_id=holding.voucher.id, now=house.now()
        )
    # Devices take 200 only for done, and would come again after a 204.
    return Response(status=200)


def list_passes(library_id: str, type_id: str) -> Response:
    """What changed since a tag: serial numbers and the next tag, or 204."""
    house = deployment()
    g.is_list = True
    tag = request.args.get("passesUpdatedSince")
    now = house.now()
    if type_id != house.settings.pass_type_id:
        return Response(status=204)
    with house.database.reading() as connection:
        if not has_news(connection, library_id=library_id, tag=tag, now=now):
            return Response(status=204)
    # Were it forgotten, the device's tag would be too large, and it would be told everything.
    with house.database.transaction(lasting=False) as connection:
        listing = list_changed(connection, library_id=library_id, tag=tag, now=now)
    if listing is None:
        return Response(status=204)
    answer = Response(mimetype="application/json")
    answer.set_data(orjson.dumps({"serialNumbers": listing.serials, "lastUpdated": listing.tag}))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def send_pass(type_id: str, serial: str) -> Response:
    """The pass as it is now, or 304 if the device has exactly this state."""
    house = deployment()
    holding = _authenticated(house, type_id, serial)
    if holding is None:
        return _unauthorized()
    now = house.now()
    modified = last_modified(holding.pair)
    # Equality only: what is older or newer than the present state is not the present state.
    if parse_date(request.headers.get("If-Modified-Since")) == modified:
        answer = Response(status=304)
    elif request.method == "HEAD":
        answer = Response(mimetype=MEDIA_TYPE)
    else:
        house.precedence.give_way()
        answer = Response(signed_pass(house, holding, now=now), mimetype=MEDIA_TYPE)
        answer.headers["Content-Disposition"] = f'attachment; filename="{holding.serial}.pkpass"'
    answer.headers["Last-Modified"] = http_date(modified)
    answer.headers["Cache-Control"] = "no-store"
    if request.method == "GET":
        _record_fetch(house, holding, now=now)
    return answer


def take_log() -> Response:
    """Complaints of devices: counted, and the newest kept to be read."""
    house = deployment()
    lines = _said("logs")
    if not isinstance(lines, list):
        return Response(status=400)
    understood = [understand(line) for line in lines[:LOG_LINES] if isinstance(line, str)]
    for each in understood:
        COMPLAINTS.labels(each.kind).inc()
    kept = understood[: _budget.take(len(understood))]
    if kept:
        with house.database.write() as session:
            keep_complaints(session, kept, now=house.now())
    return Response(status=200)


for _number, _root in enumerate(_ROOTS):
    _registration = f"{_root}/devices/{_DEVICE}/registrations/{_TYPE}"
    for _rule, _view, _methods in (
        (f"{_registration}/{_SERIAL}", register_device, ["POST"]),
        (f"{_registration}/{_SERIAL}", unregister_device, ["DELETE"]),
        (_registration, list_passes, ["GET"]),
        (f"{_root}/passes/{_TYPE}/{_SERIAL}", send_pass, ["GET"]),
        (f"{_root}/log", take_log, ["POST"]),
    ):
        blueprint.add_url_rule(
            _rule, f"{_view.__name__}_{_number}", _view, methods=_methods, strict_slashes=False
        )


def _said(name: str) -> object:
    """A member of the JSON object that was sent; None without one, or without such an object.

    Devices complain of whatever they got, in any characters: those are cleaned before they are
    stored, and a push token is digits and letters. So the gate's rule is not asked here.
    """
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        return None
    return body.get(name) if isinstance(body, dict) else None


def _authenticated(house: Deployment, type_id: str, serial: str) -> Holding | None:
    """The pass, if the request carries its genuine token."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme not in ("ApplePass", "AndroidPass"):
        return None
    token = house.keyring.verify(shown.strip(), Purpose.APPLE)
    if (
        token is None
        or codes.serial(token.public_id) != serial
        or type_id != house.settings.pass_type_id
    ):
        return None
    with house.database.read() as session:
        found = holdings.find(session, token.public_id)
    # A key that leaked and was replaced must not open what was issued under its successor.
    return found if found is not None and found.voucher.key_id == token.key_id else None


def _unauthorized() -> Response:
    answer = Response(status=401)
    answer.headers["WWW-Authenticate"] = "ApplePass"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _record_fetch(house: Deployment, holding: Holding, *, now: dt.datetime) -> None:
    try:
        # Were it forgotten, the phone would be reminded of what it has.
        with house.database.transaction(lasting=False) as connection:
            record_fetch(connection, holding.voucher.id, holding.pair, now=now)
    except Unavailable as fault:
        # The phone has its pass; at worst it is reminded of it once more.
        structlog.get_logger().warning("fetch_not_recorded", cause=str(fault))


def _is_push_token(token: str) -> bool:
    return 8 <= len(token) <= 200 and all(each in "0123456789abcdefABCDEF" for each in token)


class _Budget:
    """So many per minute and process, and not one more."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = size
        self._since = float("-inf")
        self._lock = threading.Lock()

    def take(self, wanted: int) -> int:
        with self._lock:
            if time.monotonic() - self._since >= 60:
                self._since, self._left = time.monotonic(), self._size
            taken = min(wanted, self._left)
            self._left -= taken
            return taken


_budget = _Budget(LOGS_A_MINUTE)


class _Load:
    """How busy phones keep this process; told to the workers, who pace campaign edits by it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds = 0.0
        self._lists = 0
        self._said_at = float("-inf")

    def count(self, seconds: float, *, is_list: bool) -> dict[str, float] | None:
        """Add a request; returns what to say, if a second has passed since it was last said."""
        now = time.monotonic()
        with self._lock:
            self._seconds += seconds
            self._lists += is_list
            if now - self._said_at < 1.0:
                return None
            self._said_at = now
            return {"at": now, "seconds": self._seconds, "lists": float(self._lists)}


def register(app: Flask) -> None:
    """Put the doors of this module into `app`."""
    load = _Load()

    house: Deployment = app.extensions["passerelle"]

    def begin() -> None:
        g.apple_began = time.perf_counter()
        house.precedence.give_way()

    def enter() -> None:
        g.goes_first = True
        house.precedence.enter()

    def leave(_fault: BaseException | None) -> None:
        if g.pop("goes_first", False):
            house.precedence.leave()

    def end(response: Response) -> Response:
        began = g.get("apple_began")
        if began is None:
            return response
        said = load.count(time.perf_counter() - began, is_list=g.get("is_list", False))
        if said is not None:
            try:
                with house.database.write(lasting=False) as session:
                    heartbeats.say(session, heartbeats.SERVER, said, now=house.now())
            except Unavailable as fault:
                structlog.get_logger().warning("pulse_not_stored", cause=str(fault))
        return response

    door = blueprint
    app.before_request_funcs.setdefault(door.name, []).append(begin)
    app.after_request_funcs.setdefault(door.name, []).append(end)
    for tills in TILLS:
        app.before_request_funcs.setdefault(tills, []).append(enter)
        app.teardown_request_funcs.setdefault(tills, []).append(leave)
    app.register_blueprint(door)
