"""The main job on real input: a shop system's export becomes passes that a till redeems.

100,000 codes as a shop system exports them, 10,000 recipients, 200 links opened over HTTP from the
running server, their passes verified and decoded, 50 of them redeemed, each once.
"""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from app.settings import Settings
from tests.serving import ROOT, environment, running
from tests.verifying import is_genuine, pass_json, read_barcode

CODES = 100_000
RECIPIENTS = 10_000
OPENED = 200
REDEEMED = 50
DUPLICATES = 7
EMPTY_LINES = 25

CAMPAIGN = """
key = "autumn"
name = "Autumn"
kind = "coupon"
timezone = "Europe/Paris"
currency = "EUR"

[codes]
source = "list"

[benefit]
type = "percent"
percent = 20

[texts.en]
title = "On everything"
offer = "−20 %"
terms = "Once per customer."

[texts.fr]
title = "Sur tout"
offer = "−20 %"
terms = "Une fois par client."
"""

Run = Callable[..., str]


@pytest.fixture
def passerelle(settings: Settings) -> Run:
    """Run a command of the product as an operator does; its output."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from app.cli import main; main()", *arguments],
            cwd=ROOT,
            env=os.environ | environment(settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def _export(path: Path, dice: random.Random) -> list[str]:
    """A coupon export: BOM, semicolons, quotes where a field has one, empty lines, duplicates."""
    codes = [f"AUT-{number:06d}-{dice.randrange(36**6):06X}" for number in range(CODES)]
    lines = [f'"{code}";"Automne ""20"" %";{dice.randrange(2)};2026-11-01' for code in codes]
    lines += [f"{code};Automne;0;2026-11-02" for code in dice.sample(codes, DUPLICATES)]
    dice.shuffle(lines)
    for place in sorted(dice.sample(range(len(lines)), EMPTY_LINES), reverse=True):
        lines.insert(place, "")
    text = "Coupon Code;Description;Batch;Created\r\n" + "\r\n".join(lines) + "\r\n"
    path.write_bytes("\ufeff".encode() + text.encode())
    return codes


def _recipients(path: Path, dice: random.Random) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["external_id", "language"])
        for number in range(RECIPIENTS):
            writer.writerow([f"customer-{number}", dice.choice(["en", "fr", "de", ""])])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_export_becomes_passes_that_are_redeemed_once(
    settings: Settings, passerelle: Run, certs: Path, tmp_path: Path
) -> None:
    dice = random.Random(20261121)
    codes = set(_export(tmp_path / "export.csv", dice))
    _recipients(tmp_path / "recipients.csv", dice)
    (tmp_path / "autumn.toml").write_text(CAMPAIGN, encoding="utf-8")

    passerelle("campaign", "apply", str(tmp_path / "autumn.toml"), "--yes")
    imported = passerelle(
        "import", "autumn", str(tmp_path / "export.csv"), "--column", "Coupon Code"
    )
    assert f"{CODES} codes of {CODES + DUPLICATES} records, {DUPLICATES} refused" in imported
    passerelle(
        *("issue", "autumn", str(tmp_path / "recipients.csv")),
        *("--out", str(tmp_path / "links.csv")),
    )
    with (tmp_path / "links.csv").open(encoding="utf-8", newline="") as file:
        links = [row["wallet_link"] for row in csv.DictReader(file)]
    assert len(set(links)) == RECIPIENTS

    passerelle("stores", "add", "paris", "--name", "Paris", "--terminal", "1")
    key = passerelle(
        *("access", "create", "Till 1", "--scope", "pos"),
        *("--store", "paris", "--terminal", "1"),
    ).strip()

    with running(settings) as server:
        root = certs / "apple" / "root.pem"

        def open_link(link: str) -> tuple[str, str]:
            address = server.url + urlsplit(link).path
            page = requests.get(address, timeout=30)
            assert page.status_code == 200
            built = requests.get(f"{address}/apple", timeout=30).content
            document = pass_json(built)
            payload = read_barcode(requests.get(f"{address}/code.png", timeout=30).content)
            assert is_genuine(built, root=root)
            assert document["barcodes"][0]["message"] == payload
            assert document["barcodes"][0]["altText"] in codes
            return address, payload

        with ThreadPoolExecutor(4) as pool:
            opened = list(pool.map(open_link, dice.sample(links, OPENED)))
        assert len({payload for _, payload in opened}) == OPENED

        till = requests.Session()
        till.headers["Authorization"] = f"Bearer {key}"

        def redeem(payload: str, idempotency_key: str) -> dict[str, Any]:
            answer = till.post(
                f"{server.url}/pos/v1/redemptions",
                json={"items": [{"barcode": payload}]},
                headers={"Idempotency-Key": idempotency_key},
                timeout=30,
            )
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        for number, (address, payload) in enumerate(opened[:REDEEMED]):
            assert redeem(payload, f"first-{number}")["outcome"] == "accepted"
            assert redeem(payload, f"first-{number}")["outcome"] == "accepted"
            again = redeem(payload, f"second-{number}")
            assert again["outcome"] == "refused"
            assert "already_redeemed" in str(again)
            built = requests.get(f"{address}/apple", timeout=30).content
            assert pass_json(built)["voided"] is True
        untouched = requests.get(f"{opened[REDEEMED][0]}/apple", timeout=30).content
        assert "voided" not in pass_json(untouched)
