"""`campaign`, `import`, `generate`, `issue` and `birthdays` as a marketer uses them."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import select

from app.services.codes import from_file
from app.services.deployment import Deployment
from app.settings import Settings
from app.store.models import Store
from app.store.session import Database

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Cli = Callable[..., Result]
Spring = Callable[..., Path]


def test_file_is_shown_as_a_difference_before_it_is_applied(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    file = spring()
    assert cli("campaign", "apply", file).output == (
        "Campaign spring is as the file says already.\n"
    )
    file.write_text(file.read_text().replace('offer = "−20 %"', 'offer = "minus 20"'))

    planned = cli("campaign", "apply", file, "--dry-run")
    kept = cli("campaign", "apply", file, answer="n\n")
    done = cli("campaign", "apply", file, answer="y\n")

    assert "~ presentation.texts.en.offer: −20 % → minus 20" in planned.output
    assert "Passes in wallets will be updated." in planned.output
    assert kept.exit_code == 1
    assert "Campaign spring is at revision 2, version 2." in done.output
    assert cli("campaign", "list").output.split() == ["spring", "coupon", "live", "on_demand"]


def test_new_campaign_needs_no_question_and_a_dry_run_makes_none(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        'key = "c"\nname = "C"\nkind = "coupon"\n[codes]\nsource = "generated"\n'
        '[benefit]\ntype = "free_shipping"\n[texts.en]\ntitle = "C"\noffer = "Free"\n'
    )
    assert "Campaign c is new:" in cli("campaign", "apply", file, "--dry-run").output
    assert cli("campaign", "list").output == ""
    assert "at revision 1" in cli("campaign", "apply", file).output
    assert "0 codes left" in cli("campaign", "list").output


def test_faulty_file_is_refused_with_every_fault(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('key = "No Key"\nname = "x"\nkind = "coupon"\nthing = 1\n')

    refused = cli("campaign", "apply", file)

    assert refused.exit_code == 1
    for place in ("key:", "thing:", "codes:", "benefit:", "texts:"):
        assert f"- {place}" in refused.stderr
    assert "cannot be read" in cli("campaign", "apply", tmp_path / "none.toml").stderr


def test_codes_are_imported_once_and_refused_rows_are_written_beside_the_file(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    spring(source="list")
    file = tmp_path / "codes.csv"
    file.write_text("CODE-0001\nCODE-0002\nCODE-0001\n")

    done = cli("import", "spring", file)
    again = cli("import", "spring", file)

    found = re.search(r"Import (\S+) is complete: 2 codes of 3 records, 1 refused", done.output)
    assert found, done.output
    rejects = tmp_path / "codes.csv.rejects.csv"
    assert f"The refused rows are in {rejects}." in done.output
    assert [each["line"] for each in csv.DictReader(rejects.read_text().splitlines())] == ["3"]
    assert "This file was imported before: nothing is added." in again.output
    assert found[1] in cli("imports", "list").output
    assert "2 codes left" in cli("campaign", "list").output


def test_an_import_whose_every_row_is_refused_says_so_and_does_not_succeed(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    described = spring(source="list").read_text(encoding="utf-8")
    other = tmp_path / "autumn.toml"
    other.write_text(described.replace('key = "spring"', 'key = "autumn"'), encoding="utf-8")
    assert cli("campaign", "apply", other, "--yes").exit_code == 0
    file, same, mixed = (tmp_path / f"{name}.csv" for name in ("codes", "same", "mixed"))
    file.write_text("CODE-0001\nCODE-0002\n")
    same.write_text("CODE-0002\nCODE-0001\n")
    mixed.write_text("code,used\nCODE-0001,no\nCODE-0009,yes\n")
    assert cli("import", "spring", file).exit_code == 0
    # The same file is another thing: there is nothing to refuse.
    assert cli("import", "spring", file).exit_code == 0

    again, partly, elsewhere = (
        cli("import", "spring", same),
        cli("import", "spring", mixed),
        cli("import", "autumn", file),
    )

    assert [done.exit_code for done in (again, partly, elsewhere)] == [1, 1, 1]
    assert "Nothing was added: the campaign has every code of the file." in again.stderr
    assert "Nothing was added: every row was refused." in partly.stderr
    assert "2 of 2 rows were refused, 2 as in_other_campaign" in elsewhere.stderr
    assert "is complete: 0 codes of 2 records, 2 refused (2 of them repeated)" in again.output


def test_an_import_that_fails_when_it_is_resumed_ends_the_command_with_its_cause(
    cli: Cli, spring: Spring, deployment: Deployment
) -> None:
    spring(source="list")
    sent = from_file.receive(deployment, "spring", io.BytesIO(b"CODE-0001\n"), filename="codes")
    assert "no worker runs: start `passerelle worker`" in cli("imports", "list").output
    # A disk that was full when they were written.
    (deployment.settings.spool / sent.id.hex / "00").write_bytes(b"\0\0\0\5ab")

    resumed = cli("imports", "resume")

    assert (resumed.exit_code, f"Import {sent.id} is failed" in resumed.output) == (1, True)
    assert "broke off: send the file again" in resumed.stderr


def test_column_and_place_of_rejects_can_be_named_and_gzip_is_read(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    spring(source="list")
    file, rejects = tmp_path / "codes.gz", tmp_path / "no.csv"
    file.write_bytes(gzip.compress(b"name;promo\nada;PROMO-0001\nbob;\n"))

    done = cli("import", "spring", file, "--column", "promo", "--rejects", rejects)

    assert "1 code of " in done.output
    assert rejects.exists() == ("refused rows" in done.output)
    other = tmp_path / "other.csv"
    other.write_text("name;promo\neve;PROMO-0009\n")
    refused = cli("import", "spring", other, "--column", "voucher")
    assert refused.exit_code == 1 or "failed" in refused.output


def test_imports_that_cannot_be_are_refused_with_a_remedy(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    spring(source="on_demand")
    file = tmp_path / "codes.csv"
    file.write_text("CODE-0001\n")

    for words in (("import", "winter", file), ("import", "spring", file)):
        refused = cli(*words)
        assert refused.exit_code == 1
        assert refused.stderr.strip()
    assert cli("generate", "winter", "3").exit_code == 1
    assert cli("generate", "spring", "0").exit_code == 2
    assert cli("imports", "cancel", uuid.uuid4()).exit_code == 1
    assert cli("imports", "cancel", "no-id").exit_code == 2
    assert cli("imports", "resume").output == ""


def test_codes_are_generated_and_issued_until_they_run_out(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    file = spring(source="generated")
    file.write_text(
        file.read_text().replace('source = "generated"', 'source = "generated"\nlow_stock = 2')
    )
    cli("campaign", "apply", file, "--yes")
    people, out = tmp_path / "people.csv", tmp_path / "links.csv"
    people.write_text("external_id,language\nada,fr\nbob,\ncyd,\n,de\n")
    assert "is complete: 2 codes" in cli("generate", "spring", "2").output

    done = cli("issue", "spring", people, "--out", out, "--with-codes")

    assert done.exit_code == 1
    assert "Codes ran out: 1 recipient has none." in done.stderr
    assert "2 recipients have a voucher, 0 of them from before" in done.output
    assert "line 5 is left out" in done.output
    assert "Only 0 codes are left" in done.output
    cli("generate", "spring", "5")
    done = cli("issue", "spring", people, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert "3 recipients have a voucher, 2 of them from before" in done.output
    assert len(out.read_text().splitlines()) == 4
    assert cli("issue", "winter", people, "--out", out).exit_code == 1


def test_campaign_that_decides_by_rules_says_which_command_issues_it(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    spring("[rules]\nholdout_percent = 10\n")
    people = tmp_path / "people.csv"
    people.write_text("external_id\nada\n")

    refused = cli("issue", "spring", people, "--out", tmp_path / "links.csv")

    assert refused.exit_code == 1
    assert "passerelle decide" in refused.stderr


def test_birthdays_say_when_there_is_no_such_campaign_and_when_codes_run_out(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    assert cli("birthdays").output == "No live campaign has a section [birthday].\n"
    refused = cli("birthdays", "spring")
    assert (refused.exit_code, "Add a section [birthday]" in refused.stderr) == (1, True)
    spring("[birthday]\ndays_ahead = 60\n", source="generated")
    people = tmp_path / "people.csv"
    people.write_text("external_id,birth_date\n" + birthdays_soon())
    cli("recipients", "import", people)

    planned, done = cli("birthdays", "--dry-run"), cli("birthdays", "spring")

    assert planned.stdout == "spring: 0 would be issued.\n"
    assert done.stdout == "spring: 0 issued.\n"
    for each in (planned, done):
        assert each.exit_code == 1
        assert "Codes ran out: 1 or more have none yet." in each.stderr
    cli("generate", "spring", "1")
    assert cli("birthdays").output == "spring: 1 issued.\n"


def birthdays_soon() -> str:
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=20)
    return f"ada,{1990 if (day.month, day.day) != (2, 29) else 1988}-{day:%m-%d}\n"


def test_store_is_added_with_its_tills(cli: Cli) -> None:
    done = cli("stores", "add", "paris", "--terminal", "1", "--terminal", "2")
    assert done.stdout == "Store paris has the terminals 1, 2.\n"
    assert cli("stores", "add", "paris").output == ("Store paris has the terminals it had.\n")
    assert cli("stores", "add", "x", "--latitude", "91").exit_code == 2
    assert cli("stores", "add", "rome", "--timezone", "Nowhere/City").exit_code == 1


def test_of_a_store_without_a_time_zone_it_is_said_that_utc_is_taken(
    cli: Cli, tmp_path: Path, settings: Settings
) -> None:
    said = cli("stores", "add", "paris").stderr
    assert "No time zone was given for paris: UTC is taken" in said
    assert "`passerelle stores add paris --timezone Europe/Paris`" in said
    assert cli("stores", "add", "paris", "--terminal", "1").stderr == ""
    assert cli("stores", "add", "paris", "--timezone", "Europe/Paris").stderr == ""
    assert cli("stores", "add", "rome", "--timezone", "Europe/Rome").stderr == ""
    file = tmp_path / "stores.csv"
    file.write_text("store,terminal\nparis,1\nlyon,1\nnice,1\n", encoding="utf-8")
    said = cli("stores", "import", file).stderr
    assert "No time zone was given for lyon, nice: UTC is taken" in said
    file.write_text(
        "store,terminal,timezone\nlima,1,\nlima,2,America/Lima\noslo,1,\nparis,2,Asia/Tokyo\n",
        encoding="utf-8",
    )
    assert "given for oslo: UTC" in cli("stores", "import", file).stderr
    database = Database(settings.database_url)
    with database.read() as session:
        zones = {row.key: row.timezone for row in session.scalars(select(Store))}
    database.close()
    assert zones == {
        "paris": "Europe/Paris",
        "rome": "Europe/Rome",
        "lima": "America/Lima",
        **dict.fromkeys(("lyon", "nice", "oslo"), "UTC"),
    }
