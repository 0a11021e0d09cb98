"""A few hundred phones, every misfortune, and every pass is true at the end (`make soak`: 10,000).

PASSERELLE_SOAK_PHONES and PASSERELLE_SOAK_SEED choose another size and another course.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from tests.apple_world import world
from tests.delivery.soak import Soak

PHONES = int(os.environ.get("PASSERELLE_SOAK_PHONES", "200"))
SEED = int(os.environ.get("PASSERELLE_SOAK_SEED", "7"))


def test_every_pass_shows_what_the_database_says_after_everything_went_wrong(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with world(settings, tmp_path, seed=SEED, threads=2) as opened:
        report = Soak(opened, phones=PHONES, steps=PHONES * 3, workers=2, seed=SEED).run()
    with capsys.disabled():
        sys.stderr.write(f"\n  soak: {report.lines()}\n")
    assert report.wrong == []
    assert report.owed == 0
    assert report.kills > 0
    assert report.pushes > 0
