"""`serve` as an operator runs it."""

from __future__ import annotations

import os
import time

import pytest

from app.services.deployment import Deployment
from app.services.wallets.health import assess
from app.settings import Settings
from tests.serving import PATIENCE, running

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_ctrl_c_ends_the_server_and_its_worker_which_leaves_nothing_leased(
    deployment: Deployment, settings: Settings
) -> None:
    with running(settings) as server:
        until = time.monotonic() + PATIENCE
        while not assess(deployment).workers:
            assert time.monotonic() < until, "the worker says nothing"
            time.sleep(0.05)

        assert server.interrupt() == 0
        # A worker says goodbye when its last batch is recorded.
        assert assess(deployment).workers == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(server.pid, 0)
