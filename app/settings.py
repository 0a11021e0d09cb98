"""Settings: one frozen object with what a deployment decides, each with its default and meaning.

`app.environment` reads it. Nothing here reads a certificate or opens a database; `create_app` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from app.faults import Fault

#: The key a development service falls back to. Production refuses it.
DEVELOPMENT_KEY = bytes(range(32))
DEVELOPMENT_KEY_ID = 255


class SettingsError(Fault):
    """The environment does not describe a service that can run; `faults` lists every reason.

    `settings` are what could be read of it, with defaults in the place of what could not.
    """

    def __init__(self, faults: Sequence[str], *, settings: Settings | None = None) -> None:
        self.faults = tuple(faults)
        self.settings = settings
        super().__init__("Settings are faulty:\n" + "\n".join(f"  - {fault}" for fault in faults))


def _means(meaning: str) -> dict[str, str]:
    """What a setting means, which the guide lists with its default."""
    return {"meaning": meaning}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a deployment decides. Field names are the variables' names without `PASSERELLE_`.

    Fields that `repr` does not show are secrets, which a file may hold, too.
    """

    env: str = field(
        default="development",
        metadata=_means(
            "`development` or `production`. Production refuses throw-away certificates, master "
            "keys that nobody drew at random, and plain http in every address, webhooks' too."
        ),
    )
    base_url: str = field(
        default="http://127.0.0.1:8000",
        metadata=_means(
            "The public address of the service, under which links and phones reach it. Production "
            "needs https."
        ),
    )
    database_url: str = field(
        default="sqlite:///var/passerelle.sqlite",
        repr=False,
        metadata=_means(
            "The database: `sqlite:///path` or `postgresql://user:password@host/name`."
        ),
    )
    queue_url: str = field(
        default="sqlite:///var/queue.sqlite",
        repr=False,
        metadata=_means(
            "Where workers get hints of what to do: `sqlite:///path`, `redis://host` or "
            "`postgresql://…`. Losing it loses nothing."
        ),
    )
    master_keys: Mapping[int, bytes] = field(
        default_factory=lambda: {DEVELOPMENT_KEY_ID: DEVELOPMENT_KEY},
        repr=False,
        metadata=_means(
            "The keys that seal codes and sign barcodes and links, as `id:base64` with ids from 1 "
            "to 255, the newest first. `passerelle keys generate` makes one. Development has one "
            "of its own."
        ),
    )
    certs: Path = field(
        default=Path("var/certs"),
        metadata=_means(
            "The folder with `apple/pass.pem`, `apple/pass.key`, `apple/wwdr.pem` and "
            "`google/service-account.json`."
        ),
    )
    spool: Path = field(
        default=Path("var/spool"),
        metadata=_means("Where imports keep sealed codes until they are loaded."),
    )
    pass_type_id: str = field(
        default="pass.example.passerelle",
        metadata=_means(
            "Apple's identifier of the passes, as the certificate names it. Production has no "
            "default."
        ),
    )
    team_id: str = field(
        default="EXAMPLE123",
        metadata=_means(
            "Apple's identifier of your team: ten letters and digits. Production has no default."
        ),
    )
    google_issuer_id: str = field(
        default="3388000000000000000",
        metadata=_means(
            "The number that Google's Wallet console shows. Production has no default."
        ),
    )
    organization: str = field(default="Passerelle", metadata=_means("Whose name passes carry."))
    trusted_proxies: int = field(
        default=0,
        metadata=_means(
            "How many proxies in front of the service set `X-Forwarded-For`, 0 to 10. `/readyz` "
            "warns of one that is not declared."
        ),
    )
    threads: int = field(
        default=8,
        metadata=_means(
            "How many requests a process works on at once, 2 to 256; a quarter is kept for tills. "
            "It holds at most 12 more connections to the database than that."
        ),
    )
    metrics_token: str | None = field(
        default=None,
        repr=False,
        metadata=_means(
            "What `/metrics` and the details of `/readyz` ask for: 16 to 200 visible ASCII "
            "characters. Without it development tells whoever asks from the same machine, and "
            "production nobody."
        ),
    )
    log_level: str = field(
        default="info", metadata=_means("`debug`, `info`, `warning` or `error`.")
    )
    google_rate: int = field(
        default=20,
        metadata=_means(
            "Calls a second to Google, over all workers on all machines, 1 to 1000. Google allows "
            "20."
        ),
    )
    google_wait_ms: int = field(
        default=2000,
        metadata=_means(
            "Milliseconds that a customer's link waits for the pass to be at Google, 0 to 10000."
        ),
    )
    retention_days: int = field(
        default=0,
        metadata=_means(
            "Days after which people of whom nothing was heard are forgotten, up to 36500; 0 "
            "forgets nobody."
        ),
    )
    security_days: int = field(
        default=400, metadata=_means("Days after which security events are removed, 30 to 3650.")
    )
    hsts_subdomains: bool = field(
        default=False,
        metadata=_means(
            "`yes` or `no`: whether browsers insist on https for the hosts below `BASE_URL`'s, too."
        ),
    )
    webhook_allow: tuple[IPv4Network | IPv6Network, ...] = field(
        default=(),
        metadata=_means(
            "Networks that webhooks may reach although they are not public, such as "
            "`10.20.0.0/16`, separated by commas or spaces."
        ),
    )
    apns_url: str = field(
        default="https://api.push.apple.com",
        metadata=_means("Apple's push service; another one is for stand-ins."),
    )
    apns_ca: Path | None = field(
        default=None,
        metadata=_means(
            "A file with the certificate authority of a stand-in for Apple's push service."
        ),
    )
    google_api_url: str = field(
        default="https://walletobjects.googleapis.com",
        metadata=_means("Google's Wallet API; another one is for stand-ins."),
    )
    google_callback_keys_url: str = field(
        default="https://pay.google.com/gp/m/issuer/keys",
        metadata=_means(
            "Where Google publishes the keys that sign its callbacks; another one is for stand-ins."
        ),
    )
    google_save_url: str = field(
        default="https://pay.google.com/gp/v/save",
        metadata=_means(
            "Where customers save a pass to Google Wallet; another one is for stand-ins."
        ),
    )

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def newest_key_id(self) -> int:
        return next(iter(self.master_keys))
