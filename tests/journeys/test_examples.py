"""Every example of `app/examples`, done as its page says: by command, over HTTP and at the till.

Mails are sent twice, the clock comes by twice, and what the campaigns owe at the end is what their
pages promise.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import tomllib
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from app.cli import main
from app.domain.codes import Purpose
from app.services import (
    access,
    audit,
    clockwork,
    reports,
)
from app.services.access import Scope
from app.services.deployment import Deployment
from tests.conftest import Clock
from tests.shop import Shop, Till

EXAMPLES = files("app.examples")
#: The examples that a journey of this module goes through.
GONE_THROUGH: set[str] = set()
Journey = Callable[..., None]


def example(*names: str) -> Callable[[Journey], Journey]:
    """Note that a journey goes through these examples."""
    GONE_THROUGH.update(names)
    return lambda journey: journey


class Marketer:
    """Gives commands, asks `/api/v1`, and sends mails as their tool would."""

    def __init__(self, client: FlaskClient, house: Deployment, folder: Path) -> None:
        self.client, self.house, self.folder = client, house, folder
        _ = house.keyring
        with house.database.write() as session:
            self.key = access.create(
                session, "m", [Scope.CAMPAIGN, Scope.ISSUE, Scope.REPORT], now=house.now()
            )

    def command(self, *words: object) -> str:
        """A command's output; it has to succeed."""
        command: click.Command = main
        given = [str(word) for word in words]
        while isinstance(command, click.Group):
            command = command.commands[given.pop(0)]
        done = CliRunner().invoke(command, given, obj=self.house)
        assert done.exit_code == 0, (words, done.output, done.exception)
        return done.output

    def apply(self, name: str, change: Callable[[str], str] = lambda text: text) -> None:
        """Apply an example, as it is or with a line changed."""
        with as_file(EXAMPLES) as folder:
            for picture in folder.glob("*.png"):
                (self.folder / picture.name).write_bytes(picture.read_bytes())
            text = (folder / f"{name}.toml").read_text(encoding="utf-8")
        file = self.folder / f"{name}.toml"
        file.write_text(change(text), encoding="utf-8")
        self.command("campaign", "apply", file, "--yes")

    def file(self, *lines: str, name: str = "recipients.csv") -> Path:
        file = self.folder / name
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def table(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader((self.folder / name).read_text(encoding="utf-8").splitlines()))

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        answer = self.client.open(f"/api/v1{path}", method=method, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        lines = [json.loads(line) for line in answer.text.splitlines() if line]
        return lines if path == "/messages/render" else lines[0]

    def mail(
        self, id_: str, template: str, *recipients: dict[str, Any], preview: bool = False
    ) -> list[dict[str, Any]]:
        """The lines of a mailing that is sent twice and says the same both times."""
        body = {
            "message_id": id_,
            "template": template,
            "format": "text",
            "preview": preview,
            "recipients": recipients,
        }
        once, twice = (self.ask("POST", "/messages/render", body) for _ in range(2))
        assert once == twice
        return list(once)

    def did(self, name: str, event: str, key: str = "1", **more: Any) -> Any:
        done = {"external_id": name, "name": event, "id": key}
        return self.ask("POST", "/activities", {"activities": [done], **more})

    def results(self, campaign: str, query: str = "") -> Any:
        while reports.roll_up(self.house):
            pass
        return self.ask("GET", f"/campaigns/{campaign}/results{query}")["rows"]

    def liability(self) -> dict[str, int]:
        """What the cards of each campaign owe now, in minor units."""
        until = (self.house.now() + dt.timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = self.ask("GET", f"/reports/liability?until={until}")["campaigns"]
        return {each["campaign"]: each["closing_minor"] for each in found}

    def barcode(self, link: str) -> str:
        """What the phone shows that added the pass behind a link."""
        ring = self.house.keyring
        token = ring.verify(link.rpartition("/")[2], Purpose.LINK)
        assert token is not None
        return ring.token(Purpose.BARCODE, key_id=token.key_id, public_id=token.public_id)


@pytest.fixture
def marketer(client: FlaskClient, deployment: Deployment, tmp_path: Path) -> Marketer:
    return Marketer(client, deployment, tmp_path)


@pytest.fixture
def till(client: FlaskClient, deployment: Deployment) -> Till:
    shop = Shop(deployment)
    shop.store("paris")
    return Till(client, shop.key(Scope.POS, store="paris", terminal="1"))


@pytest.fixture(autouse=True)
def _books_are_right(deployment: Deployment) -> Any:
    yield
    assert not any(section.findings for section in audit.run(deployment.database))


def basket(minor: int) -> dict[str, Any]:
    return {"currency": "EUR", "lines": [{"id": "1", "sku": "a", "amount_minor": minor}]}


def test_every_example_has_a_journey_and_every_page_its_campaign(client: FlaskClient) -> None:
    paths = {str(rule) for rule in client.application.url_map.iter_rules()}
    names = {each.name.removesuffix(".toml") for each in EXAMPLES.iterdir() if ".toml" in each.name}
    assert names == GONE_THROUGH
    for name in names:
        document = tomllib.loads((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
        assert document["key"] == name
    for each in EXAMPLES.iterdir():
        if each.name.endswith(".md"):
            text = each.read_text(encoding="utf-8")
            assert each.name.removesuffix(".md") in names
            # What a page tells to send or to type exists.
            for path in re.findall(r"(?:POST|GET) (/api/v1/(?!campaigns)[a-z/]+[a-z])\b", text):
                assert path in paths, path


@example("abandoned-basket")
def test_an_abandoned_basket_gets_its_code_in_the_second_mail_once_in_thirty_days(
    marketer: Marketer, deployment: Deployment, till: Till, clock: Clock
) -> None:
    marketer.apply("abandoned-basket")
    with deployment.database.write() as session:
        bound = access.create(
            session, "mail", [Scope.ISSUE], now=clock.now, campaigns=["abandoned-basket"]
        )
    names = [f"r{number}" for number in range(30)]

    def left(*names: str, basket_id: str, minor: int) -> list[dict[str, Any]]:
        candidates = [
            {
                "recipient": {"external_id": name, "language": "fr"},
                "occasion": f"{basket_id}-{name}",
                "facts": {"basket": minor},
            }
            for name in names
        ]
        body = {"campaign": "abandoned-basket", "candidates": candidates}
        once, twice = (marketer.ask("POST", "/decisions", body, key=bound) for _ in range(2))
        keep = ("external_id", "outcome", "tier", "wallet_link")
        assert [[each[name] for name in keep] for each in once["decisions"]] == [
            [each[name] for name in keep] for each in twice["decisions"]
        ]
        return list(once["decisions"])

    decided = left(*names, basket_id="basket", minor=8_990)
    given = {each["external_id"]: each for each in decided if each["outcome"] == "given"}
    assert given
    assert {each["outcome"] for each in decided} <= {"given", "holdout"}
    assert {each["tier"] for each in given.values()} == {"medium"}
    # The second mail shows what was decided, and no offer to whom nothing was.
    lines = marketer.mail(
        "second-mail",
        'Basket{% if wallet_link("abandoned-basket") %} {{ wallet_link("abandoned-basket") }}'
        "{% endif %}",
        *[{"external_id": name, "occasion": f"basket-{name}"} for name in names],
    )
    for line in lines:
        each = given.get(line["external_id"])
        assert line["text"] == (f"Basket {each['wallet_link']}" if each else "Basket")
    # A serial abandoner, one who bought meanwhile, a small basket.
    first, second, third = list(given)[:3]
    assert left(first, basket_id="next", minor=8_990)[0]["outcome"] == "capped"
    clock.advance(days=31)
    marketer.did(second, "purchase", "order-1")
    assert left(second, basket_id="next", minor=8_990)[0]["outcome"] == "stopped"
    assert left(third, basket_id="tiny", minor=2_999)[0]["outcome"] == "no_tier"
    (large,) = left(third, basket_id="next", minor=15_000)
    assert (large["outcome"], large["tier"]) == ("given", "large")
    used = till.redeem(marketer.barcode(large["wallet_link"]), basket=basket(15_000))
    assert used["discount_minor"] == 2_000
    late = till.redeem(marketer.barcode(given[first]["wallet_link"]), basket=basket(8_990))
    assert late["reason"] == "expired"
    rows = {row["part"]["tier"]: row for row in marketer.results("abandoned-basket", "?by=tier")}
    assert rows["medium"]["vouchers"]["issued"] == len(given)
    assert rows["large"]["vouchers"]["redeemed"] == 1
    arms = marketer.ask("GET", "/campaigns/abandoned-basket/lift")["arms"]
    (all_,) = (arm for arm in arms if arm["variant"] == "*")
    assert all_["treated"]["people"] == len(given) + 1
    assert all_["held_out"]["people"] >= len(names) - len(given)


@example("best-customers")
def test_the_best_get_twenty_percent_by_score_or_points_for_two_days(
    marketer: Marketer, till: Till, clock: Clock
) -> None:
    marketer.apply("best-customers")
    for number in range(5):
        marketer.did("eve", "purchase", f"order-{number}")
    rows = marketer.file("external_id,score", "ada,900", "bob,500", "cyd,100", "eve,")
    links = marketer.folder / "links.csv"

    planned = marketer.command("decide", "best-customers", rows, "--dry-run")
    assert "3 would get something" in planned
    assert "It costs at most 180.00 EUR." in planned
    for new in (3, 0):
        done = marketer.command("decide", "best-customers", rows, "--out", links)
        assert f"{new} got something" in done
    table = {row["external_id"]: row for row in marketer.table("links.csv")}
    assert [table[name]["tier"] for name in ("ada", "bob", "cyd", "eve")] == [
        *("top", "next", ""),
        "keen",
    ]
    discounts = [
        till.redeem(marketer.barcode(table[name]["wallet_link"]), basket=basket(10_000))
        for name in ("ada", "bob")
    ]
    assert [each["discount_minor"] for each in discounts] == [2_000, 1_500]
    clock.advance(hours=49)
    late = till.redeem(marketer.barcode(table["eve"]["wallet_link"]), basket=basket(10_000))
    assert late["reason"] == "expired"


@example("birthday-card", "partner-code")
def test_a_birthday_is_one_card_a_year_by_clock_and_mail_and_a_partners_code_beside_it(
    marketer: Marketer, deployment: Deployment, till: Till, client: FlaskClient, clock: Clock
) -> None:
    marketer.apply("birthday-card")
    marketer.apply("partner-code")
    marketer.command(
        "import", "partner-code", marketer.file("code", "RIVAGE-1", "RIVAGE-2", name="codes.csv")
    )
    people = marketer.file(
        "external_id,birth_date", "ada,1990-11-24", "bob,1985-11-25", "leap,2000-02-29"
    )
    marketer.command("recipients", "import", people)

    # Three days ahead, by the clock; the mails by hand, one of them before the clock comes by.
    for _ in range(2):
        clockwork.run(deployment)
    assert marketer.liability() == {"birthday-card": 1_500}
    template = (
        'Card: {{ wallet_link("birthday-card") }} Film: {{ promotional_code("partner-code") }}'
    )
    (early,) = marketer.mail("birthdays-2026-11-21", template, {"external_id": "bob"})
    assert "Ask again from 2026-11-22 on." in early["fault"]
    clock.advance(days=1)
    (bob,) = marketer.mail("birthdays-2026-11-22", template, {"external_id": "bob"})
    for _ in range(2):
        clockwork.run(deployment)
    assert "birthday-card: 0 issued." in marketer.command("birthdays")
    clock.advance(days=2)
    (ada,) = marketer.mail("birthdays-2026-11-24", template, {"external_id": "ada"})
    (again,) = marketer.mail("news", '{{ wallet_link("birthday-card") }}', {"external_id": "bob"})
    assert marketer.liability() == {"birthday-card": 3_000}
    cards = [line["text"].removeprefix("Card: ").split(" Film: ") for line in (ada, bob)]
    (link, film), (other, _) = cards
    assert other == again["text"]
    assert {each[1] for each in cards} == {"RIVAGE-1", "RIVAGE-2"}

    paid = till.redeem(marketer.barcode(link), amount={"minor": 600, "currency": "EUR"})
    assert paid["outcome"] == "accepted"
    assert marketer.liability() == {"birthday-card": 2_400}
    assert till.redeem(film, basket=basket(1_000))["reason"] == "partner_only"
    reported = client.post(
        "/api/v1/redemptions/report",
        data=f"id;code\nfilm-1;{film}\n",
        content_type="text/csv",
        headers={"Authorization": f"Bearer {marketer.key}"},
    )
    assert reported.get_json()["uses"][0]["outcome"] == "applied", reported.text

    # 29 February is the 28th in other years, and the next birthday is another card.
    clock.now = dt.datetime(2027, 2, 25, 12, tzinfo=dt.UTC)
    clockwork.run(deployment)
    (leap,) = marketer.mail("birthdays-2027-02-28", template, {"external_id": "leap"})
    # There is no film left for them, and so no mail.
    assert "No code of partner-code is left" in leap["fault"]
    (leap,) = marketer.mail("leap", '{{ wallet_link("birthday-card") }}', {"external_id": "leap"})
    assert client.get(leap["text"].removeprefix(deployment.settings.base_url)).status_code == 200
    # Two cards of 2026 are over, whatever was left of them: 60 days.
    assert marketer.liability() == {"birthday-card": 1_500}


@example("birthday-15")
def test_a_birthday_card_of_fifteen_euros_is_spent_in_parts_within_ninety_days(
    marketer: Marketer, deployment: Deployment, till: Till, clock: Clock
) -> None:
    marketer.apply("birthday-15")
    marketer.command(
        "recipients", "import", marketer.file("external_id,birth_date", "ada,1990-11-24")
    )
    assert "birthday-15: 1 would be issued." in marketer.command("birthdays", "--dry-run")
    assert "birthday-15: 1 issued." in marketer.command("birthdays")
    assert "birthday-15: 0 issued." in marketer.command("birthdays")
    clockwork.run(deployment)
    (line,) = marketer.mail("day", '{{ wallet_link("birthday-15") }}', {"external_id": "ada"})
    card = marketer.barcode(line["text"])
    for minor, left in ((400, 1_100), (1_100, 0)):
        till.redeem(card, amount={"minor": minor, "currency": "EUR"})
        assert marketer.liability() == {"birthday-15": left}


@example("birthday-card")
def test_the_birthdays_rules_of_the_page_give_more_to_the_best(
    marketer: Marketer, deployment: Deployment
) -> None:
    def with_rules(text: str) -> str:
        return re.sub(r"(?m)^# (\[\[rules|key|when|card)", r"\1", text)

    marketer.apply("birthday-card", with_rules)
    people = marketer.file("external_id,birth_date,score", "ada,1990-11-24,900", "bob,1990-11-24,1")
    marketer.command("recipients", "import", people)

    planned = marketer.command("birthdays", "birthday-card", "--dry-run")
    assert "birthday-card: 2 would be issued." in planned
    lines = marketer.mail(
        "day",
        '{{ wallet_link("birthday-card") }}',
        *[{"external_id": name} for name in ("ada", "bob")],
    )
    for _ in range(2):
        clockwork.run(deployment)
    assert all("/p/" in line["text"] for line in lines)
    assert marketer.liability() == {"birthday-card": 4_500}


@example("flash-50")
def test_a_variable_is_a_code_of_each_recipients_own_once_for_a_mailing(
    marketer: Marketer, till: Till, clock: Clock
) -> None:
    marketer.apply("flash-50")
    template = '{{ promotional_code("flash-50") }} {{ wallet_link("flash-50") }}'
    people = [{"external_id": name} for name in ("ada", "bob")]
    marketer.mail("news-47", template, *people, preview=True)
    assert marketer.results("flash-50") == [] or (
        marketer.results("flash-50")[0]["vouchers"]["issued"] == 0
    )
    # Who is decided about beforehand, for the mail, has the mail's code.
    rows = marketer.file("external_id", "ada")
    links = marketer.folder / "links.csv"
    marketer.command("decide", "flash-50", rows, "--occasion", "news-47", "--out", links)
    ada, bob = (line["text"].split() for line in marketer.mail("news-47", template, *people))
    assert marketer.table("links.csv")[0]["wallet_link"] == ada[1]
    assert ada[0] != bob[0]
    (row,) = marketer.results("flash-50")
    assert row["vouchers"]["issued"] == 2
    other = marketer.mail("news-48", template, people[0])[0]["text"].split()
    assert other[0] not in (ada[0], bob[0])

    used = till.redeem(ada[0], basket=basket(8_000))
    assert used["discount_minor"] == 4_000
    assert till.redeem(ada[0], basket=basket(8_000))["reason"] == "already_redeemed"
    capped = till.redeem(other[0], basket=basket(20_000))
    assert capped["discount_minor"] == 6_000
    clock.advance(hours=25)
    assert till.redeem(bob[0], basket=basket(8_000))["reason"] == "expired"


@example("minus-20")
def test_a_list_of_codes_is_given_out_once_each_and_the_links_are_the_same_again(
    marketer: Marketer, till: Till, client: FlaskClient, deployment: Deployment
) -> None:
    marketer.apply("minus-20")
    brought = marketer.file("code", *[f"SUNNY-{n:04}" for n in range(3)], name="codes.csv")
    assert "3 codes" in marketer.command("import", "minus-20", brought)
    rows = marketer.file("external_id,language", "ada,fr", "bob,de")
    links = marketer.folder / "links.csv"
    for known in (0, 2):
        done = marketer.command("issue", "minus-20", rows, "--out", links)
        assert f"2 recipients have a voucher, {known} of them from before" in done
        assert "Only 1 code is left" in done
    ada, bob = (row["wallet_link"] for row in marketer.table("links.csv"))
    page = client.get(ada.removeprefix(deployment.settings.base_url)).text
    assert "Offre de printemps" in page

    small = till.redeem(marketer.barcode(ada), basket=basket(2_499))
    assert small["reason"] == "min_basket"
    large = till.redeem(marketer.barcode(ada), basket=basket(60_000))
    assert large["discount_minor"] == 10_000
    assert till.redeem(marketer.barcode(bob), basket=basket(2_500))["discount_minor"] == 500


@example("premium-renewal")
def test_premium_is_renewed_for_an_incentive_that_ends_with_its_reason(
    marketer: Marketer, till: Till, clock: Clock
) -> None:
    marketer.apply("premium-renewal")
    rows = marketer.file(
        "external_id,premium,premium_days_left",
        *("ada,yes,10", "bob,yes,30", "cyd,yes,31", "dan,no,5", "eve,yes,1", "fay,yes,2"),
    )
    marketer.command("recipients", "import", rows)
    links = marketer.folder / "links.csv"
    asked = ("decide", "premium-renewal", rows, "--occasion", "premium-2026", "--out", links)
    for new in (4, 0):
        assert f"{new} got something" in marketer.command(*asked)
    link = {row["external_id"]: row["wallet_link"] for row in marketer.table("links.csv")}
    assert {name for name, address in link.items() if address} == {"ada", "bob", "eve", "fay"}
    barcodes = {name: marketer.barcode(link[name]) for name in ("ada", "bob", "eve", "fay")}

    used = till.redeem(barcodes["bob"], basket=basket(5_000))
    assert used["discount_minor"] == 1_000
    held = till.redeem(barcodes["eve"], mode="hold", basket=basket(5_000))["holds"][0]["hold_id"]
    planned = marketer.did("ada", "renewed", dry_run=True)
    assert len(planned["withdraws"]) == 1
    for name in ("ada", "bob", "eve"):
        marketer.did(name, "renewed")
    assert till.redeem(barcodes["ada"], basket=basket(5_000))["outcome"] == "refused"
    page = marketer.client.get(link["ada"].removeprefix(marketer.house.settings.base_url))
    assert "No longer valid" in page.text
    # What a till holds is taken back once the hold is given back; what was used stays.
    assert till.post(f"/holds/{held}/void", {}).status_code == 200
    clockwork.run(marketer.house)
    assert till.redeem(barcodes["eve"], basket=basket(5_000))["outcome"] == "refused"
    assert till.redeem(barcodes["fay"], basket=basket(5_000))["outcome"] == "accepted"
    (row,) = marketer.results("premium-renewal")
    assert row["vouchers"]["redeemed"] == 2
    marketer.command(*asked)
    outcomes = {row["external_id"]: row["outcome"] for row in marketer.table("links.csv")}
    assert (outcomes["ada"], outcomes["eve"], outcomes["fay"]) == ("stopped", "stopped", "given")
    # The year after is another occasion, more than the 60 days of the stop later.
    clock.advance(days=61)
    later = marketer.command("decide", "premium-renewal", rows, "--occasion", "premium-2027")
    assert "4 got something" in later


@example("win-back")
def test_who_slips_from_a_good_segment_gets_a_percentage_or_an_amount_once_in_ninety_days(
    marketer: Marketer, till: Till, clock: Clock
) -> None:
    marketer.apply("win-back")
    names = [f"r{number}" for number in range(40)]

    def segments(*pairs: str) -> Path:
        return marketer.file("external_id,segment", *pairs)

    marketer.command(
        "recipients", "import", segments(*[f"{name},loyal" for name in names], "new,prospect")
    )
    slipped = segments(*[f"{name},lapsing" for name in names], "new,lapsing")
    marketer.command("recipients", "import", slipped)
    links = marketer.folder / "links.csv"

    planned = marketer.command("decide", "win-back", slipped, "--dry-run")
    week = ("decide", "win-back", slipped, "--occasion", "week-47", "--out", links)
    done = marketer.command(*week)
    assert planned.split(" would")[0] == done.split(" got")[0]
    table = {row["external_id"]: row for row in marketer.table("links.csv")}
    marketer.command(*week)
    assert {row["external_id"]: row for row in marketer.table("links.csv")} == table
    assert table["new"]["outcome"] == "no_tier"
    given = {name: row for name, row in table.items() if row["outcome"] == "given"}
    assert {table[name]["outcome"] for name in names} <= {"given", "holdout"}
    assert {row["variant"] for row in given.values()} == {"percent", "amount"}
    # A week later nobody gets a second one.
    marketer.command("decide", "win-back", slipped, "--occasion", "week-48", "--out", links)
    assert "given" not in {row["outcome"] for row in marketer.table("links.csv")}

    for variant, discount in (("percent", 1_500), ("amount", 1_200)):
        link = next(row["wallet_link"] for row in given.values() if row["variant"] == variant)
        used = till.redeem(marketer.barcode(link), basket=basket(10_000))
        assert used["discount_minor"] == discount
    rows = marketer.results("win-back", "?by=variant")
    assert {row["part"]["variant"] for row in rows} >= {"percent", "amount"}
    arms = marketer.ask("GET", "/campaigns/win-back/lift")["arms"]
    assert {arm["variant"] for arm in arms} >= {"percent", "amount", "*"}
    clock.advance(days=91)
    marketer.command("decide", "win-back", slipped, "--occasion", "week-8", "--out", links)
    assert "given" in {row["outcome"] for row in marketer.table("links.csv")}
