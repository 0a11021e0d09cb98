"""iPhones and Android phones by the hundred, every misfortune, and every pass is true at the end.

`make soak` takes ten thousand iPhones; SOAK_PHONES, SOAK_ANDROIDS and
SOAK_SEED choose another size and another course.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from tests.delivery.soak import Soak, town

PHONES = int(os.environ.get("SOAK_PHONES", "500"))
ANDROIDS = int(os.environ.get("SOAK_ANDROIDS", str(max(1, PHONES // 5))))
SEED = int(os.environ.get("SOAK_SEED", "7"))


def test_every_pass_shows_what_the_database_says_after_everything_went_wrong(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with town(settings, tmp_path, seed=SEED) as opened:
        steps = min(3 * PHONES, max(450, PHONES))
        soak = Soak(opened, phones=PHONES, androids=ANDROIDS, steps=steps, seed=SEED)
        report = soak.run()
    with capsys.disabled():
        sys.stderr.write(f"\n  soak: {report.lines()}\n")
    assert not report.wrong, "\n".join(report.wrong)
    assert report.owed == 0
    assert report.unchanged == 0
    assert report.moves["acts of a real till"] > 0
    assert report.kills > 0
    assert report.pushes > 0
    assert report.saved > 0
    assert report.moves["requests of Android phones lost"] > 0
    assert report.moves["callbacks of Google that never came"] > 0
