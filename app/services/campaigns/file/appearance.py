"""This module reads the looks of a campaign: `texts`, `look`, `fields`, `links` and more."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.domain.campaign import (
    BarcodeProfile,
    ExtraField,
    Link,
    Look,
    Place,
    Presentation,
    Texts,
)
from app.services.campaigns import pictures
from app.services.campaigns.file import sections
from app.services.campaigns.file.reading import DocumentReader
from app.services.campaigns.file.unread import texts_faults


def read_presentation(
    reading: DocumentReader, head: sections.HeadSection | None
) -> Presentation | None:
    """How the campaign looks and reads; None when a part of it cannot be read."""
    texts = read_texts(reading, head)
    look = read_look(reading)
    fields = reading.many("fields", sections.FieldSection)
    links = reading.many("links", sections.LinkSection)
    places = reading.many("places", sections.PlaceSection)
    barcode = reading.section(
        "barcode", sections.BarcodeSection, reading.document.get("barcode", {})
    )
    seen: set[str] = set()
    for number, item in enumerate(fields):
        if item.key in seen:
            reading.fault(f"fields.{number}.key", "is used twice.", "Give each field its own.")
        seen.add(item.key)
        if not any(item.value.values()):
            reading.fault(f"fields.{number}.value", "is empty.", "Write a text in each language.")
        for name, localised in (("label", item.label), ("value", item.value)):
            reading.add(texts_faults(f"fields.{number}.{name}", localised, texts))
    for number, link in enumerate(links):
        reading.add(texts_faults(f"links.{number}.label", link.label, texts))
    for number, place in enumerate(places):
        reading.add(texts_faults(f"places.{number}.text", place.text, texts))
    if barcode and barcode.profile is BarcodeProfile.TOKEN and barcode.symbology == "code128":
        reading.fault(
            "barcode.symbology",
            "is too narrow for a token.",
            'Use qr, pdf417 or aztec, or profile = "code".',
        )
    if head is None or look is None or barcode is None:
        return None
    return Presentation(
        default_language=head.default_language,
        texts=texts,
        look=look,
        organization=head.organization,
        fields=tuple(
            ExtraField(key=item.key, label=item.label, value=item.value, front=item.front)
            for item in fields
        ),
        links=tuple(Link(url=item.url, label=item.label) for item in links),
        places=tuple(
            Place(latitude=item.latitude, longitude=item.longitude, text=item.text)
            for item in places
        ),
        barcode=barcode.profile,
        symbology=barcode.symbology,
        expiry_notice=head.expiry_notice,
    )


def read_texts(reading: DocumentReader, head: sections.HeadSection | None) -> dict[str, Texts]:
    """Texts by language; the default language has some."""
    document = reading.document.get("texts")
    if not isinstance(document, Mapping) or not document:
        reading.fault("texts", "is missing.", "Add a section per language, such as [texts.en].")
        return {}
    texts = {}
    for language, value in document.items():
        reading.language(f"texts.{language}", language)
        section = reading.section(f"texts.{language}", sections.TextsSection, value)
        if section is not None:
            texts[language] = Texts(**section.model_dump())
    if head is not None and head.default_language not in document:
        reading.fault(
            f"texts.{head.default_language}",
            "is missing, though it is the default language.",
            "Write it, or name another default_language.",
        )
    return texts


def read_look(reading: DocumentReader) -> Look | None:
    """Colours and pictures."""
    document = reading.document.get("look", {})
    section = reading.section("look", sections.LookSection, document)
    if section is None:
        # A wrong colour does not hide a missing picture.
        for name in ("logo", "banner"):
            if isinstance(document, Mapping) and isinstance(document.get(name), str):
                read_picture(reading, f"look.{name}", document[name])
        return None
    return Look(
        background=section.background.lower(),
        foreground=section.foreground.lower(),
        label=section.label.lower(),
        logo=read_picture(reading, "look.logo", section.logo),
        banner=read_picture(reading, "look.banner", section.banner),
    )


def read_picture(reading: DocumentReader, at: str, name: str | None) -> str | None:
    """The digest of a picture; that of a file is kept with its bytes."""
    if name is None:
        return None
    if reading.open_picture is None:
        if not re.fullmatch(r"[0-9a-f]{64}", name):
            reading.fault(
                at, "is no digest of a stored picture.", "Send it to /api/v1/pictures first."
            )
        return name
    try:
        data = reading.open_picture(name)
    except OSError as error:
        reading.fault(at, f"{name} cannot be read ({error.strerror}).", "Put it beside the file.")
        return None
    if (cause := pictures.fault(data)) is not None:
        reading.fault(at, f"{name} {cause}.", "Save it as PNG or JPEG.")
        return None
    digest = pictures.digest(data)
    reading.pictures[digest] = data
    return digest
