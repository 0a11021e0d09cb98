"""The till page in a real browser: scanner, camera, keyboard, lost answers, reloads."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from sqlalchemy import select

from app.domain.campaign import Benefit, BenefitType, Products, Terms
from app.services import access, audit
from app.services.deployment import Deployment
from app.settings import Settings
from app.store.models import Entry
from passes import barcode
from tests import browser as chrome
from tests.serving import running_server
from tests.shop import Issued, Shop

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

DESK = {"width": 1024, "height": 768}
PHONE = {"width": 390, "height": 844}
#: Where screenshots go when somebody wants to look at them: a folder that exists.
LOOK = os.environ.get("TESTS_SCREENSHOTS")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's camera sees: read when a page starts the camera."""
    return tmp_path_factory.mktemp("camera") / "film.mjpeg"


@pytest.fixture(scope="module")
def browser(film: Path) -> Iterator[Browser]:
    arguments = [
        *chrome.ARGUMENTS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]
    path = os.environ.get("TESTS_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=arguments)
        yield found
        found.close()


@dataclass
class Till:
    """The page of a till that is signed in, and the shop behind it."""

    page: Page
    shop: Shop
    deployment: Deployment
    url: str
    key: str

    def scan(self, barcode: str) -> None:
        """What a wedge scanner does: type fast, then Enter."""
        self.page.keyboard.type(barcode)
        self.page.keyboard.press("Enter")

    def verdict(self, word: str) -> None:
        expect(self.page.locator("#verdict .word")).to_have_text(word, timeout=20_000)

    def entries(self) -> list[tuple[str, int, str | None]]:
        with self.deployment.database.read() as session:
            rows = session.scalars(
                select(Entry).where(Entry.store_id.is_not(None)).order_by(Entry.created_at)
            )
            return [(row.kind, row.amount_minor, row.operator) for row in rows]

    def look(self, name: str) -> None:
        if LOOK is not None:
            self.page.screenshot(path=Path(LOOK) / f"{name}.png", full_page=True)


@pytest.fixture
def server(settings: Settings, deployment: Deployment) -> Iterator[str]:
    assert deployment.keyring
    with running_server(settings) as url:
        yield url


@pytest.fixture
def shop(deployment: Deployment) -> Shop:
    shop = Shop(deployment)
    shop.store("paris", terminals=("1",), language="en", timezone="Europe/Paris")
    return shop


def sign_in(page: Page, url: str, key: str, *, operator: str = "ann") -> None:
    page.goto(f"{url}/till")
    page.locator("#key").fill(key)
    page.keyboard.press("Enter")
    page.locator("#operator-name").fill(operator)
    page.keyboard.press("Enter")
    expect(page.locator("#work")).to_be_visible()


@pytest.fixture
def till(browser: Browser, server: str, shop: Shop, deployment: Deployment) -> Iterator[Till]:
    context = browser.new_context(viewport=DESK, locale="en")  # type: ignore[arg-type]
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    key = shop.key(store="paris", terminal="1")
    sign_in(page, server, key)
    expect(page.locator("#code")).to_be_focused()
    yield Till(page, shop, deployment, server, key)
    context.close()
    assert errors == []
    assert [each.findings for each in audit.run(deployment.database) if each.findings] == []


def card(shop: Shop, minor: int = 5_000) -> Issued:
    shop.campaign(
        "birthday", kind="gift_card", terms=Terms(amount_minor=minor, load_cap_minor=10_000)
    )
    return shop.voucher("birthday")


def coupon(shop: Shop) -> Issued:
    shop.campaign("sun", terms=Terms(benefit=Benefit(type=BenefitType.AMOUNT, minor=500)))
    return shop.voucher("sun")


def test_a_scanner_redeems_a_coupon_with_one_scan_and_a_second_scan_is_refused(till: Till) -> None:
    voucher = coupon(till.shop)
    till.look("ready")
    till.scan(voucher.barcode)
    till.verdict("ACCEPTED")
    till.look("accepted")
    till.page.wait_for_timeout(2_600)
    till.scan(voucher.barcode)
    till.verdict("REFUSED")
    expect(till.page.locator("#verdict .text")).to_contain_text("Already redeemed")
    till.look("refused")
    assert till.entries() == [("redemption", 0, "ann")]
    cookies = till.page.context.cookies()
    assert [(each["httpOnly"], each["sameSite"]) for each in cookies] == [(True, "Strict")]
    assert till.key not in str(cookies)


def test_a_gift_card_is_spent_in_part_loaded_and_the_last_is_undone_by_keyboard_alone(
    till: Till,
) -> None:
    voucher = card(till.shop)
    page = till.page
    till.scan(voucher.barcode)
    expect(page.locator("#amount")).to_be_focused()
    till.look("card")
    page.keyboard.type("12,50x")
    page.keyboard.press("Enter")
    expect(page.locator("#money-fault")).to_contain_text("12.50")
    page.locator("#amount").fill("")
    page.keyboard.type("12,50", delay=60)
    page.keyboard.press("Enter")
    till.verdict("ACCEPTED")
    expect(page.locator("#verdict .figure")).to_have_text("€12.50")
    expect(page.locator("#verdict .text")).to_contain_text("€37.50 left")
    page.wait_for_timeout(2_600)
    till.scan(voucher.barcode)
    expect(page.locator("#amount")).to_be_focused()
    page.keyboard.type("10", delay=60)
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.accept()))
    page.locator("#load").focus()
    page.keyboard.press("Space")
    till.verdict("LOADED")
    expect(page.locator("#totals")).to_contain_text("loaded €10.00")
    page.locator("#day .undo").first.focus()
    page.keyboard.press("Enter")
    till.verdict("TAKEN BACK")
    assert "The new balance is €47.50." in said[0]
    assert "Loaded · Birthday €10.00" in said[1]
    till.look("undone")
    assert till.entries() == [
        ("redemption", -1_250, "ann"),
        ("load", 1_000, "ann"),
        ("reversal", -1_000, "ann"),
    ]
    expect(page.locator("#day tr")).to_have_count(3)


