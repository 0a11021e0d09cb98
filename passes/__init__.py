"""Coupon and gift-card passes for Apple Wallet and Google Wallet: values in, bytes or dicts out.

What a customer sees is one value for every wallet, and this package's own names::

    artwork = passes.artwork.prepare(logo, banner, background="#0b3d2e", foreground="#ffffff")
    presentation = Presentation(
        kind="coupon", organization="Example Shop", description="20 % off everything",
        title=Localized({"en": "On everything", "fr": "Sur tout"}), offer="−20 %",
        languages=("en", "fr"), design=Design(background=…, foreground=…, artwork=artwork))
    content = PassContent(presentation=presentation, serial="c-1",
        barcode=Barcode(payload="PA1…", text="SUMMER-20"), valid_until=…, status=Status.ACTIVE)

A gift card has `kind="gift_card"`, `balance=Money(1500, "EUR")` and a `card_number`. The labels and
states that a pass has of its own are English, unless `words={"fr": PassWords(…)}` says them in its
languages. A value that
exists is valid for every wallet; making one that is not raises a `PassError` with `field`, `cause`
and `remedy`.

=================== ==============================================================================
passes.artwork      `prepare(logo, banner, …)`, `monogram(name, …)` → `Artwork`
passes.apple        `Template(presentation).build(content, signer=…, now=…, web_service=…)` → bytes;
                    `bundle(passes)`; `build_pkpass(pass_json, files, …)`; `read_package(data, …)`
passes.signing      `Signer.load(folder)`, `Signers(folder)` (reloads), `throwaway(folder, now=…)`,
                    `diagnose(folder, …)`, signing requests
passes.google       `class_resource(…)`, `object_resource(…)`, `save_link(…)`, `carrying_link(…)`,
                    `ServiceAccount.load(folder)`, `RootKeys`, `CallbackVerifier`
passes.barcode      `png(payload, symbology, width=…)` → bytes, `svg(…)` → str
passes.preview      `render(content, wallet=…, side=…, language=…)` → PNG bytes
passes.errors       the tree of errors
=================== ==============================================================================

Nothing here reads a clock, an environment or a network, and importing `passes` loads neither
pictures nor cryptography: the modules above do when they are imported or first used.
"""

from passes.content import (
    Barcode,
    Channel,
    Design,
    Field,
    Holders,
    Kind,
    Link,
    Localized,
    Money,
    PassContent,
    PassWords,
    Place,
    Presentation,
    RelevantDate,
    Slot,
    Status,
    Symbology,
    Text,
    Uses,
)
from passes.errors import PassError

__all__ = [
    "Barcode",
    "Channel",
    "Design",
    "Field",
    "Holders",
    "Kind",
    "Link",
    "Localized",
    "Money",
    "PassContent",
    "PassError",
    "PassWords",
    "Place",
    "Presentation",
    "RelevantDate",
    "Slot",
    "Status",
    "Symbology",
    "Text",
    "Uses",
]
