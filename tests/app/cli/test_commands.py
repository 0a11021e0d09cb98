"""Commands say what they did, and what to do when they cannot."""

import base64
import datetime as dt
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.settings import Settings
from app.store.session import Database
from tests.conftest import MASTER_KEYS, Cli, later


def test_a_key_is_made_listed_and_revoked(cli: Cli) -> None:
    made = cli("access", "create", "Till 1", "--scope", "pos")
    key = made.output.strip()
    assert re.fullmatch(r"pk_[a-z2-7]{8}_[a-z2-7]{32}", key)
    prefix = key.split("_")[1]

    assert re.search(rf"pk_{prefix}_…  good .* pos ", cli("access", "list").output)
    assert cli("access", "revoke", prefix).exit_code == 0
    listed = cli("access", "list").output
    assert "revoked" in listed
    assert key not in listed
    events = cli("security-events", "--object", f"key pk_{prefix}").output
    assert re.search(r"key_revoked .* passerelle access revoke ", events)
    assert re.search(r"key_created .* passerelle access create .* Till 1: pos", events)
    assert cli("security-events", "--csv").output.startswith("id,at,kind,count,key_prefix")


def test_a_key_is_made_with_an_end_which_may_change_and_is_listed(cli: Cli) -> None:
    prefix = cli("access", "create", "CRM", "--scope", "issue", "--expires", "90").output[3:11]
    ends = (dt.datetime.now(dt.UTC) + dt.timedelta(days=90)).date()
    assert f"ends {ends}  last used never" in cli("access", "list").output
    assert cli("access", "change", prefix, "--expires", "2199-03-31").exit_code == 0
    assert "ends 2199-03-31" in cli("access", "list").output
    assert cli("access", "change", f"pk_{prefix}_…", "--never-expires").exit_code == 0
    assert "ends never " in cli("access", "list").output
    assert "later end" in cli("access", "change", prefix, "--expires", "2020-01-01").stderr
    assert "days such as 90" in cli("access", "change", prefix, "--expires", "soon").stderr
    assert "Nothing to change" in cli("access", "change", prefix).stderr


def test_master_keys_are_listed_with_what_needs_them(cli: Cli) -> None:
    listed = cli("keys", "list").output

    assert "newest: seals and derives" in listed
    assert "not needed: may be retired" in listed
    assert "Key 1 is retired" in cli("keys", "retire", "1").output
    assert "retired" in cli("keys", "list").output


def test_a_refused_retirement_ends_with_1_and_a_remedy(cli: Cli) -> None:
    _ = cli("keys", "list")
    refused = cli("keys", "retire", "2")

    assert refused.exit_code == 1
    assert "put a new one before it" in refused.output


def test_a_generated_key_can_be_set(cli: Cli) -> None:
    key_id, _, secret = cli("keys", "generate").output.strip().partition(":")

    assert int(key_id) not in MASTER_KEYS
    assert len(base64.b64decode(secret)) == 32


def test_the_first_key_is_made_before_production_has_any_other_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PASSERELLE_ENV", "production")
    done = CliRunner().invoke(main, ["keys", "generate"])
    assert done.exit_code == 0, done.output
    assert len(base64.b64decode(done.output.partition(":")[2])) == 32
    monkeypatch.setenv("PASSERELLE_MASTER_KEY", "1:x")
    misspelt = CliRunner().invoke(main, ["keys", "generate"])
    assert misspelt.exit_code != 0


def test_codes_are_sealed_and_indexed_anew(cli: Cli) -> None:
    assert "0 codes are sealed with key 2" in cli("keys", "reseal").output
    assert "0 codes are found" in cli("keys", "reindex", "--yes").output


def test_faulty_settings_are_all_named(cli: Cli) -> None:
    refused = cli("keys", "list", PASSERELLE_ENV="x", PASSERELLE_TEAM_ID="y")

    assert refused.exit_code == 1
    assert "PASSERELLE_ENV" in refused.output
    assert "PASSERELLE_TEAM_ID" in refused.output


def test_a_migrated_database_is_left_as_it_is(cli: Cli) -> None:
    assert "already" in cli("migrate").output


