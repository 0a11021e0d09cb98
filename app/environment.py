"""The environment becomes settings: every variable read once, every fault reported together.

Each fault has its remedy, so that an operator mends a deployment in one go. A secret may also come
from a file named by the same variable with `_FILE` appended.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from app.settings import DEVELOPMENT_KEY, Settings, SettingsError

_PASS_TYPE_ID = re.compile(r"^pass\.[A-Za-z0-9.-]+$")
_TEAM_ID = re.compile(r"^[A-Z0-9]{10}$")


_PREFIX = "PASSERELLE_"
#: What Kubernetes tells every container of its services, of which one may be called `passerelle`.
_KUBERNETES = re.compile(
    r"PASSERELLE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)"
)


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Read `PASSERELLE_*` from `environ`.

    Raises:
        SettingsError: names every fault found, with its remedy.
    """
    reader = _Reader(environ)
    reader.faults += unknown(environ)
    defaults = Settings()
    env = reader.choice("ENV", defaults.env, ("development", "production"))
    keys = reader.master_keys()
    settings = Settings(
        env=env,
        base_url=reader.url("BASE_URL", defaults.base_url),
        database_url=reader.database_url(defaults.database_url),
        queue_url=reader.text("QUEUE_URL", defaults.queue_url, secret=True),
        master_keys=keys or defaults.master_keys,
        certs=Path(reader.text("CERTS", str(defaults.certs))),
        spool=Path(reader.text("SPOOL", str(defaults.spool))),
        pass_type_id=reader.matching(
            "PASS_TYPE_ID", defaults.pass_type_id, _PASS_TYPE_ID, "such as pass.com.example.coupons"
        ),
        team_id=reader.matching(
            "TEAM_ID", defaults.team_id, _TEAM_ID, "Apple's ten letters and digits"
        ),
        google_issuer_id=reader.matching(
            "GOOGLE_ISSUER_ID",
            defaults.google_issuer_id,
            re.compile(r"^\d+$"),
            "the number that Google's Wallet console shows",
        ),
        apns_url=reader.url("APNS_URL", defaults.apns_url),
        apns_ca=Path(ca) if (ca := reader.text("APNS_CA", "")) else None,
        google_api_url=reader.url("GOOGLE_API_URL", defaults.google_api_url),
        google_callback_keys_url=reader.url(
            "GOOGLE_CALLBACK_KEYS_URL", defaults.google_callback_keys_url
        ),
        google_save_url=reader.url("GOOGLE_SAVE_URL", defaults.google_save_url),
        google_wait_ms=reader.integer("GOOGLE_WAIT_MS", defaults.google_wait_ms, 0, 10_000),
        google_rate=reader.integer("GOOGLE_RATE", defaults.google_rate, 1, 1000),
        organization=reader.text("ORGANIZATION", defaults.organization),
        log_level=reader.choice(
            "LOG_LEVEL", defaults.log_level, ("debug", "info", "warning", "error")
        ),
        threads=reader.integer("THREADS", defaults.threads, 2, 256),
        trusted_proxies=reader.integer("TRUSTED_PROXIES", defaults.trusted_proxies, 0, 10),
        retention_days=reader.integer("RETENTION_DAYS", defaults.retention_days, 0, 36_500),
        webhook_allow=reader.networks("WEBHOOK_ALLOW"),
        metrics_token=reader.token("METRICS_TOKEN"),
        hsts_subdomains=reader.choice("HSTS_SUBDOMAINS", "no", ("no", "yes")) == "yes",
        security_days=reader.integer("SECURITY_DAYS", defaults.security_days, 30, 3_650),
    )
    if settings.production:
        for name, address in (
            ("BASE_URL", settings.base_url),
            ("APNS_URL", settings.apns_url),
            ("GOOGLE_API_URL", settings.google_api_url),
            ("GOOGLE_CALLBACK_KEYS_URL", settings.google_callback_keys_url),
            ("GOOGLE_SAVE_URL", settings.google_save_url),
        ):
            if not address.startswith("https://"):
                reader.fault(name, "is plain http", "production needs an https address")
        for key_id, secret in settings.master_keys.items():
            if weakness := _weakness(secret):
                reader.fault(
                    "MASTER_KEYS",
                    f"key {key_id} {weakness}",
                    "make one with `passerelle keys generate`",
                )
        if len(set(settings.master_keys.values())) < len(settings.master_keys):
            reader.fault(
                "MASTER_KEYS",
                "holds one key under two ids",
                "make each with `passerelle keys generate`",
            )
        for name in ("PASS_TYPE_ID", "TEAM_ID", "GOOGLE_ISSUER_ID"):
            if not environ.get(f"PASSERELLE_{name}"):
                reader.fault(name, "is missing", "production has no default for it")
    if reader.faults:
        raise SettingsError(reader.faults, settings=settings)
    return settings


def named_master_keys(environ: Mapping[str, str]) -> Mapping[int, bytes]:
    """Return the master keys that the environment names and that can be read.

    For the id of a new key: whatever else is not set yet is nothing to who makes the first one.

    Raises:
        SettingsError: a setting is misspelt, so that its value is not seen.
    """
    if misspelt := unknown(environ):
        raise SettingsError(misspelt)
    return _Reader(environ).master_keys() or Settings().master_keys


