"""The world around a service, for tests of what phones are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from tests.apple_world import World, world


@pytest.fixture
def apple(settings: Settings, tmp_path: Path) -> Iterator[World]:
    with world(settings, tmp_path) as opened:
        yield opened