def test_a_coupon_from_a_smallest_basket_asks_for_the_total_and_forgets_it(till: Till) -> None:
    percent = Benefit(type=BenefitType.PERCENT, percent=Decimal(10))
    till.shop.campaign("from30", terms=Terms(benefit=percent, min_basket_minor=3_000, uses=9))
    voucher = till.shop.voucher("from30")
    page = till.page
    till.scan(voucher.barcode)
    expect(page.locator("#whole")).to_be_focused()
    expect(page.locator("#total-text")).to_have_text("Valid from €30.00.")
    till.look("total")
    page.keyboard.type("12,50", delay=60)
    page.keyboard.press("Enter")
    till.verdict("REFUSED")
    expect(page.locator("#verdict .text")).to_contain_text("€17.50 missing")
    page.locator("#whole").fill("40")
    page.locator("#total-form button.main").click()
    till.verdict("ACCEPTED")
    expect(page.locator("#verdict .figure")).to_have_text("€4.00 off")
    assert (page.locator("#total").input_value(), page.locator("#whole").is_visible()) == (
        "",
        False,
    )
    page.wait_for_timeout(2_600)
    till.scan(voucher.barcode)
    expect(page.locator("#whole")).to_have_value("")


def test_on_a_phone_the_days_rows_and_their_buttons_are_in_the_view(till: Till) -> None:
    page = till.page
    expect(page.locator("#totals")).to_have_text("Nothing yet.")
    expect(page.locator("#work table")).to_be_hidden()
    till.scan(card(till.shop).barcode)
    expect(page.locator("#money-title")).to_have_css("width", "1px")
    page.locator("#amount").fill("5")
    page.keyboard.press("Enter")
    till.verdict("ACCEPTED")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for language in ("en", "fr", "de", "es"):
        page.locator("#language").select_option(language)
        box = page.locator("#day .undo").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= PHONE["width"]
        table = page.locator(".scroll")
        assert table.evaluate("each => each.scrollWidth <= each.clientWidth")
    expect(page.get_by_role("table").get_by_role("row").last.get_by_role("cell")).to_have_count(6)
    assert _faults(page) == []
    till.look("day-phone")


def test_a_coupon_for_some_articles_asks_what_they_come_to(till: Till) -> None:
    percent = Benefit(type=BenefitType.PERCENT, percent=Decimal(10))
    terms = Terms(benefit=percent, products=Products(prefixes=("SHOE-",)))
    till.shop.campaign("shoes", terms=terms)
    page = till.page
    page.locator("#language").select_option("de")
    till.scan(till.shop.voucher("shoes").barcode)
    expect(page.locator("#chosen")).to_be_visible()
    expect(page.locator("#total-text")).to_contain_text("SHOE-")
    page.locator("#whole").fill("100")
    page.locator("#chosen").fill("120")
    page.locator("#total-form button.main").click()
    expect(page.locator("#total-fault")).not_to_be_empty()
    page.locator("#chosen").fill("20")
    page.locator("#total-form button.main").click()
    till.verdict("ANGENOMMEN")
    expect(page.locator("#verdict .figure")).to_contain_text("2,00")