def test_an_empty_database_is_migrated_and_an_unmigrated_one_not_served(
    cli: Cli, tmp_path: object
) -> None:
    url = f"sqlite:///{tmp_path}/new/fresh.sqlite"
    refused = cli("serve", PASSERELLE_DATABASE_URL=url)
    assert refused.exit_code == 1
    assert "passerelle migrate" in refused.output

    assert "has this release's schema now" in cli("migrate", PASSERELLE_DATABASE_URL=url).output


def test_what_is_on_a_later_release_s_schema_serves_and_makes_no_backup(
    cli: Cli, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(settings.database_url)
    later(database)
    database.close()
    served: list[str] = []
    monkeypatch.setattr("app.cli.serve.run", lambda **given: served.append(given["application"]))

    assert cli("serve", "--no-worker").exit_code == 0
    assert served == ["app.cli.applications:alone"]
    left = cli("migrate")
    assert (left.exit_code, "later release" in left.output) == (0, True)
    refused = cli("backup", str(tmp_path / "backup.zip"))
    assert (refused.exit_code, "with that release" in refused.output) == (1, True)


def test_sqlite_is_served_by_one_process(cli: Cli, sqlite_url: str) -> None:
    refused = cli("serve", "--processes", "2", PASSERELLE_DATABASE_URL=sqlite_url)

    assert refused.exit_code == 2
    assert "one writer" in refused.output


def test_stores_come_from_a_file_and_their_days_are_reported(cli: Cli, tmp_path: Path) -> None:
    stores, keys = tmp_path / "stores.csv", tmp_path / "keys.csv"
    stores.write_text("store,terminal,timezone\nparis,1,Europe/Paris\nparis,2,Europe/Paris\n")

    done = cli("stores", "import", str(stores), "--keys", str(keys))

    assert "1 store and 2 terminals are new." in done.output
    assert keys.stat().st_mode & 0o077 == 0
    assert [line.split(",")[1] for line in keys.read_text().splitlines()] == [
        *("terminal", "1", "2"),
    ]
    assert cli("stores", "import", str(stores), "--keys", str(keys)).exit_code == 2
    stores.write_text("store,terminal\n,1\n")
    assert "Nothing was imported: line 2" in cli("stores", "import", str(stores)).stderr
    assert cli("report", "day", "2026-11-21").output.startswith("date,store,terminal,operator")
    assert cli("report", "liability", "--format", "json").output.strip() == "[]"
    assert cli("report", "odd-days", "2026-11-21").output.startswith("date,store")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_backup_is_restored_audited_and_says_what_tills_send_again(
    cli: Cli, settings: Settings, tmp_path: Path
) -> None:
    stores, file = tmp_path / "stores.csv", tmp_path / "shop.backup"
    stores.write_text("store,terminal\nparis,1\n")
    cli("stores", "import", str(stores), "--keys", str(tmp_path / "keys.csv"))
    assert "master keys" in cli("backup", str(file)).output

    fresh = {"PASSERELLE_DATABASE_URL": f"sqlite:///{tmp_path}/fresh.sqlite"}
    kept = tmp_path / "inventory.json"
    assert "2 keys, stores and webhooks" in cli("inventory", "--out", str(kept)).output
    assert kept.stat().st_mode & 0o077 == 0
    asked = cli("restore", str(file), **fresh)
    assert "store paris  terminals 1" in asked.output
    assert "nothing was named with --expect" in asked.output
    assert asked.exit_code == 1
    done = cli("restore", str(file), "--yes", "--expect", str(kept), **fresh)

    assert done.exit_code == 0, done.output
    assert "Nothing differs from what was expected." in done.output
    events = cli("security-events", "--kind", "backup_restored", **fresh).output
    assert "passerelle restore" in events
    assert "The audit finds nothing." in done.output
    assert re.search(r"paris/1 +till paris/1 +last known call: never", done.output)
    assert "not empty" in cli("restore", str(file), "--yes").stderr
    cli("access", "create", "planted", "--scope", "admin")
    cli("backup", str(tmp_path / "later.backup"))
    shown = cli("restore", str(tmp_path / "later.backup"), "--expect", str(file)).output
    assert re.search("NOT EXPECTED  API key pk_.{8}: planted; admin; bound to nothing", shown)
    assert "no inventory" in cli("restore", str(file), "--expect", str(stores)).stderr
