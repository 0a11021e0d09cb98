"""A link in a terminal can be opened by pointing a phone at it; pipes and files get none."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from app.services import phone_qr
from app.settings import Settings
from tests.conftest import Cli
from tests.serving import ROOT, environment

LINK = "https://wallet.example.com/p/AQx7k2Jr5u1Zb9d0Qw4t6y8i1o3p5a7s9d1f3g5h7j9k1l"
#: What a character shows above and below: whether ink is there.
BLOCKS = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}
#: Entries of the palette of 256 colours that the QR is drawn in.
PALETTE = {"232": 8, "255": 238}


class Screen(io.StringIO):
    """A terminal that keeps what is written to it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def seen(text: str, *, ground: int, ink: int) -> list[str]:
    """What a camera reads from a terminal whose theme has these two greys."""
    lines = text.replace("\xa0", " ").replace("\r", "").split("\n")
    rows: list[list[int]] = []
    for line in lines:
        above, below, back, fore = list[int](), list[int](), ground, ink
        for told, glyph in re.findall(r"\x1b\[([0-9;]*)m|(.)", line):
            if told:
                match told.split(";"):
                    case ["48", "5", colour]:
                        back = PALETTE[colour]
                    case ["38", "5", colour]:
                        fore = PALETTE[colour]
                    case _:
                        back, fore = ground, ink
            elif glyph in BLOCKS:
                top, bottom = BLOCKS[glyph]
                above.append(fore if top else back)
                below.append(fore if bottom else back)
            else:
                above.append(ink)
                below.append(ground)
        rows += [above, below]
    width = max(map(len, rows)) + 6
    picture = Image.new("L", (width, len(rows) + 6), ground)
    for y, row in enumerate(rows):
        for x, grey in enumerate(row):
            picture.putpixel((x + 3, y + 3), grey)
    scaled = picture.resize((picture.width * 6, picture.height * 6), Image.Resampling.NEAREST)
    return [found.text for found in zxingcpp.read_barcodes(scaled, try_invert=False)]


@pytest.mark.parametrize("link", [LINK, LINK * 3, "http://127.0.0.1:8000/p/x"])
@pytest.mark.parametrize(("ground", "ink"), [(0, 230), (255, 20), (253, 101), (0, 128)])
def test_a_camera_reads_it_on_dark_and_on_light_terminals(link: str, ground: int, ink: int) -> None:
    screen = Screen()
    assert phone_qr.write(link, screen, columns=100, colours=True)

    assert seen(screen.getvalue(), ground=ground, ink=ink) == [link]


def test_without_colours_it_is_drawn_for_a_dark_terminal() -> None:
    screen = Screen()
    assert phone_qr.write(LINK, screen, columns=100, colours=False)

    assert "\x1b" not in screen.getvalue()
    assert seen(screen.getvalue(), ground=0, ink=230) == [LINK]


def test_it_is_left_out_where_it_would_be_broken() -> None:
    narrow, ascii_only = Screen(), Screen()
    ascii_only.encoding = "ascii"  # type: ignore[misc]  # a terminal's own, which io types as fixed

    assert not phone_qr.write(LINK, narrow, columns=40, colours=True)
    assert not phone_qr.write(LINK, ascii_only, columns=100, colours=True)
    assert narrow.getvalue() == ascii_only.getvalue() == ""


def test_the_page_has_it_as_one_drawing_with_its_quiet_zone() -> None:
    drawing = phone_qr.svg(LINK)
    size = int(re.search(r'viewBox="0 0 (\d+) ', drawing)[1])  # type: ignore[index]
    picture = Image.new("L", (size, size), 255)
    for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h", drawing):
        picture.paste(0, (int(x), int(y), int(x) + int(width), int(y) + 1))
    # Four modules of white on each side.
    assert picture.point(lambda grey: 255 - grey).getbbox() == (4, 4, size - 4, size - 4)
    scaled = picture.resize((size * 4, size * 4), Image.Resampling.NEAREST)
    assert [found.text for found in zxingcpp.read_barcodes(scaled)] == [LINK]


@pytest.fixture
def terminal(settings: Settings) -> Callable[..., str]:
    """Gives one command in a terminal of its own, and returns what stands there."""

    def give(*words: object, **more: str) -> str:
        ours, theirs = pty.openpty()
        kept = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "50"}
        try:
            done = subprocess.Popen(
                [sys.executable, "-m", "app.cli", *map(str, words)],
                cwd=ROOT,
                env={**os.environ, **environment(settings), **kept, **more},
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=subprocess.PIPE,
            )
            os.close(theirs)
            shown = b"".join(_read(ours)).decode()
            assert done.communicate(timeout=60)[1] == b""
            assert done.returncode == 0
        finally:
            os.close(ours)
        return shown

    return give


def _read(handle: int) -> Iterator[bytes]:
    while True:
        try:
            piece = os.read(handle, 65_536)
        except OSError:  # The other end is closed.
            return
        if not piece:
            return
        yield piece


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_recipients_link_is_shown_in_a_terminal_and_only_there(
    cli: Cli, spring: Callable[..., Path], terminal: Callable[..., str], tmp_path: Path
) -> None:
    spring()
    people, links = tmp_path / "people.csv", tmp_path / "links.csv"
    people.write_text("external_id\nada\n")

    invited = terminal("invite", "spring", "ada")
    issued = terminal("issue", "spring", people, "--out", links)
    link = links.read_text().splitlines()[1].split(",")[2]
    invitation = re.search(r"ada,(\S+)", invited)
    assert invitation
    assert seen(invited, ground=0, ink=230) == [invitation[1]]
    assert seen(issued, ground=255, ink=20) == [link]
    assert link in issued

    two = terminal("invite", "spring", "ada", "bob")
    assert seen(two, ground=0, ink=230) == []
    assert "▀" not in terminal("invite", "spring", "ada", TERM="dumb")
    for piped in (cli("invite", "spring", "ada"), cli("issue", "spring", people, "--out", links)):
        assert piped.exit_code == 0
        assert "▀" not in piped.output
        assert "\x1b[38" not in piped.output
    assert "▀" not in links.read_text()