def unknown(environ: Mapping[str, str]) -> list[str]:
    """What is wrong with names that look like settings and are none, each with the nearest one.

    A misspelt setting would leave its default in force without a word.
    """
    names = {f"{_PREFIX}{each.name.upper()}" for each in fields(Settings)}
    # What `repr` does not show is a secret, and a secret may come from a file.
    names |= {f"{_PREFIX}{each.name.upper()}_FILE" for each in fields(Settings) if not each.repr}
    found = []
    for name in sorted(environ):
        upper = name.upper()
        if not upper.startswith(_PREFIX) or name in names or _KUBERNETES.fullmatch(name):
            continue
        near = get_close_matches(upper, sorted(names), n=1, cutoff=0.8)
        remedy = (
            f"write {near[0]}"
            if near
            else "see the settings in the guide (app/guide/settings.md), or rename it"
        )
        found.append(f"{name} is no setting: {remedy}.")
    return found


def _weakness(secret: bytes) -> str | None:
    """Why a master key is none that `keys generate` made; None when nothing says so.

    Of 32 random bytes about 30 differ: that chance makes one that is refused here is about as
    likely as guessing it.
    """
    steps = {(after - before) % 256 for before, after in pairwise(secret)}
    if secret == DEVELOPMENT_KEY:
        return "is the development key, or is missing"
    if len(steps) == 1:
        return "counts up or down, or repeats one byte"
    if any(secret == (secret[:period] * 32)[:32] for period in range(1, 17)):
        return "repeats itself"
    if len(set(secret)) < 16:
        return "has too few different bytes"
    if all(32 <= byte < 127 for byte in secret):
        return "is a text, not random bytes"
    return None


class _Reader:
    """Takes values out of the environment and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def fault(self, name: str, cause: str, remedy: str) -> None:
        self.faults.append(f"PASSERELLE_{name} {cause}: {remedy}.")

    def text(self, name: str, default: str, *, secret: bool = False) -> str:
        value = self.environ.get(f"PASSERELLE_{name}", "").strip()
        path = self.environ.get(f"PASSERELLE_{name}_FILE", "").strip() if secret else ""
        if value and path:
            self.fault(name, "is set and so is its _FILE form", "set one of the two")
        if path:
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "is not UTF-8 text"
                self.fault(f"{name}_FILE", f"cannot be read ({reason})", "name a readable file")
                return default
        return value or default

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in choices:
            self.fault(name, f"is {value!r}", f"use one of {', '.join(choices)}")
        return value

    def matching(self, name: str, default: str, pattern: re.Pattern[str], remedy: str) -> str:
        value = self.text(name, default)
        if not pattern.match(value):
            self.fault(name, f"is {value!r}", f"it should be {remedy}")
        return value

    def token(self, name: str) -> str | None:
        value = self.text(name, "", secret=True)
        if value and not re.fullmatch(r"[\x21-\x7e]{16,200}", value):
            # It is not repeated: it is a secret.
            self.fault(
                name,
                "is no secret that a header can carry",
                "use 16 to 200 visible ASCII characters, such as `openssl rand -hex 32` prints",
            )
        return value or None

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            self.fault(name, f"is {value!r}", f"use a whole number from {low} to {high}")
            return default
        return int(value)

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        found = []
        for item in filter(None, re.split(r"[\s,]+", self.text(name, ""))):
            try:
                found.append(ip_network(item))
            except ValueError:
                self.fault(name, f"names {item!r}", "write networks such as 10.20.0.0/16")
        return tuple(found)

    def url(self, name: str, default: str) -> str:
        value = self.text(name, default).rstrip("/")
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            self.fault(name, f"is {value!r}", "use an address with http:// or https://")
        elif parts.query or parts.fragment or parts.username:
            self.fault(name, "has a query, fragment or password", "leave those out")
        return value

    def database_url(self, default: str) -> str:
        value = self.text("DATABASE_URL", default, secret=True)
        # The address may hold a password, so that the fault names the scheme only.
        scheme = value.partition(":")[0]
        if scheme in ("postgres", "postgresql"):
            return "postgresql+psycopg:" + value.partition(":")[2]
        if scheme not in ("sqlite", "postgresql+psycopg"):
            self.fault(
                "DATABASE_URL",
                f"starts with {scheme!r}",
                "use sqlite:///path or postgresql://user:password@host/name",
            )
        return value

    def master_keys(self) -> dict[int, bytes]:
        text = self.text("MASTER_KEYS", "", secret=True)
        keys: dict[int, bytes] = {}
        for number, item in enumerate(filter(None, re.split(r"[\s,]+", text)), start=1):
            # A faulty item is named by its place: its text may be a secret.
            key_id, _, encoded = item.partition(":")
            try:
                secret = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                secret = b""
            if not key_id.isascii() or not key_id.isdigit() or not 1 <= int(key_id) <= 255:
                self.fault(
                    "MASTER_KEYS", f"item {number} has no id", "write id:base64, id 1 to 255"
                )
            elif len(secret) != 32:
                self.fault(
                    "MASTER_KEYS",
                    f"item {number} is not 32 bytes of base64",
                    "make one with `passerelle keys generate`",
                )
            elif int(key_id) in keys:
                self.fault("MASTER_KEYS", f"names id {key_id} twice", "give each key its own id")
            else:
                keys[int(key_id)] = secret
        return keys