def test_a_refused_amount_keeps_the_card_and_offers_all_of_it(till: Till) -> None:
    till.scan(card(till.shop, 1_500).barcode)
    till.page.locator("#amount").fill("20")
    till.page.locator("#spend").click()
    till.verdict("REFUSED")
    expect(till.page.locator("#take-all")).to_have_text("Take all €15.00")
    till.look("take-all")
    till.page.locator("#take-all").click()
    till.verdict("ACCEPTED")
    assert till.entries() == [("redemption", -1_500, "ann")]


def test_only_a_card_that_may_be_loaded_has_the_button(till: Till) -> None:
    till.shop.campaign("plain", kind="gift_card", terms=Terms(amount_minor=1_500))
    till.scan(till.shop.voucher("plain").barcode)
    expect(till.page.locator("#amount")).to_be_focused()
    expect(till.page.locator("#load")).to_be_hidden()


def test_what_a_scanner_types_into_the_amount_is_a_scan_and_never_money(till: Till) -> None:
    first = card(till.shop, 10**9)
    till.scan(first.barcode)
    expect(till.page.locator("#amount")).to_be_focused()
    till.page.locator("#partial").check()
    till.page.locator("#amount").focus()
    till.page.keyboard.type("4006381333931")
    till.page.keyboard.press("Enter")
    till.verdict("REFUSED")
    assert till.entries() == []


def test_a_double_click_spends_once(till: Till) -> None:
    till.scan(card(till.shop).barcode)
    till.page.locator("#amount").fill("5")
    till.page.locator("#spend").dblclick()
    till.verdict("ACCEPTED")
    till.page.wait_for_timeout(300)
    assert till.entries() == [("redemption", -500, "ann")]


Act = Callable[[Till, Issued], None]


def _spend(till: Till, voucher: Issued) -> None:
    till.scan(voucher.barcode)
    till.page.locator("#amount").fill("5")
    till.page.locator("#spend").click()


def _load(till: Till, voucher: Issued) -> None:
    till.scan(voucher.barcode)
    till.page.locator("#amount").fill("5")
    till.page.once("dialog", lambda dialog: dialog.accept())
    till.page.locator("#load").click()


def _undo(till: Till, voucher: Issued) -> None:
    _spend(till, voucher)
    till.verdict("ACCEPTED")
    till.page.once("dialog", lambda dialog: dialog.accept())
    till.page.locator("#day .undo").first.click()


ACTIONS: dict[str, tuple[Act, str, list[str]]] = {
    "redemptions": (_spend, "ACCEPTED", ["redemption"]),
    "gift-cards/load": (_load, "LOADED", ["load"]),
    "reversals": (_undo, "TAKEN BACK", ["redemption", "reversal"]),
}


def _lose(till: Till, path: str, *, answer: bool, times: int = 1) -> None:
    """Cut the network: before the request arrives, or after it was worked on."""
    left = [times]

    def cut(route: Route) -> None:
        if left[0] == 0:
            route.continue_()
            return
        left[0] -= 1
        if answer:
            route.fetch()
        route.abort("connectionreset")

    till.page.route(f"**/pos/v1/{path}", cut)


@pytest.mark.parametrize("answer", [True, False], ids=["answer lost", "request lost"])
@pytest.mark.parametrize("path", ACTIONS)
def test_a_lost_answer_is_asked_for_and_nothing_is_done_twice(
    till: Till, path: str, answer: bool
) -> None:
    act, word, kinds = ACTIONS[path]
    _lose(till, path, answer=answer)
    act(till, card(till.shop))
    till.verdict(word)
    assert [kind for kind, _, _ in till.entries()] == kinds


@pytest.mark.parametrize("answer", [True, False], ids=["answer lost", "request lost"])
@pytest.mark.parametrize("path", ACTIONS)
def test_a_reload_while_the_answer_is_missing_finds_out_what_became_of_it(
    till: Till, path: str, answer: bool
) -> None:
    act, word, kinds = ACTIONS[path]
    _lose(till, path, answer=answer)
    till.page.route("**/by-key/*", lambda route: route.abort("connectionreset"))
    act(till, card(till.shop))
    till.verdict("NO ANSWER YET")
    till.look(f"asking-{path.replace('/', '-')}")
    expect(till.page.locator("#code")).to_be_disabled()
    till.page.unroute("**/by-key/*")
    till.page.reload()

    till.verdict(word if answer else "NOT DONE")
    assert [kind for kind, _, _ in till.entries()] == (kinds if answer else kinds[:-1])
    expect(till.page.locator("#code")).to_be_enabled()
    assert till.page.evaluate("Object.keys(localStorage).filter(k => k.includes('open'))") == []


