"""Google's door: callbacks when a pass is saved or deleted, and the pictures that Google fetches.

A callback is judged by its bytes and answered at once; what it means is asked at Google later. A
picture never changes, so it may be kept for ever; one that is not here yet is a placeholder, since
Google refuses a whole pass for a single picture that it cannot fetch.
"""

from __future__ import annotations

import re
from functools import lru_cache

import structlog
from flask import Blueprint, Flask, Response, abort, request
from prometheus_client import Counter

from app.services.metrics import REGISTRY
from app.services.wallets.google import callbacks
from app.services.wallets.google.callbacks import KeysMissing
from app.store.models import Asset
from app.web import deployment
from passes import artwork
from passes.errors import CallbackError

blueprint = Blueprint("google", __name__)

CALLBACKS = Counter(
    "passerelle_google_callbacks_total",
    "Callbacks from Google by what became of them",
    ["result"],
    registry=REGISTRY,
)

_DIGEST = re.compile(r"[0-9a-f]{64}")
#: Larger than any callback, and small enough to be read without care.
_LARGEST = 32_768


@blueprint.post("/google/callback")
def callback() -> Response:
    """Take a save or deletion; 200 also for what is genuine and none of our business.

    Google repeats what is not answered with 200: only a callback that may yet turn out genuine
    (our copy of Google's keys is not here) asks for that.
    """
    house = deployment()
    if (request.content_length or 0) > _LARGEST:
        abort(413)
    try:
        result = callbacks.take_callback(house, request.get_data(), now=house.now())
    except KeysMissing:
        CALLBACKS.labels("keys_missing").inc()
        return Response(status=503, headers={"Retry-After": "60"})
    except CallbackError as error:
        CALLBACKS.labels("refused").inc()
        structlog.get_logger().warning("google_callback_refused", member=error.field)
        abort(400)
    CALLBACKS.labels(result).inc()
    return Response(status=200)


@blueprint.get("/a/<digest>.png")
def picture(digest: str) -> Response:
    """The picture with that SHA-256, or a placeholder."""
    house = deployment()
    if not _DIGEST.fullmatch(digest):
        abort(404)
    if request.if_none_match.contains(digest):
        return _immutable(Response(status=304), digest)
    with house.database.read() as session:
        asset = session.get(Asset, digest)
    if asset is not None and asset.media_type == "image/png":
        return _immutable(Response(asset.data, mimetype="image/png"), digest)
    answer = Response(_placeholder(house.settings.organization), mimetype="image/png")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _immutable(answer: Response, digest: str) -> Response:
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    answer.set_etag(digest)
    return answer


@lru_cache(maxsize=4)
def _placeholder(name: str) -> bytes:
    return artwork.monogram(name, background="#1f3a5f", foreground="#ffffff").google_logo


def register(app: Flask) -> None:
    """Put the doors of this module into `app`."""
    app.register_blueprint(blueprint)
