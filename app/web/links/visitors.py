"""Who is at the door: the sort of device, the languages a person reads, whether it is a program.

Only guesses from headers, so nothing depends on them but which button comes first, which language
is used and whether a look is counted as a view. What cannot be told is a desktop, which gets
everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask import Request

_IOS = re.compile(r"\b(iPhone|iPad|iPod)\b")
_ANDROID = re.compile(r"\bAndroid\b")
#: Browsers on iPhones that are not Safari: they open a pass, but not a bundle of passes.
_NOT_SAFARI = re.compile(r"\b(CriOS|FxiOS|EdgiOS|OPiOS|OPT|GSA|DuckDuckGo|FBAN|FBAV|Instagram)\b")
#: Apps that open links in a browser of their own, in which no wallet opens: iPhones have no handler
#: for a pass there, and Google refuses to sign anybody in.
_IN_APP = re.compile(
    r"\b(FBAN|FBAV|FBIOS|FB_IAB|Instagram|Barcelona|Snapchat|Pinterest|LinkedInApp|MicroMessenger|"
    r"BytedanceWebview|musical_ly|TikTok|Twitter)\b|\bLine/|;\s?wv\)"
)
#: Every browser on an iPhone says this but a bare web view within an app.
_BROWSER = re.compile(r"\bSafari/")
#: Programs that open links: crawlers, mail scanners, chats that draw a preview, monitors, tools.
_PROGRAMS = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|scan|preview|fetch|proxy|monitor|validator|headless|"
    r"facebookexternalhit|whatsapp|embedly|"
    r"barracuda|mimecast|proofpoint|safelinks|bitdefender|symantec|fireeye|"
    r"curl|wget|python|java/|okhttp|go-http|libwww|httpclient|axios|node|ruby|perl|php",
    re.IGNORECASE,
)


class Device(StrEnum):
    """The sort of device, as far as it decides which wallets there are."""

    IPHONE = "iphone"
    ANDROID = "android"
    DESKTOP = "desktop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """One request's visitor."""

    device: Device
    #: Whether several passes can be added in one go on an iPhone: Safari only.
    takes_bundles: bool
    #: Whether an app shows the page in a browser of its own, in which no wallet opens.
    in_app: bool
    #: The language chosen on the page (`?lang=`).
    chosen: str | None
    #: The browser's languages, most wanted first.
    languages: tuple[str, ...]
    #: Whether a person seems to have opened the page.
    person: bool

    def wanted(self, *, own: str | None = None) -> tuple[str, ...]:
        """Languages, most wanted first: chosen here, the recipient's `own`, the browser's."""
        return (*filter(None, (self.chosen, own)), *self.languages)


def visitor(request: Request) -> Visitor:
    """Guess who sends `request`."""
    agent = request.headers.get("User-Agent", "")
    if _IOS.search(agent):
        device = Device.IPHONE
    elif _ANDROID.search(agent):
        device = Device.ANDROID
    else:
        device = Device.DESKTOP
    chosen = request.args.get("lang", "")[:16]
    accepted = [tag for tag, quality in request.accept_languages if quality and tag != "*"]
    return Visitor(
        device=device,
        takes_bundles=device is not Device.IPHONE or not _NOT_SAFARI.search(agent),
        in_app=_is_in_app(device, agent),
        chosen=chosen or None,
        languages=tuple(accepted),
        person=_is_person(request, agent),
    )


def _is_in_app(device: Device, agent: str) -> bool:
    if device is Device.DESKTOP:
        return False
    bare = device is Device.IPHONE and not _BROWSER.search(agent)
    return bare or _IN_APP.search(agent) is not None


def _is_person(request: Request, agent: str) -> bool:
    if request.method != "GET" or not agent or _PROGRAMS.search(agent):
        return False
    headers = request.headers
    # Browsers that fetch ahead say so (Fetch Metadata, W3C); those that say how they fetch say
    # "navigate" when a person opens a page.
    ahead = headers.get("Sec-Purpose", "") + headers.get("Purpose", "") + headers.get("X-Moz", "")
    return "prefetch" not in ahead and headers.get("Sec-Fetch-Mode", "navigate") == "navigate"


def prefers_json(accept: Any) -> bool:
    """Whether a request's Accept header wants JSON rather than a page."""
    json = max(accept["application/json"], accept["application/problem+json"])
    return bool(json > accept["text/html"])
