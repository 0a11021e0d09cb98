"""Sample presentations, contents and pictures of the pass tests; no real brand's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from PIL import Image, ImageDraw

from app.words import LANGUAGES as WORDS
from passes import (
    Barcode,
    Design,
    Field,
    Link,
    Localized,
    Money,
    PassContent,
    Place,
    Presentation,
    Slot,
)
from passes.artwork import Artwork, prepare

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
BACKGROUND, FOREGROUND = "#0b3d2e", "#ffffff"
LANGUAGES = ("en", "fr", "de", "pl", "el")


def png(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def logo() -> Image.Image:
    """Draw a wordless mark on a transparent ground."""
    picture = Image.new("RGBA", (640, 200), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((10, 10, 190, 190), fill="#f4c542")
    draw.rounded_rectangle((230, 60, 630, 140), 30, fill="#ffffff")
    return picture


def banner() -> Image.Image:
    """Draw a dark landscape with detail enough to weigh as much as a photograph."""
    noise = Image.effect_noise((1200, 480), 40).convert("RGB")
    ground = Image.linear_gradient("L").resize((1200, 480)).convert("RGB")
    tint = Image.new("RGB", (1200, 480), "#0b3d2e")
    return Image.blend(tint, Image.blend(noise, ground, 0.5), 0.18)


def artwork() -> Artwork:
    return prepare(png(logo()), png(banner()), background=BACKGROUND, foreground=FOREGROUND)


def presentation(art: Artwork | None, **changes: Any) -> Presentation:
    """Return a coupon in five languages."""
    return Presentation(
        **{
            "kind": "coupon",
            "words": {tag: each.wallet for tag, each in WORDS.items()},
            "organization": "Green Grocer",
            "description": Localized(
                {
                    "en": "Coupon: 20 % off everything",
                    "fr": "Bon : 20 % sur tout",
                    "de": "Gutschein: 20 % auf alles",
                    "pl": "Kupon: 20% na wszystko",
                    "el": "Κουπόνι: 20% σε όλα",
                }
            ),
            "title": Localized(
                {
                    "en": "On everything",
                    "fr": "Sur tout le magasin, été compris",
                    "de": "Auf alles außer Blumen",
                    "pl": "Na wszystko, również żółte",
                    "el": "Σε όλα τα προϊόντα",
                }
            ),
            "offer": "−20 %",
            "languages": LANGUAGES,
            "design": Design(background=BACKGROUND, foreground=FOREGROUND, artwork=art),
            "terms": Localized(
                {
                    "en": 'Once per person.\nNot on "gift cards" & flowers.',
                    "fr": "Une fois par personne.\nSauf « cartes cadeaux » et fleurs.",
                    "de": "Einmal pro Person.\nNicht auf Gutscheine und Blumen.",
                    "pl": "Jeden raz na osobę.\nNie dotyczy kart podarunkowych ani kwiatów.",
                    "el": "Μία φορά ανά άτομο.\nΔεν ισχύει για δωροκάρτες και λουλούδια.",
                }
            ),
            "links": (
                Link(
                    label=Localized(
                        {
                            "en": "Shop",
                            "fr": "Boutique",
                            "de": "Laden",
                            "pl": "Sklep",
                            "el": "Κατάστημα",
                        }
                    ),
                    url="https://shop.example/?a=1&b=2",
                ),
                Link(label="+33 1 23 45 67 89", url="tel:+33123456789"),
            ),
            "places": (
                Place(
                    latitude=48.8566,
                    longitude=2.3522,
                    text=Localized(
                        {
                            "en": "20 % off, right here",
                            "fr": "−20 % ici même",
                            "de": "20 % gleich hier",
                            "pl": "20% właśnie tutaj",
                            "el": "−20% εδώ",
                        }
                    ),
                ),
            ),
            "fields": (
                Field(
                    key="minimum",
                    label=Localized(
                        {
                            "en": "From",
                            "fr": "Dès",
                            "de": "Ab",
                            "pl": "Od",
                            "el": "Από",
                        }
                    ),
                    value=Money(5000, "EUR"),
                ),
                Field(key="rule", label=None, value="Green Club", slot=Slot.DETAILS),
            ),
            **changes,
        }
    )


def coupon(shared: Presentation, **changes: Any) -> PassContent:
    return PassContent(
        **{
            "presentation": shared,
            "serial": "c-0001",
            "barcode": Barcode(payload="PA1234567890ABCDEF", text="GREEN-20-X7K2"),
            "valid_until": datetime(2026, 12, 31, 23, 59, 59, tzinfo=PARIS),
            **changes,
        }
    )


def gift_presentation(art: Artwork | None, **changes: Any) -> Presentation:
    return presentation(
        art,
        **{
            "kind": "gift_card",
            "offer": None,
            "title": Localized(
                {
                    "en": "Birthday gift card",
                    "fr": "Carte cadeau d’anniversaire",
                    "de": "Geburtstagsgutschein",
                    "pl": "Urodzinowa karta podarunkowa",
                    "el": "Δωροκάρτα γενεθλίων",
                }
            ),
            "fields": (),
            **changes,
        },
    )


def gift_card(shared: Presentation, **changes: Any) -> PassContent:
    return coupon(
        shared,
        **{
            "serial": "g-0001",
            "balance": Money(1500, "EUR"),
            "card_number": "6035 0100 0000 0017",
            "pin": "4711",
            "changed_at": NOW - timedelta(hours=1),
            **changes,
        },
    )
