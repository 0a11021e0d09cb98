"""Where a phone fetches a pass again: the address and the token that stand in the pass."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from passes.errors import PackageError

_WEB_SERVICE = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?").fullmatch
_TOKEN = re.compile(r"[!-~]{16,}").fullmatch


@dataclass(frozen=True, slots=True)
class WebService:
    """Where a phone fetches the pass again, and the token it shows there.

    `url` is the base to which Wallet appends `/v1/…`: https (http only with `development`), no
    `/v1`, no slash at its end. `token` has 16 printable ASCII characters at least, belongs to one
    serial and never changes. Raises PackageError.
    """

    url: str
    token: str = field(repr=False)
    development: bool = False

    def __post_init__(self) -> None:
        check_web_service(self.url, self.token, development=self.development)


def check_web_service(url: object, token: object, *, development: bool = False) -> None:
    """Raise PackageError unless a phone can use this address and this token."""
    if not isinstance(url, str) or not _WEB_SERVICE(url):
        raise PackageError("webServiceURL", "It is not an address.", "Give https://host/path.")
    if url.startswith("http:") and not development:
        raise PackageError(
            "webServiceURL", "Phones refuse plain http.", "Serve it over https and write https://."
        )
    if url.endswith("/") or "/v1/" in f"{url}/":
        raise PackageError(
            "webServiceURL",
            "Wallet appends /v1/… itself, and some readers double a slash.",
            "End it before /v1 and without a slash.",
        )
    if not isinstance(token, str) or not _TOKEN(token):
        raise PackageError(
            "authenticationToken",
            "It is shorter than 16 characters, or not printable ASCII.",
            "Derive one of 16 characters or more for each serial.",
        )
