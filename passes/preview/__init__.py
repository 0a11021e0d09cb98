"""The pass as each wallet draws it, as a picture.

For the customer's page, for mails and for the marketer who designs a campaign: front and details,
in every state, in any language that Noto Sans can write. It resembles what the wallets draw, so
that an eye finds what it will find there; it is not a copy of either to the pixel. The barcode is
the real one and can be scanned off the picture, unless the pass is spent.
"""

from __future__ import annotations

from io import BytesIO
from typing import Literal

from passes.content import PassContent
from passes.language import closest

Wallet = Literal["apple", "google"]
Side = Literal["front", "details"]


def render(
    content: PassContent,
    *,
    wallet: Wallet = "apple",
    side: Side = "front",
    language: str | None = None,
    width: int = 750,
) -> bytes:
    """Return a PNG of the pass, `width` pixels wide (at least 375) with transparent corners.

    `language` is a BCP 47 tag; one that the presentation lacks, or none, means its default. Below
    750 pixels the picture is scaled down; the front's barcode can be scanned down to 375, but a
    linear one of more than 160 modules only at 750.
    """
    from passes.preview import apple, google

    if width < 375:
        raise ValueError(f"{width} pixels are too few to read the pass; give 375 or more.")
    draw = {
        ("apple", "front"): apple.front,
        ("apple", "details"): apple.details,
        ("google", "front"): google.front,
        ("google", "details"): google.details,
    }[wallet, side]
    picture = draw(content, _language(content, language))
    if width != picture.width:
        from PIL import Image

        height = round(picture.height * width / picture.width)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    out = BytesIO()
    picture.save(out, "PNG", compress_level=6)
    return out.getvalue()


def _language(content: PassContent, wanted: str | None) -> str:
    """Return what a phone set to `wanted` shows: one language for all, not a mixture."""
    languages = content.presentation.languages
    return closest(languages, [wanted] if wanted else []) or languages[0]
