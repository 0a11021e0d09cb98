"""The customer's pages in a real browser: phones and desktop, every language, dark, small, printed.

axe-core finds nothing to mend, scanners read the barcode off the screen, nothing overflows, and
nothing is asked of any other host.
"""

import datetime as dt
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import zxingcpp
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page

from app.domain.campaign import (
    BarcodeProfile,
    ExtraField,
    Link,
    Look,
    Presentation,
    Texts,
)
from app.services import invitations, people
from app.services.deployment import Deployment
from app.services.invitations import Invitation
from app.services.issuance import Person
from app.settings import Settings
from app.store.models import Campaign, Code
from app.words import LANGUAGES
from tests.browser import ANDROID, DESKTOP, IPHONE, SMALL, Screen, chromium, context
from tests.conftest import MASTER_KEYS
from tests.marketing import apply_document, document
from tests.serving import running_server
from tests.storefront import Issued, Storefront, days
from tests.verifying import is_genuine

AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
LONGEST = "L29-ABCDEFGHIJKLMNOPQRSTUVWXY"
"""As wide as Code 128 may be on a pass."""
TEXTS = {
    tag: Texts(
        title=title,
        offer="−20 %",
        description="Clothes, shoes and things for the home.",
        terms="One per customer and purchase.\nNot valid on gift cards.",
    )
    for tag, title in (
        ("en", "20 % off everything in store"),
        ("fr", "20 % sur tout le magasin"),
        ("de", "20 % auf alles im ganzen Geschäft"),
        ("es", "20 % en toda la tienda"),
    )
}
LOOK = Presentation(
    texts=TEXTS,
    fields=(
        ExtraField(key="shops", label={"en": "Stores"}, value={"en": "All 42 stores"}, front=True),
        ExtraField(key="more", label={"en": "Questions"}, value={"en": "Ask us at any till."}),
    ),
    links=(Link(url="https://shop.example/stores", label={"en": "Find a store"}),),
)


ARABIC = Presentation(
    texts={
        "en": Texts(title="On everything", offer="−20 %", terms="Once per person."),
        "ar": Texts(
            title="على كل شيء", offer="−20 %", terms="مرة واحدة لكل شخص.\nلا يُجمع مع غيره."
        ),
    },
    fields=(
        ExtraField(
            key="shops",
            label={"en": "Stores", "ar": "المتاجر"},
            value={"en": "All 42 stores", "ar": "جميع المتاجر (42)"},
            front=True,
        ),
    ),
)
URDU = {"ur": Texts(title="ہر چیز پر", offer="−20 %", terms="فی شخص ایک بار۔")}
SCREENSHOTS = os.environ.get("TESTS_SCREENSHOTS")
#: What a tier gives is written by the service, in each language.
_BY_RULE = document(
    codes={"source": "on_demand"},
    benefit={"type": "amount", "amount": "5.00"},
    texts={tag: {"title": each.title, "offer": "−5 €"} for tag, each in TEXTS.items()},
    rules={
        "tiers": [
            {"key": "best", "when": [{"fact": "score", "above": 500}], "amount": "20.00"},
        ]
    },
)


@dataclass(frozen=True)
class Door:
    """A running server and the vouchers that it serves."""

    url: str
    vouchers: dict[str, Issued]
    offer: str
    #: Offers of a campaign with rules: one of its best tier, one for whom there is nothing.
    best: str
    nothing: str
    root: Path

    def at(self, *names: str) -> str:
        return f"{self.url}/p/{'.'.join(self.vouchers[name].link for name in names)}"


