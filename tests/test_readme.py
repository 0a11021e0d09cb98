"""README is true: every setting, target and command that it should name is named."""

import dataclasses
import re
from pathlib import Path

from app.cli import main
from app.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_page_of_settings_names_every_setting() -> None:
    page = (ROOT / "app" / "guide" / "settings.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `PASSERELLE_([A-Z_]+)`", page, flags=re.MULTILINE))

    assert {field.name.upper() for field in dataclasses.fields(Settings)} - named == set()
    assert named - {field.name.upper() for field in dataclasses.fields(Settings)} == set()


def test_readme_names_every_target_and_the_command_that_ci_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    shown = set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)", README))

    assert named <= shown
    assert {"demo", "test", "bench"} <= named
    assert "exec make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_command_says_what_it_does() -> None:
    silent = [name for name, command in main.commands.items() if not command.get_short_help_str()]

    assert silent == []
