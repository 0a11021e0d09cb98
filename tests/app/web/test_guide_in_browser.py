"""The guide in a real browser: phones, tablet and desktop, light and dark, printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from app.settings import Settings
from app.web import guide
from tests.browser import DESKTOP, IPHONE, SMALL, Screen, chromium, context
from tests.conftest import MASTER_KEYS
from tests.serving import running_server

AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
TABLET = Screen(IPHONE.agent, 820, 1180)
PAGES = ("", *(f"/{name}" for names in guide.SECTIONS.values() for name in names))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def url(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, certs: Path
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("guide")
    (folder / "passerelle.sqlite").write_bytes(sqlite_template.read_bytes())
    settings = Settings(
        database_url=f"sqlite:///{folder}/passerelle.sqlite",
        queue_url=f"sqlite:///{folder}/queue.sqlite",
        master_keys=MASTER_KEYS,
        certs=certs,
        spool=folder / "spool",
        log_level="error",
    )
    with running_server(settings) as found:
        yield found


@pytest.mark.parametrize(
    ("screen", "dark"),
    [(SMALL, False), (IPHONE, True), (TABLET, False), (DESKTOP, True)],
    ids=["small", "phone", "tablet", "desktop"],
)
def test_every_page_fits_and_asks_no_other_host(
    browser: Browser, url: str, screen: Screen, dark: bool
) -> None:
    device = context(browser, screen, dark=dark)
    page = device.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    for name in PAGES:
        page.goto(f"{url}/guide{name}")
        beyond = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert beyond <= 0, name
    device.close()

    assert said == []
    assert [each for each in asked if not each.startswith((f"{url}/", "data:"))] == []


@pytest.mark.parametrize(
    ("screen", "dark"), [(IPHONE, False), (DESKTOP, True)], ids=["phone", "desktop"]
)
def test_axe_finds_nothing(browser: Browser, url: str, screen: Screen, dark: bool) -> None:
    device = context(browser, screen, dark=dark)
    page = device.new_page()
    for name in ("", "/stores", "/refusals", "/templates"):
        page.goto(f"{url}/guide{name}")
        found = Axe().run(page, options=AXE)
        assert found.response["violations"] == [], found.generate_report()
    device.close()


def test_a_heading_is_reached_from_the_contents_and_another_page_by_its_link(
    browser: Browser, url: str
) -> None:
    device = context(browser, IPHONE)
    page = device.new_page()
    page.goto(f"{url}/guide/campaign-file")
    page.get_by_text("On this page").first.click()
    page.get_by_role("link", name="limits.uses", exact=True).click()
    assert page.url.endswith("/guide/campaign-file#limitsuses")
    top = page.locator("#limitsuses").bounding_box()
    assert top is not None
    assert 0 <= top["y"] < IPHONE.height / 2
    page.goto(f"{url}/guide/refusals")
    page.get_by_role("main").get_by_role("link", name="problems").click()
    assert page.url.endswith("/guide/problems")
    device.close()


def test_a_page_is_printed_without_its_menus(browser: Browser, url: str) -> None:
    device = context(browser, DESKTOP, dark=True)
    page = device.new_page()
    page.goto(f"{url}/guide/settings")
    page.emulate_media(media="print")
    assert page.get_by_role("main").is_visible()
    for menu in page.get_by_role("navigation").all():
        assert not menu.is_visible()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    device.close()