@pytest.fixture(scope="module")
def door(
    sqlite_template: Path, certs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("door")
    shutil.copy(sqlite_template, folder / "passerelle.sqlite")
    settings = Settings(
        database_url=f"sqlite:///{folder}/passerelle.sqlite",
        queue_url=f"sqlite:///{folder}/queue.sqlite",
        master_keys=MASTER_KEYS,
        certs=certs,
        organization="Maison Lumière",
        log_level="error",
    )
    deployment = Deployment(settings)
    shop = Storefront(deployment)
    now = deployment.now()
    ends_at = dt.datetime(now.year + 1, 12, 31, 23, 0, tzinfo=dt.UTC)
    coupon = shop.campaign(presentation=LOOK)
    cream = Look(background="#f3e3d3", foreground="#3a2412", label="#6b4a30")
    card = shop.campaign("gift_card", presentation=Presentation(texts=TEXTS, look=cream))
    sun = Look(background="#ffd75e", foreground="#2b2100", label="#4d3d00")
    partner = shop.campaign(
        authority="partner",
        presentation=Presentation(
            texts=TEXTS,
            organization="Café Soleil",
            look=sun,
            barcode=BarcodeProfile.CODE,
            symbology="code128",
        ),
    )
    arabic = shop.campaign(presentation=ARABIC)
    arabic_card = shop.campaign("gift_card", presentation=ARABIC)
    urdu = shop.campaign(presentation=Presentation(default_language="ur", texts=URDU))
    vouchers = {
        "coupon": shop.voucher(coupon, ends_at=ends_at),
        "card": shop.voucher(card, code="6034 9321 7782 0145", pin="4711", ends_at=ends_at),
        "partner": shop.voucher(partner, code="SOLEIL-7H4K-22", ends_at=ends_at),
        "longest": shop.voucher(partner, code=LONGEST, ends_at=ends_at),
        "used": shop.voucher(coupon, used=1),
        "expired": shop.voucher(coupon, ends_at=now - days(3)),
        "early": shop.voucher(coupon, starts_at=now + days(9), ends_at=ends_at),
        "revoked": shop.voucher(coupon, status="revoked"),
        "gone": shop.voucher(coupon, link_withdrawn_at=now),
        "arabic": shop.voucher(arabic, code="SUN-7H4K", language="ar", ends_at=ends_at),
        "arabic-card": shop.voucher(arabic_card, code="6034 77", pin="4711", language="ar"),
        "urdu": shop.voucher(urdu, code="SUN-7H4L", language="ur", ends_at=ends_at),
    }
    lookup = deployment.keyring.lookup("SHARED20")
    offered = shop.campaign(source="shared", presentation=LOOK)
    with deployment.database.write() as session:
        key = session.get_one(Campaign, offered).key
        session.add(
            Code(
                lookup=lookup,
                sealed=deployment.keyring.seal("SHARED20", row=lookup),
                key_id=deployment.keyring.newest,
                campaign_id=offered,
                free=False,
            )
        )
    apply_document(deployment, _BY_RULE)
    best = Person(external_id="best", score=900)
    people.remember(deployment.database, [best], now=now)
    with running_server(settings) as url:

        def offer(campaign: str, name: str) -> str:
            invitation = Invitation(external_id=name, expires_at=now + days(9))
            link = invitations.link(settings, deployment.keyring, campaign, invitation)
            return link.replace(settings.base_url, url)

        yield Door(
            url,
            vouchers,
            offer(key, "r"),
            offer("spring", "best"),
            offer("spring", "r"),
            certs / "apple" / "root.pem",
        )
    deployment.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@contextmanager
def opened(
    browser: Browser,
    address: str,
    screen: Screen,
    *,
    language: str = "en",
    dark: bool = False,
    status: int = 200,
    scripts: bool = True,
) -> Iterator[Page]:
    """A page that complained of nothing, asked nobody else and does not scroll sideways."""
    profile = context(
        browser,
        screen,
        language=language,
        dark=dark,
        java_script_enabled=scripts,
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = profile.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    try:
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == status
        if status == 200:
            assert complaints == []
        assert hosts == {address.split("/")[2]}
        if scripts:
            assert page.evaluate("document.documentElement.scrollWidth") <= screen.width
        yield page
    finally:
        profile.close()


def look(page: Page, name: str) -> None:
    """Keep a screenshot where a person wants to see what was drawn."""
    if SCREENSHOTS is not None:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


def accessible(page: Page) -> None:
    found = Axe().run(page, options=AXE)
    assert found.response["violations"] == [], found.generate_report()


def scanned(page: Page) -> list[str]:
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    return [each.text for each in zxingcpp.read_barcodes(picture)]


@pytest.mark.parametrize("language", list(TEXTS))
@pytest.mark.parametrize(
    ("screen", "dark"),
    [(IPHONE, False), (ANDROID, True), (DESKTOP, False), (SMALL, True)],
    ids=["iphone", "android-dark", "desktop", "small-dark"],
)
def test_a_page_is_readable_scannable_and_in_the_visitors_language_on_every_device(
    browser: Browser, door: Door, screen: Screen, dark: bool, language: str
) -> None:
    words = LANGUAGES[language].page
    coupon = door.vouchers["coupon"]
    with opened(browser, door.at("coupon"), screen, language=language, dark=dark) as page:
        wallets = {
            text: page.get_by_role("link", name=text, exact=True).is_visible()
            for text in (words.add_apple, words.add_google)
        }
        assert wallets[words.add_apple] is (screen is not ANDROID)
        assert wallets[words.add_google] is (screen in (ANDROID, DESKTOP))
        # The button is seen without scrolling.
        button = page.locator(".button").first.bounding_box()
        assert button is not None
        assert button["y"] + button["height"] <= screen.height
        assert page.locator("html").get_attribute("lang") == language
        assert page.get_by_role("heading", level=1).inner_text() == TEXTS[language].title
        expected = {coupon.barcode}
        if screen is DESKTOP:
            expected.add(f"http://127.0.0.1:8000/p/{coupon.link}")
        assert set(scanned(page)) == expected
        accessible(page)


@pytest.mark.parametrize(
    ("names", "status", "screen"),
    [
        (("card",), 200, SMALL),
        (("partner",), 200, SMALL),
        (("used",), 200, SMALL),
        (("expired",), 200, DESKTOP),
        (("early",), 200, ANDROID),
        (("revoked",), 200, IPHONE),
        (("gone",), 410, SMALL),
        (("coupon", "card", "partner", "used"), 200, SMALL),
        (("coupon", "card", "partner", "used"), 200, DESKTOP),
    ],
)
def test_every_other_page_is_accessible_in_light_and_dark(
    browser: Browser, door: Door, names: tuple[str, ...], status: int, screen: Screen
) -> None:
    for dark in (False, True):
        address = door.at(*names)
        with opened(browser, address, screen, language="de", dark=dark, status=status) as page:
            accessible(page)
            if names == ("partner",):
                assert scanned(page) == ["SOLEIL-7H4K-22"]


@pytest.mark.parametrize("screen", [SMALL, IPHONE, ANDROID, DESKTOP])
def test_the_longest_code_that_is_accepted_is_scanned_off_the_page(
    browser: Browser, door: Door, screen: Screen
) -> None:
    with opened(browser, door.at("longest"), screen, language="en") as page:
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        # A scanner sees more of an edge than whether a pixel is dark.
        near = picture.resize((4 * picture.width, 4 * picture.height), Image.Resampling.BICUBIC)
        found = [each.text for each in zxingcpp.read_barcodes(near)]
        assert LONGEST in found
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        if screen is not SMALL:  # whose 320 pixels are too few for whole ones
            assert LONGEST in scanned(page)


def test_a_link_that_does_not_work_says_so_accessibly(browser: Browser, door: Door) -> None:
    with opened(browser, f"{door.url}/p/nothing", SMALL, language="fr", status=404) as page:
        assert page.get_by_role("heading").inner_text() == LANGUAGES["fr"].page.not_found
        accessible(page)


def test_the_code_is_copied_with_a_tap_and_that_is_said_aloud(browser: Browser, door: Door) -> None:
    with opened(browser, door.at("coupon"), IPHONE) as page:
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("status").filter(has_text="Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == door.vouchers["coupon"].code


def test_the_page_needs_no_script(browser: Browser, door: Door) -> None:
    with opened(browser, door.at("card"), IPHONE, scripts=False) as page:
        assert page.get_by_role("link", name="Add to Apple Wallet").is_visible()
        assert not page.get_by_role("button", name="Copy").is_visible()
        assert page.get_by_text("6034 9321 7782 0145").is_visible()
        assert not page.get_by_text("4711", exact=True).is_visible()
        page.get_by_text("Show PIN").click()
        assert page.get_by_text("4711", exact=True).is_visible()
        assert scanned(page) == [door.vouchers["card"].barcode]


def test_a_printed_page_has_the_barcode_and_the_code_and_no_buttons(
    browser: Browser, door: Door
) -> None:
    with opened(browser, door.at("coupon"), DESKTOP, dark=True) as page:
        page.emulate_media(media="print")
        assert not page.get_by_role("link", name="Add to Apple Wallet").is_visible()
        assert page.get_by_text(door.vouchers["coupon"].code).is_visible()
        assert scanned(page) == [door.vouchers["coupon"].barcode]


def test_the_button_fetches_the_signed_pass(browser: Browser, door: Door) -> None:
    with opened(browser, door.at("coupon"), IPHONE) as page:
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Add to Apple Wallet").click()
        download = waiting.value
        assert download.suggested_filename == f"{door.vouchers['coupon'].serial}.pkpass"
        assert is_genuine(Path(download.path()).read_bytes(), root=door.root)


def test_an_offer_becomes_a_voucher_with_one_tap(browser: Browser, door: Door) -> None:
    with opened(browser, door.offer, SMALL, dark=True) as page:
        accessible(page)
        page.get_by_role("button", name=LANGUAGES["en"].page.get_voucher).click()
        page.get_by_role("link", name="Add to Apple Wallet").wait_for()
        assert "/p/" in page.url
        assert page.get_by_text("SHARED20").is_visible()


@pytest.mark.parametrize("language", list(TEXTS))
def test_an_offer_by_rule_is_readable_on_a_phone_and_says_when_it_changed_or_is_nothing(
    browser: Browser, door: Door, language: str
) -> None:
    words = LANGUAGES[language].page
    figure = "−€20.00" if language == "en" else "−20,00\xa0€"
    with opened(browser, door.best, SMALL, language=language) as page:
        assert page.get_by_text(figure).is_visible()
        button = page.get_by_role("button", name=words.get_voucher)
        assert button.is_visible()
        accessible(page)
        # As if the page had been open since before an edit.
        page.locator("input[name=offer]").evaluate("field => { field.value = 'before' }")
        button.click()
        page.get_by_role("alert").get_by_text(words.offer_changed, exact=True).wait_for()
        assert page.get_by_text(figure).is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= SMALL.width
        accessible(page)
    with opened(browser, door.nothing, SMALL, language=language, dark=True) as page:
        assert page.get_by_role("heading", level=1).inner_text() == words.nothing
        assert page.get_by_text(words.nothing_more).is_visible()
        accessible(page)


@pytest.mark.parametrize("name", ["arabic", "arabic-card", "urdu"])
@pytest.mark.parametrize(
    ("screen", "dark"), [(IPHONE, False), (DESKTOP, True)], ids=["iphone", "desktop-dark"]
)
def test_a_language_from_right_to_left_runs_that_way(
    browser: Browser, door: Door, screen: Screen, dark: bool, name: str
) -> None:
    with opened(browser, door.at(name), screen, language="ar", dark=dark) as page:
        title = page.get_by_role("heading", level=1)
        face = page.locator(".pass").bounding_box()
        assert face is not None
        assert title.evaluate("each => getComputedStyle(each).direction") == "rtl"
        # A code and figures read from left to right among it.
        assert page.locator("#code").evaluate("each => getComputedStyle(each).direction") == "ltr"
        figure = page.locator(".figure")
        # An amount has the marks that its language puts into it (CLDR).
        way = "rtl" if name == "arabic-card" else "ltr"
        assert figure.evaluate("each => getComputedStyle(each).direction") == way
        box = figure.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] > face["x"] + face["width"] * 0.8
        html = page.locator("html")
        # Urdu has no catalogue: what is around its texts is in the reader's other language.
        assert (html.get_attribute("lang"), html.get_attribute("dir")) == ("ar", "rtl")
        assert page.locator("article").get_attribute("lang") == ("ur" if name == "urdu" else None)
        accessible(page)
        look(page, f"{name}-{screen.width}")


def test_a_visitor_can_change_the_language(browser: Browser, door: Door) -> None:
    with opened(browser, door.at("coupon"), IPHONE) as page:
        page.get_by_role("link", name="Deutsch").click()
        page.get_by_role("link", name=LANGUAGES["de"].page.add_apple).wait_for()
        assert page.locator("html").get_attribute("lang") == "de"
