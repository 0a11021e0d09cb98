"""Every language has every text, with the same blanks; a further language is one file."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

import app.words
from app.domain.campaign import ExtraField, Presentation, Texts
from app.domain.ledger import EntryKind
from app.domain.refusals import Reason
from app.services import movements
from app.services.deployment import Deployment
from app.services.wallets import holdings
from app.services.wallets.apple.pkpass import signed_pass
from app.services.wallets.google import notices
from app.words import LANGUAGES, speaks, words_in
from app.words.catalogue import CardWords, EntryWords, ReasonWords, TillWords, Words
from passes import PassWords, Status
from passes.content import Localized, Money
from tests.conftest import Clock
from tests.shop import Shop, Till
from tests.storefront import Storefront

STATIC = Path(app.__file__).parent / "web" / "static" / "till"
TEMPLATES = Path(app.__file__).parent / "web" / "templates"


def texts(section: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a catalogue or of a section of it, with its place."""
    for each in fields(section):
        value = getattr(section, each.name)
        if is_dataclass(value):
            yield from texts(value, f"{at}{each.name}.")
        else:
            yield f"{at}{each.name}", value


ENGLISH = dict(texts(LANGUAGES["en"]))
SAID = {place: text for place, text in ENGLISH.items() if place not in ("tag", "name")}


def blanks(text: str) -> list[str]:
    return sorted(re.findall(r"{\w*}|%@|\n", text))


def test_all_surfaces_speak_eight_languages_and_more() -> None:
    assert {"en", "fr", "de", "es", "it", "nl", "pl", "pt"} <= set(LANGUAGES)
    assert all(words.tag == tag and words.name for tag, words in LANGUAGES.items())


@pytest.mark.parametrize("tag", sorted(LANGUAGES))
def test_a_language_has_every_text_with_the_blanks_of_english(tag: str) -> None:
    own = dict(texts(LANGUAGES[tag]))
    assert own.keys() == ENGLISH.keys()
    for place, text in own.items():
        assert text.strip() == text, place
        assert text, place
        assert blanks(text) == blanks(ENGLISH[place]), place


@pytest.mark.parametrize("tag", sorted(set(LANGUAGES) - {"en"}))
def test_a_language_is_not_english_under_another_name(tag: str) -> None:
    own = dict(texts(LANGUAGES[tag]))
    same = {place for place, text in SAID.items() if own[place] == text}
    # Words such as Code, PIN and Status are the same in several languages.
    assert len(same) < 16, same
    assert all(len(SAID[place].split()) < 3 for place in same)


def test_the_texts_of_the_till_are_short_enough_for_its_buttons() -> None:
    buttons = (
        *("sign_in", "sign_out", "begin", "go", "camera", "camera_stop", "undo", "cancel"),
        *("redeem", "spend", "load", "take_back"),
    )
    for words in LANGUAGES.values():
        assert all(len(getattr(words.till, each)) <= 28 for each in buttons), words.tag
        verdicts = (words.till.accepted, words.till.refused, words.till.undone, words.till.loaded)
        assert all(len(each) <= 16 for each in verdicts), words.tag


def test_reasons_kinds_and_states_have_words() -> None:
    assert {each.name for each in fields(ReasonWords)} == set(Reason)
    assert {each.name for each in fields(EntryWords)} == set(EntryKind)
    # These move no money.
    still = {EntryKind.CONFLICT, EntryKind.BLOCK, EntryKind.UNBLOCK}
    assert {each.name for each in fields(CardWords)} == {
        "last_movements",
        "new_card",
        *(set(EntryKind) - still),
    }
    assert {each.value for each in Status} <= {each.name for each in fields(PassWords)}


def test_the_till_page_says_each_of_its_words_and_no_other() -> None:
    sources = [path.read_text() for path in (*STATIC.glob("*.js"), TEMPLATES / "till.html")]
    said = {
        name
        for source in sources
        for name in re.findall(r'(?:data-word=|say\([^()]*?)"(\w+)"', source)
    }
    said |= {name for source in sources for name in re.findall(r"words\.till\.(\w+)", source)}
    said |= {"kinds", "loaded", "accepted", "nothing_text", "nothing_undone"}
    assert said - {"load"} - {each.name for each in fields(TillWords)} == set()
    assert {each.name for each in fields(TillWords)} - said == set()


@pytest.mark.parametrize(
    ("tag", "nearest"),
    [
        ("de-AT", "de"),
        ("pt-BR", "pt"),
        ("pt_BR", "pt"),
        ("es-419", "es"),
        ("fra", "fr"),
        ("zh-Hant", "en"),
        ("", "en"),
    ],
)
def test_a_region_is_read_in_its_language_and_the_unknown_in_english(
    tag: str, nearest: str
) -> None:
    assert words_in(tag).tag == nearest
    assert speaks(tag) == (nearest != "en")


