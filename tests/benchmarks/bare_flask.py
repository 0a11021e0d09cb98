"""The least that Flask can do: one JSON route, nothing else. What `web-overhead` is measured by."""

from flask import Flask, Response, jsonify

application = Flask(__name__)


@application.get("/healthz")
def healthz() -> Response:
    return jsonify(status="alive")
