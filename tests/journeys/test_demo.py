"""The demo tells Apple's and Google's story: what a till does is seen on two phones."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

from tests import browser as chrome
from tests.serving import free_port

#: Seconds for a step of the demo on a busy machine.
PATIENCE = 90.0


class Demo:
    """`passerelle demo` as a process, and the lines that it has printed."""

    def __init__(self, folder: Path) -> None:
        kept = {name: v for name, v in os.environ.items() if not name.startswith("PASSERELLE_")}
        self.process = subprocess.Popen(
            [
                sys.executable,
                *("-c", "from app.cli import main; main()"),
                *("demo", "--port", str(free_port())),
            ],
            cwd=folder,
            env=kept | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def line(self, pattern: str) -> str:
        """Wait for a line that matches."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self.process.poll() is None:
            if found := [each for each in tuple(self.lines) if re.search(pattern, each)]:
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f"No line like {pattern!r} in:\n" + "".join(self.lines))

    def redeem(self, call: str) -> dict[str, object]:
        """Send a curl line that the demo printed."""
        words = shlex.split(
            call.replace('"Idempotency-Key: $(date +%s%N)"', "'Idempotency-Key: 1'")
        )
        headers = [words[at + 1] for at, word in enumerate(words) if word == "-H"]
        key = str(time.monotonic_ns())
        answer = requests.post(
            next(word for word in words if word.startswith("http")),
            json=json.loads(words[words.index("-d") + 1]),
            headers=dict(each.split(": ", 1) for each in headers) | {"Idempotency-Key": key},
            timeout=30,
        )
        answer.raise_for_status()
        body: dict[str, object] = answer.json()
        return body

    def end(self) -> int:
        """Press Ctrl-C, as a terminal does: every process of the group is told."""
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(PATIENCE)
        self._reader.join(10)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    found = Demo(tmp_path)
    yield found
    if found.process.poll() is None:
        os.killpg(found.process.pid, signal.SIGKILL)
        found.process.wait(10)


def redeem_in_a_browser(till: str, key: str, barcode: str) -> None:
    """Sign in at the till page, scan the coupon, and type the total that it asks for."""
    with chrome.chromium() as browser:
        page = chrome.context(browser, chrome.IPHONE).new_page()
        page.goto(till)
        for field, typed in (("#key", key), ("#operator-name", "ann"), ("#code", barcode)):
            page.locator(field).fill(typed)
            page.locator(field).press("Enter")
        expect(page.locator("#total-text")).to_contain_text("€25.00")
        page.locator("#whole").fill("89.90")
        page.locator("#whole").press("Enter")
        expect(page.locator("#verdict .figure")).to_have_text("€17.98 off")


def test_what_a_till_redeems_is_seen_on_both_phones_and_the_demo_ends_cleanly(demo: Demo) -> None:
    till = demo.line(r"^  http://127\.0\.0\.1:\d+/till$").strip()
    key = demo.line("terminal's key").split()[-1]
    assert "stand-ins" in demo.line("The phones")
    for phone in ("iPhone", "Android"):
        demo.line(rf"^{phone} .*wallet.*15\.00 EUR")
    coupon, card = (each for each in demo.lines if "/pos/v1/redemptions" in each)
    redeem_in_a_browser(till, key, demo.line("^  coupon ").split()[-1])
    assert demo.redeem(coupon)["reason"] == "already_redeemed"
    assert "Used" in demo.line("^iPhone .*Spring offer.*changed")
    demo.line("^Android .*Spring offer.*changed: valid → used")
    assert demo.redeem(card)["outcome"] == "accepted"
    for phone in ("iPhone", "Android"):
        demo.line(rf"^{phone} .*changed:.*15\.00 EUR → .*10\.00 EUR")
    assert demo.end() == 0
    assert "Traceback" not in "".join(demo.lines)
