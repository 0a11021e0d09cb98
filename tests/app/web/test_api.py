"""The application as a whole: health, errors as problems, its description, its log."""

import dataclasses
import datetime as dt
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from app import create_app
from app.services import access
from app.services.access import Scope
from app.services.deployment import Deployment
from app.settings import Settings
from app.store import migrations
from app.store.session import Database, Unavailable
from app.web.access import requires
from tests.conftest import Clock, later

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def test_a_live_process_says_so_without_its_database(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "alive"}


def test_readiness_lists_each_check(client: FlaskClient) -> None:
    answer = client.get("/readyz")

    names = [check["name"] for check in answer.get_json()["checks"]]
    assert names == ["database", "migrations", "keys", "certificates", "webhooks"]


def test_a_proxy_that_is_not_declared_is_a_warning_that_names_the_setting(
    client: FlaskClient, log_lines: list[MutableMapping[str, Any]]
) -> None:
    for _ in range(2):
        client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.9"})

    answer = client.get("/readyz")

    assert answer.status_code == 200
    (warning,) = (check for check in answer.get_json()["checks"] if check["warning"])
    assert warning["name"] == "proxies"
    assert warning["passed"]
    assert "PASSERELLE_TRUSTED_PROXIES" in warning["detail"]
    noted = [line for line in log_lines if line["event"] == "undeclared_proxy"]
    assert [line["setting"] for line in noted] == ["PASSERELLE_TRUSTED_PROXIES"]


def test_a_declared_proxy_is_no_warning(settings: Settings, clock: Clock) -> None:
    app = create_app(dataclasses.replace(settings, trusted_proxies=1), clock=clock)
    client = app.test_client()
    client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.9"})

    assert not any(check["warning"] for check in client.get("/readyz").get_json()["checks"])
    app.extensions["passerelle"].close()


def test_an_old_schema_is_not_ready_and_says_what_to_do(
    settings: Settings, client: FlaskClient
) -> None:
    database = Database(settings.database_url)
    migrations.downgrade(database, "base")
    database.close()

    answer = client.get("/readyz")

    assert answer.status_code == 503
    faults = {check["name"]: check["detail"] for check in answer.get_json()["checks"]}
    assert "passerelle migrate" in faults["migrations"]


def test_a_schema_that_changes_under_a_running_process_is_seen_at_the_next_question(
    settings: Settings, client: FlaskClient
) -> None:
    assert client.get("/readyz").status_code == 200
    database = Database(settings.database_url)
    head = migrations.current(database)
    read = migrations.head.cache_info().misses

    migrations.downgrade(database, "-1")
    behind = client.get("/readyz").status_code
    migrations.upgrade(database)
    again = client.get("/readyz").status_code

    assert migrations.current(database) == head
    database.close()
    assert (behind, again) == (503, 200)
    # The database was asked each time, the release's own scripts were read before.
    assert migrations.head.cache_info().misses == read


def test_a_server_stays_ready_on_the_schema_of_the_release_after_it(
    settings: Settings, client: FlaskClient
) -> None:
    database = Database(settings.database_url)
    later(database)
    database.close()

    answer = client.get("/readyz")

    assert answer.status_code == 200
    (warning,) = (check for check in answer.get_json()["checks"] if check["warning"])
    assert (warning["name"], warning["passed"]) == ("migrations", True)
    assert "later release" in warning["detail"]


def test_an_unknown_address_is_a_problem_with_a_remedy(client: FlaskClient) -> None:
    answer = client.get("/nowhere", headers={"X-Request-Id": "till-7.42"})

    assert answer.status_code == 404
    assert answer.mimetype == "application/problem+json"
    problem = answer.get_json()
    assert problem["code"] == "not_found"
    assert problem["remedy"]
    assert problem["request_id"] == answer.headers["X-Request-Id"] == "till-7.42"


def test_a_hostile_request_id_is_replaced(client: FlaskClient) -> None:
    answer = client.get("/healthz", headers={"X-Request-Id": "x" * 65})

    assert len(answer.headers["X-Request-Id"]) == 16


def test_a_wrong_method_names_those_allowed(client: FlaskClient) -> None:
    answer = client.post("/healthz")

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