def test_giving_up_takes_a_request_back_that_never_arrived(till: Till) -> None:
    _lose(till, "redemptions", answer=False, times=99)
    till.page.route("**/by-key/*", lambda route: route.abort("connectionreset"))
    _spend(till, card(till.shop))
    till.verdict("NO ANSWER YET")
    till.page.locator("#take-back").click()
    till.page.unroute("**/by-key/*")
    till.verdict("NOT DONE")
    assert till.entries() == []


def test_the_session_survives_a_reload_and_ends_with_its_key(till: Till) -> None:
    till.page.reload()
    expect(till.page.locator("#work")).to_be_visible()
    with till.deployment.database.write() as session:
        access.revoke(session, till.key.split("_")[1], now=till.deployment.now())
    till.scan("ANYTHING")
    expect(till.page.locator("#sign-in")).to_be_visible()


def test_it_speaks_french_and_axe_finds_nothing(till: Till) -> None:
    page = till.page
    page.locator("#language").select_option("fr")
    voucher = card(till.shop)
    till.scan(voucher.barcode)
    expect(page.locator("#amount")).to_be_focused()
    for width in (DESK, PHONE):
        page.set_viewport_size(width)  # type: ignore[arg-type]
        till.look(f"french-{width['width']}")
        assert _faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#amount").fill("5")
    page.keyboard.press("Enter")
    till.verdict("ACCEPTÉ")
    assert _faults(page) == []
    till.look("french-accepted-phone")
    page.wait_for_timeout(2_600)
    till.scan("INCONNU")
    till.verdict("REFUSÉ")
    assert _faults(page) == []
    page.locator("#sign-out").click()
    expect(page.locator("#sign-in")).to_be_visible()
    assert _faults(page) == []
    till.look("french-sign-in")


@pytest.mark.parametrize(("language", "accepted"), [("ar", "مقبول"), ("de", "ANGENOMMEN")])
def test_it_is_dark_where_the_device_is_and_runs_the_way_of_its_language(
    till: Till, language: str, accepted: str
) -> None:
    page = till.page
    page.emulate_media(color_scheme="dark")
    page.locator("#language").select_option(language)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 19, 21)"
    way = "rtl" if language == "ar" else "ltr"
    assert page.locator("html").get_attribute("dir") == way
    assert page.locator("#code").evaluate("each => getComputedStyle(each).direction") == "ltr"
    till.look(f"{language}-ready")
    assert _faults(page) == []
    till.scan(card(till.shop).barcode)
    expect(page.locator("#amount")).to_be_focused()
    till.look(f"{language}-card")
    assert _faults(page) == []
    page.locator("#amount").fill("5")
    page.keyboard.press("Enter")
    till.verdict(accepted)
    for width in (DESK, PHONE):
        page.set_viewport_size(width)  # type: ignore[arg-type]
        till.look(f"{language}-accepted-{width['width']}")
        assert _faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def _faults(page: Page) -> list[str]:
    results: Any = Axe().run(page)
    return [found["id"] for found in results.response["violations"]]


def test_the_camera_reads_the_pass_that_a_customer_holds_up(till: Till, film: Path) -> None:
    noise: list[str] = []
    till.page.on("console", lambda message: noise.append(message.text))
    _film(coupon(till.shop).barcode, film)
    till.page.locator("#camera-start").click()
    till.verdict("ACCEPTED")
    till.look("camera")
    # The pass stays in view: it is one scan.
    till.page.wait_for_timeout(1_500)
    till.verdict("ACCEPTED")
    assert till.entries() == [("redemption", 0, "ann")]
    assert not [text for text in noise if re.search("security|policy|refused", text, re.I)]


def _film(payload: str, path: Path) -> None:
    """A film of a phone that shows the barcode: some frames, as Chromium's fake camera plays."""
    code = Image.open(io.BytesIO(barcode.png(payload))).convert("RGB").resize((300, 300))
    frames = []
    for shift in range(8):
        frame = Image.new("RGB", (640, 480), (70, 75, 80))
        frame.paste((245, 245, 245), (150 + shift, 40, 490 + shift, 440))
        frame.paste(code, (170 + shift, 90))
        out = io.BytesIO()
        frame.save(out, "JPEG", quality=90)
        frames.append(out.getvalue())
    path.write_bytes(b"".join(frames))
