"""What a pass says of the moment: uses left, the hour of an end, why a till does not take it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from app.words import LANGUAGES, speaks
from passes import PassContent, Presentation, Slot, Status, Uses
from passes.apple import Template
from passes.artwork import Artwork, monogram
from passes.content import Field
from passes.errors import ContentError
from passes.google import object_resource
from passes.lettering import BOLD, fit
from passes.preview.rows import sayings
from passes.signing import Signer
from tests.passes import samples
from tests.passes.openssl import unzip

PARIS = samples.PARIS
EVENING = datetime(2026, 11, 28, 18, 0, tzinfo=PARIS)
DAYS_END = datetime(2026, 11, 28, 23, 59, 59, tzinfo=PARIS)


def groups(content: PassContent, signer: Signer) -> dict[str, dict[str, Any]]:
    """The fields of each group of an Apple coupon, by key."""
    package = Template(content.presentation).build(content, signer=signer, now=samples.NOW)
    style = json.loads(unzip(package)["pass.json"])["coupon"]
    return {name: {each["key"]: each for each in fields} for name, fields in style.items()}


def modules(content: PassContent) -> dict[str, str]:
    """Google's text modules, by id."""
    resource = object_resource(content, object_id="1.object", class_id="1.class")
    return {each["id"]: each["body"] for each in resource.get("textModulesData", ())}


def test_an_end_within_a_day_has_its_hour_in_both_wallets_and_the_picture(
    presentation: Presentation, signer: Signer
) -> None:
    content = samples.coupon(presentation, valid_until=EVENING)
    end = groups(content, signer)["secondaryFields"]["valid_until"]
    assert end["timeStyle"] == "PKDateStyleShort"
    assert end["value"] == "2026-11-28T18:00:00+01:00"
    resource = object_resource(content, object_id="1.object", class_id="1.class")
    (module,) = [each for each in resource["textModulesData"] if each["id"] == "valid_until"]
    assert module["body"] == "Nov 28, 2026, 6:00\u202fPM"
    translated = {
        each["language"]: each["value"] for each in module["localizedBody"]["translatedValues"]
    }
    assert translated["de"] == "28.11.2026, 18:00"
    assert sayings(content, "de").front[0].value == "28.11.2026, 18:00"


def test_an_end_with_the_day_is_that_day_and_nothing_more(
    presentation: Presentation, signer: Signer
) -> None:
    content = samples.coupon(presentation, valid_until=DAYS_END)
    end = groups(content, signer)["secondaryFields"]["valid_until"]
    assert end["timeStyle"] == "PKDateStyleNone"
    assert "valid_until" not in modules(content)
    assert sayings(content, "de").front[0].value == "28.11.2026"


@pytest.mark.parametrize(("hour", "style"), [(0, "PKDateStyleNone"), (9, "PKDateStyleShort")])
def test_a_beginning_has_its_hour_unless_it_is_midnight(
    presentation: Presentation, signer: Signer, hour: int, style: str
) -> None:
    begins = datetime(2026, 11, 28, hour, 0, tzinfo=PARIS)
    content = samples.coupon(
        presentation, status=Status.NOT_YET_VALID, valid_from=begins, valid_until=None
    )
    assert groups(content, signer)["secondaryFields"]["valid_from"]["timeStyle"] == style
    assert ("valid_from" in modules(content)) == (hour != 0)


def test_uses_left_stand_beside_the_logo_and_are_announced(
    presentation: Presentation, signer: Signer
) -> None:
    content = samples.coupon(presentation, uses=Uses(2, 3))
    shown = groups(content, signer)["headerFields"]["uses_left"]
    assert shown["value"] == "2 / 3"
    assert "changeMessage" in shown
    assert modules(content)["uses_left"] == "2 / 3"
    assert ("Noch einlösbar", "2 / 3") in [
        (each.label, each.value) for each in sayings(content, "de").top
    ]


def test_a_spent_coupon_keeps_its_count_among_the_details(
    presentation: Presentation, signer: Signer
) -> None:
    content = samples.coupon(presentation, status=Status.EXPIRED, uses=Uses(1, 3))
    found = groups(content, signer)
    assert "uses_left" not in found["headerFields"]
    assert found["backFields"]["uses_left"]["value"] == "1 / 3"
    assert "uses_left" not in modules(content)


@pytest.mark.parametrize(("left", "total"), [(-1, 3), (4, 3), (1, 1), (0, 0)])
def test_a_count_that_cannot_be_is_refused(left: int, total: int) -> None:
    with pytest.raises(ContentError, match="cannot be left"):
        Uses(left, total)


def test_uses_take_one_of_the_places_beside_the_logo_and_cards_have_none(art: Artwork) -> None:
    top = tuple(
        Field(key=f"f{number}", label=None, value="x", slot=Slot.TOP) for number in range(2)
    )
    presentation = samples.presentation(art, fields=top)
    samples.coupon(presentation)
    with pytest.raises(ContentError, match="2 fields have the slot top, where 1 fit"):
        samples.coupon(presentation, uses=Uses(1, 2))
    with pytest.raises(ContentError, match="no uses"):
        samples.gift_card(samples.gift_presentation(art), uses=Uses(1, 2))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.BLOCKED, "Gesperrt"),
        (Status.PAUSED, "Pausiert"),
        (Status.NOT_ACTIVATED, "Noch nicht aktiviert"),
    ],
)
def test_what_passes_by_is_said_and_voids_nothing(
    presentation: Presentation, signer: Signer, status: Status, said: str
) -> None:
    content = samples.coupon(presentation, status=status)
    package = unzip(Template(presentation).build(content, signer=signer, now=samples.NOW))
    document = json.loads(package["pass.json"])
    assert "voided" not in document
    assert document["coupon"]["headerFields"][0]["key"] == "state"
    assert modules(content)["status"]
    assert object_resource(content, object_id="1.o", class_id="1.c")["state"] == "ACTIVE"
    assert sayings(content, "de").status.value == said


def test_every_word_is_translated_into_every_language_the_library_speaks() -> None:
    keys = ("uses_left", "blocked", "paused", "not_activated", "valid_until", "balance_changed")
    for key in keys:
        texts = {getattr(each.wallet, key) for each in LANGUAGES.values()}
        assert len(texts) > len(LANGUAGES) / 2, key
    assert speaks("pt-BR")
    assert not speaks("sv")


@pytest.mark.parametrize("name", ["Maison Exemple Paris", "Maison de la Presse et du Tabac"])
def test_a_name_that_fits_in_two_lines_is_written_whole(name: str) -> None:
    lines, face = fit(name, (84, 72, 62, 54, 46, 38), 460, most=2, weight=BOLD)
    assert " ".join(lines) == name
    assert all(face.getlength(each) <= 460 for each in lines)
    drawn = monogram(name, background="#0b3d2e", foreground="#ffffff")
    with Image.open(BytesIO(drawn.files["logo@3x.png"])) as picture:
        assert picture.width == 480


def test_a_name_that_never_fits_ends_with_an_ellipsis() -> None:
    lines, face = fit("A name of a company that is longer than two lines", (84, 60), 300, most=2)
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert face.size == 60


def test_a_moment_in_utc_is_read_in_the_zone_it_carries(presentation: Presentation) -> None:
    content = samples.coupon(presentation, valid_until=EVENING.astimezone(UTC))
    assert sayings(content, "de").front[0].value == "28.11.2026, 17:00"
