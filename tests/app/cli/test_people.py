"""`decide` and `recipients` as a marketer uses them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Cli = Callable[..., Result]
Spring = Callable[..., Path]

RULES = """
[[rules.tiers]]
key = "large"
when = [{ fact = "basket", at_least = "100.00" }]
amount = "20.00"

[[rules.tiers]]
key = "loyal"
when = [{ fact = "segment", is = "loyal" }]
percent = 10
"""
ROWS = """external_id,segment,score,basket,occasion,shoes
ada,loyal,9,"120,50",b1,42
bob,loyal,1,,b2,38
cyd,new,,10.00,,40
"""

#: What a command adds to a key that no campaign has.
ALL = "`passerelle campaign list` shows all."


@pytest.fixture
def recipients(tmp_path: Path) -> Path:
    file = tmp_path / "recipients.csv"
    file.write_text(ROWS)
    return file


def test_decide_says_who_would_get_what_and_then_writes_links_nobody_else_can_read(
    cli: Cli, spring: Spring, recipients: Path, tmp_path: Path
) -> None:
    spring(RULES)
    out = tmp_path / "links.csv"

    planned = cli("decide", "spring", recipients, "--dry-run")
    done = cli("decide", "spring", recipients, "--out", out, "--occasion", "mail-7")
    again = cli("decide", "spring", recipients, "--occasion", "mail-7")

    assert planned.output.splitlines()[0] == "2 would get something, 0 had it before."
    assert done.exit_code == 0, done.output + done.stderr
    lines = [line.split() for line in done.output.splitlines()]
    assert lines[0] == ["2", "got", "something,", "0", "had", "it", "before."]
    assert ["1", "large"] in lines
    assert ["1", "loyal"] in lines
    assert ["1", "nothing:", "no_tier"] in lines
    assert "It costs at most 20.00 EUR." in done.output
    assert "Nothing bounds the cost of 1: give percentages a cap." in done.output
    assert again.output.splitlines()[0] == "0 got something, 2 had it before."
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [(row["external_id"], row["occasion"], row["outcome"]) for row in rows] == [
        ("ada", "b1", "given"),
        ("bob", "b2", "given"),
        ("cyd", "mail-7", "no_tier"),
    ]
    assert [bool(row["wallet_link"]) for row in rows] == [True, True, False]
    assert out.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*.part"))


def test_decide_names_rows_that_it_does_not_understand_and_ends_with_1(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    spring(RULES)
    file = tmp_path / "bad.csv"
    file.write_text("external_id,score,basket\nada,many,1.00\nbob,1,a lot\ncyd,1,200.00\n")

    done = cli("decide", "spring", file)

    assert done.exit_code == 1
    assert "1 got something" in done.output
    assert "line 2" in done.output
    assert "line 3: basket is no amount of the campaign's currency" in done.output
    assert "2 rows were not understood." in done.stderr


def test_decide_refuses_what_it_cannot_do_and_leaves_no_file(
    cli: Cli, spring: Spring, recipients: Path, tmp_path: Path
) -> None:
    unknown = cli("decide", "winter", recipients)
    spring(RULES)
    empty, out = tmp_path / "empty.csv", tmp_path / "out.csv"
    empty.write_text("")
    faulty = cli("decide", "spring", empty, "--out", out)
    missing = cli("decide", "spring", tmp_path / "none.csv")

    assert (unknown.exit_code, faulty.exit_code, missing.exit_code) == (1, 1, 2)
    assert "No campaign 'winter' exists." in unknown.stderr
    assert faulty.stderr.startswith("empty.csv: ")
    assert "does not exist" in missing.stderr
    assert not out.exists()
    assert not list(tmp_path.glob("*.part"))


def test_recipients_are_brought_shown_and_forgotten(
    cli: Cli, spring: Spring, recipients: Path
) -> None:
    spring()
    assert cli("recipients", "import", recipients).output == "3 recipients are stored.\n"
    cli("decide", "spring", recipients)

    held = json.loads(cli("recipients", "show", "ada").output)
    assert (held["external_id"], held["segment"], held["score"]) == ("ada", "loyal", 9)
    assert held["attributes"]["shoes"] == "42"
    assert [each["campaign"] for each in held["vouchers"]] == ["spring"]

    kept = cli("recipients", "forget", "ada", answer="n\n")
    assert kept.exit_code == 1
    assert cli("recipients", "show", "ada").exit_code == 0
    gone = cli("recipients", "forget", "ada", answer="y\n")
    assert "1 voucher stays, belonging to nobody known." in gone.output
    for words in (("show", "ada"), ("forget", "ada", "--yes")):
        refused = cli("recipients", *words)
        assert (refused.exit_code, refused.stderr) == (
            1,
            "There is no such recipient. Check the external id.\n",
        )


def test_points_are_said_with_what_they_come_from(
    cli: Cli, spring: Spring, recipients: Path
) -> None:
    spring()
    cli("decide", "spring", recipients)
    none = cli("recipients", "points", "ada")
    assert none.output.startswith("No rules give points: write points = ")
    spring("[rules]\npoints = { redeemed = 10, visit = 1 }\npoints_within_days = 365\n")

    assert cli("recipients", "points", "ada").output.splitlines() == [
        "spring: 0 points of the last 365 days.",
        "         0  redeemed: 0 × 10 (0 reported, 0 booked here)",
        "         0  visit: 0 × 1 (0 reported, 0 booked here)",
    ]
    for words, said in (
        (("nobody",), "There is no such recipient. Check the external id."),
        (("ada", "--campaign", "none"), f"No campaign 'none' exists. {ALL}"),
    ):
        refused = cli("recipients", "points", *words)
        assert (refused.exit_code, refused.stderr) == (1, f"{said}\n")


def test_recipients_that_cannot_be_read_are_named_and_the_others_are_stored(
    cli: Cli, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("external_id,birth_date\nada,1990-12-31\nbob,yesterday\n,\n")
    done = cli("recipients", "import", file)

    assert done.exit_code == 1
    assert "1 recipient is stored." in done.output
    assert "line 3" in done.output
    file.write_bytes(b"\x00\x01\x02\xff\xfe")
    assert cli("recipients", "import", file).exit_code == 1


def test_facts_in_a_file_withdraw_what_their_condition_makes_pointless(
    cli: Cli, spring: Spring, tmp_path: Path
) -> None:
    spring('[[rules.stops]]\nwhen = [{ fact = "premium", is = "no" }]\nwithdraw = true\n')
    file = tmp_path / "people.csv"
    file.write_text("external_id,premium\nada,yes\n")
    assert "1 got something" in cli("decide", "spring", file).output
    file.write_text("external_id,premium\nada,no\n")

    cli("recipients", "import", file)

    held = json.loads(cli("recipients", "show", "ada").output)
    assert [each["status"] for each in held["vouchers"]] == ["revoked"]
