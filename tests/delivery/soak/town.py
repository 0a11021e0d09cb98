"""The town of a soak: Apple's world of `tests.apple_world` with Google's stand-in added."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from app.sandbox.google import GoogleStandIn
from app.settings import Settings
from passes.signing import throwaway, throwaway_service_account
from tests.apple_world import World, world
from tests.google_wire import google

#: Calls a second that Google takes here and the workers agree on: more than the real 20, so that a
#: run does not consist of waiting.
RATE = 60


@dataclass(frozen=True, slots=True)
class Town:
    """Both wallets' far ends around one service."""

    world: World
    wire: GoogleStandIn


@contextmanager
def town(settings: Settings, folder: Path, *, seed: int) -> Iterator[Town]:
    """Open a town around a migrated, empty database."""
    with google(
        issuer_id=settings.google_issuer_id,
        accounts={},
        rate=float(RATE),
        burst=float(RATE),
        latency=0.02,
    ) as wire:
        certs = folder / "world-certs"
        throwaway(
            certs,
            now=datetime.now(UTC),
            pass_type_id=settings.pass_type_id,
            team_id=settings.team_id,
        )
        (certs / "google" / "service-account.json").unlink()
        throwaway_service_account(certs, token_uri=wire.token_url)
        named = replace(
            settings,
            google_api_url=wire.url,
            google_callback_keys_url=wire.keys_url,
            google_save_url=wire.save_url.rstrip("/"),
            google_rate=RATE,
            google_wait_ms=100,
        )
        with world(named, folder, seed=seed) as opened:
            account = opened.house.certificates.account
            wire.accounts[account.email] = account.key.public_key()
            try:
                yield Town(opened, wire)
            finally:
                wire.sender.settle()
