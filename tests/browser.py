"""A real browser for tests: Debian's Chromium, driven by Playwright.

`TESTS_CHROMIUM` names another one. Whatever Chromium would ask the internet for is switched
off; pages come from a server on loopback.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"),
]


@dataclass(frozen=True)
class Screen:
    """A device as a page sees it."""

    agent: str
    width: int
    height: int
    touch: bool = True
    sharpness: float = 2.0


IPHONE = Screen(
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    390,
    844,
)
ANDROID = Screen(
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Mobile Safari/537.36",
    412,
    915,
)
DESKTOP = Screen(
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36",
    1280,
    900,
    touch=False,
    sharpness=1.0,
)
SMALL = Screen(IPHONE.agent, 320, 568)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser, closed at the end."""
    path = os.environ.get("TESTS_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def context(
    browser: Browser, screen: Screen, *, language: str = "en", dark: bool = False, **more: Any
) -> BrowserContext:
    """A fresh profile on such a device; close it, or close the browser."""
    return browser.new_context(
        user_agent=screen.agent,
        viewport={"width": screen.width, "height": screen.height},
        has_touch=screen.touch,
        is_mobile=screen.touch,
        device_scale_factor=screen.sharpness,
        locale=language,
        color_scheme="dark" if dark else "light",
        **more,
    )