@pytest.fixture
def faulty(app: Flask) -> FlaskClient:
    """A client of an application with views that fail, and one that needs a key."""

    def fault() -> str:
        raise ZeroDivisionError("secret-code-4711")

    def unavailable() -> str:
        raise Unavailable("gone")

    @requires(Scope.REPORT)
    def guarded() -> str:
        return request.method

    app.add_url_rule("/fault", view_func=fault)
    app.add_url_rule("/unavailable", view_func=unavailable)
    app.add_url_rule("/guarded", view_func=guarded)
    return app.test_client()


def test_a_fault_is_500_and_repeats_nothing_of_its_cause(faulty: FlaskClient) -> None:
    answer = faulty.get("/fault")

    assert answer.status_code == 500
    assert answer.get_json()["code"] == "fault"
    assert b"4711" not in answer.data


def test_a_lost_database_is_503_and_may_be_tried_again(faulty: FlaskClient) -> None:
    answer = faulty.get("/unavailable")

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_a_guarded_view_wants_a_key_with_its_scope(
    faulty: FlaskClient, deployment: Deployment
) -> None:
    with deployment.database.write() as session:
        till = access.create(session, "t", [Scope.POS], now=NOW)
        report = access.create(session, "r", [Scope.REPORT], now=NOW)

    def ask(header: str | None) -> tuple[int, str]:
        answer = faulty.get("/guarded", headers={"Authorization": header} if header else {})
        return answer.status_code, answer.get_data(as_text=True)

    assert ask(f"Bearer {report}") == (200, "GET")
    assert ask(f"Bearer {till}")[0] == 403
    for wrong in (None, report, f"Basic {report}", f"Bearer {report[:-2]}aa", "Bearer"):
        assert ask(wrong)[0] == 401


def test_logs_name_routes_and_never_paths_headers_or_bodies(
    client: FlaskClient, log_lines: list[MutableMapping[str, Any]]
) -> None:
    client.post("/pos/v1/none/s3cret?code=s3cret", headers={"Authorization": "Bearer s3cret"})
    client.get("/docs/swagger/s3cret")

    assert [line["event"] for line in log_lines] == ["request", "request"]
    assert "s3cret" not in json.dumps(log_lines, default=str)
    assert log_lines[1]["route"] == "/docs/swagger/<path:name>"


def test_a_log_line_names_the_keys_prefix_or_why_it_was_refused(
    client: FlaskClient, deployment: Deployment, log_lines: list[MutableMapping[str, Any]]
) -> None:
    now = deployment.now()
    with deployment.database.write() as session:
        good, old = (
            access.create(session, "k", [Scope.ADMIN], now=now, expires_at=now + dt.timedelta(days))
            for days in (2, 1)
        )
        access.revoke(session, old.split("_")[1], now=now)
    for key in (good, old, good[:-32] + "a" * 32, "pk_short", None):
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        client.get("/api/v1/webhooks", headers=headers)
    client.get("/healthz")

    told = [{name: line.get(name) for name in ("key", "key_refused")} for line in log_lines]
    assert told == [
        {"key": good.split("_")[1], "key_refused": None},
        {"key": old.split("_")[1], "key_refused": "revoked"},
        {"key": None, "key_refused": "unknown"},
        {"key": None, "key_refused": "malformed"},
        {"key": None, "key_refused": "missing"},
        {"key": None, "key_refused": None},
    ]


def test_metrics_count_requests_by_route(client: FlaskClient) -> None:
    client.get("/healthz")

    assert 'route="/healthz",status="200"' in client.get("/metrics").get_data(as_text=True)


def test_the_description_is_openapi_3_1_and_its_page_needs_no_other_host(
    client: FlaskClient,
) -> None:
    assert client.get("/openapi.json").get_json()["openapi"].startswith("3.1")
    page = client.get("/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert b"http" not in page.data
    assert client.get("/docs/swagger/css/swagger-ui.css", buffered=True).status_code == 200


def test_page_files_stay_inside_their_folder(client: FlaskClient) -> None:
    assert client.get("/docs/swagger/../__init__.py").status_code == 404


def test_who_has_no_key_learns_nothing_of_what_a_valid_request_looks_like(
    client: FlaskClient,
) -> None:
    for path in ("/pos/v1/scans", "/pos/v1/redemptions", "/api/v1/vouchers"):
        answer = client.post(path, json={"nonsense": True})
        assert answer.status_code == 401
        assert "errors" not in answer.get_json()