def test_a_language_is_found_by_its_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(app.words.__file__).parent / "it.py"
    (tmp_path / "rm_ch.py").write_text(source.read_text().replace('tag="it"', 'tag="rm-CH"'))
    monkeypatch.setattr(app.words, "__path__", [*app.words.__path__, str(tmp_path)])
    try:
        assert set(app.words.catalogues()) == {*LANGUAGES, "rm-CH"}
    finally:
        sys.modules.pop("app.words.rm_ch", None)


# -- a further language, from right to left --------------------------------------------------


def _written(section: Any, at: str) -> Any:
    """A section with each text marked by its place, its blanks kept."""
    return replace(
        section,
        **{
            each.name: _written(value, f"{at}.{each.name}")
            if is_dataclass(value)
            else f"؛{at}.{each.name} {' '.join(re.findall(r'{[a-z_]+}|%@', value))}".strip()
            for each in fields(section)
            if (value := getattr(section, each.name)) is not None
        },
    )


@pytest.fixture
def persian(monkeypatch: pytest.MonkeyPatch) -> Words:
    """A catalogue of a language that the product does not have, put into the registry."""
    assert "fa" not in LANGUAGES
    made: Words = replace(_written(LANGUAGES["en"], ""), tag="fa", name="فارسی")
    monkeypatch.setitem(LANGUAGES, "fa", made)
    return made


ARTICLES = {"fa": Texts(title="روی همه", offer="−20 %"), "en": Texts(title="All", offer="−20 %")}
PERSIAN = Presentation(
    texts=ARTICLES,
    fields=(
        ExtraField(key="f", label={"fa": "فروشگاه", "en": "Shop"}, value={"fa": "ا", "en": "a"}),
    ),
)


def test_a_further_language_is_met_on_the_till_page(client: FlaskClient, persian: Words) -> None:
    html = client.get("/till", headers={"Accept-Language": "fa-IR"}).get_data(as_text=True)
    assert '<html lang="fa" dir="rtl">' in html
    assert '<option value="fa" lang="fa">فارسی</option>' in html
    assert f"<title>{persian.till.till} – Passerelle</title>" in html
    assert f"<noscript>{persian.till.needs_script}</noscript>" in html
    kept = re.search(r'id="words">(.*?)</script>', html)
    assert kept is not None
    assert f'"{persian.till.scan}"'.encode("ascii", "backslashreplace").decode() in kept[1]


def test_a_further_language_is_met_in_refusals(
    client: FlaskClient, deployment: Deployment, persian: Words
) -> None:
    shop = Shop(deployment)
    shop.store("shiraz", terminals=("1",), language="fa-IR", timezone="Asia/Tehran")
    shop.campaign()
    voucher = shop.voucher(status="blocked")
    refused = Till(client, shop.key(store="shiraz", terminal="1")).redeem(voucher.barcode)
    assert refused["cashier_text"] == persian.refusals.cashier.blocked
    assert refused["customer_text"] == persian.refusals.customer.blocked
    assert refused["customer_language"] == "fa"


def test_a_further_language_is_met_on_passes(
    deployment: Deployment, clock: Clock, persian: Words
) -> None:
    storefront = Storefront(deployment)
    issued = storefront.voucher(storefront.campaign("gift_card", presentation=PERSIAN))
    with deployment.database.read() as session:
        (holding,) = holdings.find_all(session, [issued.public_id])
    package = signed_pass(deployment, holding, now=clock.now)
    with zipfile.ZipFile(BytesIO(package)) as files:
        strings = files.read("fa.lproj/pass.strings").decode()
    assert f'"Card number" = "{persian.wallet.card_number}";' in strings
    assert f'"Valid" = "{persian.wallet.active}";' in strings
    moved = [movements.Movement(clock.now, EntryKind.LOAD, 700)]
    field = movements.field(moved, languages=("en", "fa"), currency="EUR", zone=ZoneInfo("UTC"))
    assert field is not None
    assert isinstance(field.label, Localized)
    assert isinstance(field.value, Localized)
    assert field.label["fa"] == persian.card.last_movements
    assert persian.card.load in field.value["fa"]


def test_a_further_language_is_met_in_what_google_tells(persian: Words) -> None:
    said = notices.texts(PERSIAN, "balance", Money(700, "EUR"))
    assert {each["language"]: each["header"] for each in said} == {
        "en": "Balance",
        "fa": persian.wallet.balance,
    }


def test_a_further_language_is_met_on_the_customers_page(
    client: FlaskClient, deployment: Deployment, persian: Words
) -> None:
    storefront = Storefront(deployment)
    issued = storefront.voucher(storefront.campaign(presentation=PERSIAN), language="fa")
    html = client.get(f"/p/{issued.link}").get_data(as_text=True)
    assert '<html lang="fa" dir="rtl">' in html
    assert persian.page.at_till in html
    assert ARTICLES["fa"].title in html
    assert "English" in html
    assert LANGUAGES["en"].page.at_till not in html
