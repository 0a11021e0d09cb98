"""Commands as a person gives them: words in, lines and an exit code out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Cli

CAMPAIGN = """
key = "spring"
name = "Spring"
kind = "coupon"
timezone = "Europe/Paris"
currency = "EUR"

[codes]
source = "{source}"

[benefit]
type = "percent"
percent = 20

[texts.en]
title = "Spring"
offer = "−20 %"
"""


@pytest.fixture
def spring(cli: Cli, tmp_path: Path) -> Callable[..., Path]:
    """Applies the campaign `spring` from a file, with more sections if given."""

    def apply(more: str = "", source: str = "on_demand") -> Path:
        file = tmp_path / "spring.toml"
        file.write_text(CAMPAIGN.format(source=source) + more, encoding="utf-8")
        done = cli("campaign", "apply", file, "--yes")
        assert done.exit_code == 0, done.output + done.stderr
        return file

    return apply
